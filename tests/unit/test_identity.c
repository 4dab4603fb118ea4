/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/backoff.h"
#include "agent/identity.h"
#include "tests/unit/unit.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define KEYS "0000000100000002-0123456789abcdef-0123456789abcdef"

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

START_TEST(test_round_trip)
{
    struct identity in = {.pid = 4711, .start = 18446744ULL, .digest = DIGEST}, out = {0};
    struct buf text = BUF_INIT;

    identity_format(&in, &text);
    ck_assert_int_eq(identity_parse(text.data, text.len, "f", &out, &err), 0);
    ck_assert_int_eq(out.pid, in.pid);
    ck_assert_uint_eq(out.start, in.start);
    ck_assert_str_eq(out.digest, in.digest);
    snprintf(in.digest, sizeof(in.digest), "%s", DIGEST "-" KEYS);
    buf_reset(&text);
    identity_format(&in, &text);
    ck_assert_int_eq(identity_parse(text.data, text.len, "f", &out, &err), 0);
    ck_assert_str_eq(out.digest, in.digest);
    buf_free(&text);
}
END_TEST

static const char *const bad[] = {
    "",
    "{}",
    "[1]",
    "{\"pid\": 4711, \"start\": 1}",
    "{\"pid\": \"4711\", \"start\": 1, \"digest\": \"" DIGEST "\"}",
    "{\"pid\": 1, \"start\": 1, \"digest\": \"" DIGEST "\"}",
    "{\"pid\": -4711, \"start\": 1, \"digest\": \"" DIGEST "\"}",
    "{\"pid\": 4294967297, \"start\": 1, \"digest\": \"" DIGEST "\"}",
    "{\"pid\": 4711, \"start\": -1, \"digest\": \"" DIGEST "\"}",
    "{\"pid\": 4711, \"start\": 1, \"digest\": \"" DIGEST "0\"}",
    "{\"pid\": 4711, \"start\": 1, \"digest\": \"" DIGEST "-" KEYS "0\"}",
    "{\"pid\": 4711, \"start\": 1, \"digest\": \"x\"}",
    "{\"pid\": 4711, \"pid\": 4712, \"start\": 1, \"digest\": \"" DIGEST "\"}",
};

START_TEST(test_bad)
{
    struct identity id = {.pid = 42};

    ck_assert_int_eq(identity_parse(bad[_i], strlen(bad[_i]), "f", &id, &err), -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_int_eq(id.pid, 42);
}
END_TEST

START_TEST(test_stat)
{
    /* The name of a program may look like the rest of the line. */
    static const char line[] =
        "4711 (open) S 1 (vpn) R 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 11";
    unsigned long long start;
    char state;

    ck_assert(process_stat_parse(line, &state, &start));
    ck_assert_int_eq(state, 'R');
    ck_assert_uint_eq(start, 987654);
    ck_assert(!process_stat_parse("", &state, &start));
    ck_assert(!process_stat_parse("1 (x", &state, &start));
    ck_assert(!process_stat_parse("1 (x) S 1 2 3", &state, &start));
}
END_TEST

START_TEST(test_alive)
{
    struct identity self = {.pid = getpid()};
    char program[4096];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

    ck_assert_int_gt(n, 0);
    program[n] = '\0';
    ck_assert(process_start_time(self.pid, &self.start));
    ck_assert(identity_alive(&self, program));
    ck_assert(!identity_alive(&self, "/usr/sbin/openvpn"));
    program[n - 1] = '\0'; /* a beginning of the name is another program */
    ck_assert(!identity_alive(&self, program));
    self.start++;
    ck_assert(!identity_alive(&self, "/proc/self/exe"));
}
END_TEST

START_TEST(test_backoff)
{
    static const int64_t waits[] = {100, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct backoff b = {0};

    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
        ck_assert_int_eq(backoff_next(&b, 50), waits[i]);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(backoff_next(&b, 50), 30000);
    /* A good run is forgiven, and its end answered at once. */
    ck_assert_int_eq(backoff_next(&b, BACKOFF_GOOD_RUN_MS), 100);
    ck_assert_int_eq(backoff_next(&b, BACKOFF_GOOD_RUN_MS - 1), 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("identity");
    TCase *t = unit_case(s, "identity", NULL, teardown);

    tcase_add_test(t, test_round_trip);
    tcase_add_loop_test(t, test_bad, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, test_stat);
    tcase_add_test(t, test_alive);
    tcase_add_test(t, test_backoff);
    return unit_run(s);
}
