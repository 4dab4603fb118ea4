/* SPDX-License-Identifier: Apache-2.0 */
/* When putting something right becomes a fight, and which steps of a plan wait then. */
#include <stdlib.h>
#include <string.h>

#include "agent/drift.h"
#include "agent/plan.h"
#include "agent/repairs.h"
#include "common/alloc.h"
#include "tests/unit/unit.h"

static struct repairs r;
static int64_t until;

static void setup(void)
{
    r = (struct repairs)REPAIRS_INIT;
    until = -1;
}

static void teardown(void)
{
    repairs_reset(&r);
}

START_TEST(test_fight)
{
    int64_t now = 1000, pauses[] = {20000, 40000, 80000, 160000, 300000, 300000, 300000};

    for (int i = 0; i < REPAIRS_FREE; i++, now += 1000)
        ck_assert_int_eq(repairs_ask(&r, 7, now, &until), REPAIRS_GO);
    ck_assert_int_eq(repairs_ask(&r, 7, now, &until), REPAIRS_FIGHT);
    ck_assert_int_eq(until, now + REPAIRS_MIN_MS);
    ck_assert_int_eq(repairs_ask(&r, 7, now + 1, &until), REPAIRS_WAIT);
    ck_assert_int_eq(repairs_ask(&r, 8, now + 1, &until), REPAIRS_GO); /* nobody else waits */
    now = until;
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        ck_assert_int_eq(repairs_ask(&r, 7, now, &until), REPAIRS_GO);
        /* It is wrong at every look from now on. */
        for (int64_t t = now + 1000; t < now + pauses[i]; t += 3000) {
            ck_assert_int_eq(repairs_ask(&r, 7, t, &until), REPAIRS_WAIT);
            ck_assert_int_eq(until, now + pauses[i]);
        }
        now += pauses[i];
    }
}
END_TEST

START_TEST(test_asked_twice_in_one_look)
{
    for (int64_t now = 1; now <= REPAIRS_FREE; now++)
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(repairs_ask(&r, 7, now, &until), REPAIRS_GO);
    ck_assert_int_eq(repairs_ask(&r, 7, 9, &until), REPAIRS_FIGHT);
    ck_assert_int_eq(repairs_ask(&r, 7, 9, &until), REPAIRS_WAIT);
}
END_TEST

START_TEST(test_calm)
{
    int64_t now = 0;

    /* Once in a while is no fight. */
    for (int i = 0; i < 100; i++, now += REPAIRS_CALM_MS)
        ck_assert_int_eq(repairs_ask(&r, 7, now, &until), REPAIRS_GO);
    for (int i = 0; i < REPAIRS_FREE; i++)
        ck_assert_int_eq(repairs_ask(&r, 7, ++now, &until), REPAIRS_GO);
    ck_assert_int_eq(repairs_ask(&r, 7, ++now, &until), REPAIRS_FIGHT);
    repairs_sweep(&r, now + REPAIRS_CALM_MS - 1);
    ck_assert_uint_eq(r.n, 1);
    repairs_sweep(&r, now + REPAIRS_CALM_MS);
    ck_assert_uint_eq(r.n, 0);
    ck_assert_int_eq(repairs_ask(&r, 7, now + REPAIRS_CALM_MS, &until), REPAIRS_GO);
}
END_TEST

START_TEST(test_failure_is_no_fight)
{
    for (int64_t now = 0; now < 100000; now += 5000) {
        ck_assert_int_eq(repairs_ask(&r, 7, now, &until), REPAIRS_GO);
        repairs_failed(&r, 7);
    }
    repairs_failed(&r, 99); /* never heard of */
}
END_TEST

START_TEST(test_many)
{
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_int_eq(repairs_ask(&r, i * 7919 % 1000, 5, &until), REPAIRS_GO);
    ck_assert_uint_eq(r.n, 1000);
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_int_eq(repairs_ask(&r, i, 6, &until), REPAIRS_GO);
    ck_assert_uint_eq(r.n, 1000);
    repairs_sweep(&r, 1000000);
    ck_assert_ptr_null(r.items);
}
END_TEST

/* plan.h owns its texts; these are literals, and copied before anybody may. */
#define TEXT(literal) ((char *)(uintptr_t)(literal))

static struct plan plan_of(const struct plan_step *steps, size_t n)
{
    struct plan p = {.steps = xcalloc(n, sizeof(*steps)), .n = n, .cap = n};

    for (size_t i = 0; i < n; i++) {
        p.steps[i] = steps[i];
        p.steps[i].target = xstrdup(steps[i].target);
        p.steps[i].reason = xstrdup("a reason");
        p.steps[i].text = steps[i].text ? xstrdup(steps[i].text) : NULL;
    }
    return p;
}

/* One look at such steps; what of them is left, and the fights. */
static void look(const struct plan_step *steps, size_t n, int64_t now, const char *left,
                 size_t fights)
{
    struct plan p = plan_of(steps, n);
    struct buf text = BUF_INIT, told = BUF_INIT;
    int64_t again = INT64_MAX;
    size_t lines = 0;

    drift_hold_back(&r, &p, now, &again, &told);
    for (size_t i = 0; i < p.n; i++)
        buf_printf(&text, "%d %s\n", (int)p.steps[i].action, p.steps[i].target);
    ck_assert_str_eq(buf_cstr(&text), left);
    for (const char *c = buf_cstr(&told); *c; c++)
        lines += *c == '\n';
    ck_assert_msg(lines == fights, "%s", buf_cstr(&told));
    ck_assert(p.n == n ? again == INT64_MAX : again > now);
    for (size_t i = 0; i < p.n; i++) {
        free(p.steps[i].target);
        free(p.steps[i].reason);
        free(p.steps[i].text);
    }
    free(p.steps);
    buf_free(&text);
    buf_free(&told);
}

