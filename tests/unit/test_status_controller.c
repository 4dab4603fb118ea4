/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/metrics.h"
#include "agent/settings_file.h"
#include "agent/status_controller.h"
#include "agent/status_print.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

#define NOW 1800000000

static struct status s;
static struct bundle bundle = {.gateway = (char *)"g", .mesh = (char *)"m", .lan = (char *)"l"};
static struct error_list err;

static void setup(void)
{
    memset(&s, 0, sizeof(s));
    s.bundle = &bundle;
    s.now = NOW;
    s.controller = (struct status_controller){.url = xstrdup("https://c"),
                                              .known = true,
                                              .running = true,
                                              .note = {.told = NOW - 60, .next = NOW + 5}};
}

static void teardown(void)
{
    error_clear(&s.problems);
    error_clear(&err);
    status_controller_clear(&s.controller);
}

static void fails(bool refused, int64_t since)
{
    strcpy(s.controller.note.text, "what it says");
    s.controller.note.since = since;
    s.controller.note.tries = 3;
    s.controller.note.refused = refused;
}

/* The one problem has this; NULL: there is none. */
static void judged(const char *has)
{
    status_controller_judge(&s);
    ck_assert_uint_eq(s.problems.n, has ? 1 : 0);
    if (has)
        ck_assert_msg(strstr(s.problems.items[0].message, has), "%s", s.problems.items[0].message);
    error_clear(&s.problems);
}

START_TEST(good_and_not)
{
    judged(NULL);
    /* It may be away for a while; one that refuses is told of at once. */
    fails(false, NOW - 899);
    judged(NULL);
    fails(false, NOW - 900);
    judged(
        "was not told for 15m 0s how this gateway is, which forwards on without it: what it says");
    fails(true, NOW);
    judged("was not told for 0s");
}
END_TEST

START_TEST(who_runs)
{
    fails(true, NOW);
    s.controller.running = false;
    judged("systemctl start p2pvpn-report");
    s.controller.known = false; /* somebody uses --once */
    judged(NULL);
    s.controller.known = true;
    free(s.controller.url);
    s.controller.url = NULL;
    judged(NULL);
}
END_TEST

static void printed(void (*print)(const struct status *s, struct buf *b), const char *has)
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    print(&s, &text);
    ck_assert_msg(strstr(buf_cstr(&text), has), "%s", buf_cstr(&text));
}

START_TEST(what_is_shown)
{
    printed(status_print_text, "Controller: https://c, told 1m 0s ago.\n");
    fails(false, NOW - 30);
    printed(status_print_text,
            "Controller: https://c, told 1m 0s ago, not reached for 30s: what it says.\n");
    fails(true, NOW - 30);
    s.controller.note.told = 0;
    printed(status_print_text,
            "Controller: https://c, never told, REFUSED for 30s: what it says.\n");
    printed(status_print_json, "\"refused\": true");
    printed(status_print_json, "\"tries\": 3");
    free(s.controller.url);
    s.controller.url = NULL;
    _cleanup_buf_ struct buf text = BUF_INIT;

    status_print_json(&s, &text);
    ck_assert_ptr_null(strstr(buf_cstr(&text), "controller"));
}
END_TEST

/* What is told to the controller does not complain of it: that is over when it can be read. */
START_TEST(what_is_collected)
{
    char folder[UNIT_FOLDER_SIZE];
    struct settings settings;
    const struct report_note note = {.pid = 1, .start = 1, .told = 5};
    struct status_query q = {.settings = &settings};

    unit_folder(folder);
    settings_defaults(&settings);
    settings.state_dir = settings.run_dir = folder;
    status_controller_clear(&s.controller);
    status_controller_collect(&q, &s);
    ck_assert_ptr_null(s.controller.url);
    settings.controller = "https://somewhere/";
    status_controller_collect(&q, &s);
    ck_assert_str_eq(s.controller.url, "https://somewhere");
    ck_assert(!s.controller.known && !s.controller.running);
    status_controller_clear(&s.controller);
    ck_assert_int_eq(report_note_write(folder, &note, &err), 0);
    status_controller_collect(&q, &s);
    ck_assert(s.controller.known && !s.controller.running);
    ck_assert_int_eq(s.controller.note.told, 5);
    status_controller_clear(&s.controller);
    q.for_controller = true;
    status_controller_collect(&q, &s);
    ck_assert_ptr_null(s.controller.url);
    ck_assert_uint_eq(s.problems.n, 0);
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
}
END_TEST

START_TEST(metrics)
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    fails(false, NOW);
    metrics_format(&s, &text);
    ck_assert(strstr(buf_cstr(&text), "\np2pvpn_reporter_up 1\n"));
    ck_assert(strstr(buf_cstr(&text), "\np2pvpn_controller_told_timestamp_seconds 1799999940\n"));
    ck_assert(strstr(buf_cstr(&text), "\np2pvpn_controller_failed_tries 3\n"));
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("controller");
    Suite *suite = suite_create("status_controller");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, good_and_not);
    tcase_add_test(tc, who_runs);
    tcase_add_test(tc, what_is_shown);
    tcase_add_test(tc, what_is_collected);
    tcase_add_test(tc, metrics);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
