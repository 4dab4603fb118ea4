/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/allocate_gateways.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/lock.h"
#include "controller/network.h"
#include "controller/pairs.h"

#define ROUTER_ID_BASE 0x64400000u /* 100.64.0.0 (RFC 6598) */
#define ADDRESSING "/p2pvpn-mesh:mesh/addressing"

static int __attribute__((format(printf, 4, 5)))
gateway_error(struct allocator *al, uint32_t gw, const char *leaf, const char *format, ...)
{
    _cleanup_free_ char *path =
        xasprintf("/p2pvpn-mesh:mesh/gateway[name='%s']/%s", al->mesh->gateways[gw].name, leaf);
    va_list ap;

    va_start(ap, format);
    error_vadd(al->err, al->mesh->file, 0, path, format, ap);
    va_end(ap);
    return -EINVAL;
}

static const char *ipv4_text(uint32_t address, char text[static 16])
{
    snprintf(text, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
             address & 0xff);
    return text;
}

static int compare_names(const void *pa, const void *pb)
{
    const struct lock_gateway *const *a = pa, *const *b = pb;

    return strcmp((*a)->name, (*b)->name);
}

/* The lock's record of every gateway that stays: both lists by name, side by side. */
static void find_kept(struct allocator *al)
{
    size_t n = al->lock ? al->lock->n_gateways : 0, at = 0;
    const struct lock_gateway **by_name = xcalloc(n, sizeof(const struct lock_gateway *));

    for (size_t i = 0; i < n; i++)
        by_name[i] = &al->lock->gateways[i];
    if (n)
        qsort(by_name, n, sizeof(*by_name), compare_names);
    for (size_t g = 0; g < al->mesh->n_gateways; g++) {
        while (at < n && strcmp(by_name[at]->name, al->mesh->gateways[g].name) < 0)
            at++;
        if (at < n && strcmp(by_name[at]->name, al->mesh->gateways[g].name) == 0)
            al->kept[g] = by_name[at];
    }
    free(by_name);
}

/* A lock that says something else than the model: both are named. */
static void check_contradictions(struct allocator *al)
{
    char x[16], y[16];

    for (uint32_t g = 0; g < al->mesh->n_gateways; g++) {
        const struct mesh_gateway *gateway = &al->mesh->gateways[g];
        const struct lock_gateway *k = al->kept[g];

        if (!k)
            continue;
        if (gateway->number && gateway->number != k->number)
            gateway_error(
                al, g, "number",
                "%" PRIu32 " contradicts %s: /p2pvpn-lock:lock/gateway[name='%s']/number, "
                "which is %" PRIu32 "; write that here or leave the leaf out (to give the "
                "gateway another number, compile once without it: its links get new "
                "addresses and ports)",
                gateway->number, al->lock->file, k->name, k->number);
        if (gateway->asn && gateway->asn != k->asn)
            gateway_error(al, g, "asn",
                          "%" PRIu32 " contradicts %s: /p2pvpn-lock:lock/gateway[name='%s']/asn, "
                          "which is %" PRIu32 "; write that here or leave the leaf out (to change "
                          "it, write it into the lock as well: all its BGP sessions start anew)",
                          gateway->asn, al->lock->file, k->name, k->asn);
        if (gateway->router_id && gateway->router_id != k->router_id)
            gateway_error(
                al, g, "router-id",
                "%s contradicts %s: /p2pvpn-lock:lock/gateway[name='%s']/router-id, which "
                "is %s; write that here or leave the leaf out (to change it, write it "
                "into the lock as well: all its BGP sessions start anew)",
                ipv4_text(gateway->router_id, x), al->lock->file, k->name,
                ipv4_text(k->router_id, y));
    }
}

/* Takes a number for a gateway; it stays without one (0) when somebody else has it. */
static void take_number(struct allocator *al, uint32_t g, uint32_t number)
{
    uint32_t other = number <= GATEWAY_MAX_NUMBER ? al->owner[number] : ALLOCATE_NOBODY;

    if (number > al->max_number)
        gateway_error(al, g, "number",
                      "number %" PRIu32
                      " and base-port %u make UDP port %u, beyond 65535; lower " ADDRESSING
                      "/base-port, or use a number up to %" PRIu32,
                      number, al->mesh->base_port, al->mesh->base_port + number, al->max_number);
    else if (other == ALLOCATE_NOBODY)
        al->owner[al->net->gateways[g].number = number] = g;
    else if (al->kept[other] && al->kept[other]->number != number)
        gateway_error(al, g, "number",
                      "%" PRIu32 " is taken: %s: /p2pvpn-lock:lock/gateway[name='%s']/extra-number "
                      "has it; choose another, or leave the leaf out",
                      number, al->lock->file, al->mesh->gateways[other].name);
    else if (al->kept[other])
        gateway_error(al, g, "number",
                      "%" PRIu32 " is taken: %s: /p2pvpn-lock:lock/gateway[name='%s']/number has "
                      "it; choose another, or leave the leaf out",
                      number, al->lock->file, al->mesh->gateways[other].name);
    else
        gateway_error(al, g, "number",
                      "%" PRIu32
                      " is also the number of gateway '%s'; choose another, or leave the "
                      "leaf out",
                      number, al->mesh->gateways[other].name);
}

