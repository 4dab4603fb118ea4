/* SPDX-License-Identifier: Apache-2.0 */
/* Hubs for spokes: even, and what moves against the least that has to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "controller/hubs.h"
#include "tests/unit/unit.h"

#define MAX_HUBS 40
#define MAX_SPOKES 900
#define PER_SPOKE 3

static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* Who is there, and which hubs each spoke has: by identity, not by index. */
struct world {
    bool hub[MAX_HUBS], spoke[MAX_SPOKES];
    bool hub_calls_only[MAX_HUBS], spoke_calls_only[MAX_SPOKES];
    bool has[MAX_SPOKES][MAX_HUBS], pinned[MAX_SPOKES][MAX_HUBS];
    uint32_t per_spoke;
};

struct change {
    unsigned kept, lost; /* links whose both ends stayed */
    unsigned fresh;
    uint32_t low, high; /* loads afterwards */
    uint32_t load[MAX_HUBS];
};

static uint64_t hash_of(const char *kind, uint32_t i)
{
    char name[32];

    snprintf(name, sizeof(name), "%s%u", kind, i);
    return hubs_hash(name);
}

static void count(const struct world *before, const struct world *now, struct change *ret)
{
    *ret = (struct change){.low = UINT32_MAX};
    for (uint32_t h = 0; h < MAX_HUBS; h++) {
        if (!now->hub[h])
            continue;
        for (uint32_t s = 0; s < MAX_SPOKES; s++) {
            ret->load[h] += now->has[s][h];
            ret->kept += before->has[s][h] && now->has[s][h];
            ret->lost += before->has[s][h] && !now->has[s][h] && now->spoke[s];
            ret->fresh += !before->has[s][h] && now->has[s][h];
        }
        ret->low = ret->load[h] < ret->low ? ret->load[h] : ret->low;
        ret->high = ret->load[h] > ret->high ? ret->load[h] : ret->high;
    }
}

/* Lets hubs_assign() work on it. */
static struct change assign(struct world *w)
{
    static struct hubs_link links[MAX_SPOKES * MAX_HUBS];
    static uint32_t chosen[MAX_SPOKES * PER_SPOKE];
    uint32_t hub_at[MAX_HUBS], spoke_at[MAX_SPOKES], index[MAX_HUBS], n_links = 0;
    struct hubs_hub hubs[MAX_HUBS];
    struct hubs_spoke spokes[MAX_SPOKES];
    struct world before = *w;
    struct change ret;
    struct hubs in = {.hubs = hubs, .spokes = spokes, .links = links, .per_spoke = w->per_spoke};

    for (uint32_t h = 0; h < MAX_HUBS; h++)
        if (w->hub[h]) {
            index[h] = in.n_hubs;
            hub_at[in.n_hubs] = h;
            hubs[in.n_hubs++] = (struct hubs_hub){hash_of("hub", h), !w->hub_calls_only[h]};
        }
    for (uint32_t s = 0; s < MAX_SPOKES; s++) {
        if (!w->spoke[s])
            continue;
        spoke_at[in.n_spokes] = s;
        spokes[in.n_spokes] =
            (struct hubs_spoke){hash_of("spoke", s), !w->spoke_calls_only[s], n_links, 0};
        for (uint32_t h = 0; h < MAX_HUBS; h++)
            if (w->hub[h] && (w->has[s][h] || w->pinned[s][h])) {
                links[n_links++] = (struct hubs_link){index[h], w->pinned[s][h]};
                spokes[in.n_spokes].n++;
            }
        in.n_spokes++;
    }
    hubs_assign(&in, chosen);
    memset(w->has, 0, sizeof(w->has));
    for (uint32_t i = 0; i < in.n_spokes; i++) {
        uint32_t s = spoke_at[i];

        for (uint32_t h = 0; h < MAX_HUBS; h++)
            w->has[s][h] = w->hub[h] && w->pinned[s][h];
        for (uint32_t k = 0; k < in.per_spoke; k++) {
            uint32_t hub = chosen[i * in.per_spoke + k];

            if (hub == HUBS_NONE)
                continue;
            if (w->has[s][hub_at[hub]])
                ck_abort_msg("spoke %u has hub %u twice", s, hub_at[hub]);
            if (w->spoke_calls_only[s] && w->hub_calls_only[hub_at[hub]])
                ck_abort_msg("spoke %u and hub %u cannot call each other", s, hub_at[hub]);
            w->has[s][hub_at[hub]] = true;
        }
    }
    count(&before, w, &ret);
    return ret;
}

static int descending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x > y ? -1 : x < y;
}

