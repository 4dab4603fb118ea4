/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of the import: what P2P-VPN left open is decided, and both texts are written. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/name.h"
#include "controller/import_p2pvpn.h"
#include "controller/lock.h"
#include "controller/p2pvpn_files.h"

#define BASE_PORT 11000 /* the model's default, and P2P-VPN's */
#define PORT_STEP 1000  /* room for the numbers of new gateways */
#define BASE_ASN 4200000000u
#define ROUTER_ID_BASE 0x64400000u
#define SMALL_MESH 16 /* as in topology.c: up to here everybody gives transit */
#define TRANSIT_MEMBERS 4

static const char *name_of(const struct import *in, size_t g)
{
    return in->gateways[g].server->name;
}

/* --- what P2P-VPN left open ---------------------------------------------------------------------
 */

struct short_name {
    char name[SHORT_NAME_MAX + 1]; /* in lower case: names that differ only in case clash */
    UT_hash_handle hh;
};

static bool take_short_name(struct short_name **taken, struct short_name *entry, const char *name)
{
    struct short_name *old;
    size_t n = strnlen(name, SHORT_NAME_MAX);

    for (size_t i = 0; i < n; i++)
        entry->name[i] = (char)tolower((unsigned char)name[i]);
    entry->name[n] = '\0';
    HASH_FIND_STR(*taken, entry->name, old);
    if (!old)
        HASH_ADD_STR(*taken, name, entry);
    return !old;
}

/* As the model has it: the beginning of the name, as far as it fits. */
static char *default_short_name(struct import *in, const char *name)
{
    size_t n = strnlen(name, SHORT_NAME_MAX);

    while (n > 1 && strchr("._-", name[n - 1]))
        n--;
    return arena_strndup(&in->arena, name, n);
}

/* melbourne-office-1, melbourne-office-2 -> melbourne-of, melbou-2 */
static void choose_short_names(struct import *in)
{
    struct short_name *taken = NULL, *entries = xcalloc(in->n_gateways, sizeof(*entries));

    for (size_t i = 0; i < in->n_gateways; i++)
        if (strlen(name_of(in, i)) <= SHORT_NAME_MAX)
            take_short_name(&taken, &entries[i], name_of(in, i));
    for (size_t i = 0; i < in->n_gateways; i++) {
        const char *name = name_of(in, i), *chosen;

        if (strlen(name) <= SHORT_NAME_MAX)
            continue;
        if (take_short_name(&taken, &entries[i], default_short_name(in, name)))
            continue;
        for (unsigned n = 2;; n++) {
            chosen = arena_printf(&in->arena, "%.6s-%u", name, n);
            if (name_valid(chosen) && take_short_name(&taken, &entries[i], chosen))
                break;
        }
        in->gateways[i].short_name = chosen;
        error_add(in->notes, NULL, 0, NULL,
                  "the interfaces to '%s' are called pv-%s, because another name begins like it; "
                  "change its short-name in the model to one you like better",
                  name, chosen);
    }
    HASH_CLEAR(hh, taken);
    free(entries);
}

/* Everybody who can be reached from gateway 0, walking on from transit gateways only, or from all.
 */
static size_t reach(const struct import *in, bool only_transit, size_t from, bool *seen)
{
    size_t *queue = xcalloc(in->n_gateways, sizeof(*queue)), n = 0;

    memset(seen, 0, in->n_gateways * sizeof(*seen));
    seen[from] = true;
    queue[n++] = from;
    for (size_t i = 0; i < n; i++) {
        size_t g = queue[i];

        if (g != from && only_transit && !in->gateways[g].transit)
            continue;
        for (size_t p = 0; p < in->n_pairs; p++) {
            size_t other = in->pairs[p].a == g   ? in->pairs[p].b
                           : in->pairs[p].b == g ? in->pairs[p].a
                                                 : g;

            if (!seen[other]) {
                seen[other] = true;
                queue[n++] = other;
            }
        }
    }
    free(queue);
    return n;
}

struct degree {
    size_t gateway, links;
};

