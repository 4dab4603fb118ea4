/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/instance.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "controller/document.h"
#include "controller/schema.h"

#define QUOTE_MAX 60 /* bytes of a value that a message shows */
#define GUESS_MAX 32 /* longer names are not guessed at */

/* The entries of the lists and leaf-lists of one node, to find equal ones.  The first few are
 * compared one by one, which is all that most nodes need. */
#define FEW 8

struct seen {
    const struct document_node *node; /* NULL: a free slot */
    const struct schema_node *sn;
    uint32_t hash;
};

struct seen_table {
    struct seen few[FEW], *slots; /* slots: when there are more; open addressing */
    size_t n, n_slots;            /* a power of two */
};

struct walk {
    const struct schema *schema;
    struct document *doc;
    const char *file;
    bool xml;
    struct error_list *err;
    size_t before; /* errors that were there already */
    struct buf value, path;
};

const char *instance_quote(const char *value, struct buf *ret)
{
    size_t n = strnlen(value, QUOTE_MAX + 1);

    if (n <= QUOTE_MAX) {
        buf_printf(ret, "'%s'", value);
    } else {
        n = QUOTE_MAX;
        while (n && ((unsigned char)value[n] & 0xc0) == 0x80)
            n--; /* not in the middle of a character */
        buf_printf(ret, "'%.*s...'", (int)n, value);
    }
    return buf_cstr(ret);
}

