/* SPDX-License-Identifier: Apache-2.0 */
/* When the controller is told, what the reporter says of itself, and that it does not grow.  That
 * it tells: tests/cli/test_reporter.py. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/report.h"
#include "agent/reporter.h"
#include "agent/settings_file.h"
#include "agent/supervise.h" /* monotonic_ms() */
#include "common/alloc.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

#define T0 INT64_C(1000000)         /* CLOCK_MONOTONIC */
#define WALL INT64_C(1800000000000) /* ms since 1970, a multiple of REPORT_EVERY_MS */
#define MIDDLE (UINT32_MAX / 2)

static struct error_list err;
static struct report_when when;

static void setup(void)
{
    report_when_start(&when, T0);
}

static void teardown(void)
{
    error_clear(&err);
}

/* From its beginning to its end; WALL is T0. */
static void report(int64_t at, int64_t took, enum report_result result)
{
    report_when_begin(&when, at);
    report_when_end(&when, result, at + took, WALL + (at + took - T0), MIDDLE);
}

/* --- when --------------------------------------------------------------------------------------
 */

START_TEST(the_first_is_due_at_once)
{
    ck_assert_int_eq(report_when_due(&when), T0);
}
END_TEST

START_TEST(each_gateway_at_its_own_second)
{
    uint32_t quarters[4] = {0};
    char name[16];

    ck_assert_uint_eq(report_phase("perth"), report_phase("perth"));
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "gateway-%u", i);
        ck_assert_uint_lt(report_phase(name), REPORT_EVERY_MS);
        quarters[report_phase(name) / (REPORT_EVERY_MS / 4)]++;
    }
    for (size_t i = 0; i < 4; i++)
        ck_assert(quarters[i] > 200 && quarters[i] < 300);
    when.phase = 12345;
    report(T0, 200, REPORT_TOLD);
    ck_assert_int_eq(report_when_due(&when), T0 + 12345);
    report(T0 + 12345, 900, REPORT_TOLD);
    ck_assert_int_eq(report_when_due(&when), T0 + 12345 + REPORT_EVERY_MS);
    /* Told because of a change just before its second: the next one is that after it. */
    report(T0 + 41000, 900, REPORT_TOLD);
    ck_assert_int_eq(report_when_due(&when), T0 + 12345 + 2 * REPORT_EVERY_MS);
}
END_TEST

START_TEST(a_change_is_told_within_a_second)
{
    for (when.phase = 0; when.phase < REPORT_EVERY_MS; when.phase += 2999) {
        int64_t at = T0 + 10000;

        report(T0, 100, REPORT_TOLD);
        when.next = T0 + 60000;
        report_when_changed(&when, at);
        report_when_changed(&when, at + 50); /* does not put it off */
        ck_assert_int_ge(report_when_due(&when), at + REPORT_SETTLE_MS);
        ck_assert_int_le(report_when_due(&when), at + 700);
    }
}
END_TEST

START_TEST(a_burst_ends_with_the_last_state)
{
    int64_t now = T0, last_change = 0, last_begun = 0, reports = 0;

    /* A change each 100 ms for 20 s, reports that take 700 ms. */
    report_when_begin(&when, now);
    for (int64_t end = now + 700; now < T0 + 60000; now += 50) {
        if (now % 100 == 0 && now < T0 + 20000)
            report_when_changed(&when, last_change = now);
        if (end && now >= end) {
            report_when_end(&when, REPORT_TOLD, now, WALL + now - T0, MIDDLE);
            end = 0;
        }
        if (!end && now >= report_when_due(&when)) {
            ck_assert_int_ge(now - when.begun, REPORT_GAP_MS);
            report_when_begin(&when, last_begun = now);
            end = now + 700;
            reports += now < T0 + 25000;
            if (now > last_change)
                break;
        }
    }
    ck_assert_int_gt(last_begun, last_change);
    ck_assert_int_le(last_begun, last_change + REPORT_GAP_MS + 100);
    ck_assert_int_ge(reports, 9);
}
END_TEST

START_TEST(a_change_meanwhile_is_told_after)
{
    report_when_begin(&when, T0);
    report_when_changed(&when, T0 + 100);
    report_when_end(&when, REPORT_TOLD, T0 + 300, WALL + 300, MIDDLE);
    ck_assert_int_eq(report_when_due(&when), T0 + REPORT_GAP_MS);
    report_when_begin(&when, T0);
    report_when_changed(&when, T0 + 4000);
    report_when_end(&when, REPORT_TOLD, T0 + 5000, WALL + 5000, MIDDLE);
    ck_assert_int_le(report_when_due(&when), T0 + 5000);
}
END_TEST

