/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/lock.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/fs.h"
#include "common/name.h"
#include "controller/lock_internal.h"

#define ROOT LOCK_ROOT

static const uint32_t one = 1; /* of counts and generations that are not written */

/* One record of the file, before it is expanded. */
struct run {
    uint32_t index, a, b, count;
    struct link_override *override;
};

struct name_entry {
    const char *name;
    UT_hash_handle hh;
};

struct parser {
    const char *file;
    struct error_list *err;
    struct lock *lock;
    struct run *runs;
    size_t n_runs;
    bool *known; /* by number: a gateway has it */
    bool failed;
};

char *lock_file_name(const char *mesh_file)
{
    const char *slash = strrchr(mesh_file, '/'), *base = slash ? slash + 1 : mesh_file;
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot != base ? (size_t)(dot - mesh_file) : strlen(mesh_file);

    return xasprintf("%.*s.lock.json", (int)n, mesh_file);
}

static int fail(struct parser *p, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct parser *p, const char *path, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    error_vadd(p->err, p->file, 0, path, format, ap);
    va_end(ap);
    p->failed = true;
    return -EINVAL;
}

static bool is_one_of(const char *key, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(key, *names) == 0)
            return true;
    return false;
}

/* Unknown members are errors: a typing mistake must not quietly hand out a new number. */
static bool check_members(struct parser *p, json_t *object, const char *path,
                          const char *const *names)
{
    const char *key;
    json_t *value;
    bool good = true;

    if (!json_is_object(object)) {
        fail(p, path, "this must be a JSON object; restore the lock file from version control");
        return false;
    }
    json_object_foreach(object, key, value)
    {
        if (!is_one_of(key, names)) {
            fail(p, path,
                 "unknown member '%s'; take it out, or use the program version that wrote it", key);
            good = false;
        }
    }
    return good;
}

/* An integer member within [min, max]; where it is missing, *absent, unless that is NULL. */
static bool get_uint(struct parser *p, json_t *object, const char *path, const char *name,
                     uint32_t min, uint32_t max, const uint32_t *absent, uint32_t *ret)
{
    json_t *value = json_object_get(object, name);

    if (!value && absent) {
        *ret = *absent;
        return true;
    }
    if (!value)
        fail(p, path, "member '%s' is missing; restore it from version control", name);
    else if (!json_is_integer(value))
        fail(p, path, "member '%s' must be a whole number from %" PRIu32 " to %" PRIu32, name, min,
             max);
    else if (json_integer_value(value) < (json_int_t)min ||
             json_integer_value(value) > (json_int_t)max)
        fail(p, path,
             "member '%s' is %" JSON_INTEGER_FORMAT ", but must be from %" PRIu32 " to %" PRIu32,
             name, json_integer_value(value), min, max);
    else {
        *ret = (uint32_t)json_integer_value(value);
        return true;
    }
    return false;
}

/* An IPv4 host address; absent: family 0. */
static bool get_ipv4(struct parser *p, json_t *object, const char *path, const char *name,
                     struct prefix *ret)
{
    json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);

    if (!value)
        return true;
    if (text && !strchr(text, '/') && prefix_parse(text, ret) && ret->family == FAMILY_IPV4)
        return true;
    fail(p, path, "member '%s' must be an IPv4 address such as \"172.17.1.1\"", name);
    return false;
}

static uint32_t ipv4_number(const struct prefix *p)
{
    return (uint32_t)p->addr[0] << 24 | (uint32_t)p->addr[1] << 16 | (uint32_t)p->addr[2] << 8 |
           p->addr[3];
}

