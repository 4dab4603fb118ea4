/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/allocate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/allocate_gateways.h"
#include "controller/lock.h"
#include "controller/network.h"
#include "controller/origin_check.h"
#include "controller/override.h"
#include "controller/pairs.h"
#include "controller/pool.h"
#include "controller/stages.h"
#include "controller/topology.h"

/* --- links ------------------------------------------------------------------------------------ */

static uint32_t link_key(const struct network *net, const struct network_link *l)
{
    uint32_t x = net->gateways[l->a].number, y = net->gateways[l->b].number;

    return x < y ? pair_key(y, x) : pair_key(x, y);
}

/* Sorts in the order in which indexes are handed out: (higher number, tunnel, lower number).  So
 * the tunnels of a gateway that comes are runs in the lock, as many as there are tunnels. */
static void sort_links(struct pair *links, size_t n, const uint8_t *tunnels)
{
    bool any = false;

    for (size_t i = 0; i < n && !any; i++)
        any = tunnels[i] > 0;
    pairs_sort_tunnels(links, n, any ? tunnels : NULL);
}

static uint64_t order(const struct pair *link, const uint8_t *tunnels)
{
    return (uint64_t)(link->key >> 16) << 32 | (uint32_t)tunnels[link->value] << 16 |
           (link->key & 0xffff);
}

/* What the lock has for a link stays, override included; returns one more than the highest index.
 * `links`: in order; those that find nothing are moved to its front, *n_new of them. */
static uint64_t keep_indexes(struct allocator *al, struct pair *links, const uint8_t *tunnels,
                             size_t *n_new)
{
    size_t n_old = al->lock ? al->lock->n_links : 0, at = 0;
    struct pair *old = xcalloc(n_old, sizeof(*old));
    uint8_t *old_tunnels = xcalloc(n_old, sizeof(*old_tunnels));
    uint64_t end = 0;

    *n_new = 0;
    for (uint32_t i = 0; i < n_old; i++) {
        old[i] = (struct pair){pair_key(al->lock->links[i].b, al->lock->links[i].a), i};
        old_tunnels[i] = al->lock->links[i].tunnel;
    }
    sort_links(old, n_old, old_tunnels);
    for (size_t i = 0; i < al->net->n_links; i++) {
        struct network_link *link = &al->net->links[links[i].value];
        uint64_t wanted = order(&links[i], tunnels);

        while (at < n_old && order(&old[at], old_tunnels) < wanted)
            at++;
        if (at < n_old && order(&old[at], old_tunnels) == wanted) {
            const struct lock_link *record = &al->lock->links[old[at].value];

            link->index = record->index;
            link->override = record->override;
            if (end <= record->index)
                end = (uint64_t)record->index + 1;
        } else {
            link->index = ALLOCATE_NOBODY;
            links[(*n_new)++] = links[i];
        }
    }
    free(old);
    free(old_tunnels);
    return end;
}

/* The gateway that has a number now and had it in the lock; ALLOCATE_NOBODY: it left.  A link of
 * one that left must not pass its index on. */
static uint32_t still_has(const struct allocator *al, uint32_t number)
{
    uint32_t g = al->owner[number];

    return g != ALLOCATE_NOBODY && al->kept[g] && al->kept[g]->number == number ? g
                                                                                : ALLOCATE_NOBODY;
}

static struct lock *without_the_gone(const struct allocator *al)
{
    struct lock *lock = xcalloc(1, sizeof(*lock));
    const struct lock *old = al->lock;

    lock->file = old->file;
    lock->link_prefixes = old->link_prefixes;
    lock->n_link_prefixes = old->n_link_prefixes;
    lock->links = arena_alloc(&lock->arena, old->n_links ? old->n_links : 1, sizeof(*lock->links));
    for (size_t i = 0; i < old->n_links; i++)
        if (still_has(al, old->links[i].a) != ALLOCATE_NOBODY &&
            still_has(al, old->links[i].b) != ALLOCATE_NOBODY)
            lock->links[lock->n_links++] = old->links[i];
    return lock;
}

/* What the topology keeps to: `lock` is without the gone. */
static void remember(const struct allocator *al, const struct lock *lock)
{
    struct arena *arena = &al->net->arena;
    struct network_past *past = arena_alloc(arena, 1, sizeof(*past));
    bool *elected = arena_alloc(arena, al->mesh->n_gateways + 1, sizeof(*elected));

    for (size_t g = 0; g < al->mesh->n_gateways; g++)
        elected[g] = al->kept[g] && al->kept[g]->transit;
    past->elected = elected;
    past->links = arena_alloc(arena, lock->n_links + 1, sizeof(*past->links));
    for (size_t i = 0; i < lock->n_links; i++)
        if (lock->links[i].tunnel == 0)
            past->links[past->n_links++] =
                (struct network_pair){al->owner[lock->links[i].a], al->owner[lock->links[i].b]};
    al->net->past = past;
}

static void assign_indexes(struct allocator *al)
{
    struct network *net = al->net;
    struct pair *links = xcalloc(net->n_links, sizeof(*links));
    uint8_t *tunnels = xcalloc(net->n_links, sizeof(*tunnels));
    uint64_t *used = xcalloc(net->n_links / 64 + 1, sizeof(*used)), kept;
    uint32_t next = 0;
    size_t n_new;

    for (uint32_t i = 0; i < net->n_links; i++) {
        links[i] = (struct pair){link_key(net, &net->links[i]), i};
        tunnels[i] = net->links[i].tunnel;
    }
    sort_links(links, net->n_links, tunnels);
    kept = keep_indexes(al, links, tunnels, &n_new);
    pool_choose(net, al->lock, kept, al->err);
    pool_check_room(net, kept > net->n_links ? kept : net->n_links, al->err);
    for (size_t i = 0; i < net->n_links; i++)
        if (net->links[i].index < net->n_links)
            used[net->links[i].index / 64] |= UINT64_C(1) << net->links[i].index % 64;
    for (size_t i = 0; i < n_new; i++) {
        while (used[next / 64] >> next % 64 & 1)
            next++;
        net->links[links[i].value].index = next++;
    }
    free(links);
    free(tunnels);
    free(used);
}