START_TEST(problems_are_told_again_soon)
{
    int64_t at = T0, pause = REPORT_UNWELL_MS;

    when.phase = 29999;
    for (unsigned i = 0; i < 4; i++, pause *= 2) {
        report(at, 100, REPORT_TOLD_PROBLEMS);
        ck_assert_int_eq(report_when_due(&when), at + pause);
        at = report_when_due(&when);
    }
    /* Somebody who stays unwell is heard of as often as the others. */
    for (unsigned i = 0; i < 100; i++) {
        report(at, 100, REPORT_TOLD_PROBLEMS);
        if (i > 1)
            ck_assert_int_ge(report_when_due(&when), at + REPORT_EVERY_MS - 100);
        at = report_when_due(&when);
    }
    /* But for a change. */
    report_when_changed(&when, at - 5000);
    at = report_when_due(&when);
    report(at, 100, REPORT_TOLD_PROBLEMS);
    ck_assert_int_eq(report_when_due(&when), at + REPORT_UNWELL_MS);
    report_when_changed(&when, at + REPORT_UNWELL_MS - 1); /* which does not put it off */
    ck_assert_int_eq(report_when_due(&when), at + REPORT_UNWELL_MS);
    report(at += REPORT_UNWELL_MS, 100, REPORT_TOLD);
    ck_assert_int_ge(report_when_due(&when), at + REPORT_GAP_MS);
    ck_assert_uint_eq(when.unwell, 0);
}
END_TEST

START_TEST(failures_are_tried_ever_more_rarely)
{
    int64_t at = T0, pause = REPORT_RETRY_FIRST_MS;

    for (unsigned i = 0; i < 100; i++) {
        report(at, 0, REPORT_FAILED);
        ck_assert_int_le(report_when_due(&when) - at, pause);
        ck_assert_int_ge(report_when_due(&when) - at, pause - 2);
        at = report_when_due(&when);
        pause = pause * 2 > REPORT_RETRY_MAX_MS ? REPORT_RETRY_MAX_MS : pause * 2;
    }
    report_when_begin(&when, at);
    report_when_end(&when, REPORT_FAILED, at, WALL, 0);
    ck_assert_int_eq(report_when_due(&when) - at, REPORT_RETRY_MAX_MS * 4 / 5);
    report_when_end(&when, REPORT_FAILED, at, WALL, UINT32_MAX);
    ck_assert_int_eq(report_when_due(&when) - at, REPORT_RETRY_MAX_MS * 6 / 5);
    report(at, 0, REPORT_TOLD);
    ck_assert_int_le(report_when_due(&when) - at, REPORT_EVERY_MS + REPORT_GAP_MS);
    report(at, 0, REPORT_FAILED);
    ck_assert_int_le(report_when_due(&when) - at, REPORT_RETRY_FIRST_MS);
}
END_TEST

/* What changes brings the next try forward, not without end. */
START_TEST(a_change_while_it_fails)
{
    for (unsigned i = 0; i < 10; i++)
        report(T0, 0, REPORT_FAILED);
    report_when_changed(&when, T0 + 1000);
    ck_assert_int_eq(report_when_due(&when), T0 + REPORT_EVERY_MS);
    report_when_begin(&when, T0);
    report_when_changed(&when, T0 + 1);
    report_when_end(&when, REPORT_FAILED, T0 + 5000, WALL, MIDDLE);
    ck_assert_int_eq(report_when_due(&when), T0 + REPORT_EVERY_MS);
    /* The first tries are sooner anyway. */
    report(T0, 0, REPORT_TOLD);
    report(T0, 0, REPORT_FAILED);
    report_when_changed(&when, T0 + 1000);
    ck_assert_int_le(report_when_due(&when), T0 + REPORT_RETRY_FIRST_MS);
}
END_TEST

START_TEST(who_is_in_a_hurry)
{
    for (unsigned i = 0; i < 10; i++)
        report(T0, 0, REPORT_FAILED);
    report_when_hurry(&when, T0 + 5000);
    ck_assert_int_eq(report_when_due(&when), T0 + 5000);
    report_when_begin(&when, T0 + 5000);
    report_when_hurry(&when, T0 + 5001);
    ck_assert_int_eq(report_when_due(&when), T0 + 5000 + REPORT_GAP_MS);
}
END_TEST

START_TEST(nobody_to_tell_is_no_failure)
{
    report(T0, 0, REPORT_NOBODY);
    ck_assert_uint_eq(when.failures, 0);
    ck_assert_int_eq(report_when_due(&when), T0 + REPORT_EVERY_MS);
}
END_TEST

/* --- the note ----------------------------------------------------------------------------------
 */

