/* SPDX-License-Identifier: Apache-2.0 */
/* Who decides how origins are checked: the model, else the lock, else the size of a new mesh. */
#include "controller/origin_check.h"
#include "tests/unit/locks.h"

/* Compiles; the new lock in *lock, which is the old one before. */
static bool by_cache(struct mesh *m, struct lock **lock)
{
    struct network *net;
    struct lock *next;
    bool cache;

    ck_assert_int_eq(allocate_network(m, *lock, &net, &next, &warnings, &err), 0);
    cache = net->origin_check == BUNDLE_ORIGINS_BY_CACHE;
    ck_assert_int_eq(next->origin_check == BUNDLE_ORIGINS_BY_CACHE, cache);
    network_free(net);
    lock_free(*lock);
    *lock = written_and_read(next);
    return cache;
}

static bool new_mesh(uint32_t gateways, enum mesh_origin_check check, bool transit)
{
    struct mesh *m = build_mesh(gateways, true, false);
    struct lock *lock = NULL;
    bool cache;

    m->origin_check = check;
    for (uint32_t i = 0; i < gateways && !transit; i++)
        m->gateways[i].transit = TRI_NO;
    cache = by_cache(m, &lock);
    lock_free(lock);
    build_free(m);
    return cache;
}

START_TEST(a_new_mesh_goes_by_its_size)
{
    ck_assert(!new_mesh(ORIGIN_CHECK_CHEAP_LANS + 1, ORIGIN_CHECK_AUTO, true));
    ck_assert(new_mesh(ORIGIN_CHECK_CHEAP_LANS + 2, ORIGIN_CHECK_AUTO, true));
    ck_assert(new_mesh(3, ORIGIN_CHECK_CACHE, true));
    ck_assert(!new_mesh(ORIGIN_CHECK_CHEAP_LANS + 2, ORIGIN_CHECK_LISTS, true));
    ck_assert_uint_eq(warnings.n, 0);
}
END_TEST

/* Where nobody gives transit a gateway lists the LANs of its neighbors only, a line each. */
START_TEST(without_transit_lists_are_cheap)
{
    ck_assert(!new_mesh(ORIGIN_CHECK_COSTLY_LANS + 2, ORIGIN_CHECK_AUTO, false));
    ck_assert_uint_eq(warnings.n, 0);
}
END_TEST

START_TEST(what_was_decided_stays)
{
    struct mesh *small = build_mesh(3, true, false);
    struct mesh *large = build_mesh(ORIGIN_CHECK_COSTLY_LANS + 2, true, false);
    struct lock *lock = NULL;

    ck_assert(!by_cache(small, &lock));
    ck_assert_uint_eq(warnings.n, 0);
    ck_assert(!by_cache(large, &lock));
    ck_assert_uint_eq(warnings.n, 1);
    ck_assert_str_eq(warnings.items[0].path, "/p2pvpn-mesh:mesh/routing/origin-check");
    ck_assert(unit_says(&warnings, "prepare the gateways"));
    error_clear(&warnings);

    large->origin_check = ORIGIN_CHECK_CACHE;
    ck_assert(by_cache(large, &lock));
    large->origin_check = ORIGIN_CHECK_AUTO;
    ck_assert(by_cache(large, &lock));
    ck_assert(by_cache(small, &lock));
    small->origin_check = ORIGIN_CHECK_LISTS;
    ck_assert(!by_cache(small, &lock));
    small->origin_check = ORIGIN_CHECK_AUTO;
    ck_assert(!by_cache(small, &lock));
    ck_assert_uint_eq(warnings.n, 0);

    large->origin_check = ORIGIN_CHECK_LISTS; /* knowing it does not make it cheap */
    ck_assert(!by_cache(large, &lock));
    ck_assert_uint_eq(warnings.n, 1);
    lock_free(lock);
    build_free(small);
    build_free(large);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("origin_check");
    TCase *t = unit_case(s, "origin_check", NULL, teardown);

    tcase_add_test(t, a_new_mesh_goes_by_its_size);
    tcase_add_test(t, without_transit_lists_are_cheap);
    tcase_add_test(t, what_was_decided_stays);
    return unit_run(s);
}
