/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "common/origins.h"
#include "controller/shrink.h"
#include "tests/unit/locks.h"
#include "tests/unit/unit.h"

static struct lock *lock_of(const struct mesh *m, const struct lock *old)
{
    struct network *net = NULL;
    struct lock *lock = NULL;

    ck_assert_int_eq(allocate_network(m, old, &net, &lock, &warnings, &err), 0);
    network_free(net);
    return lock;
}

/* Takes the gateways from `first` to before `last` out of the mesh, and their LANs. */
static void take_out(struct mesh *m, uint32_t first, uint32_t last)
{
    uint32_t n = (uint32_t)m->n_gateways - (last - first);

    for (uint32_t i = first; i < n; i++) {
        m->gateways[i] = m->gateways[i + last - first];
        m->lans[i] = m->lans[i + last - first];
        m->gateways[i].lan = i;
    }
    m->n_gateways = m->n_lans = n;
}

static void counts(const struct shrink_part *part, size_t before, size_t removed)
{
    ck_assert_uint_eq(part->before, before);
    ck_assert_uint_eq(part->removed, removed);
}

START_TEST(what_stays_is_not_counted)
{
    struct mesh *m = build_mesh(6, true, false);
    struct lock *old = lock_of(m, NULL), *now = lock_of(m, old),
                *nothing = parse(HEAD "\"gateway\":[]}}");
    struct shrink s = {0};

    shrink_of_locks(old, now, &s);
    counts(&s.gateways, 6, 0);
    counts(&s.links, 15, 0);
    shrink_of_locks(nothing, now, &s);
    counts(&s.gateways, 0, 0);
    counts(&s.links, 0, 0);
    shrink_of_locks(old, nothing, &s);
    counts(&s.gateways, 6, 6);
    counts(&s.links, 15, 15);
    ck_assert_str_eq(s.gateways.names[2], "g00002");
    ck_assert_ptr_null(s.links.names[0]);
    lock_free(nothing);
    lock_free(now);
    lock_free(old);
    build_free(m);
}
END_TEST

START_TEST(what_goes_is_counted)
{
    struct mesh *m = build_mesh(8, true, false);
    struct lock *old = lock_of(m, NULL), *now;
    struct shrink s = {0};

    take_out(m, 2, 5);
    now = lock_of(m, old);
    shrink_of_locks(old, now, &s);
    counts(&s.gateways, 8, 3);
    counts(&s.links, 28, 28 - 10);
    ck_assert_str_eq(s.gateways.names[0], "g00002");
    lock_free(now);
    lock_free(old);
    build_free(m);
}
END_TEST

/* Its number goes to the new one, and so do its indexes: it is another gateway all the same. */
START_TEST(renamed_is_gone)
{
    struct mesh *m = build_mesh(5, true, false);
    struct lock *old = lock_of(m, NULL), *now;
    struct shrink s = {0};

    m->gateways[4].name = "other";
    now = lock_of(m, old);
    ck_assert_uint_eq(find(now, "other")->number, 5);
    shrink_of_locks(old, now, &s);
    counts(&s.gateways, 5, 1);
    counts(&s.links, 10, 4);
    lock_free(now);
    lock_free(old);
    build_free(m);
}
END_TEST

/* Numbers and indexes are not what a link is known by. */
START_TEST(moved_is_not_gone)
{
    struct lock *old =
        parse(HEAD "\"gateway\":["
                   "{\"name\":\"a\",\"number\":1,\"asn\":4200000001,\"router-id\":\"100.64.0.1\"},"
                   "{\"name\":\"b\",\"number\":2,\"asn\":4200000002,\"router-id\":\"100.64.0.2\"},"
                   "{\"name\":\"c\",\"number\":3,\"asn\":4200000003,\"router-id\":\"100.64.0.3\"}],"
                   "\"link\":[{\"index\":0,\"a\":1,\"b\":2},"
                   "{\"index\":1,\"a\":1,\"b\":3},{\"index\":2,\"a\":2,\"b\":3}]}}");
    struct lock *now =
        parse(HEAD "\"gateway\":["
                   "{\"name\":\"c\",\"number\":1,\"asn\":4200000001,\"router-id\":\"100.64.0.1\"},"
                   "{\"name\":\"b\",\"number\":2,\"asn\":4200000002,\"router-id\":\"100.64.0.2\"},"
                   "{\"name\":\"a\",\"number\":9,\"asn\":4200000009,\"router-id\":\"100.64.0.9\"}],"
                   "\"link\":[{\"index\":5,\"a\":1,\"b\":2},"
                   "{\"index\":0,\"a\":2,\"b\":9},{\"index\":1,\"a\":1,\"b\":9,"
                   "\"tunnel\":2}]}}");
    struct shrink s = {0};

    shrink_of_locks(old, now, &s);
    counts(&s.gateways, 3, 0);
    counts(&s.links, 3, 1); /* a to c has another tunnel now, and not the first */
    lock_free(now);
    lock_free(old);
}
END_TEST