static int compare_degrees(const void *pa, const void *pb)
{
    const struct degree *a = pa, *b = pb;

    if (a->links != b->links)
        return a->links > b->links ? -1 : 1;
    return a->gateway < b->gateway ? -1 : a->gateway > b->gateway;
}

/* P2P-VPN had no transit, so whoever had no pair did not reach each other.  In a mesh everybody
 * does; the gateways with the most links carry the traffic, in a small mesh all that have two. */
static void choose_transit(struct import *in)
{
    struct degree *by = xcalloc(in->n_gateways, sizeof(*by));
    bool *seen = xcalloc(in->n_gateways, sizeof(*seen));
    size_t n = in->n_gateways, given = 0, all = n * (n - 1) / 2;

    for (size_t i = 0; i < n; i++)
        by[i].gateway = i;
    for (size_t p = 0; p < in->n_pairs; p++) {
        by[in->pairs[p].a].links++;
        by[in->pairs[p].b].links++;
    }
    qsort(by, n, sizeof(*by), compare_degrees);
    for (size_t i = 0; i < n && by[i].links > 1; i++) {
        if (n > SMALL_MESH && given >= TRANSIT_MEMBERS && reach(in, true, by[0].gateway, seen) == n)
            break;
        in->gateways[by[i].gateway].transit = true;
        given++;
    }
    if (given)
        error_add(in->notes, NULL, 0, NULL,
                  "%zu gateways give transit ('%s' first): they may carry traffic between other "
                  "LANs, so that a cut link is gone around; take 'transit' out where you do not "
                  "want that",
                  given, name_of(in, by[0].gateway));
    if (reach(in, false, 0, seen) < n) {
        size_t lost = 0;

        while (seen[lost])
            lost++;
        error_add(in->notes, NULL, 0, NULL,
                  "'%s' and '%s' are not joined by any chain of pairs; add a link between their "
                  "sides to the model, or compile will refuse it",
                  name_of(in, 0), name_of(in, lost));
    } else if (in->n_pairs < all) {
        error_add(in->notes, NULL, 0, NULL,
                  "%zu of %zu possible pairs existed; LANs without one now reach each other "
                  "through gateways that give transit",
                  in->n_pairs, all);
    }
    free(by);
    free(seen);
}

static bool in_a_lan(const struct import *in, const struct prefix *p)
{
    for (size_t i = 0; i < in->n_gateways; i++)
        for (size_t k = 0; k < in->gateways[i].n_prefixes; k++)
            if (prefix_overlaps(&in->gateways[i].prefixes[k], p))
                return true;
    return false;
}

/* Where new links get their addresses: clear of the LANs and of the addresses that stay. */
static struct prefix choose_pool(const struct import *in)
{
    struct prefix p = {.family = FAMILY_IPV4, .len = 16, .addr = {172, 19}};

    for (unsigned i = 0; i < 16 + 256; i++) {
        bool taken;

        if (i > 0 && i <= 16)
            p.addr[1] = (uint8_t)(15 + i); /* 172.16.0.0/16 to 172.31.0.0/16 */
        if (i > 16) {
            p.addr[0] = 10;
            p.addr[1] = (uint8_t)(272 - i);
        }
        taken = in_a_lan(in, &p);
        for (size_t k = 0; k < in->n_pairs && !taken; k++)
            taken = prefix_contains(&p, &in->pairs[k].conf_a->address) ||
                    prefix_contains(&p, &in->pairs[k].conf_b->address);
        if (!taken)
            return p;
    }
    return p; /* all of it is in use: compile says so */
}

static int compare_ports(const void *pa, const void *pb)
{
    const uint16_t *a = pa, *b = pb;

    return (*a > *b) - (*a < *b);
}

