/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader takes the text line by line in one pass, with every list allocated once in the size
 * that counting lines and commas gives: a table of 100,000 prefixes takes as much memory as its
 * entries.  What is read is exactly what would be written, so the revision covers all of it.
 */
#include "common/origins.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"

#define HEAD "p2pvpn-origins "
#define MESH "mesh "
#define REVISION "revision "
#define MAX_COMPLAINTS 20
#define AGAIN "; compile the mesh again, or fetch the file again"

/* --- writing -------------------------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
    return prefix_compare(&((const struct origin *)a)->prefix, &((const struct origin *)b)->prefix);
}

void origins_sort(struct origins *o)
{
    if (o->n)
        qsort(o->entries, o->n, sizeof(*o->entries), compare_entries);
}

static void add_entry(struct buf *b, const struct origin *e)
{
    char text[PREFIX_TEXT_MAX];

    buf_str(b, prefix_format(&e->prefix, text));
    for (uint32_t i = 0; i < e->n_asns; i++) {
        buf_char(b, i ? ',' : ' ');
        buf_number(b, e->asns[i]);
    }
    buf_char(b, ' ');
    buf_str(b, e->lan);
    buf_char(b, '\n');
}

void origins_format(struct origins *o, struct buf *ret)
{
    size_t start = ret->len, revision;

    buf_printf(ret, HEAD "%d\n" MESH "%s\n" REVISION, ORIGINS_FORMAT, o->mesh);
    revision = ret->len;
    buf_printf(ret, "%0*d\n", DIGEST_TEXT_LEN, 0);
    for (size_t i = 0; i < o->n; i++)
        add_entry(ret, &o->entries[i]);
    digest_sha256_text(ret->data + start, ret->len - start, o->revision);
    memcpy(ret->data + revision, o->revision, DIGEST_TEXT_LEN);
}

/* The revision is what the text says it is; `at` is where it says so. */
static bool revision_holds(const char *data, size_t len, const char *at)
{
    _cleanup_buf_ struct buf copy = BUF_INIT;
    char digest[DIGEST_TEXT_LEN + 1];

    buf_add(&copy, data, len);
    memset(copy.data + (at - data), '0', DIGEST_TEXT_LEN);
    digest_sha256_text(copy.data, copy.len, digest);
    return memcmp(digest, at, DIGEST_TEXT_LEN) == 0;
}

/* --- reading: words ------------------------------------------------------------------------- */

struct text {
    const char *at;
    size_t len;
};

static bool take_word(struct text *t, const char *s)
{
    size_t n = strlen(s);

    if (t->len < n || memcmp(t->at, s, n) != 0)
        return false;
    t->at += n;
    t->len -= n;
    return true;
}

/* What stands before the first `stop`, which goes, too.  False: there is none. */
static bool take_until(struct text *t, char stop, struct text *ret)
{
    const char *end = t->len ? memchr(t->at, stop, t->len) : NULL;

    if (!end)
        return false;
    *ret = (struct text){t->at, (size_t)(end - t->at)};
    t->len -= ret->len + 1;
    t->at = end + 1;
    return true;
}

static bool is_name(struct text t)
{
    char name[NAME_MAX_LEN + 1];

    if (t.len > NAME_MAX_LEN || memchr(t.at, '\0', t.len))
        return false;
    memcpy(name, t.at, t.len);
    name[t.len] = '\0';
    return name_valid(name);
}

static const char *keep(struct arena *a, struct text t)
{
    return arena_strndup(a, t.at, t.len);
}

/* Text that is exactly what we would print: one spelling each. */
static bool read_prefix(struct text t, struct prefix *ret)
{
    char text[PREFIX_TEXT_MAX], again[PREFIX_TEXT_MAX];

    if (t.len >= sizeof(text) || memchr(t.at, '\0', t.len))
        return false;
    memcpy(text, t.at, t.len);
    text[t.len] = '\0';
    return prefix_parse(text, ret) && strcmp(prefix_format(ret, again), text) == 0;
}

/* For private use (RFC 6996): what a mesh hands out. */
static bool is_private(uint32_t asn)
{
    return (asn >= 64512 && asn <= 65534) || (asn >= 4200000000u && asn <= 4294967294u);
}

