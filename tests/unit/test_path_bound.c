/* SPDX-License-Identifier: Apache-2.0 */
/* The path bound against its definition, each way of finding it, and in meshes of every size. */
#include "controller/path_bound.h"
#include "controller/topology.h"
#include "tests/unit/build_network.h"

/* The bound against the definition: every link, with all of its tunnels, and every gateway taken
 * out, every pair measured. */
static bool same_pair(const struct network *net, uint32_t x, uint32_t y)
{
    return x < net->n_links && y < net->n_links && net->links[x].a == net->links[y].a &&
           net->links[x].b == net->links[y].b;
}

static unsigned distance(const struct network *net, uint32_t from, uint32_t to, uint32_t link,
                         uint32_t gone)
{
    uint32_t queue[64], head = 0, tail = 0;
    unsigned far[64] = {0};

    queue[tail++] = from;
    while (head < tail) {
        uint32_t g = queue[head++];

        if (g == to)
            return far[g];
        if (g != from && !net->gateways[g].transit)
            continue;
        for (uint32_t i = 0; i < net->gateways[g].n_peers; i++) {
            const struct network_peer *p = &net->peers[net->gateways[g].first_peer + i];

            if (same_pair(net, p->link, link) || p->gateway == gone || p->gateway == from ||
                far[p->gateway])
                continue;
            far[p->gateway] = far[g] + 1;
            queue[tail++] = p->gateway;
        }
    }
    return 0;
}

static unsigned bound_by_definition(const struct network *net)
{
    uint32_t n = (uint32_t)net->mesh->n_gateways;
    unsigned bound = 1;

    ck_assert_uint_lt(n, 64);
    for (uint32_t from = 0; from < n; from++)
        for (uint32_t to = 0; to < n; to++) {
            if (from == to)
                continue;
            for (uint32_t l = 0; l <= net->n_links; l++) {
                unsigned d = distance(net, from, to, l, UINT32_MAX);

                bound = d > bound ? d : bound;
            }
            for (uint32_t gone = 0; gone < n; gone++) {
                unsigned d =
                    gone == from || gone == to ? 0 : distance(net, from, to, UINT32_MAX, gone);

                bound = d > bound ? d : bound;
            }
        }
    return bound;
}

static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* Random links and random transit, from sparse to dense, from few leaves to many. */
static void random_mesh(uint32_t i)
{
    struct mesh *m = build_mesh(4 + i % 9, true, false);
    uint32_t n = (uint32_t)m->n_gateways, links = 15 + i % 4 * 10, leaves = 10 + i / 4 % 4 * 20;
    bool connected = true, built;
    struct network *net;

    seed = 12345u + i * 7919u;
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = a + 1; b < n && m->n_links < BUILD_MAX_LINKS; b++)
            if (random_below(100) < links)
                build_link(m, a, b)->parallel = random_below(4) ? 1 : 2;
    for (uint32_t g = 0; g < n; g++)
        m->gateways[g].transit = random_below(100) < leaves ? TRI_NO : TRI_YES;
    m->full_mesh = false;
    net = network_of(m);
    built = topology_build(net, &warnings, &err) == 0;
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = 0; b < n; b++)
            connected &= a == b || distance(net, a, b, UINT32_MAX, UINT32_MAX) > 0;
    ck_assert(built == connected);
    if (built) {
        unsigned exact = bound_by_definition(net);

        ck_assert_uint_eq(net->path_bound, exact);
        ck_assert_uint_eq(path_bound(net, PATH_BOUND_WHOLE), exact);
        ck_assert_uint_ge(path_bound(net, PATH_BOUND_CLASSES), exact);
        ck_assert_uint_ge(path_bound(net, PATH_BOUND_CORE), exact);
    }
    error_clear(&err);
    network_free(net);
    build_free(m);
}

START_TEST(random_meshes)
{
    for (uint32_t i = 0; i < 500; i++)
        random_mesh((uint32_t)_i * 500 + i);
}
END_TEST

/* Hubs that are the first of the gateways, the others spokes. */
static struct mesh *hubs_and_spokes(uint32_t hubs, uint32_t spokes, uint32_t per_spoke)
{
    struct mesh *m = build_mesh(hubs + spokes, true, false);