/* Ports of new links are base-port plus a number: clear of the ports that stay. */
static unsigned choose_base_port(const struct import *in)
{
    uint16_t *ports = xcalloc(in->n_pairs * 2, sizeof(*ports));
    unsigned base = BASE_PORT;

    for (size_t i = 0; i < in->n_pairs; i++) {
        ports[2 * i] = in->pairs[i].conf_a->lport;
        ports[2 * i + 1] = in->pairs[i].conf_b->lport;
    }
    qsort(ports, in->n_pairs * 2, sizeof(*ports), compare_ports);
    for (size_t i = 0; i < in->n_pairs * 2; i++)
        while (ports[i] > base && ports[i] <= base + PORT_STEP && base + 2 * PORT_STEP < UINT16_MAX)
            base += PORT_STEP;
    free(ports);
    return base;
}

/* --- the texts ----------------------------------------------------------------------------------
 */

/* The lower number comes first, and numbers follow the names, so a and b are the lock's. */
static struct link_override *override_of(struct import *in, const struct import_pair *p,
                                         struct arena *arena)
{
    struct link_override *o = arena_alloc(arena, 1, sizeof(*o));

    o->port_a = p->conf_a->lport;
    o->port_b = p->conf_b->lport;
    if (in_a_lan(in, &p->conf_a->address) || in_a_lan(in, &p->conf_b->address)) {
        error_add(in->notes, p->conf_a->file, p->conf_a->ifconfig_line, NULL,
                  "the addresses of pair %" PRIu32 " lie in a LAN, so the link gets new ones",
                  p->id);
        return o;
    }
    o->address_a = p->conf_a->address;
    o->address_b = p->conf_b->address;
    return o;
}

static int compare_by_b(const void *pa, const void *pb)
{
    const struct import_pair *const *x = pa, *const *y = pb;

    if ((*x)->b != (*y)->b)
        return (*x)->b < (*y)->b ? -1 : 1;
    return (*x)->a < (*y)->a ? -1 : (*x)->a > (*y)->a;
}

static void write_lock(struct import *in, struct prefix *pool, struct buf *ret)
{
    struct lock lock = {.mesh = in->mesh, .link_prefixes = pool, .n_link_prefixes = 1};
    const struct import_pair **order = xcalloc(in->n_pairs, sizeof(const struct import_pair *));

    lock.n_gateways = in->n_gateways;
    lock.gateways = arena_alloc(&lock.arena, in->n_gateways, sizeof(*lock.gateways));
    for (uint32_t i = 0; i < in->n_gateways; i++)
        lock.gateways[i] = (struct lock_gateway){
            .name = name_of(in, i),
            .number = i + 1,
            .asn = BASE_ASN + i + 1,
            .router_id = ROUTER_ID_BASE + i + 1,
            .generation = 1,
        };
    for (size_t i = 0; i < in->n_pairs; i++)
        order[i] = &in->pairs[i];
    qsort(order, in->n_pairs, sizeof(*order), compare_by_b);
    lock.n_links = in->n_pairs;
    lock.links = arena_alloc(&lock.arena, in->n_pairs, sizeof(*lock.links));
    for (uint32_t i = 0; i < in->n_pairs; i++)
        lock.links[i] = (struct lock_link){
            .a = (uint32_t)order[i]->a + 1,
            .b = (uint32_t)order[i]->b + 1,
            .index = i,
            .override = override_of(in, order[i], &lock.arena),
        };
    lock_format(&lock, ret);
    arena_free(&lock.arena);
    free(order);
}

static bool any_public(struct import *in)
{
    char text[PREFIX_TEXT_MAX];
    bool any = false;

    for (size_t i = 0; i < in->n_gateways; i++)
        for (size_t k = 0; k < in->gateways[i].n_prefixes; k++) {
            const struct prefix *p = &in->gateways[i].prefixes[k];

            if (prefix_is_private(p))
                continue;
            error_add(in->notes, NULL, 0, NULL,
                      "%s of '%s' is not private space (RFC 1918), so allow-public-prefix is set; "
                      "take that out again if it is a typing error",
                      prefix_format(p, text), name_of(in, i));
            any = true;
        }
    return any;
}

