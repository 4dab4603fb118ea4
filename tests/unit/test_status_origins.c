/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/identity.h"
#include "agent/origin_report.h"
#include "agent/status_origins.h"
#include "agent/status_print.h"
#include "tests/unit/unit.h"

static struct error_list err;
static struct bundle bundle;
static struct prefix lan[2];

static void teardown(void)
{
    error_clear(&err);
}

/* --- the report ------------------------------------------------------------------------------- */

START_TEST(report_round_trip)
{
    struct origin_report r = {
        .pid = 4711,
        .start = 99,
        .rtr = {.serial = UINT32_MAX, .prefixes = 10, .pairs = 12, .routers = 2, .up_to_date = 1}};
    struct origin_report again = ORIGIN_REPORT_INIT;
    struct buf text = BUF_INIT;

    error_add(&r.problems, "/etc/origins", 3, NULL, "it is \"broken\": repair it");
    error_add(&r.problems, NULL, 0, NULL, "the old one stays");
    origin_report_format(&r, &text);
    ck_assert_int_eq(origin_report_parse(text.data, text.len, "f", &again, &err), 0);
    ck_assert_int_eq(again.pid, 4711);
    ck_assert_uint_eq(again.start, 99);
    ck_assert_uint_eq(again.rtr.serial, UINT32_MAX);
    ck_assert_uint_eq(again.rtr.prefixes, 10);
    ck_assert_uint_eq(again.rtr.pairs, 12);
    ck_assert_uint_eq(again.rtr.routers, 2);
    ck_assert_uint_eq(again.rtr.up_to_date, 1);
    ck_assert_uint_eq(again.problems.n, 2);
    ck_assert_str_eq(again.problems.items[0].message,
                     "/etc/origins:3: it is \"broken\": repair it");
    origin_report_clear(&r);
    origin_report_clear(&again);
    buf_free(&text);
}
END_TEST

#define REST "\"pairs\": 1, \"routers\": 1, \"up-to-date\": 1, \"problems\": []}"

static const char *const no_reports[] = {
    "",
    "[]",
    "{}",
    "{\"pid\": 5, \"start\": 1, \"serial\": 1, \"prefixes\": 1, \"pairs\": 1, \"routers\": 1, "
    "\"up-to-date\": 1}",
    "{\"pid\": 5, \"start\": 1, \"serial\": 1, \"prefixes\": 1, \"pairs\": 1, \"routers\": 1, "
    "\"up-to-date\": 1, \"problems\": [7]}",
    "{\"pid\": -5, \"start\": 1, \"serial\": 1, \"prefixes\": 1, " REST,
    "{\"pid\": 99999999999, \"start\": 1, \"serial\": 1, \"prefixes\": 1, " REST,
    "{\"pid\": 5, \"start\": 1, \"serial\": 4294967296, \"prefixes\": 1, " REST,
    "{\"pid\": 5, \"start\": 1, \"serial\": 1, \"prefixes\": 200001, " REST,
    "{\"pid\": \"5\", \"start\": 1, \"serial\": 1, \"prefixes\": 1, " REST,
};

START_TEST(no_report)
{
    struct origin_report r = ORIGIN_REPORT_INIT;

    ck_assert_int_eq(origin_report_parse(no_reports[_i], strlen(no_reports[_i]), "f", &r, &err),
                     -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_int_eq(r.pid, 0);
}
END_TEST

START_TEST(a_report_lives_as_long_as_its_agent)
{
    struct origin_report r = {.pid = getpid()};

    ck_assert(process_start_time(getpid(), &r.start));
    ck_assert(origin_report_alive(&r));
    r.start++;
    ck_assert(!origin_report_alive(&r)); /* the number was given to another process */
    r.pid = 0;
    ck_assert(!origin_report_alive(&r));
}
END_TEST

/* --- the judgement ---------------------------------------------------------------------------- */

#define TABLE                                                                     \
    "p2pvpn-origins 1\nmesh example\n"                                            \
    "revision 0000000000000000000000000000000000000000000000000000000000000000\n" \
    "10.1.0.0/16 4200000001 perth\n10.2.0.0/16 4200000002 sydney\n"               \
    "10.3.0.0/16 4200000003 darwin\nfd00:1::/48 4200000001 perth\n"

/* The table of a mesh of three LANs. */
static struct origins *table(void)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    char digest[DIGEST_TEXT_LEN + 1];
    struct origins *o = NULL;

    digest_sha256_text(TABLE, strlen(TABLE), digest);
    buf_str(&text, TABLE);
    memcpy(strstr(text.data, "revision ") + 9, digest, DIGEST_TEXT_LEN);
    ck_assert_int_eq(origins_parse(text.data, text.len, "f", &o, &err), 0);
    return o;
}

/* A healthy gateway of LAN perth. */
static struct status *sample(void)
{
    struct status *s = calloc(1, sizeof(*s));

