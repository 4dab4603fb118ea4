/* SPDX-License-Identifier: Apache-2.0 */
/* A lock as JSON, however it is laid out; what is wrong is told with its data path. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/name.h"
#include "controller/lock_internal.h"

#define ROOT LOCK_ROOT

static const uint32_t one = 1; /* of what is not written */

struct name_entry {
    const char *name;
    UT_hash_handle hh;
};

static bool is_one_of(const char *key, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(key, *names) == 0)
            return true;
    return false;
}

/* Unknown members are errors: a typing mistake must not quietly hand out a new number. */
static bool check_members(struct lock_reader *p, json_t *object, const char *path,
                          const char *const *names)
{
    const char *key;
    json_t *value;
    bool good = true;

    if (!json_is_object(object)) {
        lock_fail(p, path,
                  "this must be a JSON object; restore the lock file from version control");
        return false;
    }
    json_object_foreach(object, key, value)
    {
        if (!is_one_of(key, names)) {
            lock_fail(p, path,
                      "unknown member '%s'; take it out, or use the program version that wrote it",
                      key);
            good = false;
        }
    }
    return good;
}

/* An integer member within [min, max]; where it is missing, *absent, unless that is NULL. */
static bool get_uint(struct lock_reader *p, json_t *object, const char *path, const char *name,
                     uint32_t min, uint32_t max, const uint32_t *absent, uint32_t *ret)
{
    json_t *value = json_object_get(object, name);

    if (!value && absent) {
        *ret = *absent;
        return true;
    }
    if (!value)
        lock_fail(p, path, "member '%s' is missing; restore it from version control", name);
    else if (!json_is_integer(value))
        lock_fail(p, path, "member '%s' must be a whole number from %" PRIu32 " to %" PRIu32, name,
                  min, max);
    else if (json_integer_value(value) < (json_int_t)min ||
             json_integer_value(value) > (json_int_t)max)
        lock_fail(p, path,
                  "member '%s' is %" JSON_INTEGER_FORMAT ", but must be from %" PRIu32
                  " to %" PRIu32,
                  name, json_integer_value(value), min, max);
    else {
        *ret = (uint32_t)json_integer_value(value);
        return true;
    }
    return false;
}

/* An IPv4 host address; absent: family 0. */
static bool get_ipv4(struct lock_reader *p, json_t *object, const char *path, const char *name,
                     struct prefix *ret)
{
    json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);

    if (!value)
        return true;
    if (text && !strchr(text, '/') && prefix_parse(text, ret) && ret->family == FAMILY_IPV4)
        return true;
    lock_fail(p, path, "member '%s' must be an IPv4 address such as \"172.17.1.1\"", name);
    return false;
}

static void parse_origin_check(struct lock_reader *p, json_t *value)
{
    const char *text = json_string_value(value);

    if (text && strcmp(text, BUNDLE_ORIGIN_CHECK_CACHE) == 0)
        p->lock->origin_check = BUNDLE_ORIGINS_BY_CACHE;
    else if (value && (!text || strcmp(text, "lists") != 0))
        lock_fail(p, ROOT "/origin-check", "this must be \"lists\" or \"cache\"");
}

static void parse_prefixes(struct lock_reader *p, json_t *array)
{
    struct lock *lock = p->lock;
    size_t n = json_array_size(array);

    if (array && !json_is_array(array)) {
        lock_fail(p, ROOT "/link-prefix", "this must be a JSON array of prefixes");
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
                    lock_fail(
                        p, ROOT "/link-prefix",
                        "'%.80s' is not a prefix such as 172.19.0.0/16 (host bits must be zero)",
                        text ? text : "(not a string)");
                continue;
            }
            if (q.family != family)
                continue;
            for (size_t k = 0; k < lock->n_link_prefixes; k++)
                if (prefix_overlaps(&lock->link_prefixes[k], &q))
                    lock_fail(p, ROOT "/link-prefix",
                              "'%s' overlaps another one of the list, so two links could get one "
                              "address; restore the list from version control",
                              text);
            lock->link_prefixes[lock->n_link_prefixes++] = q;
            if (lock->n_link_prefixes > 2 * NETWORK_MAX_POOL) {
                lock_fail(p, ROOT "/link-prefix", "more than %d prefixes of one family",
                          NETWORK_MAX_POOL);
                return;
            }
        }
    }
}