/* What any assignment that is even has to move: the hubs that have the most may have one more. */
static unsigned least(const struct world *before, const struct world *now)
{
    uint32_t load[MAX_HUBS], hubs = 0, spokes = 0, moved = 0;

    for (uint32_t h = 0; h < MAX_HUBS; h++) {
        if (!now->hub[h])
            continue;
        load[hubs] = 0;
        for (uint32_t s = 0; s < MAX_SPOKES; s++)
            load[hubs] += now->spoke[s] && before->has[s][h];
        hubs++;
    }
    for (uint32_t s = 0; s < MAX_SPOKES; s++)
        spokes += now->spoke[s];
    qsort(load, hubs, sizeof(*load), descending);
    for (uint32_t h = 0; h < hubs; h++) {
        uint32_t share = spokes * now->per_spoke / hubs + (h < spokes * now->per_spoke % hubs);

        moved += load[h] > share ? load[h] - share : 0;
    }
    return moved;
}

static uint32_t count_of(const bool *set, uint32_t n)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < n; i++)
        found += set[i];
    return found;
}

START_TEST(from_nothing)
{
    static struct world w;
    struct change c;

    for (w.per_spoke = 1; w.per_spoke <= PER_SPOKE; w.per_spoke++) {
        memset(w.has, 0, sizeof(w.has));
        for (uint32_t h = 0; h < 20; h++)
            w.hub[h] = true;
        for (uint32_t s = 0; s < 777; s++)
            w.spoke[s] = true;
        c = assign(&w);
        ck_assert_uint_eq(c.fresh, 777 * w.per_spoke);
        ck_assert_uint_le(c.high - c.low, 1);
        c = assign(&w); /* and again: nothing moves */
        ck_assert_uint_eq(c.fresh + c.lost, 0);
    }
}
END_TEST

/* The spokes of one hub have their other hub all over the place. */
START_TEST(a_failure_spreads)
{
    static struct world w = {.per_spoke = 2};

    for (uint32_t h = 0; h < 10; h++)
        w.hub[h] = true;
    for (uint32_t s = 0; s < 900; s++)
        w.spoke[s] = true;
    assign(&w);
    for (uint32_t h = 0; h < 10; h++)
        for (uint32_t other = 0; other < 10; other++) {
            unsigned both = 0;

            for (uint32_t s = 0; s < 900; s++)
                both += w.has[s][h] && w.has[s][other];
            if (h != other)
                ck_assert(both >= 5 && both <= 40); /* 20 if it were perfect */
        }
}
END_TEST

/* Random edits of a mesh, one at a time. */
START_TEST(moves_the_least)
{
    static const char *const names[] = {"spoke comes", "spoke leaves", "hub comes", "hub leaves"};
    static struct world w, before;
    unsigned moved[4] = {0}, needed[4] = {0}, times[4] = {0}, links[4] = {0};

    memset(&w, 0, sizeof(w));
    w.per_spoke = 1 + (uint32_t)_i;
    seed = 4711u + (uint32_t)_i;
    for (uint32_t h = 0; h < 16; h++)
        w.hub[h] = true;
    for (uint32_t s = 0; s < 600; s++)
        w.spoke[s] = true;
    assign(&w);
    for (unsigned e = 0; e < 1000; e++) {
        uint32_t kind = random_below(4), h = random_below(MAX_HUBS), s = random_below(MAX_SPOKES);
        uint32_t n_hubs = count_of(w.hub, MAX_HUBS), n_spokes = count_of(w.spoke, MAX_SPOKES);
        unsigned must, orphans = 0;
        struct change c;

        if ((kind < 2 && w.spoke[s] != (kind == 1)) || (kind > 1 && w.hub[h] != (kind == 3)) ||
            (kind == 3 && n_hubs <= PER_SPOKE + 3) || (kind == 1 && n_spokes <= 100))
            continue;
        before = w;
        if (kind < 2)
            w.spoke[s] = !w.spoke[s];
        else
            w.hub[h] = !w.hub[h];
        for (uint32_t i = 0; i < MAX_SPOKES && kind == 3; i++)
            orphans += before.has[i][h];
        must = least(&before, &w);
        c = assign(&w);
        ck_assert_uint_le(c.high - c.low, 1);
        ck_assert_uint_eq(c.kept + c.fresh, count_of(w.spoke, MAX_SPOKES) * w.per_spoke);
        ck_assert_uint_eq(c.lost, must);
        if (kind == 0)
            ck_assert(c.lost == 0 && c.fresh == w.per_spoke);
        if (kind == 2) {
            /* The new hub takes its share, rounded down, and nobody else moves. */
            ck_assert_uint_eq(c.lost, w.per_spoke * n_spokes / (n_hubs + 1));
            ck_assert_uint_eq(c.fresh, c.load[h]);
            ck_assert_uint_eq(c.load[h], c.lost);
        }
        if (kind == 3) /* only its own spokes move */
            ck_assert(c.lost == 0 && c.fresh == orphans);
        moved[kind] += c.lost;
        needed[kind] += must;
        links[kind] += c.kept + c.fresh;
        times[kind]++;
    }
    for (unsigned kind = 0; kind < 4; kind++) {
        ck_assert_uint_gt(times[kind], 30);
        printf("# %u hubs per spoke, %-12s %3u times: %5u of %6u link ends of others moved, the "
               "least is %u\n",
               w.per_spoke, names[kind], times[kind], moved[kind], links[kind], needed[kind]);
    }
}
END_TEST