    ck_assert_ptr_nonnull(s);
    lan[0] = unit_prefix("10.1.0.0/16");
    lan[1] = unit_prefix("fd00:1::/48");
    bundle = (struct bundle){.mesh = "example",
                             .gateway = "perth",
                             .lan = "perth",
                             .revision = "24f9a7141c9534d819de797017bb2ef3",
                             .lan_prefixes = lan,
                             .n_lan_prefixes = 2,
                             .origin_check = BUNDLE_ORIGINS_BY_CACHE};
    s->bundle = &bundle;
    s->frr_asked = true;
    s->origins = (struct status_origins){.wanted = true,
                                         .table = table(),
                                         .served = true,
                                         .rtr = {.serial = 3, .routers = 1, .up_to_date = 1},
                                         .bgpd_known = true,
                                         .bgpd_synchronized = true};
    return s;
}

static void sample_free(struct status *s)
{
    s->bundle = NULL;
    status_free(s);
}

START_TEST(expected_are_the_other_lans)
{
    struct status *s = sample();

    status_judge(s, true, true);
    ck_assert_uint_eq(s->n_expected, 2);
    ck_assert_int_eq(s->expected[0].addr[1], 2);
    ck_assert_int_eq(s->expected[1].addr[1], 3);
    sample_free(s);
}
END_TEST

/* What is different from a healthy gateway, and the beginning of the one sentence that says so. */
static const struct {
    bool served;
    unsigned routers, up_to_date;
    bool known, synchronized;
    const char *begin, *also;
} judgements[] = {
    {true, 1, 1, true, true, NULL, NULL},
    {true, 1, 1, false, false, NULL, NULL}, /* bgpd is dead, and that was said */
    {false, 0, 0, true, true, "the agent does not run", "forgets its table two days"},
    {false, 0, 0, true, false, "the agent does not run", "until then bgpd accepts no route"},
    {true, 0, 0, true, false, "no router asks the agent", "show rpki cache-connection"},
    {true, 0, 0, true, true, "no router asks the agent", "show rpki cache-connection"},
    {true, 1, 1, true, false, "bgpd does not go by the table", "accepts no route of the mesh"},
    {true, 2, 1, true, true, "only 1 of 2 routers", "show rpki prefix-table"},
};

START_TEST(judgement)
{
    struct status *s = sample();

    s->origins.served = judgements[_i].served;
    s->origins.rtr.routers = judgements[_i].routers;
    s->origins.rtr.up_to_date = judgements[_i].up_to_date;
    s->origins.bgpd_known = judgements[_i].known;
    s->origins.bgpd_synchronized = judgements[_i].synchronized;
    status_origins_judge(s);
    ck_assert_uint_eq(s->problems.n, judgements[_i].begin != NULL);
    if (judgements[_i].begin) {
        const char *said = s->problems.items[0].message;

        ck_assert_msg(strncmp(said, judgements[_i].begin, strlen(judgements[_i].begin)) == 0, "%s",
                      said);
        ck_assert_msg(strstr(said, judgements[_i].also) != NULL, "%s", said);
    }
    sample_free(s);
}
END_TEST

static char *printed(struct status *s, void (*print)(const struct status *, struct buf *))
{
    struct buf b = BUF_INIT;

    print(s, &b);
    return buf_steal(&b);
}

START_TEST(text)
{
    struct status *s = sample();
    char *out = printed(s, status_print_text);

    ck_assert_msg(
        strstr(out, ", 4 prefixes; routers: 1, with this table: 1; bgpd goes by it: yes.\n") !=
            NULL,
        "%s", out);
    free(out);
    s->origins.table = origins_free(s->origins.table);
    s->origins.served = s->origins.bgpd_synchronized = false;
    out = printed(s, status_print_text);
    ck_assert_msg(strstr(out, "\nOrigins: no table; not served; bgpd goes by it: NO.\n") != NULL,
                  "%s", out);
    free(out);
    s->origins.wanted = false;
    out = printed(s, status_print_text);
    ck_assert_ptr_null(strstr(out, "Origins"));
    free(out);
    sample_free(s);
}
END_TEST

START_TEST(json)
{
    struct status *s = sample();
    char *out = printed(s, status_print_json);
    json_t *root = json_loads(out, 0, NULL), *o = json_object_get(root, "origins");

    ck_assert_int_eq(json_integer_value(json_object_get(o, "prefixes")), 4);
    ck_assert_str_eq(json_string_value(json_object_get(o, "revision")), s->origins.table->revision);
    ck_assert(json_is_true(json_object_get(o, "served")));
    ck_assert_int_eq(json_integer_value(json_object_get(o, "serial")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "routers")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "up-to-date")), 1);
    ck_assert(json_is_true(json_object_get(o, "synchronized")));
    json_decref(root);
    free(out);
    sample_free(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("status_origins");
    TCase *t = unit_case(s, "status_origins", NULL, teardown);

    tcase_add_test(t, report_round_trip);
    tcase_add_loop_test(t, no_report, 0, sizeof(no_reports) / sizeof(no_reports[0]));
    tcase_add_test(t, a_report_lives_as_long_as_its_agent);
    tcase_add_test(t, expected_are_the_other_lans);
    tcase_add_loop_test(t, judgement, 0, sizeof(judgements) / sizeof(judgements[0]));
    tcase_add_test(t, text);
    tcase_add_test(t, json);
    return unit_run(s);
}