static bool get_extra_numbers(struct lock_reader *p, json_t *array, const char *path,
                              uint32_t ret[NETWORK_MAX_TUNNELS - 1])
{
    size_t n = json_array_size(array);

    memset(ret, 0, (NETWORK_MAX_TUNNELS - 1) * sizeof(*ret));
    if (!array)
        return true;
    if (!json_is_array(array) || n > NETWORK_MAX_TUNNELS - 1)
        return lock_fail(p, path, "member 'extra-number' must be an array of at most %d numbers",
                         NETWORK_MAX_TUNNELS - 1) == 0;
    for (size_t i = 0; i < n; i++) {
        json_int_t value = json_integer_value(json_array_get(array, i));

        if (value < 1 || value > (json_int_t)GATEWAY_MAX_NUMBER)
            return lock_fail(p, path, "member 'extra-number' must have whole numbers from 1 to %u",
                             GATEWAY_MAX_NUMBER) == 0;
        ret[i] = (uint32_t)value;
    }
    return true;
}

static bool get_transit(struct lock_reader *p, json_t *value, const char *path, bool *ret)
{
    *ret = json_is_true(value);
    return !value || json_is_boolean(value) ||
           lock_fail(p, path, "member 'transit' must be true or false") == 0;
}

static void parse_gateways(struct lock_reader *p, json_t *array)
{
    static const char *const members[] = {"name",       "number",       "asn",     "router-id",
                                          "generation", "extra-number", "transit", NULL};
    struct lock *lock = p->lock;
    struct name_entry *names = NULL, *entries;
    size_t n = json_array_size(array);

    if (array && !json_is_array(array)) {
        lock_fail(p, ROOT "/gateway", "this must be a JSON array of gateways");
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
            lock_fail(p, ROOT "/gateway",
                      "record %zu has no valid name; restore it from version control", i + 1);
            continue;
        }
        path = xasprintf(ROOT "/gateway[name='%s']", name);
        HASH_FIND_STR(names, name, old);
        if (old) {
            lock_fail(p, path, "this gateway is here twice; keep the record that is in use");
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
        good &= get_extra_numbers(p, json_object_get(object, "extra-number"), path, g->extra);
        good &= get_transit(p, json_object_get(object, "transit"), path, &g->transit);
        g->router_id = lock_ipv4_number(&id);
        if (good && !asn_is_private(g->asn))
            good = lock_fail(p, path,
                             "member 'asn' is %" PRIu32
                             ", but must be an ASN for private use: 64512 to "
                             "65534 or 4200000000 to 4294967294",
                             g->asn) == 0;
        if (good && g->router_id == 0)
            good = lock_fail(p, path, "member 'router-id' is missing or 0.0.0.0") == 0;
        if (!good)
            continue;
        g->name = arena_strdup(&lock->arena, name);
        lock->n_gateways++;
    }
    HASH_CLEAR(hh, names);
    free(entries);
}

/* The addresses and ports that an imported link brought along. */
static bool parse_override(struct lock_reader *p, json_t *object, const char *path,
                           struct lock_run *run)
{
    struct link_override o = {0};
    uint32_t port_a = 0, port_b = 0;

    if (!get_ipv4(p, object, path, "address-a", &o.address_a) ||
        !get_ipv4(p, object, path, "address-b", &o.address_b))
        return false;
    if (o.address_a.family != o.address_b.family)
        return lock_fail(p, path, "address-a and address-b come together or not at all") == 0;
    if (o.address_a.family && prefix_compare(&o.address_a, &o.address_b) == 0)
        return lock_fail(p, path, "both ends of the link have the same address") == 0;
    if (prefix_is_special(&o.address_a) && o.address_a.family)
        return lock_fail(p, path, "address-a is not an address that a link can have") == 0;
    if (prefix_is_special(&o.address_b) && o.address_b.family)
        return lock_fail(p, path, "address-b is not an address that a link can have") == 0;
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
        return lock_fail(p, path,
                         "a record with addresses or ports of its own is one link; take 'count' "
                         "out") == 0;
    run->override = arena_alloc(&p->lock->arena, 1, sizeof(o));
    *run->override = o;
    return true;
}