START_TEST(note_round_trip)
{
    struct report_note n = {.pid = 4711,
                            .start = 99,
                            .told = 1000,
                            .next = 3000,
                            .text = "a \"sentence\"",
                            .since = 2000,
                            .tries = 7,
                            .refused = true},
                       again = {0};
    _cleanup_buf_ struct buf text = BUF_INIT;

    report_note_format(&n, &text);
    ck_assert_int_eq(report_note_parse(buf_cstr(&text), text.len, "f", &again, &err), 0);
    ck_assert_mem_eq(&again, &n, sizeof(n));
    n = (struct report_note){.pid = 1, .told = 5};
    buf_reset(&text);
    report_note_format(&n, &text);
    ck_assert_int_eq(report_note_parse(buf_cstr(&text), text.len, "f", &again, &err), 0);
    ck_assert_mem_eq(&again, &n, sizeof(n));
}
END_TEST

static const char *const no_notes[] = {
    "",
    "[]",
    "{\"pid\": -1}",
    "{\"pid\": 4294967297}",
    "{\"pid\": \"1\"}",
    "{\"told\": 1.5}",
    "{\"error\": 5}",
    "{\"error\": {}}",
    "{\"error\": {\"text\": \"\"}}",
    "{\"error\": {\"text\": \"a\\nb\"}}",
    "{\"error\": {\"text\": \"a\\u0000b\"}}",
    "{\"error\": {\"text\": \"x\", \"tries\": -1}}",
    "{\"error\": {\"text\": \"x\", \"refused\": 1}}",
    "{\"pid\": 1, \"pid\": 2}",
};