/* Values that were given, by the lock or the model, before numbers are looked for. */
static void collect_given(struct allocator *al)
{
    for (uint32_t g = 0; g < al->mesh->n_gateways; g++) {
        const struct lock_gateway *k = al->kept[g];
        uint32_t asn = k ? k->asn : al->mesh->gateways[g].asn;
        uint32_t id = k ? k->router_id : al->mesh->gateways[g].router_id;

        if (asn)
            al->asns[al->n_asns++] = (struct pair){asn, g};
        if (id)
            al->router_ids[al->n_router_ids++] = (struct pair){id, g};
    }
    pairs_sort(al->asns, al->n_asns);
    pairs_sort(al->router_ids, al->n_router_ids);
    for (size_t i = 1; i < al->n_asns; i++)
        if (al->asns[i - 1].key == al->asns[i].key)
            gateway_error(al, al->asns[i].value, "asn",
                          "%" PRIu32 " is also the ASN of gateway '%s'; choose another, or leave "
                          "the leaf out",
                          al->asns[i].key, al->mesh->gateways[al->asns[i - 1].value].name);
    for (size_t i = 1; i < al->n_router_ids; i++)
        if (al->router_ids[i - 1].key == al->router_ids[i].key)
            gateway_error(al, al->router_ids[i].value, "router-id",
                          "it is also the router-id of gateway '%s'; choose another, or leave the "
                          "leaf out",
                          al->mesh->gateways[al->router_ids[i - 1].value].name);
}

/* Who was given this value; ALLOCATE_NOBODY: no one. */
static uint32_t given_to(const struct pair *sorted, size_t n, uint32_t value)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sorted[middle].key < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && sorted[low].key == value ? sorted[low].value : ALLOCATE_NOBODY;
}

static bool number_is_free(const struct allocator *al, uint32_t number)
{
    return al->owner[number] == ALLOCATE_NOBODY &&
           given_to(al->asns, al->n_asns, al->mesh->base_asn + number) == ALLOCATE_NOBODY &&
           given_to(al->router_ids, al->n_router_ids, ROUTER_ID_BASE + number) == ALLOCATE_NOBODY;
}

/* Those beyond what a smaller range of ports has are given up, like those that nobody needs. */
static void keep_extra_numbers(struct allocator *al, uint32_t g)
{
    for (unsigned i = 0; al->kept[g] && i < NETWORK_MAX_TUNNELS - 1; i++) {
        uint32_t number = al->kept[g]->extra[i];

        if (number && number <= al->max_number && al->owner[number] == ALLOCATE_NOBODY)
            al->owner[al->net->gateways[g].extra[i] = number] = g;
    }
}

static void assign_numbers(struct allocator *al)
{
    uint32_t next = 1, missing = 0;

    for (uint32_t g = 0; g < al->mesh->n_gateways; g++)
        if (al->kept[g])
            take_number(al, g, al->kept[g]->number);
    for (uint32_t g = 0; g < al->mesh->n_gateways; g++)
        keep_extra_numbers(al, g);
    for (uint32_t g = 0; g < al->mesh->n_gateways; g++)
        if (!al->kept[g] && al->mesh->gateways[g].number)
            take_number(al, g, al->mesh->gateways[g].number);
    for (uint32_t g = 0; g < al->mesh->n_gateways; g++) {
        if (al->kept[g] || al->mesh->gateways[g].number)
            continue;
        while (next <= al->max_number && !number_is_free(al, next))
            next++;
        if (next > al->max_number)
            missing++;
        else
            take_number(al, g, next);
    }
    if (missing)
        error_add(al->err, al->mesh->file, 0, ADDRESSING "/base-port",
                  "%zu gateways do not find a number: base-port %u leaves ports for %" PRIu32
                  ", and %" PRIu32 " gateways have none; lower base-port, or take gateways out",
                  al->mesh->n_gateways, al->mesh->base_port, al->max_number, missing);
}

static void derive_asn(struct allocator *al, uint32_t g)
{
    uint64_t asn = (uint64_t)al->mesh->base_asn + al->net->gateways[g].number;
    uint32_t last = al->mesh->base_asn < 4200000000u ? 65534 : 4294967294u, other;

    al->net->gateways[g].asn = (uint32_t)asn;
    if (asn > last || !asn_is_private((uint32_t)asn))
        gateway_error(al, g, "asn",
                      "base-asn %" PRIu32 " plus number %" PRIu32 " is not an ASN for private use "
                      "(up to %" PRIu32 "); lower " ADDRESSING "/base-asn, or set the leaf",
                      al->mesh->base_asn, al->net->gateways[g].number, last);
    else if ((other = given_to(al->asns, al->n_asns, (uint32_t)asn)) != ALLOCATE_NOBODY)
        gateway_error(al, g, "number",
                      "number %" PRIu32 " makes ASN %" PRIu32 ", which gateway '%s' has; choose "
                      "another number, or set 'asn' here",
                      al->net->gateways[g].number, (uint32_t)asn, al->mesh->gateways[other].name);
}

