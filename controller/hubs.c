/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/hubs.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

#define PATIENCE (UINT64_C(1) << 26) /* slots looked at before loads may stay uneven */

/* The hubs of one kind by load, the lowest first.  A load changes by one at a time, so the order is
 * kept by exchanging a hub with one at the border of its load. */
struct ladder {
    uint32_t *hubs, n;
    uint32_t *first; /* by load: where those with at least it begin */
};

struct assigner {
    const struct hubs *in;
    uint32_t *chosen, *n_chosen; /* chosen: per_spoke of each spoke, pinned ones not included */
    uint32_t *n_pinned;
    bool *fresh;              /* beside chosen: it did not have it before */
    uint32_t *load, *place;   /* by hub: its links; its place in its ladder */
    struct ladder ladders[2]; /* of those that cannot be called, and that can */
    uint32_t *stamps, stamp;  /* by hub: the spoke at hand has it */
    uint64_t work;            /* slots looked at to even out */
};

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

uint64_t hubs_hash(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    return mix(h);
}

static uint64_t score(const struct assigner *a, uint32_t spoke, uint32_t hub)
{
    return mix(a->in->spokes[spoke].hash ^ a->in->hubs[hub].hash);
}

static bool can_link(const struct assigner *a, uint32_t spoke, uint32_t hub)
{
    return a->in->spokes[spoke].callable || a->in->hubs[hub].callable;
}

static uint32_t *slots(const struct assigner *a, uint32_t spoke)
{
    return a->chosen + (size_t)spoke * a->in->per_spoke;
}

/* --- loads ------------------------------------------------------------------------------------ */

static struct ladder *ladder_of(struct assigner *a, uint32_t hub)
{
    return &a->ladders[a->in->hubs[hub].callable];
}

static void exchange(struct assigner *a, struct ladder *l, uint32_t x, uint32_t y)
{
    uint32_t hub = l->hubs[x];

    l->hubs[x] = l->hubs[y];
    l->hubs[y] = hub;
    a->place[l->hubs[x]] = x;
    a->place[l->hubs[y]] = y;
}

static void add_load(struct assigner *a, uint32_t hub)
{
    struct ladder *l = ladder_of(a, hub);
    uint32_t load = a->load[hub]++;

    exchange(a, l, a->place[hub], --l->first[load + 1]);
}

static void drop_load(struct assigner *a, uint32_t hub)
{
    struct ladder *l = ladder_of(a, hub);
    uint32_t load = a->load[hub]--;

    exchange(a, l, a->place[hub], l->first[load]++);
}

/* --- who keeps what --------------------------------------------------------------------------- */

static void take(struct assigner *a, uint32_t spoke, uint32_t hub, bool fresh)
{
    size_t slot = (size_t)spoke * a->in->per_spoke + a->n_chosen[spoke]++;

    a->chosen[slot] = hub;
    a->fresh[slot] = fresh;
}

/* All that they had; of those that had too many, those at the fullest hubs go. */
static void keep(struct assigner *a)
{
    const struct hubs *in = a->in;
    uint32_t *had;

    for (uint32_t s = 0; s < in->n_spokes; s++)
        for (uint32_t i = 0; i < in->spokes[s].n; i++) {
            const struct hubs_link *l = &in->links[in->spokes[s].first + i];

            a->n_pinned[s] += l->pinned;
            if (l->pinned || can_link(a, s, l->hub))
                add_load(a, l->hub);
        }
    had = xcalloc(in->n_hubs, sizeof(*had));
    for (uint32_t s = 0; s < in->n_spokes; s++) {
        uint32_t n = 0;
        uint32_t room = in->per_spoke > a->n_pinned[s] ? in->per_spoke - a->n_pinned[s] : 0;

        for (uint32_t i = 0; i < in->spokes[s].n; i++) {
            const struct hubs_link *l = &in->links[in->spokes[s].first + i];

            if (!l->pinned && can_link(a, s, l->hub))
                had[n++] = l->hub;
        }
        while (n > room) {
            uint32_t fullest = 0;

            for (uint32_t i = 1; i < n; i++)
                if (a->load[had[i]] > a->load[had[fullest]])
                    fullest = i;
            drop_load(a, had[fullest]);
            memmove(had + fullest, had + fullest + 1, (--n - fullest) * sizeof(*had));
        }
        for (uint32_t i = 0; i < n; i++)
            take(a, s, had[i], false);
    }
    free(had);
}

/* --- what is missing -------------------------------------------------------------------------- */

static void mark_hubs_of(struct assigner *a, uint32_t spoke)
{
    const struct hubs_spoke *s = &a->in->spokes[spoke];

    a->stamp++;
    for (uint32_t i = 0; i < a->n_chosen[spoke]; i++)
        a->stamps[slots(a, spoke)[i]] = a->stamp;
    for (uint32_t i = 0; i < s->n; i++)
        if (a->in->links[s->first + i].pinned)
            a->stamps[a->in->links[s->first + i].hub] = a->stamp;
}