static void parse_prefixes(struct parser *p, json_t *array)
{
    struct lock *lock = p->lock;
    size_t n = json_array_size(array);

    if (array && !json_is_array(array)) {
        fail(p, ROOT "/link-prefix", "this must be a JSON array of prefixes");
        return;
    }
    lock->link_prefixes = arena_alloc(&lock->arena, n ? n : 1, sizeof(struct prefix));
    for (int family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        for (size_t i = 0; i < n; i++) {
            const char *text = json_string_value(json_array_get(array, i));
            struct prefix q;

            if (!text || !strchr(text, '/') || !prefix_parse(text, &q) ||
                prefix_has_host_bits(&q)) {
                if (family == FAMILY_IPV4)
                    fail(p, ROOT "/link-prefix",
                         "'%.80s' is not a prefix such as 172.19.0.0/16 (host bits must be zero)",
                         text ? text : "(not a string)");
                continue;
            }
            if (q.family != family)
                continue;
            for (size_t k = 0; k < lock->n_link_prefixes; k++)
                if (prefix_overlaps(&lock->link_prefixes[k], &q))
                    fail(p, ROOT "/link-prefix",
                         "'%s' overlaps another one of the list, so two links could get one "
                         "address; restore the list from version control",
                         text);
            lock->link_prefixes[lock->n_link_prefixes++] = q;
            if (lock->n_link_prefixes > 2 * NETWORK_MAX_POOL) {
                fail(p, ROOT "/link-prefix", "more than %d prefixes of one family",
                     NETWORK_MAX_POOL);
                return;
            }
        }
    }
}

static int compare_gateways(const void *pa, const void *pb)
{
    const struct lock_gateway *a = pa, *b = pb;

    return a->number < b->number ? -1 : a->number > b->number;
}

static int compare_asn(const void *pa, const void *pb)
{
    const struct lock_gateway *const *a = pa, *const *b = pb;

    return (*a)->asn < (*b)->asn ? -1 : (*a)->asn > (*b)->asn;
}

static int compare_router_id(const void *pa, const void *pb)
{
    const struct lock_gateway *const *a = pa, *const *b = pb;

    return (*a)->router_id < (*b)->router_id ? -1 : (*a)->router_id > (*b)->router_id;
}

/* Two gateways with the same number, ASN or router id: usually a merge of two branches that each
 * added a gateway. */
static void check_gateway_duplicates(struct parser *p)
{
    static const char advice[] = "keep the record of the one that is in use, delete the other and "
                                 "compile again: it gets a free one";
    const struct lock *lock = p->lock;
    const struct lock_gateway **by;

    if (lock->n_gateways == 0)
        return;
    by = xcalloc(lock->n_gateways, sizeof(const struct lock_gateway *));
    for (size_t i = 0; i < lock->n_gateways; i++)
        by[i] = &lock->gateways[i];
    for (size_t i = 1; i < lock->n_gateways; i++)
        if (by[i - 1]->number == by[i]->number)
            fail(p, ROOT "/gateway", "'%s' and '%s' both have number %" PRIu32 "; %s",
                 by[i - 1]->name, by[i]->name, by[i]->number, advice);
    qsort(by, lock->n_gateways, sizeof(*by), compare_asn);
    for (size_t i = 1; i < lock->n_gateways; i++)
        if (by[i - 1]->asn == by[i]->asn)
            fail(p, ROOT "/gateway", "'%s' and '%s' both have asn %" PRIu32 "; %s", by[i - 1]->name,
                 by[i]->name, by[i]->asn, advice);
    qsort(by, lock->n_gateways, sizeof(*by), compare_router_id);
    for (size_t i = 1; i < lock->n_gateways; i++)
        if (by[i - 1]->router_id == by[i]->router_id)
            fail(p, ROOT "/gateway", "'%s' and '%s' both have the same router-id; %s",
                 by[i - 1]->name, by[i]->name, advice);
    free(by);
}

