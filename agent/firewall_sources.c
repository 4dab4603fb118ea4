/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/firewall_sources.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

const struct bundle_link *firewall_link_any(const struct firewall_link *l)
{
    return l->now ? l->now : l->before;
}

/* Links are in the order of the peers' numbers and tunnels in both. */
static int compare_links(const struct bundle_link *a, const struct bundle_link *b)
{
    if (a->peer_number != b->peer_number)
        return a->peer_number < b->peer_number ? -1 : 1;
    return a->tunnel < b->tunnel ? -1 : a->tunnel > b->tunnel;
}

void firewall_links_merge(struct firewall_links *w)
{
    const struct bundle *now = w->f->now, *before = w->f->before;
    size_t n_before = before ? before->n_links : 0, i = 0, k = 0;

    w->items = xcalloc(now->n_links + n_before + 1, sizeof(*w->items));
    while (i < now->n_links || k < n_before) {
        const struct bundle_link *a = i < now->n_links ? &now->links[i] : NULL;
        const struct bundle_link *b = k < n_before ? &before->links[k] : NULL;
        int order = !a ? 1 : !b ? -1 : compare_links(a, b);

        i += order <= 0;
        k += order >= 0;
        if (order == 0 && strcmp(a->peer, b->peer) != 0)
            b = NULL; /* the number is another gateway's now */
        w->items[w->n++] = (struct firewall_link){order <= 0 ? a : NULL, order >= 0 ? b : NULL};
    }
}

void prefix_list_add(struct prefix_list *l, const struct prefix *prefixes, size_t n)
{
    while (l->cap - l->n < n) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->items = xreallocarray(l->items, l->cap, sizeof(*l->items));
    }
    for (size_t i = 0; i < n; i++)
        l->items[l->n++] = prefixes[i];
}

static int compare_prefixes(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

/* A prefix stands before those inside it. */
void prefix_list_tidy(struct prefix_list *l)
{
    size_t n = 0;

    if (l->n > 1)
        qsort(l->items, l->n, sizeof(*l->items), compare_prefixes);
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || !prefix_contains(&l->items[n - 1], &l->items[i]))
            l->items[n++] = l->items[i];
    l->n = n;
}

bool prefix_is_one_of(const struct prefix *p, const struct prefix *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (prefix_compare(p, &list[i]) == 0)
            return true;
    return false;
}

static void collect_mesh_of(struct prefix_list *l, const struct bundle *b, const struct origins *o)
{
    prefix_list_add(l, b->mesh_prefixes, b->n_mesh_prefixes);
    if (b->lan_shared)
        prefix_list_add(l, b->lan_prefixes, b->n_lan_prefixes);
    if (b->origin_check != BUNDLE_ORIGINS_BY_CACHE)
        return;
    /* What the bundle itself knows, for the time without a table. */
    for (size_t i = 0; i < b->n_links; i++)
        for (size_t k = 0; k < b->links[i].n_peer_prefixes; k++)
            if (!prefix_is_one_of(&b->links[i].peer_prefixes[k], b->lan_prefixes,
                                  b->n_lan_prefixes))
                prefix_list_add(l, &b->links[i].peer_prefixes[k], 1);
    for (size_t i = 0; o && i < o->n; i++)
        if (!prefix_is_one_of(&o->entries[i].prefix, b->lan_prefixes, b->n_lan_prefixes))
            prefix_list_add(l, &o->entries[i].prefix, 1);
}

void firewall_sources_mesh(const struct firewall_links *w, struct prefix_list *l)
{
    collect_mesh_of(l, w->f->now, w->f->origins);
    if (w->f->before)
        collect_mesh_of(l, w->f->before, w->f->origins);
    prefix_list_tidy(l);
}

struct prefix prefix_host(struct prefix p)
{
    p.len = p.family == FAMILY_IPV4 ? 32 : 128;
    return p;
}

static bool same_peer(const struct firewall_links *w, size_t i, size_t k)
{
    const struct bundle_link *a = firewall_link_any(&w->items[i]),
                             *b = firewall_link_any(&w->items[k]);

    return a->peer_number == b->peer_number && strcmp(a->peer, b->peer) == 0;
}

static void collect_sources_of(struct prefix_list *l, const struct bundle_link *link)
{
    if (!link)
        return;
    prefix_list_add(l, link->peer_prefixes, link->n_peer_prefixes);
    for (size_t i = 0; i < link->n_addresses; i++) {
        struct prefix address = prefix_host(link->peer_addresses[i]);

        prefix_list_add(l, &address, 1);
    }
}

void firewall_sources_link(const struct firewall_links *w, size_t i, struct prefix_list *l)
{
    size_t from = i, to = i + 1;

    while (from > 0 && same_peer(w, from - 1, i))
        from--;
    while (to < w->n && same_peer(w, to, i))
        to++;
    for (size_t k = from; k < to; k++) {
        collect_sources_of(l, w->items[k].now);
        collect_sources_of(l, w->items[k].before);
    }
    prefix_list_tidy(l);
}
