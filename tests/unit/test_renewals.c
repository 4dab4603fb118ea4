/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told to renew, and when: one that does not come to it holds up nobody. */
#include "service/renewals.h"

#include <stdio.h>

#include "tests/unit/unit.h"

#define NOW 2000000000
#define HOUR 3600

static struct renewals renewals;

static void teardown(void)
{
    renewals_clear(&renewals);
}

static bool tell(const char *gateway, unsigned gateways, int64_t now)
{
    return renewals_tell(&renewals, gateway, "A B", gateways, now);
}

START_TEST(one_a_minute)
{
    ck_assert(tell("perth", 3, NOW));
    ck_assert(!tell("sydney", 3, NOW));
    ck_assert(!tell("sydney", 3, NOW + 59));
    ck_assert(tell("sydney", 3, NOW + 60));
    ck_assert(!tell("darwin", 3, NOW + 119));
    ck_assert(tell("darwin", 3, NOW + 120));
}
END_TEST

/* 4800 of them: all within eight hours. */
START_TEST(many)
{
    ck_assert(tell("perth", 4800, NOW));
    ck_assert(!tell("sydney", 4800, NOW + 5));
    ck_assert(tell("sydney", 4800, NOW + 6));
    ck_assert(tell("darwin", 100000, NOW + 7));
}
END_TEST

/* Each reports at its own second, and perth is always the first of those of a new minute. */
START_TEST(one_that_does_not_come_to_it)
{
    ck_assert(tell("perth", 3, NOW));
    for (int t = 0; t < 20; t += 10)
        ck_assert(!tell("sydney", 3, NOW + 20 + t));
    ck_assert(!tell("perth", 3, NOW + 60));
    ck_assert(tell("sydney", 3, NOW + 80)); /* perth has not taken the turn */
    ck_assert(!tell("perth", 3, NOW + HOUR - 1));
    ck_assert(tell("perth", 3, NOW + HOUR));
    ck_assert(!tell("perth", 3, NOW + 2 * HOUR - 1));
}
END_TEST

/* As many as there are minutes in an hour, and others that report later. */
START_TEST(many_that_do_not_come_to_it)
{
    char name[16];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "g%d", i);
        ck_assert(tell(name, 200, NOW + 60 * i));
    }
    ck_assert(!tell("g0", 200, NOW + 60 * 100));
    ck_assert(tell("perth", 200, NOW + 60 * 100));
    ck_assert(tell("g0", 200, NOW + 60 * 200));
    ck_assert_uint_le(json_object_size(renewals.names), 200);
}
END_TEST

START_TEST(what_is_over_is_forgotten)
{
    ck_assert(tell("perth", 3, NOW));
    ck_assert(tell("sydney", 3, NOW + 60));
    ck_assert_uint_eq(json_object_size(renewals.names), 2);
    ck_assert(tell("darwin", 3, NOW + HOUR));
    ck_assert_uint_eq(json_object_size(renewals.names), 2);
    ck_assert(tell("perth", 3, NOW + 10 * HOUR));
    ck_assert_uint_eq(json_object_size(renewals.names), 1);
}
END_TEST

START_TEST(the_next_step_of_the_authorities)
{
    ck_assert(tell("perth", 3, NOW));
    ck_assert(!renewals_tell(&renewals, "perth", "B", 3, NOW + 59));
    ck_assert(renewals_tell(&renewals, "perth", "B", 3, NOW + 60));
    ck_assert(!renewals_tell(&renewals, "perth", "B", 3, NOW + 120));
}
END_TEST

START_TEST(the_clock_was_ahead)
{
    ck_assert(tell("perth", 3, NOW + 1000 * HOUR));
    ck_assert(tell("perth", 3, NOW));
    ck_assert(!tell("perth", 3, NOW + 60));
}
END_TEST

START_TEST(ten_an_hour)
{
    for (int i = 0; i < 10; i++) {
        ck_assert(renewals_may(&renewals, "perth", NOW + 60 * i));
        renewals_made(&renewals, "perth", NOW + 60 * i);
    }
    ck_assert(!renewals_may(&renewals, "perth", NOW + 600));
    ck_assert(!renewals_may(&renewals, "perth", NOW + HOUR - 1));
    ck_assert(renewals_may(&renewals, "sydney", NOW + 600));
    ck_assert(renewals_may(&renewals, "perth", NOW + HOUR));
    renewals_made(&renewals, "perth", NOW + HOUR);
    ck_assert(!renewals_may(&renewals, "perth", NOW + HOUR + 59));
    ck_assert(renewals_may(&renewals, "perth", NOW + HOUR + 60));
    ck_assert(renewals_may(&renewals, "perth", NOW - HOUR)); /* the clock was ahead */
    renewals_made(&renewals, "sydney", NOW + 3 * HOUR);
    ck_assert_uint_eq(json_object_size(renewals.made), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("renewals");
    TCase *t = unit_case(s, "renewals", NULL, teardown);

    tcase_add_test(t, one_a_minute);
    tcase_add_test(t, many);
    tcase_add_test(t, one_that_does_not_come_to_it);
    tcase_add_test(t, many_that_do_not_come_to_it);
    tcase_add_test(t, what_is_over_is_forgotten);
    tcase_add_test(t, the_next_step_of_the_authorities);
    tcase_add_test(t, the_clock_was_ahead);
    tcase_add_test(t, ten_an_hour);
    return unit_run(s);
}