static void parse_gateways(struct parser *p, json_t *array)
{
    static const char *const members[] = {"name", "number", "asn", "router-id", "generation", NULL};
    struct lock *lock = p->lock;
    struct name_entry *names = NULL, *entries;
    size_t n = json_array_size(array);

    if (array && !json_is_array(array)) {
        fail(p, ROOT "/gateway", "this must be a JSON array of gateways");
        return;
    }
    lock->gateways = arena_alloc(&lock->arena, n ? n : 1, sizeof(*lock->gateways));
    entries = xcalloc(n, sizeof(*entries));
    for (size_t i = 0; i < n; i++) {
        json_t *object = json_array_get(array, i);
        const char *name = json_string_value(json_object_get(object, "name"));
        _cleanup_free_ char *path = NULL;
        struct lock_gateway *g = &lock->gateways[lock->n_gateways];
        struct prefix id = {0};
        struct name_entry *old;
        bool good;

        if (!name || !name_valid(name)) {
            fail(p, ROOT "/gateway",
                 "record %zu has no valid name; restore it from version control", i + 1);
            continue;
        }
        path = xasprintf(ROOT "/gateway[name='%s']", name);
        HASH_FIND_STR(names, name, old);
        if (old) {
            fail(p, path, "this gateway is here twice; keep the record that is in use");
            continue;
        }
        entries[i].name = name;
        HASH_ADD_KEYPTR(hh, names, entries[i].name, strlen(name), &entries[i]);
        good = check_members(p, object, path, members);
        if (get_uint(p, object, path, "number", 1, GATEWAY_MAX_NUMBER, NULL, &g->number))
            p->known[g->number] = true; /* whatever else is wrong with the record */
        else
            good = false;
        good &= get_uint(p, object, path, "asn", 1, UINT32_MAX, NULL, &g->asn);
        good &= get_uint(p, object, path, "generation", 1, UINT32_MAX, &one, &g->generation);
        good &= get_ipv4(p, object, path, "router-id", &id);
        g->router_id = ipv4_number(&id);
        if (good && !asn_is_private(g->asn))
            good = fail(p, path,
                        "member 'asn' is %" PRIu32 ", but must be an ASN for private use: 64512 to "
                        "65534 or 4200000000 to 4294967294",
                        g->asn) == 0;
        if (good && g->router_id == 0)
            good = fail(p, path, "member 'router-id' is missing or 0.0.0.0") == 0;
        if (!good)
            continue;
        g->name = arena_strdup(&lock->arena, name);
        lock->n_gateways++;
    }
    HASH_CLEAR(hh, names);
    free(entries);
    qsort(lock->gateways, lock->n_gateways, sizeof(*lock->gateways), compare_gateways);
    check_gateway_duplicates(p);
}

/* The addresses and ports that an imported link brought along. */
static bool parse_override(struct parser *p, json_t *object, const char *path, struct run *run)
{
    struct link_override o = {0};
    uint32_t port_a = 0, port_b = 0;

    if (!get_ipv4(p, object, path, "address-a", &o.address_a) ||
        !get_ipv4(p, object, path, "address-b", &o.address_b))
        return false;
    if (o.address_a.family != o.address_b.family)
        return fail(p, path, "address-a and address-b come together or not at all") == 0;
    if (o.address_a.family && prefix_compare(&o.address_a, &o.address_b) == 0)
        return fail(p, path, "both ends of the link have the same address") == 0;
    if (prefix_is_special(&o.address_a) && o.address_a.family)
        return fail(p, path, "address-a is not an address that a link can have") == 0;
    if (prefix_is_special(&o.address_b) && o.address_b.family)
        return fail(p, path, "address-b is not an address that a link can have") == 0;
    if ((json_object_get(object, "port-a") &&
         !get_uint(p, object, path, "port-a", 1, UINT16_MAX, NULL, &port_a)) ||
        (json_object_get(object, "port-b") &&
         !get_uint(p, object, path, "port-b", 1, UINT16_MAX, NULL, &port_b)))
        return false;
    o.port_a = (uint16_t)port_a;
    o.port_b = (uint16_t)port_b;
    if (!o.address_a.family && !o.port_a && !o.port_b)
        return true;
    if (run->count != 1)
        return fail(p, path,
                    "a record with addresses or ports of its own is one link; take 'count' "
                    "out") == 0;
    run->override = arena_alloc(&p->lock->arena, 1, sizeof(o));
    *run->override = o;
    return true;
}