START_TEST(no_note)
{
    struct report_note n = {.pid = 4711};

    ck_assert_int_eq(report_note_parse(no_notes[_i], strlen(no_notes[_i]), "f", &n, &err), -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_int_eq(n.pid, 4711);
}
END_TEST

/* --- the process -------------------------------------------------------------------------------
 */

static int tell(void *settings, struct error_list *e)
{
    const struct settings *s = settings;

    if (strcmp(s->gateway, "away") == 0) {
        error_add(e, NULL, 0, NULL, "the controller cannot be asked: \xc3\xa9\n");
        return -EIO;
    }
    if (strcmp(s->gateway, "wanted") == 0)
        return (int)report_phase(s->gateway) | REPORT_WANTED;
    return strcmp(s->gateway, "nobody") == 0 ? REPORT_TO_NOBODY : (int)report_phase(s->gateway);
}

static int *renewals; /* how often; shared with the workers */

static int renew(void *settings, struct error_list *e)
{
    (void)settings;
    (void)e;
    if (renewals)
        ++*renewals;
    return 0;
}

static void one_report(struct reporter *r)
{
    r->when.begun = monotonic_ms() - REPORT_GAP_MS;
    report_when_hurry(&r->when, monotonic_ms());
    do
        reporter_step(r, NULL);
    while (r->worker.pid);
}

START_TEST(what_it_notes)
{
    char folder[UNIT_FOLDER_SIZE];
    struct settings s;
    struct reporter r, second;
    struct report_note n = {0};

    unit_folder(folder);
    settings_defaults(&s);
    s.run_dir = s.state_dir = folder;
    s.gateway = "perth";
    ck_assert_int_eq(reporter_open(&r, &s, tell, renew, &err), 0);
    ck_assert_int_eq(reporter_open(&second, &s, tell, renew, &err), -EINVAL);
    reporter_close(&second);
    error_clear(&err);
    ck_assert_int_eq(report_note_read(folder, &n, &err), -ENOENT);
    ck_assert_uint_eq(err.n, 0);
    one_report(&r);
    ck_assert_int_eq(report_note_read(folder, &n, &err), 0);
    ck_assert_int_eq(n.pid, getpid());
    ck_assert(report_note_alive(&n));
    ck_assert(n.told && n.next > n.told && !*n.text);
    ck_assert_uint_eq(r.when.phase, report_phase("perth"));
    s.gateway = "away";
    one_report(&r);
    one_report(&r);
    ck_assert_int_eq(report_note_read(folder, &n, &err), 0);
    ck_assert_str_eq(n.text, "the controller cannot be asked: ??\\x0a");
    ck_assert(n.told && n.since);
    ck_assert_uint_eq(n.tries, 2);
    s.gateway = "perth";
    one_report(&r);
    ck_assert_int_eq(report_note_read(folder, &n, &err), 0);
    ck_assert(!*n.text && !n.since && !n.tries);
    reporter_close(&r);
    n.start++;
    ck_assert(!report_note_alive(&n));
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
}
END_TEST

START_TEST(what_it_watches)
{
    char folder[UNIT_FOLDER_SIZE];
    struct settings s;
    struct reporter r;

    unit_folder(folder);
    _cleanup_free_ char *agent = xasprintf("%s/agent.json", folder);
    _cleanup_free_ char *other = xasprintf("%s/other.json", folder);
    _cleanup_free_ char *controller = xasprintf("%s/controller.conf", folder);

    settings_defaults(&s);
    s.run_dir = s.state_dir = folder;
    s.gateway = "perth";
    ck_assert_int_eq(reporter_open(&r, &s, tell, renew, &err), 0);
    one_report(&r);
    ck_assert_int_eq(fs_write(other, "", 0, 0644, &err), 0);
    reporter_step(&r, NULL);
    ck_assert_int_eq(r.when.wish, REPORT_NO_WISH);
    ck_assert_int_eq(fs_write(agent, "", 0, 0644, &err), 0);
    reporter_step(&r, NULL);
    ck_assert_int_le(r.when.wish, monotonic_ms() + REPORT_SETTLE_MS + REPORT_SPREAD_MS);
    ck_assert_int_eq(fs_write(controller, "", 0, 0644, &err), 0);
    reporter_step(&r, NULL);
    ck_assert_int_le(r.when.wish, monotonic_ms());
    reporter_close(&r);
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
}
END_TEST

/* After the first report, after one that says so, and when the certificate is another. */
START_TEST(when_the_certificate_is_looked_at)
{
    char folder[UNIT_FOLDER_SIZE];
    struct settings s;
    struct reporter r;
    _cleanup_free_ char *keys = NULL, *certificate = NULL;

    unit_folder(folder);
    settings_defaults(&s);
    s.run_dir = s.state_dir = folder;
    s.gateway = "perth";
    keys = settings_keys_dir(&s);
    certificate = xasprintf("%s/gateway.crt", keys);
    ck_assert_int_eq(fs_mkdirs(keys, 0700, &err), 0);
    renewals = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(renewals, MAP_FAILED);
    ck_assert_int_eq(reporter_open(&r, &s, tell, renew, &err), 0);
    for (int i = 0; i < 3; i++)
        one_report(&r);
    ck_assert_int_eq(*renewals, 1);
    s.gateway = "wanted";
    one_report(&r);
    ck_assert_int_eq(*renewals, 2);
    ck_assert_uint_eq(r.when.phase, report_phase("wanted"));
    s.gateway = "away";
    one_report(&r);
    ck_assert_int_eq(*renewals, 2);
    ck_assert_int_eq(fs_write(certificate, "", 0, 0644, &err), 0);
    reporter_step(&r, NULL);
    one_report(&r);
    ck_assert_int_eq(*renewals, 3);
    reporter_close(&r);
    munmap(renewals, sizeof(int));
    renewals = NULL;
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
}
END_TEST

START_TEST(a_thousand_reports_leave_nothing)
{
    static const char *const gateways[] = {"perth", "away", "perth", "nobody"};
    char folder[UNIT_FOLDER_SIZE];
    struct settings s;
    struct reporter r;
    size_t before = 0;

    /* RUN is in memory, where nothing waits for a disk. */
    strcpy(folder, "/dev/shm/unit-XXXXXX");
    if (!mkdtemp(folder))
        unit_folder(folder);
    settings_defaults(&s);
    s.run_dir = s.state_dir = folder;
    ck_assert_int_eq(reporter_open(&r, &s, tell, renew, &err), 0);
    for (unsigned i = 0; i < 20 + 1000; i++) {
        if (i == 20)
            before = mallinfo2().uordblks;
        s.gateway = gateways[i % 4];
        one_report(&r);
    }
    /* The smallest thing left by each would be 32,000. */
    ck_assert_int_lt((long)mallinfo2().uordblks - (long)before, 1000);
    reporter_close(&r);
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("reporter");
    Suite *s = suite_create("reporter");

    if (argc == 1)
        unit_without_heap_cache(argv);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_first_is_due_at_once);
    tcase_add_test(tc, each_gateway_at_its_own_second);
    tcase_add_test(tc, a_change_is_told_within_a_second);
    tcase_add_test(tc, a_burst_ends_with_the_last_state);
    tcase_add_test(tc, a_change_meanwhile_is_told_after);
    tcase_add_test(tc, problems_are_told_again_soon);
    tcase_add_test(tc, failures_are_tried_ever_more_rarely);
    tcase_add_test(tc, a_change_while_it_fails);
    tcase_add_test(tc, who_is_in_a_hurry);
    tcase_add_test(tc, nobody_to_tell_is_no_failure);
    tcase_add_test(tc, note_round_trip);
    tcase_add_loop_test(tc, no_note, 0, sizeof(no_notes) / sizeof(no_notes[0]));
    tcase_add_test(tc, what_it_notes);
    tcase_add_test(tc, what_it_watches);
    tcase_add_test(tc, when_the_certificate_is_looked_at);
    tcase_add_test(tc, a_thousand_reports_leave_nothing);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
