/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/lock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "controller/lock_internal.h"
#include "controller/pairs.h"

#define ROOT LOCK_ROOT

char *lock_file_name(const char *mesh_file)
{
    const char *slash = strrchr(mesh_file, '/'), *base = slash ? slash + 1 : mesh_file;
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot != base ? (size_t)(dot - mesh_file) : strlen(mesh_file);

    return xasprintf("%.*s.lock.json", (int)n, mesh_file);
}

int lock_fail(struct lock_reader *p, const char *path, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    error_vadd(p->err, p->file, 0, path, format, ap);
    va_end(ap);
    p->failed = true;
    return -EINVAL;
}

uint32_t lock_ipv4_number(const struct prefix *p)
{
    return (uint32_t)p->addr[0] << 24 | (uint32_t)p->addr[1] << 16 | (uint32_t)p->addr[2] << 8 |
           p->addr[3];
}

static int compare_gateways(const void *pa, const void *pb)
{
    const struct lock_gateway *a = pa, *b = pb;

    return a->number < b->number ? -1 : a->number > b->number;
}

static const char duplicate_advice[] =
    "keep the record of the one that is in use, delete the other and compile again: it gets a free "
    "one";

/* Two gateways with the same number, ASN or router id: usually a merge of two branches that each
 * added a gateway. */
static void check_gateway_duplicates(struct lock_reader *p)
{
    const struct lock_gateway *g = p->lock->gateways;
    size_t n = p->lock->n_gateways;
    struct pair *by = xcalloc(n, sizeof(*by));

    for (size_t i = 1; i < n; i++)
        if (g[i - 1].number == g[i].number)
            lock_fail(p, ROOT "/gateway", "'%s' and '%s' both have number %" PRIu32 "; %s",
                      g[i - 1].name, g[i].name, g[i].number, duplicate_advice);
    for (uint32_t i = 0; i < n; i++)
        by[i] = (struct pair){g[i].asn, i};
    pairs_sort(by, n);
    for (size_t i = 1; i < n; i++)
        if (by[i - 1].key == by[i].key)
            lock_fail(p, ROOT "/gateway", "'%s' and '%s' both have asn %" PRIu32 "; %s",
                      g[by[i - 1].value].name, g[by[i].value].name, by[i].key, duplicate_advice);
    for (uint32_t i = 0; i < n; i++)
        by[i] = (struct pair){g[i].router_id, i};
    pairs_sort(by, n);
    for (size_t i = 1; i < n; i++)
        if (by[i - 1].key == by[i].key)
            lock_fail(p, ROOT "/gateway", "'%s' and '%s' both have the same router-id; %s",
                      g[by[i - 1].value].name, g[by[i].value].name, duplicate_advice);
    free(by);
}

/* The extra numbers are from the same space as the gateways' own. */
static void check_extra_numbers(struct lock_reader *p)
{
    const struct lock *lock = p->lock;
    const struct lock_gateway **owner = xcalloc(GATEWAY_MAX_NUMBER + 1, sizeof(*owner));

    for (size_t i = 0; i < lock->n_gateways; i++)
        owner[lock->gateways[i].number] = &lock->gateways[i];
    for (size_t i = 0; i < lock->n_gateways; i++)
        for (unsigned k = 0; k < NETWORK_MAX_TUNNELS - 1 && lock->gateways[i].extra[k]; k++) {
            const struct lock_gateway *g = &lock->gateways[i], **at = &owner[g->extra[k]];

            if (*at)
                lock_fail(p, ROOT "/gateway",
                          "%" PRIu32 " is an extra-number of '%s', and '%s' has it too; take it "
                          "out of extra-number and compile again: a free one is found",
                          g->extra[k], g->name, (*at)->name);
            else
                *at = g;
        }
    free(owner);
}

static int compare_run_index(const void *pa, const void *pb)
{
    const struct lock_run *a = pa, *b = pb;

    return a->index < b->index ? -1 : a->index > b->index;
}

