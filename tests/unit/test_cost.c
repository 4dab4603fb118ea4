/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "common/buf.h"
#include "controller/allocate.h"
#include "controller/cost.h"
#include "controller/lock.h"
#include "tests/unit/build_mesh.h"
#include "tests/unit/unit.h"

static struct error_list warnings;
static struct network *net;
static struct cost cost;

static void teardown(void)
{
    cost_clear(&cost);
    net = network_free(net);
    error_clear(&warnings);
}

static double milliseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Compiles and computes; how long it took is said for the curious. */
static void compute(struct mesh *m)
{
    struct error_list err = ERROR_LIST_INIT;
    double start;
    struct lock *lock;
    int r;

    teardown();
    r = allocate_network(m, NULL, &net, &lock, &warnings, &err);
    if (r < 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    error_clear(&warnings);
    lock_free(lock);
    start = milliseconds();
    cost_compute(net, FRR_DEFAULT, &cost);
    cost_warn(&cost, &warnings);
    printf("# %zu gateways, %zu links: %.1f ms\n", m->n_gateways, net->n_links,
           milliseconds() - start);
}

static struct prefix *pool(struct mesh *m, const char *prefix)
{
    m->link_prefixes = arena_alloc(&m->arena, 1, sizeof(*m->link_prefixes));
    m->n_link_prefixes = 1;
    m->link_prefixes[0] = unit_prefix(prefix);
    return m->link_prefixes;
}

/* Counted by hand: 4 gateways, all give transit, two families. */
START_TEST(full_mesh_by_hand)
{
    struct mesh *m = build_mesh(4, true, true);
    const struct cost_figures *f;
    uint16_t low, high;

    m->defaults.bfd_interval = 200;
    compute(m);
    f = &cost.gateways[2];
    ck_assert_uint_eq(f->tunnels, 3);
    ck_assert_uint_eq(f->sessions, 6);
    ck_assert_uint_eq(f->paths, 2 + 3 * 6); /* its own two, and from each neighbor all others */
    ck_assert_double_eq_tol(f->bfd, 30, 1e-9);
    ck_assert_double_eq_tol(f->openvpn, 6.4e6 + 3 * 1.7e6, 1);
    ck_assert_double_eq_tol(f->bgpd, 17e6 + 6 * 0.72e6 + 8 * 1200 + 20 * 750, 1);
    cost_ports(net, 2, &low, &high);
    ck_assert_uint_eq(low, 11001);
    ck_assert_uint_eq(high, 11004);
    ck_assert_uint_eq(cost.all.gateways, 4);
    ck_assert_uint_eq(cost.all.sum.tunnels, 12);
    ck_assert_uint_eq(cost.all.sum.sessions, 24);
    ck_assert_double_eq_tol(cost.all.sum.bfd, 120, 1e-9);
    ck_assert_uint_eq(cost.leaf.gateways, 0);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_uint_eq(cost.pool[i].used, 6);
    ck_assert_uint_eq(cost.pool[0].size, 32768);
    ck_assert_uint_eq(cost.pool[1].size, UINT64_C(1) << 63);
    ck_assert_uint_eq(warnings.n, 0);
    build_free(m);
}
END_TEST

/* Two hubs, four spokes; a spoke's interval counts on its links only. */
START_TEST(hub_and_spoke)
{
    struct mesh *m = build_mesh(6, true, false);

    build_group(m, 0, "hub");
    build_group(m, 1, "hub");
    build_segment(m, SEGMENT_HUB_AND_SPOKE, NULL, "hub");
    m->gateways[5].settings.bfd_interval = 1000;
    compute(m);
    ck_assert_uint_eq(cost.transit.gateways, 2);
    ck_assert_uint_eq(cost.leaf.gateways, 4);
    ck_assert_uint_eq(cost.transit.sum.tunnels, 10);
    ck_assert_uint_eq(cost.leaf.sum.tunnels, 8);
    /* Of the other hub all five, of four spokes one each, and its own. */
    ck_assert_uint_eq(cost.gateways[0].paths, 5 + 4 + 1);
    ck_assert_uint_eq(cost.gateways[4].paths, 5 + 5 + 1);
    ck_assert_double_eq_tol(cost.gateways[5].bfd, 2, 1e-9);
    ck_assert_double_eq_tol(cost.gateways[0].bfd, 4 * 1000 / 300.0 + 1, 1e-9);
    ck_assert_uint_eq(cost.leaf.most[COST_BFD], 2);
    /* A spoke's prefix: it tells two hubs.  They had each other's way to it, which leads over two
     * gateways and may be used, but not passed on: the hubs withdraw. */
    ck_assert_uint_eq(cost.origin, 2);
    ck_assert_uint_eq(cost.updates, 2 + 2 * 5);
    ck_assert(!cost.updates_more);
    ck_assert_uint_gt(cost.updates_unbounded, cost.updates);
    ck_assert_uint_eq(warnings.n, 0);
    build_free(m);
}
END_TEST

/* A link prefix that is nearly used up. */
START_TEST(pool_nearly_full)
{
    struct mesh *m = build_mesh(4, true, false);

    pool(m, "172.20.0.0/29");
    m->n_gateways = m->n_lans = 3;
    compute(m); /* 3 of 4 */
    ck_assert_uint_eq(warnings.n, 0);
    pool(m, "172.20.0.0/28");
    m->n_gateways = m->n_lans = 4;
    compute(m); /* 6 of 8 */
    ck_assert_uint_eq(warnings.n, 0);
    build_free(m);

    m = build_mesh(8, true, false);
    pool(m, "172.20.0.0/26");
    compute(m); /* 28 of 32 */
    ck_assert_uint_eq(warnings.n, 1);
    ck_assert_str_eq(warnings.items[0].path, "/p2pvpn-mesh:mesh/addressing");
    ck_assert_str_eq(warnings.items[0].message,
                     "28 of the 32 IPv4 link addresses are in use (88 %); append a link-prefix "
                     "before there is no room for a new link");
    build_free(m);
}
END_TEST

/* One warning for each kind, however many gateways; the better topology once. */
START_TEST(large_full_mesh)
{
    struct mesh *m = build_mesh(1200, true, true);
    size_t advised = 0;

    pool(m, "172.16.0.0/11");
    m->defaults.bfd_interval = 100;
    compute(m);
    ck_assert_uint_eq(warnings.n, 5);
    ck_assert(unit_says(&warnings, "1200 gateways have more than 500 OpenVPN processes, the most "
                                   "'g00000' with 1199"));
    ck_assert(unit_says(&warnings, "1200 gateways have more than 4.0 GB of memory"));
    ck_assert(unit_says(&warnings, "1200 gateways have more than 1000 BGP sessions"));
    ck_assert(unit_says(&warnings, "1200 gateways have more than 2500 BFD packets to send a "
                                   "second, the most 'g00000' with 23980"));
    ck_assert(unit_says(&warnings, "gc_thresh3"));
    for (size_t i = 0; i < warnings.n; i++)
        advised += strstr(warnings.items[i].message, "hub-and-spoke with") != NULL;
    ck_assert_uint_eq(advised, 1);
    build_free(m);
}
END_TEST

/* What is advised is comfortable. */
START_TEST(advice_holds)
{
    struct mesh *m = build_mesh(1200, true, true);
    unsigned hubs, most;
    const char *advice = NULL;

    pool(m, "172.16.0.0/11");
    compute(m);
    for (size_t i = 0; i < warnings.n; i++)
        if (strstr(warnings.items[i].message, "hub-and-spoke with"))
            advice = strstr(warnings.items[i].message, "hub-and-spoke with");
    ck_assert_ptr_nonnull(advice);
    ck_assert_int_eq(sscanf(advice,
                            "hub-and-spoke with %u hubs and hubs-per-spoke 2 would need 2 "
                            "processes on a spoke, and on a hub at most %u processes",
                            &hubs, &most),
                     2);
    for (uint32_t i = 0; i < hubs; i++)
        build_group(m, i, "hub");
    build_segment(m, SEGMENT_HUB_AND_SPOKE, NULL, "hub")->hubs_per_spoke = 2;
    compute(m);
    ck_assert_uint_eq(warnings.n, 0);
    ck_assert_uint_eq(cost.leaf.sum.tunnels, 2 * (1200 - hubs));
    /* The hubs' share is even to a half; the coordinator's assignment makes it even. */
    ck_assert_uint_le(cost.gateways[cost.all.most[COST_TUNNELS]].tunnels, most * 3 / 2);
    build_free(m);
}
END_TEST

/* 10,000 gateways: no sum overflows, and it takes milliseconds (said, not judged). */
START_TEST(ten_thousand)
{
    struct mesh *m = build_mesh(10000, true, false);

    for (uint32_t i = 0; i < 100; i++)
        build_group(m, i, "hub");
    pool(m, "172.16.0.0/12");
    for (uint32_t i = 0; i < 10000; i++)
        m->lans[i].prefixes[0].len = 26;
    build_segment(m, SEGMENT_HUB_AND_SPOKE, NULL, "hub")->hubs_per_spoke = 2;
    compute(m);
    ck_assert_uint_eq(cost.all.sum.tunnels, 2 * net->n_links);
    ck_assert_uint_eq(warnings.n, 0);
    build_free(m);
}
END_TEST

START_TEST(versions)
{
    static const char *const wrong[] = {"",     "x",    "8",   "8.3",   "7.5.1", "8.", "8.4.4.1",
                                        "8.4 ", "-8.4", "10.", "99999", "8..4",  ".8"};
    static const struct {
        const char *text;
        unsigned kilobytes;
        bool measured;
    } right[] = {
        {"8.4", 720, true},     {"8.4.4", 720, true},   {"8.5.7", 720, true},
        {"9.0.1", 163, false},  {"9.1", 720, false},    {"10.0", 163, false},
        {"10.0.4", 720, false}, {"10.5.1", 720, false}, {"10.5.2", 163, false},
        {"10.5", 163, false},   {"10.6.1", 163, false}, {"10.7", 65, false},
        {"10", 65, false},      {"11.0", 65, false},
    };
    struct frr_version v = {{1, 2, 3}};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (strcmp(wrong[i], "8") == 0)
            continue;
        ck_assert_msg(!frr_version_read(wrong[i], &v), "%s", wrong[i]);
        ck_assert_uint_eq(v.part[0], 1);
    }
    ck_assert(frr_version_read("8", &v)); /* the newest 8 */
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        bool measured;

        ck_assert_msg(frr_version_read(right[i].text, &v), "%s", right[i].text);
        ck_assert_msg((unsigned)(frr_session_bytes(v, &measured) / 1000 + 0.5) ==
                          right[i].kilobytes,
                      "%s", right[i].text);
        ck_assert_msg(measured == right[i].measured, "%s", right[i].text);
    }
}
END_TEST

/* docs/performance.md: 365 MB with 500 sessions, 2.2 GB with 2,000. */
START_TEST(memory_as_measured)
{
    struct cost_figures f = {.sessions = 500};

    cost_set_memory(&f, 0, FRR_DEFAULT);
    ck_assert_double_eq_tol(f.bgpd, 365e6, 15e6);
    ck_assert_double_eq(f.openvpn, 0);
    f = (struct cost_figures){.sessions = 2000, .tunnels = 1560};
    cost_set_memory(&f, 0, FRR_DEFAULT);
    ck_assert_double_eq_tol(f.bgpd, 2.2e9, 0.05e9);
    ck_assert_double_eq_tol(f.openvpn, 2.6e9, 0.1e9);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cost");
    TCase *t = unit_case(s, "cost", NULL, teardown);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, full_mesh_by_hand);
    tcase_add_test(t, hub_and_spoke);
    tcase_add_test(t, pool_nearly_full);
    tcase_add_test(t, large_full_mesh);
    tcase_add_test(t, advice_holds);
    tcase_add_test(t, ten_thousand);
    tcase_add_test(t, versions);
    tcase_add_test(t, memory_as_measured);
    return unit_run(s);
}
