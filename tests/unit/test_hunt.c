/* SPDX-License-Identifier: Apache-2.0 */
/* The count of messages against what was measured with FRR 8.4.4, and against what can be counted
 * by hand. */
#include <limits.h>
#include <stdio.h>

#include "controller/allocate.h"
#include "controller/hunt.h"
#include "controller/lock.h"
#include "tests/unit/build_mesh.h"
#include "tests/unit/unit.h"

static struct network *compiled(struct mesh *m)
{
    struct error_list warnings = ERROR_LIST_INIT, err = ERROR_LIST_INIT;
    struct network *net;
    struct lock *lock;
    int r = allocate_network(m, NULL, &net, &lock, &warnings, &err);

    if (r < 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    lock_free(lock);
    error_clear(&warnings);
    return net;
}

static uint64_t count(const struct network *net, uint32_t origin, struct hunt_policy policy)
{
    struct hunt_result r = hunt_withdrawal(net, origin, &policy);

    ck_assert(!r.more);
    return r.updates;
}

/* docs/performance.md, "Updates per withdrawal". */
START_TEST(full_mesh_as_measured)
{
    for (uint32_t n = 10; n <= 20; n += 10) {
        struct mesh *m = build_mesh(n, true, false);
        struct network *net = compiled(m);
        uint64_t all = count(net, 0, (struct hunt_policy){.everybody = true});

        ck_assert_uint_eq(all, n == 10 ? 486 : 3971); /* measured: 486 and 4,200 */
        ck_assert_uint_eq(count(net, 0, (struct hunt_policy){.everybody = true, .inbound = 2}),
                          (n - 1) * (2 * n - 1)); /* 171 and 741, exactly what was measured */
        ck_assert_uint_eq(count(net, 0, (struct hunt_policy){.relay = UINT_MAX}), n - 1);
        /* What frr-templates/ make of it: who has lost the direct way withdraws at once. */
        ck_assert_uint_eq(
            count(net, 0, (struct hunt_policy){.everybody = true, .inbound = 2, .relay = 1}),
            n * (n - 1));
        network_free(net);
        build_free(m);
    }
}
END_TEST

/* a - b - c - d: the withdrawal goes down the line; each tells both neighbors. */
START_TEST(line)
{
    struct mesh *m = build_mesh(4, true, false);
    struct network *net;

    for (uint32_t i = 0; i + 1 < 4; i++)
        build_link(m, i, i + 1);
    for (uint32_t i = 0; i < 4; i++)
        m->gateways[i].transit = TRI_YES;
    net = compiled(m);
    ck_assert_uint_eq(count(net, 0, hunt_policy_of(net)), 1 + 2 + 2 + 0);
    ck_assert_uint_eq(count(net, 0, (struct hunt_policy){.everybody = true}), 1 + 2 + 2 + 1);
    network_free(net);
    build_free(m);
}
END_TEST

/* Both gateways of a LAN withdraw, and neither believes the other's prefix from a third. */
START_TEST(shared_lan)
{
    struct mesh *m = build_mesh(3, true, false);
    struct network *net;

    m->gateways[1].lan = 0;
    net = compiled(m);
    /* 2 and 2; the third, who used one of them, withdraws what it told both. */
    ck_assert_uint_eq(count(net, 0, hunt_policy_of(net)), 6);
    ck_assert_uint_eq(count(net, 1, hunt_policy_of(net)), 6);
    network_free(net);
    build_free(m);
}
END_TEST

/* Gives up, and says so. */
START_TEST(without_end)
{
    struct mesh *m = build_mesh(600, true, false);
    struct network *net;
    struct hunt_result r;

    m->link_prefixes = arena_alloc(&m->arena, 1, sizeof(*m->link_prefixes));
    m->n_link_prefixes = 1;
    m->link_prefixes[0] = unit_prefix("172.16.0.0/12");
    net = compiled(m);
    r = hunt_withdrawal(net, 0, &(struct hunt_policy){.everybody = true});
    ck_assert(r.more);
    ck_assert_uint_gt(r.updates, HUNT_MAX_UPDATES);
    network_free(net);
    build_free(m);
}
END_TEST

/* A gateway in the middle gives no transit: what lies behind it never heard of the prefix. */
START_TEST(a_leaf_says_nothing)
{
    struct mesh *m = build_mesh(3, true, false);
    struct network *net;
    struct hunt_policy policy;

    build_link(m, 0, 1);
    build_link(m, 0, 2);
    build_link(m, 1, 2);
    m->gateways[1].transit = TRI_NO;
    m->gateways[2].transit = TRI_YES;
    net = compiled(m);
    policy = hunt_policy_of(net);
    /* 0 tells both; only 2 had passed it on, to both. */
    ck_assert_uint_eq(count(net, 0, policy), 2 + 2);
    network_free(net);
    build_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hunt");
    TCase *t = unit_case(s, "hunt", NULL, NULL);

    tcase_add_test(t, full_mesh_as_measured);
    tcase_add_test(t, line);
    tcase_add_test(t, shared_lan);
    tcase_add_test(t, a_leaf_says_nothing);
    tcase_add_test(t, without_end);
    return unit_run(s);
}