/* Levenshtein's distance, one row at a time. */
void instance_guess(struct instance_guess *g, const char *written, const char *candidate)
{
    size_t n = strnlen(written, GUESS_MAX + 1), m = strnlen(candidate, GUESS_MAX + 1);
    unsigned row[GUESS_MAX + 1];
    unsigned limit = n < 3 ? 0 : n < 5 ? 1 : 2;

    if (n > GUESS_MAX || m > GUESS_MAX || (n > m ? n - m : m - n) > limit)
        return;
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = diagonal + (written[i - 1] != candidate[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    if (row[m] <= limit && (!g->name || row[m] < g->distance))
        *g = (struct instance_guess){.name = candidate, .distance = row[m]};
}

/* Reports at a node and marks it. */
__attribute__((format(printf, 3, 4))) static void report(struct walk *w, struct document_node *node,
                                                         const char *format, ...)
{
    va_list ap;

    buf_reset(&w->path);
    va_start(ap, format);
    error_vadd(w->err, w->file, node->line, node->parent ? document_path(node, &w->path) : NULL,
               format, ap);
    va_end(ap);
    node->bad = true;
}

static void report_unknown(struct walk *w, struct document_node *node,
                           const struct schema_node *parent)
{
    _cleanup_buf_ struct buf quoted = BUF_INIT, known = BUF_INIT;
    struct instance_guess guess = {0};

    instance_quote(node->name, &quoted);
    if (node->name[0] == '@') {
        report(w, node, "annotations have no meaning in a model; remove it");
        return;
    }
    for (unsigned i = 0; i < parent->n_children; i++) {
        instance_guess(&guess, node->name, parent->children[i].name);
        buf_printf(&known, "%s%s", i ? ", " : "", parent->children[i].name);
    }
    if (guess.name)
        report(w, node, "%s is not known here; did you mean '%s'?", buf_cstr(&quoted), guess.name);
    else
        report(w, node, "%s is not known here; remove it, or write one of: %s", buf_cstr(&quoted),
               buf_cstr(&known));
}

/* Is it in the right module (JSON) or namespace (XML)? */
static bool check_module(struct walk *w, struct document_node *node)
{
    const char *want = w->xml ? schema_namespace(w->schema) : SCHEMA_MODULE;
    bool top = node->parent == w->doc->root;
    _cleanup_buf_ struct buf quoted = BUF_INIT;

    if (node->module ? strcmp(node->module, want) == 0 : !top && !w->xml)
        return true;
    if (node->module) {
        report(w, node, "it belongs to %s, which is not part of a model; a model is all in '%s'",
               instance_quote(node->module, &quoted), want);
    } else if (w->xml) {
        report(w, node, "it is in no namespace; write xmlns=\"%s\" into the outermost element",
               want);
    } else {
        report(w, node,
               "the outermost name has to tell its module; write \"" SCHEMA_MODULE ":mesh\"");
    }
    return false;
}

static bool blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* Object, list, number, ...: what JSON shows of a value's type.  XML shows less. */
static bool check_shape(struct walk *w, struct document_node *node, const struct schema_node *sn)
{
    bool leaf = sn->kind == SCHEMA_LEAF || sn->kind == SCHEMA_LEAF_LIST;
    bool list = sn->kind == SCHEMA_LIST || sn->kind == SCHEMA_LEAF_LIST;
    _cleanup_buf_ struct buf quoted = BUF_INIT;

    if (w->xml) {
        if (leaf && node->kind == DOCUMENT_OBJECT)
            report(w, node, "it is a value, without elements in it; write <%s>VALUE</%s>", sn->name,
                   sn->name);
        else if (!leaf && node->kind != DOCUMENT_OBJECT && !blank(node->value))
            report(w, node, "it holds elements, not text; remove the text");
        return !node->bad;
    }
    if (leaf && node->kind == DOCUMENT_OBJECT)
        report(w, node, "it is a value, not a group of them; write \"%s\": %s", sn->name,
               list ? "[VALUE, ...]" : "VALUE");
    else if (!leaf && node->kind != DOCUMENT_OBJECT)
        report(w, node, "it is a group of values; write \"%s\": %s", sn->name,
               list ? "[{...}, ...]" : "{...}");
    else if (list && !node->in_array)
        report(w, node, "it is a list, also with one entry; write \"%s\": [...]", sn->name);
    else if (!list && node->in_array)
        report(w, node, "it is not a list; write \"%s\": %s", sn->name, leaf ? "VALUE" : "{...}");
    else if (leaf && sn->encoding == SCHEMA_STRING && node->kind != DOCUMENT_STRING)
        report(w, node, "%s is not text; write it in double quotes",
               instance_quote(node->value, &quoted));
    else if (leaf && sn->encoding != SCHEMA_STRING && node->kind == DOCUMENT_STRING)
        report(w, node, "%s is text, but %s is needed; write it without quotes",
               instance_quote(node->value, &quoted),
               sn->encoding == SCHEMA_NUMBER ? "a number" : "true or false");
    return !node->bad;
}

static bool check_value(struct walk *w, struct document_node *node, const struct schema_node *sn)
{
    _cleanup_buf_ struct buf quoted = BUF_INIT;

    if (plain_value(&sn->plain, node->value)) {
        node->canonical = node->value;
        return true;
    }
    buf_reset(&w->value);
    if (!schema_value(w->schema, sn, node->value, &w->value)) {
        report(w, node, "%s %s", instance_quote(node->value, &quoted), buf_cstr(&w->value));
        return false;
    }
    if (strcmp(buf_cstr(&w->value), node->value) == 0)
        node->canonical = node->value;
    else
        node->canonical = arena_strdup(&w->doc->arena, buf_cstr(&w->value));
    return true;
}

/* A list entry whose keys are all there and valid is named by them in messages. */
static void find_keys(struct walk *w, struct document_node *node, const struct schema_node *sn)
{
    const struct document_node *keys[2];

    for (unsigned i = 0; i < sn->n_keys; i++) {
        const char *name = sn->keys[i]->name;
        const struct document_node *key = document_child(node, name);

        if (!key || !key->value || key->kind == DOCUMENT_NUMBER || key->kind == DOCUMENT_BOOLEAN)
            return;
        buf_reset(&w->value);
        if (!plain_value(&sn->keys[i]->plain, key->value) &&
            !schema_value(w->schema, sn->keys[i], key->value, &w->value))
            return;
        keys[i] = key;
    }
    for (unsigned i = 0; i < sn->n_keys; i++) {
        /* Valid and a string: it is its own canonical form. */
        ((struct document_node *)keys[i])->canonical = keys[i]->value;
        node->keys[i] = keys[i];
    }
    node->n_keys = (uint8_t)sn->n_keys;
}

/* A leaf-list's value, or a list's keys. */
static const char *key_of(const struct document_node *node, const struct schema_node *sn,
                          unsigned i)
{
    return sn->kind == SCHEMA_LEAF_LIST ? node->canonical : node->keys[i]->canonical;
}

static unsigned keys_of(const struct document_node *node, const struct schema_node *sn)
{
    return sn->kind == SCHEMA_LEAF_LIST ? 1 : node->n_keys;
}

/* FNV-1a; the NUL behind each key belongs to it. */
static uint32_t hash_keys(const struct document_node *node, const struct schema_node *sn)
{
    uint32_t hash = 2166136261u;

    for (unsigned i = 0; i < keys_of(node, sn); i++) {
        const char *key = key_of(node, sn, i);

        do
            hash = (hash ^ (unsigned char)*key) * 16777619u;
        while (*key++);
    }
    return hash;
}

static bool same_keys(const struct seen *a, const struct seen *b)
{
    if (a->sn != b->sn || a->hash != b->hash)
        return false;
    for (unsigned i = 0; i < keys_of(a->node, a->sn); i++)
        if (strcmp(key_of(a->node, a->sn, i), key_of(b->node, b->sn, i)) != 0)
            return false;
    return true;
}

/* Where it is, or the free slot where it belongs. */
static struct seen *find_slot(const struct seen_table *t, const struct seen *entry)
{
    size_t i = entry->hash & (t->n_slots - 1);

    while (t->slots[i].node && !same_keys(&t->slots[i], entry))
        i = (i + 1) & (t->n_slots - 1);
    return &t->slots[i];
}

/* At most half of the slots are taken. */
static void grow(struct seen_table *t)
{
    struct seen_table bigger = {.n_slots = t->n_slots ? t->n_slots * 2 : FEW * 4};

    bigger.slots = xcalloc(bigger.n_slots, sizeof(*bigger.slots));
    for (size_t i = 0; i < (t->slots ? t->n_slots : t->n); i++) {
        const struct seen *entry = t->slots ? &t->slots[i] : &t->few[i];

        if (entry->node)
            *find_slot(&bigger, entry) = *entry;
    }
    free(t->slots);
    t->slots = bigger.slots;
    t->n_slots = bigger.n_slots;
}

/* The entry that was there before with the same keys or value; NULL: none, it is noted. */
static const struct document_node *find_twin(struct seen_table *t, struct document_node *node,
                                             const struct schema_node *sn)
{
    struct seen entry = {.node = node, .sn = sn, .hash = hash_keys(node, sn)}, *slot;

    if (!t->slots) {
        for (size_t i = 0; i < t->n; i++)
            if (same_keys(&t->few[i], &entry))
                return t->few[i].node;
        if (t->n < FEW) {
            t->few[t->n++] = entry;
            return NULL;
        }
    }
    if (!t->slots || t->n >= t->n_slots / 2)
        grow(t);
    slot = find_slot(t, &entry);
    if (slot->node)
        return slot->node;
    *slot = entry;
    t->n++;
    return NULL;
}

static void check_twins(struct walk *w, struct seen_table *table, struct document_node *node,
                        const struct schema_node *sn)
{
    _cleanup_buf_ struct buf quoted = BUF_INIT;
    const struct document_node *twin;

    if (sn->kind == SCHEMA_LEAF_LIST ? !node->canonical : !node->n_keys)
        return;
    twin = find_twin(table, node, sn);
    if (!twin)
        return;
    if (sn->kind == SCHEMA_LEAF_LIST)
        report(w, node, "%s is in the list twice, the other is on line %u; remove one",
               instance_quote(node->value, &quoted), twin->line);
    else if (node->n_keys == 1)
        report(w, node, "there are two of this name, the other is on line %u; rename or remove one",
               twin->line);
    else
        report(w, node, "it is there twice, the other is on line %u; remove one", twin->line);
}

static void walk_children(struct walk *w, struct document_node *node,
                          const struct schema_node *parent);

/* `before`: the one of this name that was there before. */
static void walk_node(struct walk *w, struct document_node *node, const struct schema_node *sn,
                      const struct document_node *before, struct seen_table *table)
{
    bool list = sn->kind == SCHEMA_LIST || sn->kind == SCHEMA_LEAF_LIST;

    if (!check_shape(w, node, sn))
        return;
    if (!list && before) {
        report(w, node, "it is written twice, the other is on line %u; remove one", before->line);
        return;
    }
    if (sn->kind == SCHEMA_LEAF || sn->kind == SCHEMA_LEAF_LIST) {
        if (node->canonical || check_value(w, node, sn))
            if (sn->kind == SCHEMA_LEAF_LIST)
                check_twins(w, table, node, sn);
        return;
    }
    if (sn->kind == SCHEMA_LIST) {
        find_keys(w, node, sn);
        check_twins(w, table, node, sn);
    }
    walk_children(w, node, sn);
}

static void add_default(struct walk *w, struct document_node *node, const struct schema_node *sn)
{
    struct document_node *child = document_add(w->doc, node, sn->name, NULL, node->line);

    if (!child) {
        report(w, node, "the file has too many values; split it");
        return;
    }
    if (sn->kind == SCHEMA_LEAF) {
        child->kind = DOCUMENT_TEXT;
        child->value = child->canonical = sn->default_text;
    } else {
        child->kind = DOCUMENT_OBJECT;
        walk_children(w, child, sn);
    }
}

static void walk_children(struct walk *w, struct document_node *node,
                          const struct schema_node *parent)
{
    struct document_node *first[SCHEMA_MAX_CHILDREN] = {0};
    uint32_t count[SCHEMA_MAX_CHILDREN] = {0};
    struct seen_table table;

    table.n = table.n_slots = 0; /* and not its few entries: there are many nodes */
    table.slots = NULL;
    for (struct document_node *child = node->children; child; child = child->next) {
        const struct schema_node *sn;
        size_t i;

        if (!check_module(w, child))
            continue;
        sn = schema_child(parent, child->name);
        if (!sn) {
            report_unknown(w, child, parent);
            continue;
        }
        i = (size_t)(sn - parent->children);
        if (child->kind == DOCUMENT_EMPTY_LIST) {
            if (sn->kind != SCHEMA_LIST && sn->kind != SCHEMA_LEAF_LIST)
                report(w, child, "it is not a list; write a value, or remove it");
            child->bad = true; /* as if it were not there */
            continue;
        }
        count[i]++;
        if (sn->kind == SCHEMA_LIST)
            child->position = count[i];
        walk_node(w, child, sn, first[i], &table);
        if (!first[i])
            first[i] = child;
    }
    free(table.slots);
    for (unsigned i = 0; i < parent->n_children; i++) {
        const struct schema_node *sn = &parent->children[i];
        bool was_bad = node->bad;

        if (first[i] || (!node->parent && w->err->n > w->before))
            continue; /* a mesh that is not in the right module has been told */
        if (sn->mandatory && sn->kind == SCHEMA_LIST)
            report(w, node, "it has no %s; add at least one", sn->name);
        else if (sn->mandatory)
            report(w, node, "'%s' is missing; add it", sn->name);
        else if (sn->has_default && sn->kind != SCHEMA_LIST)
            add_default(w, node, sn);
        node->bad = was_bad; /* what is there can still be looked at */
    }
}

int instance_check(const struct schema *s, struct document *doc, bool xml, const char *file,
                   struct error_list *err)
{
    struct walk w = {
        .schema = s, .doc = doc, .file = file, .xml = xml, .err = err, .before = err->n};

    if (!doc->root->children)
        error_add(err, file, 1, NULL,
                  "there is nothing in it; describe a mesh: see "
                  "docs/model-reference.md");
    else
        walk_children(&w, doc->root, schema_root(s));
    buf_free(&w.value);
    buf_free(&w.path);
    return err->n > w.before ? -EINVAL : 0;
}