/* --- the lock to be written ---------------------------------------------------------------------
 */

static struct lock *make_lock(const struct allocator *al)
{
    const struct network *net = al->net;
    size_t n = al->mesh->n_gateways, n_links = net->n_links;
    struct lock *lock = xcalloc(1, sizeof(*lock));
    struct pair *order = xcalloc(n > n_links ? n : n_links, sizeof(*order));

    lock->mesh = arena_strdup(&lock->arena, al->mesh->name);
    lock->origin_check = net->origin_check;
    lock->link_prefixes =
        arena_alloc(&lock->arena, 2 * (size_t)NETWORK_MAX_POOL, sizeof(struct prefix));
    for (unsigned f = 0; f < 2; f++)
        for (size_t i = 0; i < net->n_pool[f]; i++)
            lock->link_prefixes[lock->n_link_prefixes++] = net->pool[f][i];

    lock->gateways = arena_alloc(&lock->arena, n ? n : 1, sizeof(*lock->gateways));
    lock->n_gateways = n;
    for (uint32_t g = 0; g < n; g++)
        order[g] = (struct pair){net->gateways[g].number, g};
    pairs_sort(order, n);
    for (size_t i = 0; i < n; i++) {
        const struct network_gateway *g = &net->gateways[order[i].value];

        lock->gateways[i] = (struct lock_gateway){
            .name = arena_strdup(&lock->arena, al->mesh->gateways[order[i].value].name),
            .number = g->number,
            .asn = g->asn,
            .router_id = g->router_id,
            .generation = g->generation,
            .transit = g->elected,
        };
        memcpy(lock->gateways[i].extra, g->extra, sizeof(g->extra));
    }

    lock->links = arena_alloc(&lock->arena, n_links ? n_links : 1, sizeof(*lock->links));
    lock->n_links = n_links;
    for (uint32_t i = 0; i < n_links; i++)
        order[i] = (struct pair){net->links[i].index, i};
    pairs_sort(order, n_links);
    for (size_t i = 0; i < n_links; i++) {
        const struct network_link *l = &net->links[order[i].value];
        uint32_t key = link_key(net, l);

        lock->links[i] = (struct lock_link){
            .a = key & 0xffff, .b = key >> 16, .index = l->index, .tunnel = l->tunnel};
        if (l->override) {
            lock->links[i].override = arena_alloc(&lock->arena, 1, sizeof(*l->override));
            *lock->links[i].override = *l->override;
        }
    }
    free(order);
    return lock;
}

static void check_mesh_name(struct allocator *al)
{
    if (al->lock && al->lock->mesh && strcmp(al->lock->mesh, al->mesh->name) != 0)
        error_add(al->err, al->mesh->file, 0, "/p2pvpn-mesh:mesh/name",
                  "'%s' contradicts %s: /p2pvpn-lock:lock/mesh, which is '%s'; if that is the lock "
                  "of another mesh, use the right one; to rename the mesh, write the new name into "
                  "the lock as well: all numbers and addresses stay",
                  al->mesh->name, al->lock->file, al->lock->mesh);
}

static int build_topology(struct network *net, struct error_list *warnings, struct error_list *err)
{
    double start = stages_now();
    int r = topology_build(net, warnings, err);

    net->topology_seconds = stages_now() - start;
    return r;
}

int allocate_network(const struct mesh *mesh, const struct lock *lock, struct network **ret_net,
                     struct lock **ret_lock, struct error_list *warnings, struct error_list *err)
{
    struct network *net = xcalloc(1, sizeof(*net));
    struct allocator al = {.mesh = mesh, .lock = lock, .net = net, .err = err};
    struct lock *present = NULL;
    size_t errors = err->n;

    net->mesh = mesh;
    net->gateways =
        arena_alloc(&net->arena, mesh->n_gateways ? mesh->n_gateways : 1, sizeof(*net->gateways));
    al.kept = xcalloc(mesh->n_gateways, sizeof(const struct lock_gateway *));
    check_mesh_name(&al);
    allocate_gateways(&al);
    allocate_warn_of_base_asn(&al, warnings);
    if (err->n == errors && lock) {
        al.lock = present = without_the_gone(&al);
        remember(&al, present);
    }
    if (err->n == errors && build_topology(net, warnings, err) == 0) {
        allocate_extra_numbers(&al);
        assign_indexes(&al);
        net->origin_check = origin_check_choose(net, lock, warnings);
        if (err->n == errors)
            override_check(net, lock ? lock->file : NULL, err);
    }
    if (err->n == errors)
        *ret_lock = make_lock(&al);
    free(al.kept);
    free(al.owner);
    free(al.asns);
    free(al.router_ids);
    lock_free(present);
    if (err->n != errors) {
        network_free(net);
        return -EINVAL;
    }
    *ret_net = net;
    return 0;
}

struct network *network_free(struct network *net)
{
    if (net) {
        arena_free(&net->arena);
        free(net);
    }
    return NULL;
}
