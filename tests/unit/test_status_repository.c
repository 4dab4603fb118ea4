/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/status_print.h"
#include "agent/status_repository.h"
#include "tests/unit/unit.h"

#define NOW 1800000000

static struct status s;
static struct bundle bundle = {.gateway = (char *)"g", .mesh = (char *)"m", .lan = (char *)"l"};

static void setup(void)
{
    memset(&s, 0, sizeof(s));
    s.bundle = &bundle;
    s.now = NOW;
    s.repository = (struct status_repository){
        .wanted = true,
        .known = true,
        .staying = true,
        .running = true,
        .report = {.fresh = NOW - 60, .version = 7, .expires = NOW + 100, .mirror = "https://m"}};
}

static void teardown(void)
{
    error_clear(&s.problems);
}

static void fails(const char *code, int64_t since)
{
    snprintf(s.repository.report.code, sizeof(s.repository.report.code), "%s", code);
    snprintf(s.repository.report.text, sizeof(s.repository.report.text), "what it says");
    s.repository.report.since = since;
}

/* The one problem begins with this; NULL: there is none. */
static void judged(const char *begin)
{
    status_repository_judge(&s);
    ck_assert_uint_eq(s.problems.n, begin ? 1 : 0);
    if (begin)
        ck_assert_msg(strncmp(s.problems.items[0].message, begin, strlen(begin)) == 0, "%s",
                      s.problems.items[0].message);
    error_clear(&s.problems);
}

START_TEST(good_and_not)
{
    judged(NULL);
    /* A mirror may be away for a while; one that lies is told of at once. */
    fails("network", NOW - 899);
    judged(NULL);
    fails("network", NOW - 900);
    judged("nothing was taken from the repository for 15m 0s (network): what it says");
    fails("rollback", NOW);
    judged("nothing was taken from the repository for 0s (rollback): what it says");
    s.repository.report.expires = NOW;
    judged("the repository is FROZEN: it expired 0s ago and nothing newer comes (what it says)");
    s.repository.report.code[0] = '\0';
    s.repository.report.expires = NOW - 3600;
    s.repository.report.text[0] = '\0';
    judged("the repository is FROZEN: it expired 1h 0m ago and nothing newer comes; the gateway "
           "forwards on");
}
END_TEST

START_TEST(who_runs)
{
    s.repository.running = false;
    judged("the fetcher does not run");
    s.repository.staying = false; /* somebody uses --once */
    judged(NULL);
    s.repository.known = false;
    judged("the fetcher has not run yet");
    s.repository.wanted = false;
    judged(NULL);
}
END_TEST

START_TEST(printed)
{
    struct buf text = BUF_INIT;

    fails("expired", NOW - 5);
    s.repository.report.expires = NOW - 1;
    status_print_text(&s, &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text),
                                 "Repository: version 7, fresh 1m 0s ago, FROZEN, refused "
                                 "(expired), from https://m.\n"));
    buf_reset(&text);
    status_print_json(&s, &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "\"frozen\": true"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "\"code\": \"expired\""));
    buf_reset(&text);
    s.repository.report = (struct fetch_report){0};
    status_print_text(&s, &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "Repository: nothing was fetched yet.\n"));
    buf_reset(&text);
    s.repository.wanted = false;
    status_print_text(&s, &text);
    ck_assert_ptr_null(strstr(buf_cstr(&text), "Repository"));
    buf_free(&text);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("status_repository");
    Suite *suite = suite_create("status_repository");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, good_and_not);
    tcase_add_test(tc, who_runs);
    tcase_add_test(tc, printed);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