/* One of the emptiest hubs that the spoke does not have; HUBS_NONE: it has all it can.  Of equal
 * ones chance decides, as far as a hash is one. */
static uint32_t emptiest(struct assigner *a, uint32_t spoke, uint64_t chance)
{
    uint32_t best = HUBS_NONE;

    for (unsigned kind = 0; kind < 2; kind++) {
        const struct ladder *l = &a->ladders[kind];

        if (!kind && !a->in->spokes[spoke].callable)
            continue;
        for (uint32_t at = 0, end; at < l->n; at = end) {
            uint32_t load = a->load[l->hubs[at]], found = HUBS_NONE;

            end = l->first[load + 1];
            if (best != HUBS_NONE && load > a->load[best])
                break;
            for (uint32_t i = 0, from = (uint32_t)(chance % (end - at)); i < end - at; i++) {
                found = l->hubs[at + (from + i) % (end - at)];
                if (a->stamps[found] != a->stamp)
                    break;
                found = HUBS_NONE;
            }
            if (found == HUBS_NONE)
                continue;
            if (best == HUBS_NONE || load < a->load[best] || chance >> 32 & 1)
                best = found;
            break;
        }
    }
    return best;
}

static void fill(struct assigner *a)
{
    for (uint32_t s = 0; s < a->in->n_spokes; s++) {
        uint64_t chance = a->in->spokes[s].hash;

        if (a->n_chosen[s] + a->n_pinned[s] >= a->in->per_spoke)
            continue;
        mark_hubs_of(a, s);
        while (a->n_chosen[s] + a->n_pinned[s] < a->in->per_spoke) {
            uint32_t hub = emptiest(a, s, chance = mix(chance + 1));

            if (hub == HUBS_NONE)
                break;
            add_load(a, hub);
            a->stamps[hub] = a->stamp;
            take(a, s, hub, true);
        }
    }
}

/* --- what is uneven --------------------------------------------------------------------------- */

/* The slots that hold each hub. */
struct holders {
    size_t *slots;
    uint32_t n, cap;
    uint32_t n_callable; /* whose spoke can be called */
};

static void hold(const struct assigner *a, struct holders *h, size_t slot)
{
    h->n_callable += a->in->spokes[slot / a->in->per_spoke].callable;
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->slots = xreallocarray(h->slots, h->cap, sizeof(*h->slots));
    }
    h->slots[h->n++] = slot;
}

static bool has_hub(const struct assigner *a, uint32_t spoke, uint32_t hub)
{
    const struct hubs_spoke *s = &a->in->spokes[spoke];

    for (uint32_t i = 0; i < a->n_chosen[spoke]; i++)
        if (slots(a, spoke)[i] == hub)
            return true;
    for (uint32_t i = 0; i < s->n; i++)
        if (a->in->links[s->first + i].pinned && a->in->links[s->first + i].hub == hub)
            return true;
    return false;
}

/* Which of the slots of a hub may move to another one; HUBS_NONE: no spoke of it can.  What is new
 * moves first. */
static uint32_t find_mover(struct assigner *a, const struct holders *holders, uint32_t from,
                           uint32_t to)
{
    const struct holders *h = &holders[from];
    uint32_t best = HUBS_NONE;
    uint64_t most = 0;

    if (!a->in->hubs[to].callable && !h->n_callable)
        return HUBS_NONE;
    a->work += h->n;
    for (uint32_t i = 0; i < h->n; i++) {
        uint32_t spoke = (uint32_t)(h->slots[i] / a->in->per_spoke);
        uint64_t value = score(a, spoke, to) >> 1 | (uint64_t)a->fresh[h->slots[i]] << 63;

        if ((best == HUBS_NONE || value > most) && can_link(a, spoke, to) &&
            !has_hub(a, spoke, to)) {
            best = i;
            most = value;
        }
    }
    return best;
}

static void move(struct assigner *a, struct holders *holders, uint32_t from, uint32_t mover,
                 uint32_t to)
{
    struct holders *h = &holders[from];
    size_t slot = h->slots[mover];

    a->chosen[slot] = to;
    a->fresh[slot] = true;
    h->slots[mover] = h->slots[--h->n];
    h->n_callable -= a->in->spokes[slot / a->in->per_spoke].callable;
    hold(a, &holders[to], slot);
    drop_load(a, from);
    add_load(a, to);
}

static bool move_one(struct assigner *a, struct holders *holders, uint32_t from, uint32_t to)
{
    uint32_t mover = find_mover(a, holders, from, to);

    if (mover == HUBS_NONE)
        return false;
    move(a, holders, from, mover, to);
    return true;
}