/* Decimal without leading zeros. */
static bool read_asn(struct text t, uint32_t *ret)
{
    uint64_t n = 0;

    if (t.len == 0 || t.len > 10 || t.at[0] == '0')
        return false;
    for (size_t i = 0; i < t.len; i++) {
        if (t.at[i] < '0' || t.at[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(t.at[i] - '0');
    }
    *ret = (uint32_t)n;
    return n <= UINT32_MAX && is_private(*ret);
}

/* --- reading: the file ---------------------------------------------------------------------- */

struct reader {
    struct text rest;
    unsigned line; /* of what was read last */
    const char *file;
    struct error_list *err;
    unsigned complaints;
    struct origins *o;
    uint32_t *asns; /* those not yet used */
};

static void complain(struct reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void complain(struct reader *r, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    error_vadd(r->err, r->file, r->line, NULL, format, ap);
    va_end(ap);
    r->complaints++;
}

/* False: there is none, with a complaint. */
static bool next_line(struct reader *r, struct text *ret)
{
    r->line++;
    if (take_until(&r->rest, '\n', ret))
        return true;
    complain(r, "the file is cut off here" AGAIN);
    r->rest.len = 0;
    return false;
}

/* The three lines before the table; the place of the revision, or NULL with a complaint. */
static const char *read_head(struct reader *r)
{
    struct text line;

    if (!next_line(r, &line))
        return NULL;
    if (!take_word(&line, HEAD)) {
        complain(r, "this is no table of origins, which begins with '" HEAD "%d'", ORIGINS_FORMAT);
        return NULL;
    }
    if (line.len != 1 || line.at[0] != '0' + ORIGINS_FORMAT) {
        complain(r,
                 "this is not format %d, the only one known here; use the p2pvpn-agent that "
                 "belongs to the p2pvpn-ctl that wrote it",
                 ORIGINS_FORMAT);
        return NULL;
    }
    if (!next_line(r, &line))
        return NULL;
    if (!take_word(&line, MESH) || !is_name(line)) {
        complain(r,
                 "'" MESH "NAME' is needed here, a name of letters, digits, '.', '_', '-'" AGAIN);
        return NULL;
    }
    r->o->mesh = keep(&r->o->arena, line);
    if (!next_line(r, &line))
        return NULL;
    if (!take_word(&line, REVISION) || line.len != DIGEST_TEXT_LEN) {
        complain(r, "'" REVISION "SHA-256' is needed here, in lower-case hexadecimal" AGAIN);
        return NULL;
    }
    return line.at;
}

static void read_asns(struct reader *r, struct text list, struct origin *e)
{
    struct text word;
    uint32_t asn;

    e->asns = r->asns;
    while (list.len) {
        if (!take_until(&list, ',', &word)) {
            word = list;
            list.len = 0;
        } else if (list.len == 0) {
            word.len = 0; /* a comma with nothing behind it */
        }
        if (!read_asn(word, &asn)) {
            complain(r, "'%.*s' is no ASN for private use (RFC 6996)" AGAIN,
                     (int)(word.len < 40 ? word.len : 40), word.at);
            return;
        }
        if (e->n_asns && e->asns[e->n_asns - 1] >= asn) {
            complain(r, "ASN %u is out of order or there twice" AGAIN, (unsigned)asn);
            return;
        }
        r->asns[0] = asn;
        r->asns++;
        e->n_asns++;
    }
    if (e->n_asns == 0)
        complain(r, "an ASN is missing behind the prefix" AGAIN);
}

/* What is wrong with the prefix of an entry, or NULL.  Overlaps need no look at more than the entry
 * before: in this order, what lies inside a prefix follows it at once. */
static const char *prefix_fault(const struct origins *o, const struct origin *e)
{
    const struct prefix *before = e == o->entries ? NULL : &e[-1].prefix;

    if (prefix_has_host_bits(&e->prefix) || e->prefix.len == 0 || prefix_is_special(&e->prefix))
        return "cannot be the prefix of a LAN";
    if (before && prefix_compare(before, &e->prefix) >= 0)
        return "is out of order or there twice";
    if (before && prefix_contains(before, &e->prefix))
        return "lies inside the prefix of the line before";
    return NULL;
}

static void read_entry(struct reader *r, struct origin *e)
{
    struct text line, prefix, asns;
    const char *fault;

    if (!next_line(r, &line))
        return;
    if (!take_until(&line, ' ', &prefix) || !take_until(&line, ' ', &asns)) {
        complain(r, "'PREFIX ASN[,ASN...] LAN' is needed here, with single spaces" AGAIN);
        return;
    }
    if (!read_prefix(prefix, &e->prefix))
        complain(r, "this line does not begin with a prefix in canonical form" AGAIN);
    else if ((fault = prefix_fault(r->o, e)))
        complain(r, "%.*s %s" AGAIN, (int)prefix.len, prefix.at, fault);
    read_asns(r, asns, e);
    if (is_name(line))
        e->lan = keep(&r->o->arena, line);
    else
        complain(r,
                 "the line must end with the name of a LAN (letters, digits, '.', '_', '-')" AGAIN);
}

static size_t count(struct text t, char c)
{
    struct text one;
    size_t n = 0;

    while (take_until(&t, c, &one))
        n++;
    return n;
}

static void read_table(struct reader *r)
{
    size_t n = count(r->rest, '\n') + 1; /* one more for a line that is cut off */
    size_t pairs = n + count(r->rest, ',');

    if (n - 1 > ORIGINS_MAX_ENTRIES) {
        complain(r, "the table has %zu prefixes; more than %u are not supported", n - 1,
                 ORIGINS_MAX_ENTRIES);
        return;
    }
    if (pairs - 1 > ORIGINS_MAX_PAIRS) {
        complain(r,
                 "the table has more than %u pairs of a prefix and an ASN, which are not supported",
                 ORIGINS_MAX_PAIRS);
        return;
    }
    r->o->entries = arena_alloc(&r->o->arena, n, sizeof(*r->o->entries));
    r->asns = arena_alloc(&r->o->arena, pairs, sizeof(*r->asns));
    while (r->rest.len && r->complaints < MAX_COMPLAINTS)
        read_entry(r, &r->o->entries[r->o->n++]);
}

int origins_parse(const char *data, size_t len, const char *file, struct origins **ret,
                  struct error_list *err)
{
    struct reader r = {.rest = {data, len}, .file = file, .err = err};
    const char *revision;

    if (len > ORIGINS_MAX_BYTES)
        return error_add(err, file, 0, NULL, "the file has more than %u bytes" AGAIN,
                         ORIGINS_MAX_BYTES);
    r.o = xcalloc(1, sizeof(*r.o));
    revision = read_head(&r);
    if (revision)
        read_table(&r);
    if (r.complaints == 0 && !revision_holds(data, len, revision)) {
        r.line = 3;
        complain(
            &r,
            "the revision does not fit the text: the file was changed or is not complete" AGAIN);
    }
    if (r.complaints) {
        origins_free(r.o);
        return -EINVAL;
    }
    memcpy(r.o->revision, revision, DIGEST_TEXT_LEN);
    *ret = r.o;
    return 0;
}

bool origins_text_intact(const char *data, size_t len, char (*ret_revision)[DIGEST_TEXT_LEN + 1])
{
    struct error_list err = ERROR_LIST_INIT;
    struct origins o = {0};
    struct reader r = {.rest = {data, len}, .err = &err, .o = &o};
    const char *revision = len <= ORIGINS_MAX_BYTES ? read_head(&r) : NULL;
    bool intact = revision && revision_holds(data, len, revision);

    if (intact && ret_revision) {
        memcpy(*ret_revision, revision, DIGEST_TEXT_LEN);
        (*ret_revision)[DIGEST_TEXT_LEN] = '\0';
    }
    error_clear(&err);
    arena_free(&o.arena);
    return intact;
}

static bool asns_valid(const struct origin *e)
{
    for (size_t i = 0; i < e->n_asns; i++)
        if (!is_private(e->asns[i]) || (i && e->asns[i - 1] >= e->asns[i]))
            return false;
    return e->n_asns > 0;
}

bool origins_valid(struct origins *o)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    char claimed[sizeof(o->revision)];
    size_t pairs = 0;

    if (!name_valid(o->mesh) || o->n > ORIGINS_MAX_ENTRIES)
        return false;
    for (size_t i = 0; i < o->n; i++) {
        const struct origin *e = &o->entries[i];

        pairs += e->n_asns;
        if (pairs > ORIGINS_MAX_PAIRS || prefix_fault(o, e) || !asns_valid(e) ||
            !name_valid(e->lan))
            return false;
    }
    memcpy(claimed, o->revision, sizeof(claimed));
    origins_format(o, &text);
    return memcmp(claimed, o->revision, sizeof(claimed)) == 0;
}

struct origins *origins_free(struct origins *o)
{
    if (o) {
        arena_free(&o->arena);
        free(o);
    }
    return NULL;
}

/* --- differences ---------------------------------------------------------------------------- */

int origin_change_compare(const struct origin_change *a, const struct origin_change *b)
{
    int r = prefix_compare(&a->prefix, &b->prefix);

    return r ? r : a->asn < b->asn ? -1 : a->asn > b->asn;
}

void origin_changes_add(struct origin_changes *c, const struct origin_change *change)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        c->changes = xreallocarray(c->changes, c->cap, sizeof(*c->changes));
    }
    c->changes[c->n++] = *change;
}