static bool parse_run(struct lock_reader *p, json_t *object, size_t position, struct lock_run *run)
{
    static const char *const members[] = {"index",     "a",         "b",      "tunnel", "count",
                                          "address-a", "address-b", "port-a", "port-b", NULL};
    uint32_t tunnel;
    _cleanup_free_ char *path = xasprintf(ROOT "/link[%zu]", position);
    bool good = check_members(p, object, path, members);

    if (!good || !get_uint(p, object, path, "index", 0, UINT32_MAX - 1, NULL, &run->index))
        return false;
    free(path);
    path = xasprintf(ROOT "/link[index='%" PRIu32 "']", run->index);
    good = get_uint(p, object, path, "a", 1, GATEWAY_MAX_NUMBER, NULL, &run->a);
    good &= get_uint(p, object, path, "b", 1, GATEWAY_MAX_NUMBER, NULL, &run->b);
    good &= get_uint(p, object, path, "count", 1, GATEWAY_MAX_NUMBER, &one, &run->count);
    good &= get_uint(p, object, path, "tunnel", 1, NETWORK_MAX_TUNNELS, &one, &tunnel);
    if (!good)
        return false;
    run->tunnel = (uint8_t)(tunnel - 1);
    if (run->a >= run->b || run->count > run->b - run->a)
        return lock_fail(p, path,
                         "the run goes from number %" PRIu32 " over %" PRIu32
                         " gateways, but all of them must be below b, %" PRIu32,
                         run->a, run->count, run->b) == 0;
    if (run->count > UINT32_MAX - run->index)
        return lock_fail(p, path, "the indexes of this run go beyond %" PRIu32, UINT32_MAX - 1) ==
               0;
    for (uint32_t i = 0; i <= run->count; i++) {
        uint32_t number = i < run->count ? run->a + i : run->b;

        if (!p->known[number])
            return lock_fail(p, path,
                             "it links number %" PRIu32
                             ", which no gateway of the lock has; restore "
                             "the gateway's record, or take the link's out",
                             number) == 0;
    }
    return parse_override(p, object, path, run);
}

static void parse_links(struct lock_reader *p, json_t *array)
{
    size_t n = json_array_size(array);

    if (array && !json_is_array(array)) {
        lock_fail(p, ROOT "/link", "this must be a JSON array of links");
        return;
    }
    p->runs = xcalloc(n, sizeof(*p->runs));
    for (size_t i = 0; i < n; i++)
        p->n_runs += parse_run(p, json_array_get(array, i), i + 1, &p->runs[p->n_runs]);
}

static void parse_root(struct lock_reader *p, json_t *root)
{
    static const char *const top[] = {"p2pvpn-lock:lock", NULL};
    static const char *const members[] = {"mesh",    "origin-check", "link-prefix",
                                          "gateway", "link",         NULL};
    const char *mesh;
    json_t *lock;

    if (!check_members(p, root, NULL, top))
        return;
    lock = json_object_get(root, "p2pvpn-lock:lock");
    if (!lock) {
        lock_fail(p, NULL, "this is not a lock file: it has no member 'p2pvpn-lock:lock'");
        return;
    }
    if (!check_members(p, lock, ROOT, members))
        return;
    mesh = json_string_value(json_object_get(lock, "mesh"));
    if (!mesh || !name_valid(mesh))
        lock_fail(p, ROOT "/mesh", "the name of the mesh is missing or not a valid name");
    else
        p->lock->mesh = arena_strdup(&p->lock->arena, mesh);
    parse_origin_check(p, json_object_get(lock, "origin-check"));
    parse_prefixes(p, json_object_get(lock, "link-prefix"));
    parse_gateways(p, json_object_get(lock, "gateway"));
    parse_links(p, json_object_get(lock, "link"));
}

bool lock_read_json(struct lock_reader *p, const char *text, size_t len, unsigned *ret_line,
                    struct buf *ret_reason)
{
    json_error_t where;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);

    if (!root) {
        *ret_line = where.line > 0 ? (unsigned)where.line : 0;
        buf_str(ret_reason, where.text);
        return false;
    }
    parse_root(p, root);
    json_decref(root);
    return true;
}