/* From a hub whose spokes cannot be called to one that cannot be called either, over a third. */
static bool move_two(struct assigner *a, struct holders *holders, uint32_t from, uint32_t to)
{
    if (!a->in->hubs[from].callable || a->in->hubs[to].callable)
        return false;
    for (uint32_t middle = 0; middle < a->in->n_hubs; middle++) {
        uint32_t first, second;

        if (middle == from || !a->in->hubs[middle].callable)
            continue;
        second = find_mover(a, holders, middle, to);
        first = second == HUBS_NONE ? HUBS_NONE : find_mover(a, holders, from, middle);
        if (first == HUBS_NONE)
            continue;
        move(a, holders, middle, second, to);
        move(a, holders, from, first, middle);
        return true;
    }
    return false;
}

/* Of both ladders: the fullest hub that is not given up, and the emptiest. */
static uint32_t fullest_hub(const struct assigner *a, const bool *stuck)
{
    uint32_t best = HUBS_NONE;

    for (unsigned kind = 0; kind < 2; kind++)
        for (uint32_t i = a->ladders[kind].n; i-- > 0;) {
            uint32_t hub = a->ladders[kind].hubs[i];

            if (stuck[hub])
                continue;
            if (best == HUBS_NONE || a->load[hub] > a->load[best])
                best = hub;
            break;
        }
    return best;
}

static bool relieve(struct assigner *a, struct holders *holders, uint32_t from)
{
    for (unsigned two = 0; two < 2; two++)
        for (uint32_t below = 0; below + 2 <= a->load[from]; below++)
            for (unsigned kind = 0; kind < 2; kind++) {
                const struct ladder *l = &a->ladders[kind];

                for (uint32_t i = l->first[below]; i < l->first[below + 1]; i++)
                    if (two ? move_two(a, holders, from, l->hubs[i])
                            : move_one(a, holders, from, l->hubs[i]))
                        return true;
            }
    return false;
}

static uint32_t lowest_load(const struct assigner *a)
{
    uint32_t low = UINT32_MAX;

    for (unsigned kind = 0; kind < 2; kind++)
        if (a->ladders[kind].n && a->load[a->ladders[kind].hubs[0]] < low)
            low = a->load[a->ladders[kind].hubs[0]];
    return low;
}

static void even_out(struct assigner *a)
{
    const struct hubs *in = a->in;
    bool *stuck = xcalloc(in->n_hubs, sizeof(*stuck));
    struct holders *holders = NULL;
    uint32_t hub;

    while ((hub = fullest_hub(a, stuck)) != HUBS_NONE && a->load[hub] >= lowest_load(a) + 2 &&
           a->work < PATIENCE) {
        if (!holders) {
            holders = xcalloc(in->n_hubs, sizeof(*holders));
            for (uint32_t s = 0; s < in->n_spokes; s++)
                for (uint32_t i = 0; i < a->n_chosen[s]; i++)
                    hold(a, &holders[slots(a, s)[i]], (size_t)s * in->per_spoke + i);
        }
        stuck[hub] = !relieve(a, holders, hub);
    }
    for (uint32_t i = 0; holders && i < in->n_hubs; i++)
        free(holders[i].slots);
    free(holders);
    free(stuck);
}

void hubs_assign(const struct hubs *h, uint32_t *ret)
{
    size_t n_slots = (size_t)h->n_spokes * h->per_spoke;
    struct assigner a = {.in = h, .chosen = ret};

    memset(ret, 0xff, n_slots * sizeof(*ret));
    a.fresh = xcalloc(n_slots, sizeof(*a.fresh));
    a.n_chosen = xcalloc(h->n_spokes, sizeof(*a.n_chosen));
    a.n_pinned = xcalloc(h->n_spokes, sizeof(*a.n_pinned));
    a.load = xcalloc(h->n_hubs, sizeof(*a.load));
    a.place = xcalloc(h->n_hubs, sizeof(*a.place));
    a.stamps = xcalloc(h->n_hubs, sizeof(*a.stamps));
    for (unsigned kind = 0; kind < 2; kind++) {
        struct ladder *l = &a.ladders[kind];

        l->hubs = xcalloc(h->n_hubs, sizeof(*l->hubs));
        for (uint32_t i = 0; i < h->n_hubs; i++)
            if (h->hubs[i].callable == kind) {
                a.place[i] = l->n;
                l->hubs[l->n++] = i;
            }
        l->first = xcalloc(h->n_spokes + 3u, sizeof(*l->first));
        for (uint32_t load = 1; load < h->n_spokes + 3u; load++)
            l->first[load] = l->n;
    }
    keep(&a);
    fill(&a);
    even_out(&a);
    for (unsigned kind = 0; kind < 2; kind++) {
        free(a.ladders[kind].hubs);
        free(a.ladders[kind].first);
    }
    free(a.fresh);
    free(a.n_chosen);
    free(a.n_pinned);
    free(a.load);
    free(a.place);
    free(a.stamps);
}