/* No index and no tunnel twice: found on the runs, before anything is expanded. */
static bool check_overlaps(struct lock_reader *p)
{
    struct pair *by = xcalloc(p->n_runs, sizeof(*by));
    uint8_t *tunnels = xcalloc(p->n_runs, sizeof(*tunnels));
    bool good = true, any = false;

    for (size_t i = 1; i < p->n_runs; i++) {
        const struct lock_run *x = &p->runs[i - 1], *y = &p->runs[i];

        if (y->index - x->index < x->count)
            good = lock_fail(p, ROOT "/link",
                             "the records with index %" PRIu32 " and %" PRIu32
                             " hand out an index twice; keep the one that is in use",
                             x->index, y->index) == 0;
    }
    for (uint32_t i = 0; i < p->n_runs; i++) {
        by[i] = (struct pair){pair_key(p->runs[i].b, p->runs[i].a), i};
        tunnels[i] = p->runs[i].tunnel;
        any |= tunnels[i] > 0;
    }
    pairs_sort_tunnels(by, p->n_runs, any ? tunnels : NULL);
    for (size_t i = 1; i < p->n_runs; i++) {
        const struct lock_run *x = &p->runs[by[i - 1].value], *y = &p->runs[by[i].value];

        if (x->b == y->b && x->tunnel == y->tunnel && y->a - x->a < x->count)
            good = lock_fail(p, ROOT "/link",
                             "the link of numbers %" PRIu32 " and %" PRIu32
                             " is in two records, with index %" PRIu32 " and %" PRIu32
                             "; keep the one that is in use",
                             y->a, y->b, x->index, y->index) == 0;
    }
    free(by);
    free(tunnels);
    return good;
}

struct owned_address {
    uint32_t address, index;
};

