/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_report.h"
#include "agent/supervise.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

START_TEST(round_trip)
{
    struct agent_report r = {.pid = 4711,
                             .start = 99,
                             .since = 1000,
                             .applied = 2000,
                             .drained = true},
                        again = {0};
    _cleanup_buf_ struct buf text = BUF_INIT;

    r.source = xstrdup("/etc/p2pvpn/\"bundle\"");
    r.repairs[REPAIR_FRR] = (struct repair_count){7, 1500};
    agent_report_trouble(&r, TROUBLE_LINKS, "one\ntwo\x80");
    agent_report_format(&r, &text);
    ck_assert_int_eq(agent_report_parse(text.data, text.len, "f", &again, &err), 0);
    ck_assert_int_eq(again.pid, 4711);
    ck_assert_uint_eq(again.start, 99);
    ck_assert_int_eq(again.since, 1000);
    ck_assert_int_eq(again.applied, 2000);
    ck_assert(again.drained);
    ck_assert_str_eq(again.source, "/etc/p2pvpn/\"bundle\"");
    ck_assert_uint_eq(again.repairs[REPAIR_FRR].total, 7);
    ck_assert_int_eq(again.repairs[REPAIR_FRR].last, 1500);
    ck_assert_uint_eq(again.repairs[REPAIR_PROCESS].total, 0);
    ck_assert_str_eq(again.trouble[TROUBLE_LINKS], "one\ntwo\xef\xbf\xbd");
    ck_assert_ptr_null(again.trouble[TROUBLE_FRR]);
    agent_report_clear(&r);
    agent_report_clear(&again);
}
END_TEST

START_TEST(trouble_is_bounded)
{
    struct agent_report r = {0}, again = {0};
    _cleanup_buf_ struct buf text = BUF_INIT;
    char *kept, wide[9000];

    memset(wide, 0x80, sizeof(wide)); /* three bytes each when written */
    wide[sizeof(wide) - 1] = '\0';
    for (size_t i = 0; i < TROUBLE_KINDS; i++)
        agent_report_trouble(&r, i, wide);
    ck_assert_uint_eq(strlen(r.trouble[0]), 2000);
    kept = r.trouble[0];
    agent_report_trouble(&r, TROUBLE_BUNDLE, wide);
    ck_assert_ptr_eq(r.trouble[0], kept); /* nothing new */
    agent_report_format(&r, &text);
    ck_assert_uint_lt(text.len, AGENT_REPORT_MAX_BYTES);
    ck_assert_int_eq(agent_report_parse(text.data, text.len, "f", &again, &err), 0);
    agent_report_trouble(&r, TROUBLE_BUNDLE, NULL);
    ck_assert_ptr_null(r.trouble[0]);
    agent_report_clear(&r);
    agent_report_clear(&again);
}
END_TEST

#define HEAD "{\"pid\": 5, \"start\": 1, \"since\": 1, \"applied\": 1, \"drained\": "

static const char *const no_reports[] = {
    "",
    "[]",
    "{}",
    HEAD "false}",
    HEAD "0, \"repairs\": {}}",
    HEAD "false, \"source\": 7, \"repairs\": {}}",
    HEAD "false, \"repairs\": {\"interface\": {\"total\": -1, \"last\": 0}}}",
};

START_TEST(no_report)
{
    struct agent_report r = {0};

    ck_assert_int_eq(agent_report_parse(no_reports[_i], strlen(no_reports[_i]), "f", &r, &err),
                     -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_int_eq(r.pid, 0);
}
END_TEST

/* It is written when something changed and not more often than once a second; the next agent counts
 * on; a report without its process is a dead agent's. */
START_TEST(life_of_a_report)
{
    char folder[UNIT_FOLDER_SIZE];
    struct agent_report r, seen = {0};
    struct agent_report_file file;
    _cleanup_free_ char *path = NULL;
    struct stat first, second;

    unit_folder(folder);
    path = xasprintf("%s/" AGENT_REPORT_FILE, folder);
    ck_assert_int_eq(agent_report_read(folder, &seen, &err), -ENOENT);
    ck_assert_uint_eq(err.n, 0);
    agent_report_open(folder, "/etc/bundle", &r, &file);
    agent_report_run(&file, &r);
    ck_assert_int_eq(stat(path, &first), 0);
    agent_report_repaired(&r, REPAIR_PROCESS);
    agent_report_run(&file, &r);
    ck_assert_int_eq(stat(path, &second), 0);
    ck_assert_uint_eq(first.st_ino, second.st_ino); /* too soon */
    ck_assert_int_eq(agent_report_deadline(&file), file.next);
    file.next = 0;
    agent_report_run(&file, &r);
    ck_assert_int_eq(stat(path, &first), 0);
    ck_assert_int_eq(agent_report_deadline(&file), SUPERVISE_NEVER);
    file.next = 0;
    agent_report_run(&file, &r);
    ck_assert_int_eq(stat(path, &second), 0);
    ck_assert_uint_eq(first.st_ino, second.st_ino); /* nothing new */
    agent_report_repaired(&r, REPAIR_PROCESS);
    agent_report_run(&file, &r);
    ck_assert_int_eq(stat(path, &second), 0);
    ck_assert_uint_ne(first.st_ino,
                      second.st_ino); /* at once: that it was asked before is no write */
    ck_assert_int_eq(agent_report_read(folder, &seen, &err), 0);
    ck_assert_uint_eq(seen.repairs[REPAIR_PROCESS].total, 2);
    ck_assert_int_gt(seen.repairs[REPAIR_PROCESS].last, 0);
    ck_assert(agent_report_alive(&seen));
    seen.start++;
    ck_assert(!agent_report_alive(&seen));
    agent_report_repaired(&r, REPAIR_PROCESS);
    agent_report_close(&file, &r);
    agent_report_clear(&r);
    agent_report_clear(&seen);

    agent_report_open(folder, "/etc/other", &r, &file);
    ck_assert_uint_eq(r.repairs[REPAIR_PROCESS].total, 3);
    ck_assert_str_eq(r.source, "/etc/other");
    agent_report_close(&file, &r);
    agent_report_clear(&r);
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("agent_report");
    TCase *t = unit_case(s, "agent_report", NULL, teardown);

    tcase_add_test(t, round_trip);
    tcase_add_test(t, trouble_is_bounded);
    tcase_add_loop_test(t, no_report, 0, sizeof(no_reports) / sizeof(no_reports[0]));
    tcase_add_test(t, life_of_a_report);
    return unit_run(s);
}