static bool parse_run(struct parser *p, json_t *object, size_t position, struct run *run)
{
    static const char *const members[] = {"index",     "a",      "b",      "count", "address-a",
                                          "address-b", "port-a", "port-b", NULL};
    _cleanup_free_ char *path = xasprintf(ROOT "/link[%zu]", position);
    bool good = check_members(p, object, path, members);

    if (!good || !get_uint(p, object, path, "index", 0, UINT32_MAX - 1, NULL, &run->index))
        return false;
    free(path);
    path = xasprintf(ROOT "/link[index='%" PRIu32 "']", run->index);
    good = get_uint(p, object, path, "a", 1, GATEWAY_MAX_NUMBER, NULL, &run->a);
    good &= get_uint(p, object, path, "b", 1, GATEWAY_MAX_NUMBER, NULL, &run->b);
    good &= get_uint(p, object, path, "count", 1, GATEWAY_MAX_NUMBER, &one, &run->count);
    if (!good)
        return false;
    if (run->a >= run->b || run->count > run->b - run->a)
        return fail(p, path,
                    "the run goes from number %" PRIu32 " over %" PRIu32
                    " gateways, but all of them must be below b, %" PRIu32,
                    run->a, run->count, run->b) == 0;
    if (run->count > UINT32_MAX - run->index)
        return fail(p, path, "the indexes of this run go beyond %" PRIu32, UINT32_MAX - 1) == 0;
    for (uint32_t i = 0; i <= run->count; i++) {
        uint32_t number = i < run->count ? run->a + i : run->b;

        if (!p->known[number])
            return fail(p, path,
                        "it links number %" PRIu32 ", which no gateway of the lock has; restore "
                        "the gateway's record, or take the link's out",
                        number) == 0;
    }
    return parse_override(p, object, path, run);
}

static int compare_run_index(const void *pa, const void *pb)
{
    const struct run *a = pa, *b = pb;

    return a->index < b->index ? -1 : a->index > b->index;
}

static int compare_run_pair(const void *pa, const void *pb)
{
    const struct run *const *a = pa, *const *b = pb;

    if ((*a)->b != (*b)->b)
        return (*a)->b < (*b)->b ? -1 : 1;
    return (*a)->a < (*b)->a ? -1 : (*a)->a > (*b)->a;
}