void origin_changes_free(struct origin_changes *c)
{
    free(c->changes);
    *c = (struct origin_changes)ORIGIN_CHANGES_INIT;
}

bool origins_each(const struct origins *o, struct origin_place *at, struct prefix *ret_prefix,
                  uint32_t *ret_asn)
{
    const struct origin *e;

    if (!o || at->entry == o->n)
        return false;
    e = &o->entries[at->entry];
    *ret_prefix = e->prefix;
    *ret_asn = e->asns[at->asn++];
    if (at->asn == e->n_asns)
        *at = (struct origin_place){at->entry + 1, 0};
    return true;
}

/* Two lists in one order are walked side by side; what is in one of them only has changed. */
void origins_diff(const struct origins *from, const struct origins *to, struct origin_changes *ret)
{
    struct origin_place at_old = {0, 0}, at_new = {0, 0};
    struct origin_change gone = {.announced = false}, come = {.announced = true};
    bool old = origins_each(from, &at_old, &gone.prefix, &gone.asn);
    bool new = origins_each(to, &at_new, &come.prefix, &come.asn);

    while (old || new) {
        int order = !old ? 1 : !new ? -1 : origin_change_compare(&gone, &come);

        if (order < 0)
            origin_changes_add(ret, &gone);
        if (order > 0)
            origin_changes_add(ret, &come);
        if (order <= 0)
            old = origins_each(from, &at_old, &gone.prefix, &gone.asn);
        if (order >= 0)
            new = origins_each(to, &at_new, &come.prefix, &come.asn);
    }
}