static int compare_address(const void *pa, const void *pb)
{
    const struct owned_address *a = pa, *b = pb;

    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static bool check_addresses(struct lock_reader *p)
{
    struct owned_address *all = xcalloc(p->n_runs * 2, sizeof(*all));
    bool good = true;
    size_t n = 0;

    for (size_t i = 0; i < p->n_runs; i++) {
        const struct link_override *o = p->runs[i].override;

        if (!o || !o->address_a.family)
            continue;
        all[n++] = (struct owned_address){lock_ipv4_number(&o->address_a), p->runs[i].index};
        all[n++] = (struct owned_address){lock_ipv4_number(&o->address_b), p->runs[i].index};
    }
    if (n)
        qsort(all, n, sizeof(*all), compare_address);
    for (size_t i = 1; i < n; i++)
        if (all[i - 1].address == all[i].address)
            good = lock_fail(p, ROOT "/link",
                             "the links with index %" PRIu32 " and %" PRIu32
                             " have an address in common; restore them from version control",
                             all[i - 1].index, all[i].index) == 0;
    free(all);
    return good;
}

static void expand_runs(struct lock_reader *p)
{
    struct lock *lock = p->lock;
    uint64_t total = 0;
    bool sorted = true, apart;

    for (size_t i = 0; i < p->n_runs; i++) {
        total += p->runs[i].count;
        sorted &= i == 0 || p->runs[i - 1].index < p->runs[i].index;
    }
    if (!sorted)
        qsort(p->runs, p->n_runs, sizeof(*p->runs), compare_run_index);
    apart = check_overlaps(p);
    if (!check_addresses(p) || !apart)
        return;
    if (total > LOCK_MAX_LINKS) {
        lock_fail(p, ROOT "/link", "%" PRIu64 " links are more than the %u that a lock may hold",
                  total, LOCK_MAX_LINKS);
        return;
    }
    if (p->failed)
        return;
    lock->links = arena_alloc(&lock->arena, total ? total : 1, sizeof(*lock->links));
    for (size_t i = 0; i < p->n_runs; i++)
        for (uint32_t k = 0; k < p->runs[i].count; k++)
            lock->links[lock->n_links++] = (struct lock_link){
                .a = p->runs[i].a + k,
                .b = p->runs[i].b,
                .index = p->runs[i].index + k,
                .tunnel = p->runs[i].tunnel,
                .override = p->runs[i].override,
            };
}

/* What the readers do not see: whether the records fit together. */
static void put_together(struct lock_reader *p)
{
    struct lock *lock = p->lock;

    if (lock->n_gateways > 1)
        qsort(lock->gateways, lock->n_gateways, sizeof(*lock->gateways), compare_gateways);
    check_gateway_duplicates(p);
    check_extra_numbers(p);
    expand_runs(p);
}

static struct lock *lock_new(const char *file)
{
    struct lock *lock = xcalloc(1, sizeof(*lock));

    lock->file = arena_strdup(&lock->arena, file);
    return lock;
}

/* What git leaves in a file that two branches changed, at the beginning of a line. */
static bool has_conflict_marker(const char *text, size_t len)
{
    static const char marker[] = "<<<<<<< ";
    const char *at = text;

    while ((at = memmem(at, len - (size_t)(at - text), marker, sizeof(marker) - 1))) {
        if (at == text || at[-1] == '\n')
            return true;
        at++;
    }
    return false;
}

static void reader_begin(struct lock_reader *p)
{
    lock_free(p->lock);
    free(p->runs);
    p->lock = lock_new(p->file);
    p->runs = NULL;
    p->n_runs = 0;
    memset(p->known, 0, (GATEWAY_MAX_NUMBER + 1) * sizeof(*p->known));
}

static int tell_no_json(const char *text, size_t len, const char *file, unsigned line,
                        const char *reason, struct error_list *err)
{
    if (has_conflict_marker(text, len))
        return error_add(err, file, line, NULL,
                         "git left a merge conflict here; take one side's lock as a whole ('git "
                         "checkout --ours %s'), merge the model, and compile again: what that lock "
                         "does not have is handed out anew",
                         file);
    return error_add(err, file, line, NULL,
                     "not valid JSON: %s; restore the lock file from version control", reason);
}

int lock_parse(const char *text, size_t len, const char *file, struct lock **ret,
               struct error_list *err)
{
    struct lock_reader p = {.file = file, .err = err};
    _cleanup_buf_ struct buf reason = BUF_INIT;
    size_t first = err->n;
    unsigned line;
    int r = 0;

    p.known = xcalloc(GATEWAY_MAX_NUMBER + 1, sizeof(*p.known));
    reader_begin(&p);
    if (!lock_scan(&p, text, len)) {
        reader_begin(&p);
        if (!lock_read_json(&p, text, len, &line, &reason))
            r = tell_no_json(text, len, file, line, buf_cstr(&reason), err);
    }
    if (r == 0)
        put_together(&p);
    free(p.runs);
    free(p.known);
    if (r == 0 && p.failed) {
        lock_locate(text, len, err, first);
        r = -EINVAL;
    }
    if (r == 0)
        *ret = p.lock;
    else
        lock_free(p.lock);
    return r;
}

int lock_load(const char *file, struct lock **ret, struct error_list *err)
{
    struct error_list reading = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = fs_read(file, LOCK_MAX_BYTES, &text, &reading);

    if (r == -ENOENT)
        *ret = lock_new(file);
    else if (r < 0)
        for (size_t i = 0; i < reading.n; i++)
            error_add(err, reading.items[i].file, 0, NULL, "%s", reading.items[i].message);
    else
        r = lock_parse(buf_cstr(&text), text.len, file, ret, err);
    error_clear(&reading);
    return r == -ENOENT ? 0 : r;
}

struct lock *lock_free(struct lock *lock)
{
    if (lock) {
        arena_free(&lock->arena);
        free(lock);
    }
    return NULL;
}