/* Spokes that only call out need hubs that can be called; the loads are even where they can be. */
START_TEST(who_cannot_be_called)
{
    static struct world w = {.per_spoke = 2};
    struct change c;

    for (uint32_t h = 0; h < 10; h++) {
        w.hub[h] = true;
        w.hub_calls_only[h] = h >= 6;
    }
    for (uint32_t s = 0; s < 500; s++) {
        w.spoke[s] = true;
        w.spoke_calls_only[s] = s % 3 == 0;
    }
    c = assign(&w);
    ck_assert_uint_eq(c.fresh, 1000);
    ck_assert_uint_le(c.high - c.low, 1);

    /* Now nearly all of them: the six hubs share what only they can take. */
    memset(w.has, 0, sizeof(w.has));
    for (uint32_t s = 0; s < 500; s++)
        w.spoke_calls_only[s] = s % 10 != 0;
    c = assign(&w);
    ck_assert_uint_eq(c.fresh, 1000);
    for (uint32_t h = 0; h < 10; h++)
        ck_assert_uint_eq(c.load[h], h < 6 ? 150 : 25);

    /* One that loses its endpoint loses the hubs that it cannot call. */
    for (uint32_t s = 0; s < 500; s++)
        w.spoke_calls_only[s] = true;
    c = assign(&w);
    for (uint32_t h = 0; h < 10; h++)
        ck_assert(h < 6 ? c.load[h] == 166 || c.load[h] == 167 : c.load[h] == 0);
}
END_TEST

/* From a hub that only holds callers to one that cannot be called: over a third. */
START_TEST(over_a_third_hub)
{
    static struct world w = {.per_spoke = 1};
    struct change c;

    w.hub[0] = w.hub[1] = w.hub[2] = true;
    w.hub_calls_only[2] = true;
    for (uint32_t s = 0; s < 30; s++) {
        w.spoke[s] = true;
        w.spoke_calls_only[s] = s < 15;
        w.has[s][s < 15 ? 0 : 1] = true;
    }
    c = assign(&w);
    ck_assert_uint_eq(c.low, 10);
    ck_assert_uint_eq(c.high, 10);
}
END_TEST

/* A link that a person wrote stays, and counts. */
START_TEST(pinned)
{
    static struct world w = {.per_spoke = 2};
    struct change c;

    for (uint32_t h = 0; h < 8; h++)
        w.hub[h] = true;
    for (uint32_t s = 0; s < 80; s++) {
        w.spoke[s] = true;
        w.pinned[s][0] = s < 40; /* twice its share */
        w.pinned[s][1] = w.pinned[s][2] = s == 0;
    }
    c = assign(&w);
    ck_assert_uint_eq(c.load[0], 40);
    ck_assert_uint_eq(w.has[0][0] + w.has[0][1] + w.has[0][2], 3);
    for (uint32_t h = 1; h < 8; h++)
        ck_assert(c.load[h] == 17 || c.load[h] == 18);
    for (uint32_t s = 1; s < 80; s++)
        ck_assert_uint_eq(count_of(w.has[s], MAX_HUBS), 2);
}
END_TEST

/* Fewer hubs per spoke than before: one goes, the other stays. */
START_TEST(fewer_per_spoke)
{
    static struct world w = {.per_spoke = 2};
    struct change c;

    for (uint32_t h = 0; h < 7; h++)
        w.hub[h] = true;
    for (uint32_t s = 0; s < 300; s++)
        w.spoke[s] = true;
    assign(&w);
    w.per_spoke = 1;
    c = assign(&w);
    ck_assert_uint_eq(c.kept, 300);
    ck_assert_uint_le(c.high - c.low, 1);
    w.per_spoke = 3;
    c = assign(&w);
    ck_assert_uint_eq(c.lost, 0);
    ck_assert_uint_eq(c.fresh, 600);
    ck_assert_uint_le(c.high - c.low, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hubs");
    TCase *t = unit_case(s, "hubs", NULL, NULL);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, from_nothing);
    tcase_add_test(t, a_failure_spreads);
    tcase_add_loop_test(t, moves_the_least, 0, 3);
    tcase_add_test(t, who_cannot_be_called);
    tcase_add_test(t, over_a_third_hub);
    tcase_add_test(t, pinned);
    tcase_add_test(t, fewer_per_spoke);
    return unit_run(s);
}