/* No index and no pair twice: found on the runs, before anything is expanded. */
static bool check_overlaps(struct parser *p)
{
    const struct run **by = xcalloc(p->n_runs, sizeof(const struct run *));
    bool good = true;

    for (size_t i = 0; i < p->n_runs; i++)
        by[i] = &p->runs[i];
    for (size_t i = 1; i < p->n_runs; i++) {
        const struct run *x = by[i - 1], *y = by[i];

        if (y->index - x->index < x->count)
            good = fail(p, ROOT "/link",
                        "the records with index %" PRIu32 " and %" PRIu32
                        " hand out an index twice; keep the one that is in use",
                        x->index, y->index) == 0;
    }
    if (p->n_runs)
        qsort(by, p->n_runs, sizeof(*by), compare_run_pair);
    for (size_t i = 1; i < p->n_runs; i++) {
        const struct run *x = by[i - 1], *y = by[i];

        if (x->b == y->b && y->a - x->a < x->count)
            good = fail(p, ROOT "/link",
                        "the link of numbers %" PRIu32 " and %" PRIu32
                        " is in two records, with index %" PRIu32 " and %" PRIu32
                        "; keep the one that is in use",
                        y->a, y->b, x->index, y->index) == 0;
    }
    free(by);
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

static bool check_addresses(struct parser *p)
{
    struct owned_address *all = xcalloc(p->n_runs * 2, sizeof(*all));
    bool good = true;
    size_t n = 0;

    for (size_t i = 0; i < p->n_runs; i++) {
        const struct link_override *o = p->runs[i].override;

        if (!o || !o->address_a.family)
            continue;
        all[n++] = (struct owned_address){ipv4_number(&o->address_a), p->runs[i].index};
        all[n++] = (struct owned_address){ipv4_number(&o->address_b), p->runs[i].index};
    }
    if (n)
        qsort(all, n, sizeof(*all), compare_address);
    for (size_t i = 1; i < n; i++)
        if (all[i - 1].address == all[i].address)
            good = fail(p, ROOT "/link",
                        "the links with index %" PRIu32 " and %" PRIu32
                        " have an address in common; restore them from version control",
                        all[i - 1].index, all[i].index) == 0;
    free(all);
    return good;
}

static void parse_links(struct parser *p, json_t *array)
{
    struct lock *lock = p->lock;
    size_t n = json_array_size(array), at = 0;
    uint64_t total = 0;
    bool good = true;

    if (array && !json_is_array(array)) {
        fail(p, ROOT "/link", "this must be a JSON array of links");
        return;
    }
    p->runs = xcalloc(n, sizeof(*p->runs));
    for (size_t i = 0; i < n; i++) {
        if (!parse_run(p, json_array_get(array, i), i + 1, &p->runs[p->n_runs])) {
            good = false;
            continue;
        }
        total += p->runs[p->n_runs++].count;
    }
    if (p->n_runs)
        qsort(p->runs, p->n_runs, sizeof(*p->runs), compare_run_index);
    good &= check_overlaps(p);
    good &= check_addresses(p);
    if (total > LOCK_MAX_LINKS) {
        fail(p, ROOT "/link", "%" PRIu64 " links are more than the %u that a lock may hold", total,
             LOCK_MAX_LINKS);
        return;
    }
    if (!good)
        return;
    lock->links = arena_alloc(&lock->arena, total ? total : 1, sizeof(*lock->links));
    for (size_t i = 0; i < p->n_runs; i++)
        for (uint32_t k = 0; k < p->runs[i].count; k++)
            lock->links[at++] = (struct lock_link){
                .a = p->runs[i].a + k,
                .b = p->runs[i].b,
                .index = p->runs[i].index + k,
                .override = p->runs[i].override,
            };
    lock->n_links = at;
}

static void parse_root(struct parser *p, json_t *root)
{
    static const char *const top[] = {"p2pvpn-lock:lock", NULL};
    static const char *const members[] = {"mesh", "link-prefix", "gateway", "link", NULL};
    const char *mesh;
    json_t *lock;

    if (!check_members(p, root, NULL, top))
        return;
    lock = json_object_get(root, "p2pvpn-lock:lock");
    if (!lock) {
        fail(p, NULL, "this is not a lock file: it has no member 'p2pvpn-lock:lock'");
        return;
    }
    if (!check_members(p, lock, ROOT, members))
        return;
    mesh = json_string_value(json_object_get(lock, "mesh"));
    if (!mesh || !name_valid(mesh))
        fail(p, ROOT "/mesh", "the name of the mesh is missing or not a valid name");
    else
        p->lock->mesh = arena_strdup(&p->lock->arena, mesh);
    parse_prefixes(p, json_object_get(lock, "link-prefix"));
    parse_gateways(p, json_object_get(lock, "gateway"));
    parse_links(p, json_object_get(lock, "link"));
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

int lock_parse(const char *text, size_t len, const char *file, struct lock **ret,
               struct error_list *err)
{
    struct parser p = {.file = file, .err = err};
    size_t first = err->n;
    json_error_t where;
    json_t *root;

    root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (!root && has_conflict_marker(text, len))
        return error_add(
            err, file, where.line > 0 ? (unsigned)where.line : 0, NULL,
            "git left a merge conflict here; take one side's lock as a whole ('git checkout "
            "--ours %s'), merge the model, and compile again: what that lock does not "
            "have is handed out anew",
            file);
    if (!root)
        return error_add(err, file, where.line > 0 ? (unsigned)where.line : 0, NULL,
                         "not valid JSON: %s; restore the lock file from version control",
                         where.text);
    p.lock = lock_new(file);
    p.known = xcalloc(GATEWAY_MAX_NUMBER + 1, sizeof(*p.known));
    parse_root(&p, root);
    json_decref(root);
    free(p.runs);
    free(p.known);
    if (p.failed) {
        lock_locate(text, len, err, first);
        lock_free(p.lock);
        return -EINVAL;
    }
    *ret = p.lock;
    return 0;
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
