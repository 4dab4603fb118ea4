/* SPDX-License-Identifier: Apache-2.0 */
/* The property that the lock is there for: whatever is edited, nothing that stays ever moves. */
#include "tests/unit/locks.h"
#include "tests/unit/unit.h"

#define NAMES 30
#define EDITS 1000

static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* What a person may do to a mesh between two compilations. */
struct world {
    bool present[NAMES], endpoint[NAMES], linked[NAMES][NAMES];
    uint8_t tunnels[NAMES][NAMES]; /* of a link that a person wrote */
    uint32_t number[NAMES], asn[NAMES];
    unsigned kind, parallel, n_pool;
    bool ipv6;
};

static void edit(struct world *w)
{
    uint32_t g = random_below(NAMES), h = random_below(NAMES);

    switch (random_below(11)) {
    case 0:
    case 1:
    case 2:
        w->present[g] = true;
        break;
    case 3:
    case 4:
        w->present[g] = false;
        w->number[g] = w->asn[g] = 0;
        break;
    case 5:
        w->endpoint[g] = !w->endpoint[g];
        break;
    case 6:
        w->kind = random_below(4);
        break;
    case 7:
        w->linked[g][h] = w->linked[h][g] = !w->linked[g][h];
        break;
    case 8:
        w->parallel = random_below(4);
        w->tunnels[g][h] = w->tunnels[h][g] = (uint8_t)random_below(4);
        break;
    case 9:
        if (!w->present[g] && random_below(2)) { /* one that comes with wishes */
            w->present[g] = true;
            w->number[g] = random_below(2) ? 100 + g : 0;
            w->asn[g] = random_below(2) ? 4200000000u + random_below(40) : 0;
        }
        break;
    default:
        if (w->n_pool < 3)
            w->n_pool++;
        w->ipv6 = !w->ipv6;
    }
}

static struct mesh *mesh_of(const struct world *w, struct prefix pool[3])
{
    struct mesh *m = build_mesh(NAMES, true, w->ipv6);
    uint32_t at[NAMES], n = 0;

    prefix_parse("172.30.0.0/24", &pool[0]);
    prefix_parse("172.31.0.0/22", &pool[1]);
    prefix_parse("172.30.4.0/24", &pool[2]);
    m->link_prefixes = pool;
    m->n_link_prefixes = 1 + w->n_pool;
    if (m->n_link_prefixes > 3)
        m->n_link_prefixes = 3;
    for (uint32_t i = 0; i < NAMES; i++) {
        if (!w->present[i])
            continue;
        at[i] = n;
        m->gateways[n] = m->gateways[i];
        m->gateways[n].endpoint = w->endpoint[i] ? "203.0.113.1" : NULL;
        m->gateways[n].number = w->number[i];
        m->gateways[n].asn = w->asn[i];
        m->gateways[n].transit = w->kind == 3 ? TRI_YES : TRI_UNSET;
        build_group(m, n, i % 5 == 0 ? "hub" : "spoke");
        n++;
    }
    m->n_gateways = n;
    if (w->kind == 1)
        build_segment(m, SEGMENT_RING, NULL, NULL)->parallel = w->parallel;
    if (w->kind == 2) {
        struct mesh_segment *s = build_segment(m, SEGMENT_HUB_AND_SPOKE, NULL, "hub");

        s->hubs_per_spoke = 2;
        s->parallel = w->parallel;
    }
    for (uint32_t a = 0; w->kind == 3 && a < NAMES; a++)
        for (uint32_t b = a + 1; b < NAMES; b++)
            if (w->present[a] && w->present[b] && w->linked[a][b] &&
                (w->endpoint[a] || w->endpoint[b]) && m->n_links < BUILD_MAX_LINKS)
                build_link(m, at[a], at[b])->parallel = w->tunnels[a][b];
    return m;
}

/* By numbers, the lower first, and tunnel: one more than the index; 0: no link. */
static uint32_t table[256][256][NETWORK_MAX_TUNNELS];

/* What stayed. */
struct stayed {
    unsigned links, parallel, extra;
};

static void compare_extra(const struct lock_gateway *was, const struct lock_gateway *now,
                          struct stayed *stayed)
{
    for (unsigned i = 0; i < NETWORK_MAX_TUNNELS - 1; i++)
        if (was->extra[i] && now->extra[i]) {
            ck_assert_uint_eq(now->extra[i], was->extra[i]);
            stayed->extra++;
        }
}

static void compare_locks(const struct lock *old, const struct lock *now, struct stayed *stayed)
{
    bool holder[256] = {false}; /* numbers whose gateway was there before */

    for (size_t i = 0; i < now->n_gateways; i++) {
        const struct lock_gateway *g = &now->gateways[i], *was = find(old, g->name);

        if (was) {
            holder[g->number] = true;
            ck_assert_uint_eq(g->number, was->number);
            ck_assert_uint_eq(g->asn, was->asn);
            ck_assert_uint_eq(g->router_id, was->router_id);
            compare_extra(was, g, stayed);
        }
    }
    memset(table, 0, sizeof(table));
    for (size_t i = 0; i < old->n_links; i++)
        table[old->links[i].a][old->links[i].b][old->links[i].tunnel] = old->links[i].index + 1;
    for (size_t i = 0; i < now->n_links; i++) {
        const struct lock_link *l = &now->links[i];

        if (!holder[l->a] || !holder[l->b] || !table[l->a][l->b][l->tunnel])
            continue;
        ck_assert_uint_eq(l->index + 1, table[l->a][l->b][l->tunnel]);
        stayed->links++;
        stayed->parallel += l->tunnel > 0;
    }
}

/* Reading a lock back refuses everything that is handed out twice (test_lock.c), so here it is
 * enough that nothing moves. */
START_TEST(survivors_are_never_renumbered)
{
    struct world w = {.endpoint = {false}};
    struct lock *lock = parse(HEAD "\"link-prefix\":[\"172.30.0.0/24\"]}}");
    struct stayed stayed = {0};
    unsigned compiled = 0;

    seed = 20161122u + (uint32_t)_i;
    for (uint32_t i = 0; i < NAMES; i++)
        w.present[i] = w.endpoint[i] = random_below(3) > 0;
    for (unsigned e = 0; e < EDITS; e++) {
        struct network *net = NULL;
        struct lock *next = NULL;
        struct prefix pool[3];
        struct mesh *m;
        struct world before = w;

        edit(&w);
        m = mesh_of(&w, pool);
        if (m->n_gateways == 0 || allocate_network(m, lock, &net, &next, &warnings, &err) != 0) {
            error_clear(&err); /* refused: the person takes it back */
            w = before;
        } else {
            next = written_and_read(next);
            ck_assert_uint_eq(next->n_gateways, m->n_gateways);
            ck_assert_uint_eq(next->n_links, net->n_links);
            compare_locks(lock, next, &stayed);
            lock_free(lock);
            lock = next;
            compiled++;
            network_free(net);
        }
        error_clear(&warnings);
        build_free(m);
    }
    ck_assert_uint_gt(compiled, EDITS / 2);
    ck_assert_uint_gt(stayed.links, EDITS);
    ck_assert_uint_gt(stayed.parallel, EDITS);
    ck_assert_uint_gt(stayed.extra, EDITS);
    lock_free(lock);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("allocate-edits");
    TCase *t = unit_case(s, "allocate-edits", NULL, teardown);

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, survivors_are_never_renumbered, 0, 2);
    return unit_run(s);
}
