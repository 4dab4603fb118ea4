/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/registry.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/origins.h"
#include "controller/network.h"

/* A gateway as the origin of its LAN. */
struct speaker {
    uint32_t lan, asn;
};

static int compare_speakers(const void *a, const void *b)
{
    const struct speaker *x = a, *y = b;

    if (x->lan != y->lan)
        return x->lan < y->lan ? -1 : 1;
    return (x->asn > y->asn) - (x->asn < y->asn);
}

static int check_size(const struct mesh *mesh, size_t prefixes, size_t pairs,
                      struct error_list *err)
{
    if (prefixes > ORIGINS_MAX_ENTRIES)
        return error_add(err, mesh->file, 0, "/p2pvpn-mesh:mesh",
                         "the LANs with a gateway have %zu prefixes, and more than %u are not "
                         "supported; join adjacent prefixes, or make two meshes of this one",
                         prefixes, ORIGINS_MAX_ENTRIES);
    if (pairs > ORIGINS_MAX_PAIRS)
        return error_add(err, mesh->file, 0, "/p2pvpn-mesh:mesh",
                         "the prefixes of the LANs have %zu pairs with a gateway, and more than %u "
                         "are not supported; join adjacent prefixes, or give LANs with many of "
                         "them fewer gateways",
                         pairs, ORIGINS_MAX_PAIRS);
    return 0;
}

int registry_format(const struct network *net, struct buf *ret, struct error_list *err)
{
    const struct mesh *mesh = net->mesh;
    struct origins o = {.mesh = mesh->name};
    struct speaker *speakers = arena_alloc(&o.arena, mesh->n_gateways + 1, sizeof(*speakers));
    uint32_t *asns = arena_alloc(&o.arena, mesh->n_gateways + 1, sizeof(*asns));
    size_t prefixes = 0, pairs = 0;
    int r;

    for (uint32_t i = 0; i < mesh->n_gateways; i++) {
        speakers[i] = (struct speaker){mesh->gateways[i].lan, net->gateways[i].asn};
        pairs += mesh->lans[mesh->gateways[i].lan].n_prefixes;
    }
    qsort(speakers, mesh->n_gateways, sizeof(*speakers), compare_speakers);
    for (size_t i = 0; i < mesh->n_gateways; i++) {
        asns[i] = speakers[i].asn;
        if (i == 0 || speakers[i - 1].lan != speakers[i].lan)
            prefixes += mesh->lans[speakers[i].lan].n_prefixes;
    }
    r = check_size(mesh, prefixes, pairs, err);
    o.entries = arena_alloc(&o.arena, prefixes + 1, sizeof(*o.entries));
    for (size_t i = 0, next; r == 0 && i < mesh->n_gateways; i = next) {
        const struct mesh_lan *lan = &mesh->lans[speakers[i].lan];

        for (next = i + 1; next < mesh->n_gateways && speakers[next].lan == speakers[i].lan;)
            next++;
        for (size_t k = 0; k < lan->n_prefixes; k++)
            o.entries[o.n++] =
                (struct origin){lan->prefixes[k], (uint32_t)(next - i), asns + i, lan->name};
    }
    if (r == 0) {
        origins_sort(&o);
        origins_format(&o, ret);
    }
    arena_free(&o.arena);
    return r;
}
