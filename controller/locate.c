/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/locate.h"

#include <string.h>
#include <uthash.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "controller/document.h"
#include "controller/model.h"

#define KEYED_STEPS 3
#define FEW 8 /* messages for which it is quicker to look at the nodes one by one */

/* A step of a path below a node.  The list entries of one parent are many, and so may be the
 * errors: then a table instead of a search. */
struct step {
    UT_hash_handle hh;
    const struct document_node *node;
    size_t len;
    char key[]; /* the parent's address, then the text of the step */
};

struct index {
    struct step *steps;
    struct arena arena;
};

static void make_key(struct buf *key, const struct document_node *parent, const char *text,
                     size_t len)
{
    buf_reset(key);
    buf_add(key, &parent, sizeof(parent));
    buf_add(key, text, len);
}

static const struct document_node *
look_up(const struct index *index, const struct document_node *parent, const char *text, size_t len)
{
    _cleanup_buf_ struct buf key = BUF_INIT;
    struct step *step;

    make_key(&key, parent, text, len);
    HASH_FIND(hh, index->steps, key.data, key.len, step);
    return step ? step->node : NULL;
}

/* The first of several equal ones is kept. */
static void add(struct index *index, const struct document_node *node, const char *text)
{
    _cleanup_buf_ struct buf key = BUF_INIT;
    struct step *step;

    if (look_up(index, node->parent, text, strlen(text)))
        return;
    make_key(&key, node->parent, text, strlen(text));
    step = arena_alloc(&index->arena, 1, sizeof(*step) + key.len);
    step->node = node;
    step->len = key.len;
    memcpy(step->key, key.data, key.len);
    HASH_ADD_KEYPTR(hh, index->steps, step->key, step->len, step);
}

/* The steps that lead to a list entry by its keys, none to two; the ends of a link may be told in
 * either order.  Texts that are not needed stay empty. */
static void keyed_steps(const struct document_node *node, struct buf steps[KEYED_STEPS])
{
    const struct document_node *name = document_child(node, "name");
    const struct document_node *a = document_child(node, "a"), *b = document_child(node, "b");

    if (name && name->value)
        buf_printf(&steps[0], "%s[name='%s']", node->name, name->value);
    if (!a || !b || !a->value || !b->value)
        return;
    buf_printf(&steps[1], "%s[a='%s'][b='%s']", node->name, a->value, b->value);
    buf_printf(&steps[2], "%s[a='%s'][b='%s']", node->name, b->value, a->value);
}

static void add_keyed(struct index *index, const struct document_node *node)
{
    struct buf steps[KEYED_STEPS] = {BUF_INIT, BUF_INIT, BUF_INIT};

    keyed_steps(node, steps);
    for (size_t i = 0; i < KEYED_STEPS; i++) {
        if (steps[i].len)
            add(index, node, buf_cstr(&steps[i]));
        buf_free(&steps[i]);
    }
}

/* Without a table. */
static bool leads_to(const struct document_node *node, const char *text, size_t len)
{
    struct buf steps[KEYED_STEPS] = {BUF_INIT, BUF_INIT, BUF_INIT};
    size_t name = strlen(node->name);
    bool found = false;

    if (len < name || memcmp(node->name, text, name) != 0)
        return false;
    if (len == name)
        return true;
    if (!node->children)
        return false;
    keyed_steps(node, steps);
    for (size_t i = 0; i < KEYED_STEPS; i++) {
        found |= steps[i].len == len && memcmp(steps[i].data, text, len) == 0;
        buf_free(&steps[i]);
    }
    return found;
}

static const struct document_node *
find(const struct index *index, const struct document_node *parent, const char *text, size_t len)
{
    if (index)
        return look_up(index, parent, text, len);
    for (const struct document_node *n = parent->children; n; n = n->next)
        if (leads_to(n, text, len))
            return n;
    return NULL;
}

/* Depth first; documents are not deep (DOCUMENT_MAX_DEPTH). */
static void add_children(struct index *index, const struct document_node *parent)
{
    for (const struct document_node *n = parent->children; n; n = n->next) {
        add(index, n, n->name);
        if (n->children) {
            add_keyed(index, n);
            add_children(index, n);
        }
    }
}

/* The end of a step: the next slash that is not in quotes. */
static const char *step_end(const char *p)
{
    char quote = '\0';

    for (; *p && (quote || *p != '/'); p++) {
        if (quote ? *p == quote : *p == '\'' || *p == '"')
            quote = quote ? '\0' : *p;
    }
    return p;
}

static unsigned line_of(const struct index *index, const struct document *doc, const char *path)
{
    const struct document_node *at = doc->root;
    unsigned line = 0;

    while (*path == '/') {
        const char *start = path + 1, *end = step_end(start);
        const char *colon = memchr(start, ':', (size_t)(end - start));
        const char *bracket = memchr(start, '[', (size_t)(end - start));
        const struct document_node *next;

        if (colon && (!bracket || colon < bracket))
            start = colon + 1;
        next = find(index, at, start, (size_t)(end - start));
        if (!next && bracket && at->parent && strncmp(bracket, "[.=", 3) == 0)
            next = find(index, at, start, (size_t)(bracket - start)); /* of a leaf-list */
        if (!next)
            break;
        at = next;
        line = at->line;
        path = end;
    }
    return line;
}

static bool wants_line(const struct error_item *e, const char *file)
{
    return e->line == 0 && e->path && e->file && strcmp(e->file, file) == 0;
}

void locate_in_text(const char *text, size_t len, const char *file, struct error_list *list)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct index index = {0};
    struct document doc;
    size_t wanted = 0;

    for (size_t i = 0; i < list->n; i++)
        wanted += wants_line(&list->items[i], file);
    if (model_read_document(text, len, file, &doc, &ignored) == 0) {
        if (wanted > FEW)
            add_children(&index, doc.root);
        for (size_t i = 0; i < list->n; i++)
            if (wants_line(&list->items[i], file))
                list->items[i].line =
                    line_of(wanted > FEW ? &index : NULL, &doc, list->items[i].path);
        error_sort(list);
    }
    HASH_CLEAR(hh, index.steps);
    arena_free(&index.arena);
    document_clear(&doc);
    error_clear(&ignored);
}

void locate(const char *file, struct error_list *list)
{
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    bool wanted = false;

    for (size_t i = 0; i < list->n && !wanted; i++)
        wanted = wants_line(&list->items[i], file);
    if (wanted && fs_read(file, MODEL_MAX_BYTES, &text, &ignored) == 0)
        locate_in_text(buf_cstr(&text), text.len, file, list);
    error_clear(&ignored);
}