static void derive_router_id(struct allocator *al, uint32_t g)
{
    uint32_t id = ROUTER_ID_BASE + al->net->gateways[g].number;
    uint32_t other = given_to(al->router_ids, al->n_router_ids, id);
    char text[16];

    al->net->gateways[g].router_id = id;
    if (other != ALLOCATE_NOBODY)
        gateway_error(al, g, "number",
                      "number %" PRIu32 " makes router-id %s, which gateway '%s' has; choose "
                      "another number, or set 'router-id' here",
                      al->net->gateways[g].number, ipv4_text(id, text),
                      al->mesh->gateways[other].name);
}

/* A number for each further tunnel that a gateway has with any of its peers. */
void allocate_extra_numbers(struct allocator *al)
{
    struct network *net = al->net;
    uint8_t *tunnels = xcalloc(al->mesh->n_gateways, sizeof(*tunnels));
    uint32_t next = 1, missing = 0;

    for (size_t i = 0; i < net->n_links; i++) {
        const struct network_link *l = &net->links[i];

        tunnels[l->a] = l->tunnel > tunnels[l->a] ? l->tunnel : tunnels[l->a];
        tunnels[l->b] = l->tunnel > tunnels[l->b] ? l->tunnel : tunnels[l->b];
    }
    for (uint32_t g = 0; g < al->mesh->n_gateways; g++)
        for (unsigned i = 0; i < NETWORK_MAX_TUNNELS - 1; i++) {
            uint32_t *extra = &net->gateways[g].extra[i];

            if (i >= tunnels[g]) {
                *extra = 0;
                continue;
            }
            while (!*extra && next <= al->max_number && al->owner[next] != ALLOCATE_NOBODY)
                next++;
            if (!*extra && next > al->max_number)
                missing++;
            else if (!*extra)
                al->owner[ *extra = next] = g;
        }
    if (missing)
        error_add(
            al->err, al->mesh->file, 0, ADDRESSING "/base-port",
            "base-port %u leaves ports for %" PRIu32 " numbers, and %" PRIu32 " more are "
            "needed: each gateway takes one, and one for each tunnel behind the first that it "
            "has with a peer ('parallel'); lower base-port, or 'parallel'",
            al->mesh->base_port, al->max_number, missing);
    free(tunnels);
}

/* base-asn is for those that have no ASN yet; nobody shall believe that it moved the others. */
void allocate_warn_of_base_asn(const struct allocator *al, struct error_list *warnings)
{
    uint32_t n = 0, first = 0;

    for (uint32_t g = 0; g < al->mesh->n_gateways; g++)
        if (al->kept[g] && !al->mesh->gateways[g].asn &&
            al->kept[g]->asn != al->mesh->base_asn + al->kept[g]->number && n++ == 0)
            first = g;
    if (n)
        error_add(warnings, al->mesh->file, 0, ADDRESSING "/base-asn",
                  "%" PRIu32 " gateways (first '%s', with %" PRIu32
                  ") keep the ASN that %s has for "
                  "them; only gateways that you add take base-asn %" PRIu32 ". To move the others, "
                  "change 'asn' there, knowing that their BGP sessions reset",
                  n, al->mesh->gateways[first].name, al->kept[first]->asn, al->lock->file,
                  al->mesh->base_asn);
}

void allocate_gateways(struct allocator *al)
{
    size_t n = al->mesh->n_gateways;

    al->max_number = UINT16_MAX - al->mesh->base_port;
    if (n > al->max_number) {
        error_add(al->err, al->mesh->file, 0, ADDRESSING "/base-port",
                  "base-port %u leaves ports for %" PRIu32 " gateways, but the mesh has %zu; lower "
                  "base-port, or make more than one mesh of it",
                  al->mesh->base_port, al->max_number, n);
        return;
    }
    al->owner = xmalloc((GATEWAY_MAX_NUMBER + 1) * sizeof(*al->owner));
    memset(al->owner, 0xff, (GATEWAY_MAX_NUMBER + 1) * sizeof(*al->owner));
    al->asns = xcalloc(n, sizeof(*al->asns));
    al->router_ids = xcalloc(n, sizeof(*al->router_ids));
    find_kept(al);
    check_contradictions(al);
    collect_given(al);
    assign_numbers(al);
    for (uint32_t g = 0; g < n; g++) {
        struct network_gateway *out = &al->net->gateways[g];
        const struct lock_gateway *k = al->kept[g];

        out->generation = k ? k->generation : 1;
        out->asn = k ? k->asn : al->mesh->gateways[g].asn;
        out->router_id = k ? k->router_id : al->mesh->gateways[g].router_id;
        if (!out->asn && out->number)
            derive_asn(al, g);
        if (!out->router_id && out->number)
            derive_router_id(al, g);
    }
}