START_TEST(test_interface_is_deleted_again_and_again)
{
    const struct plan_step steps[] = {
        {.action = PLAN_LINK_CREATE, .target = TEXT("pv2"), .link = 0, .text = TEXT("alias")},
        {.action = PLAN_ALTNAME_ADD, .target = TEXT("pv2"), .link = 0, .text = TEXT("pv-east")},
        {.action = PLAN_MTU, .target = TEXT("pv2"), .link = 0, .value = 1400},
        {.action = PLAN_PROCESS_START, .target = TEXT("pv2"), .link = 0},
        {.action = PLAN_MTU, .target = TEXT("pv3"), .link = 1, .value = 1400},
        {.action = PLAN_FRR, .target = TEXT(""), .link = PLAN_NO_LINK},
    };
    char all[200], others[100];

    snprintf(others, sizeof(others), "%d pv3\n%d \n", PLAN_MTU, PLAN_FRR);
    snprintf(all, sizeof(all), "%d pv2\n%d pv2\n%d pv2\n%d pv2\n%s", PLAN_LINK_CREATE,
             PLAN_ALTNAME_ADD, PLAN_MTU, PLAN_PROCESS_START, others);
    for (int64_t now = 0; now < REPAIRS_FREE; now++)
        look(steps, 6, now * 2000, all, 0);
    /* The MTU of pv3 is a fight of its own, only that of pv2 belongs to the interface. */
    snprintf(others, sizeof(others), "%d \n", PLAN_FRR);
    look(steps, 6, 7000, others, 2);
    look(steps, 6, 8000, others, 0);
    look(steps, 4, 9000, "", 0);
    look(steps, 6, 17000, all, 0);
}
END_TEST

START_TEST(test_what_counts_as_a_repair)
{
    const struct plan_step steps[] = {
        {.action = PLAN_SETTING, .target = TEXT("a"), .link = PLAN_NO_LINK},
        {.action = PLAN_LINK_CREATE, .target = TEXT("pv2"), .link = 0},
        {.action = PLAN_SETTING, .target = TEXT("b"), .link = 0},
        {.action = PLAN_PROCESS_START, .target = TEXT("pv2"), .link = 0},
        {.action = PLAN_MTU, .target = TEXT("pv3"), .link = 1},
        {.action = PLAN_ADDRESS_ADD, .target = TEXT("pv3"), .link = 1},
        {.action = PLAN_ADDRESS_ADD, .target = TEXT("pv3"), .link = 1, .failed = true},
        {.action = PLAN_FRR, .target = TEXT(""), .link = PLAN_NO_LINK},
        {.action = PLAN_REFUSE, .target = TEXT("pv4"), .link = 2},
        {.action = PLAN_PROCESS_START, .target = TEXT("pv5"), .link = 3},
    };
    struct plan p = {.steps = (struct plan_step *)(uintptr_t)steps,
                     .n = sizeof(steps) / sizeof(steps[0])};
    unsigned n[REPAIR_KINDS];

    drift_count(&p, n);
    ck_assert_uint_eq(n[REPAIR_INTERFACE], 2);
    ck_assert_uint_eq(n[REPAIR_SETTING], 1);
    ck_assert_uint_eq(n[REPAIR_ADDRESS], 1);
    ck_assert_uint_eq(n[REPAIR_PROCESS], 1);
    ck_assert_uint_eq(n[REPAIR_FRR] + n[REPAIR_FIREWALL], 0);
}
END_TEST

START_TEST(test_things_are_told_apart)
{
    const struct plan_step one[] = {
        {.action = PLAN_SETTING,
         .target = TEXT("net/ipv4/ip_forward"),
         .link = PLAN_NO_LINK,
         .value = 1},
        {.action = PLAN_ADDRESS_ADD, .target = TEXT("pv2"), .link = 0, .address.local.addr = {1}},
    };
    const struct plan_step other[] = {
        {.action = PLAN_SETTING,
         .target = TEXT("net/ipv4/ip_forwarx"),
         .link = PLAN_NO_LINK,
         .value = 1},
        {.action = PLAN_ADDRESS_ADD, .target = TEXT("pv2"), .link = 0, .address.local.addr = {2}},
    };
    char left[100];

    for (int64_t now = 0; now < REPAIRS_FREE; now++) {
        struct plan p = plan_of(one, 2);
        int64_t again = 0;
        struct buf told = BUF_INIT;

        drift_hold_back(&r, &p, now, &again, &told);
        ck_assert_uint_eq(p.n, 2);
        for (size_t i = 0; i < p.n; i++) {
            free(p.steps[i].target);
            free(p.steps[i].reason);
        }
        free(p.steps);
    }
    snprintf(left, sizeof(left), "%d net/ipv4/ip_forwarx\n%d pv2\n", PLAN_SETTING,
             PLAN_ADDRESS_ADD);
    look(other, 2, 10, left, 0);
    look(one, 2, 11, "", 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("repairs");
    TCase *t = unit_case(s, "repairs", setup, teardown);

    tcase_add_test(t, test_fight);
    tcase_add_test(t, test_asked_twice_in_one_look);
    tcase_add_test(t, test_calm);
    tcase_add_test(t, test_failure_is_no_fight);
    tcase_add_test(t, test_many);
    tcase_add_test(t, test_interface_is_deleted_again_and_again);
    tcase_add_test(t, test_what_counts_as_a_repair);
    tcase_add_test(t, test_things_are_told_apart);
    return unit_run(s);
}