START_TEST(lans_by_the_old_table)
{
    const uint32_t asn = 4200000001u;
    struct origin entries[] = {
        {unit_prefix("10.0.0.0/24"), 1, &asn, "lan00000"},
        {unit_prefix("10.9.0.0/24"), 1, &asn, "gone"},
        {unit_prefix("10.9.1.0/24"), 1, &asn, "gone"},
        {unit_prefix("10.9.2.0/24"), 1, &asn, "lan00001"},
    };
    const struct origins old = {.mesh = "m", .entries = entries, .n = 4};
    struct mesh *m = build_mesh(2, true, false);
    struct shrink s = {0};

    shrink_of_lans(&old, m, &s);
    counts(&s.lans, 3, 1);
    ck_assert_str_eq(s.lans.names[0], "gone");
    build_free(m);
}
END_TEST

START_TEST(both_bounds_must_be_passed)
{
    ck_assert(!shrink_too_much(&(struct shrink_part){.before = 0, .removed = 0}));
    ck_assert(!shrink_too_much(&(struct shrink_part){.before = 10, .removed = 10}));
    ck_assert(shrink_too_much(&(struct shrink_part){.before = 11, .removed = 11}));
    ck_assert(!shrink_too_much(&(struct shrink_part){.before = 55, .removed = 11}));
    ck_assert(shrink_too_much(&(struct shrink_part){.before = 54, .removed = 11}));
    ck_assert(!shrink_too_much(&(struct shrink_part){.before = 1000, .removed = 200}));
    ck_assert(shrink_too_much(&(struct shrink_part){.before = 1000, .removed = 201}));
}
END_TEST

START_TEST(the_message_says_what_to_do)
{
    struct shrink s = {.gateways = {20, 12, {"g1", "g2", "g3"}},
                       .links = {190, 162, {NULL}},
                       .lans = {20, 10, {"l1"}}};

    ck_assert_int_eq(shrink_check(&s, "m.json", &err), -EINVAL);
    ck_assert_uint_eq(err.n, 2);
    ck_assert_str_eq(err.items[0].file, "m.json");
    ck_assert_str_eq(
        err.items[0].message,
        "12 of the 20 gateways that there were (60 %) would be removed: g1, g2, g3 and 9 "
        "more; put back into the model what is missing, or say --allow-shrink if this "
        "is meant");
    ck_assert_str_eq(
        err.items[1].message,
        "162 of the 190 links that there were (85 %) would be removed; put back into the "
        "model what is missing, or say --allow-shrink if this is meant");
    error_clear(&err);
    s.gateways.removed = 3;
    s.links.removed = 0;
    ck_assert_int_eq(shrink_check(&s, "m.json", &err), 0);
    ck_assert_uint_eq(err.n, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shrink");
    TCase *t = unit_case(s, "shrink", NULL, teardown);

    tcase_add_test(t, what_stays_is_not_counted);
    tcase_add_test(t, what_goes_is_counted);
    tcase_add_test(t, renamed_is_gone);
    tcase_add_test(t, moved_is_not_gone);
    tcase_add_test(t, lans_by_the_old_table);
    tcase_add_test(t, both_bounds_must_be_passed);
    tcase_add_test(t, the_message_says_what_to_do);
    return unit_run(s);
}