static void write_addressing(struct import *in, const struct prefix *pool, struct buf *ret)
{
    unsigned base_port = choose_base_port(in);
    char text[PREFIX_TEXT_MAX];
    const char *comma = "";

    buf_str(ret, "    \"addressing\": {");
    prefix_format(pool, text);
    if (strcmp(text, "172.19.0.0/16") != 0) {
        buf_printf(ret, "\n      \"link-prefix\": [\"%s\"]", text);
        comma = ",";
    }
    if (base_port != BASE_PORT) {
        buf_printf(ret, "%s\n      \"base-port\": %u", comma, base_port);
        comma = ",";
        error_add(in->notes, NULL, 0, NULL,
                  "base-port is %u, so that links you add later keep clear of the ports that stay; "
                  "let UDP ports from %u on through for them",
                  base_port, base_port + 1);
    }
    if (any_public(in))
        buf_printf(ret, "%s\n      \"allow-public-prefix\": true", comma);
    buf_str(ret, "\n    },\n");
}

static void write_gateway(struct import *in, size_t i, struct buf *ret)
{
    const struct import_gateway *g = &in->gateways[i];

    buf_printf(ret, "%s      {\"name\": \"%s\"", i ? ",\n" : "", g->server->name);
    if (g->short_name)
        buf_printf(ret, ", \"short-name\": \"%s\"", g->short_name);
    buf_printf(ret, ", \"lan\": \"%s\"", name_of(in, g->lan));
    if (g->called)
        buf_printf(ret, ", \"endpoint\": \"%s\"", g->server->endpoint);
    else
        error_add(in->notes, NULL, 0, NULL,
                  "nobody has '%s' as its 'remote', so it gets no endpoint and only calls; add "
                  "\"endpoint\": \"%s\" if it can be reached there",
                  g->server->name, g->server->endpoint);
    if (g->transit)
        buf_str(ret, ", \"transit\": true");
    buf_char(ret, '}');
}

static void write_model(struct import *in, const struct prefix *pool, struct buf *ret)
{
    char text[PREFIX_TEXT_MAX];
    bool first = true;

    buf_printf(ret, "{\n  \"p2pvpn-mesh:mesh\": {\n    \"name\": \"%s\",\n", in->mesh);
    write_addressing(in, pool, ret);
    buf_str(ret, "    \"lan\": [\n");
    for (size_t i = 0; i < in->n_gateways; i++) {
        const struct import_gateway *g = &in->gateways[i];

        if (g->lan != i)
            continue;
        buf_printf(ret, "%s      {\"name\": \"%s\", \"prefix\": [", first ? "" : ",\n",
                   name_of(in, i));
        for (size_t k = 0; k < g->n_prefixes; k++)
            buf_printf(ret, "%s\"%s\"", k ? ", " : "", prefix_format(&g->prefixes[k], text));
        buf_str(ret, "]}");
        first = false;
    }
    buf_str(ret, "\n    ],\n    \"gateway\": [\n");
    for (size_t i = 0; i < in->n_gateways; i++)
        write_gateway(in, i, ret);
    buf_str(ret, "\n    ],\n    \"topology\": {\n      \"link\": [\n");
    for (size_t i = 0; i < in->n_pairs; i++)
        buf_printf(ret, "%s        {\"a\": \"%s\", \"b\": \"%s\"}", i ? ",\n" : "",
                   name_of(in, in->pairs[i].a), name_of(in, in->pairs[i].b));
    buf_str(ret, "\n      ]\n    }\n  }\n}\n");
}

void import_write_model(struct import *in, struct buf *ret_model, struct buf *ret_lock)
{
    struct prefix pool;

    error_add(in->notes, NULL, 0, NULL,
              "keys and certificates are not carried over: every gateway makes its own with "
              "'p2pvpn-agent enroll', and no private key leaves it");
    error_add(in->notes, NULL, 0, NULL,
              "'tls-remote' is replaced by a check of the other end's name in its certificate, and "
              "static routes by BGP");
    choose_short_names(in);
    choose_transit(in);
    pool = choose_pool(in);
    write_model(in, &pool, ret_model);
    write_lock(in, &pool, ret_lock);
}