    for (uint32_t g = 0; g < hubs + spokes; g++)
        build_group(m, g, g < hubs ? "hub" : "spoke");
    build_segment(m, SEGMENT_HUB_AND_SPOKE, "spoke", "hub")->hubs_per_spoke = per_spoke;
    return m;
}

static void every_way_finds(const struct mesh *m, unsigned bound)
{
    struct network *net = build(m);

    ck_assert_uint_eq(bound_by_definition(net), bound);
    for (enum path_bound_way way = PATH_BOUND_WHOLE; way <= PATH_BOUND_BEST; way++)
        ck_assert_uint_eq(path_bound(net, way), bound);
    network_free(net);
}

/* What people build: here no way is too long either. */
START_TEST(ordinary_shapes)
{
    static const unsigned per_spoke[] = {1, 2, 3}, expected[] = {4, 3, 3};
    struct mesh *m;

    for (unsigned i = 0; i < 3; i++) {
        m = hubs_and_spokes(6, 40, per_spoke[i]);
        every_way_finds(m, expected[i]);
        build_free(m);
    }
    m = build_mesh(12, true, false); /* a full mesh */
    every_way_finds(m, 2);
    build_free(m);
    m = build_mesh(20, true, false);
    build_segment(m, SEGMENT_RING, NULL, NULL);
    every_way_finds(m, 19);
    build_free(m);
}
END_TEST

/* Four give transit: that all the others share them is what the core alone does not see. */
/* Two tunnels of one pair go the same way: when it is cut, the way round has to be short enough. */
START_TEST(parallel_tunnels_fail_together)
{
    for (uint32_t parallel = 1; parallel <= 3; parallel++) {
        struct mesh *m = build_mesh(6, true, false);
        struct network *net;

        build_segment(m, SEGMENT_RING, NULL, NULL)->parallel = parallel;
        net = build(m);
        ck_assert_uint_eq(net->path_bound, 5);
        network_free(net);
        build_free(m);
    }
}
END_TEST

START_TEST(few_transit_members)
{
    struct mesh *m = build_mesh(24, true, false);
    struct network *net = build(m);

    ck_assert_uint_eq(path_bound(net, PATH_BOUND_WHOLE), 2);
    ck_assert_uint_eq(path_bound(net, PATH_BOUND_CLASSES), 2);
    ck_assert_uint_eq(path_bound(net, PATH_BOUND_CORE), 3);
    network_free(net);
    build_free(m);
}
END_TEST

/* One spoke on one hub, all others on two: its hub's links have nobody else's spoke to hurt. */
START_TEST(single_homed_among_others)
{
    struct mesh *m = hubs_and_spokes(5, 30, 2);

    build_group(m, 34, "alone");
    build_link(m, 0, 34);
    every_way_finds(m, 3);
    build_group(m, 33, "alone");
    build_link(m, 1, 33);
    every_way_finds(m, 4);
    build_free(m);
}
END_TEST

static void large(struct mesh *m, unsigned bound)
{
    struct network *net = build(m);

    ck_assert_uint_eq(net->path_bound, bound);
    network_free(net);
    build_free(m);
}

START_TEST(large_meshes)
{
    struct mesh *m = build_mesh(600, true, false);

    build_segment(m, SEGMENT_RING, NULL, NULL);
    large(m, 599);
    large(build_mesh(1000, true, false), 2);
    large(hubs_and_spokes(100, 9900, 1), 4);
    large(hubs_and_spokes(100, 9900, 2), 3);
    large(hubs_and_spokes(100, 9900, 3), 3);
    large(hubs_and_spokes(2, 9998, 0), 2);
}
END_TEST

/* Beyond what can be computed, an estimate that is never too small. */
START_TEST(very_long_ring)
{
    struct mesh *m = build_mesh(4000, true, false);

    build_segment(m, SEGMENT_RING, NULL, NULL);
    large(m, 3999);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("path-bound");
    TCase *t = unit_case(s, "path-bound", NULL, teardown);

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, random_meshes, 0, 4);
    tcase_add_test(t, ordinary_shapes);
    tcase_add_test(t, parallel_tunnels_fail_together);
    tcase_add_test(t, few_transit_members);
    tcase_add_test(t, single_homed_among_others);
    tcase_add_test(t, large_meshes);
    tcase_add_test(t, very_long_ring);
    return unit_run(s);
}
