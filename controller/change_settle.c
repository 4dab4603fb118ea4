/* SPDX-License-Identifier: Apache-2.0 */
/* Change: what is there twice goes, all is put in order, and counted. */
#include <stdlib.h>
#include <string.h>

#include "controller/change_internal.h"

int change_compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_gateways(const void *a, const void *b)
{
    return strcmp(((const struct change_gateway *)a)->name,
                  ((const struct change_gateway *)b)->name);
}

static int compare_links(const void *pa, const void *pb)
{
    const struct change_link *a = pa, *b = pb;
    int order = strcmp(a->a, b->a);

    if (order == 0)
        order = strcmp(a->b, b->b);
    if (order == 0)
        order = (a->tunnel > b->tunnel) - (a->tunnel < b->tunnel);
    return order ? order : (int)a->what - (int)b->what;
}

static int compare_sessions(const void *pa, const void *pb)
{
    const struct change_session *a = pa, *b = pb;

    return strcmp(a->neighbor ? a->neighbor : "", b->neighbor ? b->neighbor : "");
}

static bool same_link(const struct change_link *a, const struct change_link *b)
{
    return strcmp(a->a, b->a) == 0 && strcmp(a->b, b->b) == 0 && a->tunnel == b->tunnel;
}

/* Both ends have told of it.  What left one interface and came to another is the same link. */
static void settle_links(struct change *c)
{
    size_t n = 0;

    if (c->n_links)
        qsort(c->link, c->n_links, sizeof(*c->link), compare_links);
    for (size_t i = 0, k; i < c->n_links; i = k) {
        for (k = i + 1; k < c->n_links && same_link(&c->link[i], &c->link[k]);)
            k++;
        if (c->link[i].what == c->link[k - 1].what)
            c->link[n++] = c->link[i];
    }
    c->n_links = n;
    for (size_t i = 0; i < n; i++)
        c->links.n[c->link[i].what]++;
    c->links.n[CHANGE_NONE] = c->links.now - c->links.n[CHANGE_ADDED];
    c->links.before = c->links.n[CHANGE_NONE] + c->links.n[CHANGE_REMOVED];
}

static void settle_gateway(struct change *c, struct change_gateway *g)
{
    if (g->n_sessions)
        qsort(g->sessions, g->n_sessions, sizeof(*g->sessions), compare_sessions);
    if (g->bundle) {
        c->gateways.n[g->what]++;
        c->bundles[g->what]++;
    } else {
        c->felt++;
    }
    for (size_t i = 0; g->what != CHANGE_REMOVED && i < g->n_processes; i++)
        c->processes[g->processes[i].what]++;
    for (size_t i = 0; g->what != CHANGE_REMOVED && i < g->n_sessions; i++)
        c->sessions[g->sessions[i].what]++;
}

void change_settle(struct change *c)
{
    if (c->n_gateways)
        qsort(c->gateway, c->n_gateways, sizeof(*c->gateway), compare_gateways);
    for (size_t i = 0; i < c->n_gateways; i++)
        settle_gateway(c, &c->gateway[i]);
    c->gateways.before =
        c->gateways.now - c->gateways.n[CHANGE_ADDED] + c->gateways.n[CHANGE_REMOVED];
    settle_links(c);
}

bool change_any(const struct change *c)
{
    return c->n_gateways > 0 || c->n_links > 0 || c->n_lans > 0 || c->n_routes > 0;
}

const struct change_gateway *change_find(const struct change *c, const char *gateway)
{
    struct change_gateway key = {.name = gateway};

    return c->n_gateways ? bsearch(&key, c->gateway, c->n_gateways, sizeof(key), compare_gateways)
                         : NULL;
}

static int compare_quiet(const void *name, const void *quiet)
{
    return strcmp(name, ((const struct change_quiet *)quiet)->name);
}

const struct change_quiet *change_find_quiet(const struct change *c, const char *gateway)
{
    return c->n_quiet ? bsearch(gateway, c->quiet, c->n_quiet, sizeof(*c->quiet), compare_quiet)
                      : NULL;
}

struct change *change_free(struct change *c)
{
    if (!c)
        return NULL;
    free(c->gateway);
    free(c->link);
    arena_free(&c->arena);
    free(c);
    return NULL;
}
