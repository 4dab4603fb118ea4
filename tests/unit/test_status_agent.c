/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent/metrics.h"
#include "agent/status_agent.h"
#include "agent/status_print.h"
#include "common/alloc.h"
#include "tests/unit/unit.h"

#define NOW 1795394840
#define DAY 86400

static struct bundle_link links[1];
static struct status_link status_links[1];
static struct prefix peers[1];
static struct bundle bundle;

/* An agent that has run for an hour and repaired a little; no link. */
static struct status *sample(void)
{
    struct status *s = xcalloc(1, sizeof(*s));

    bundle =
        (struct bundle){.mesh = "example", .gateway = "perth", .lan = "west", .revision = "24"};
    s->bundle = &bundle;
    s->now = NOW;
    s->agent = (struct status_agent){
        .known = true,
        .running = true,
        .report = {.pid = 7,
                   .since = NOW - 3600,
                   .applied = NOW - 3590,
                   .source = xstrdup("/etc/p2pvpn/bundle")},
        .certificate_expires = NOW + 381 * DAY + 5,
    };
    s->agent.report.repairs[REPAIR_PROCESS] = (struct repair_count){3, NOW - 65};
    s->agent.report.repairs[REPAIR_FRR] = (struct repair_count){1, NOW - 600};
    return s;
}

START_TEST(all_is_well)
{
    struct status *s = sample();
    _cleanup_buf_ struct buf b = BUF_INIT;

    status_agent_judge(s);
    ck_assert_uint_eq(s->problems.n, 0);
    status_print_text(s, &b);
    ck_assert_str_eq(buf_cstr(&b),
                     "gateway perth, mesh example, lan west, revision 24\n"
                     "Everything is up.\n"
                     "Agent: running for 1h 0m, takes bundles from /etc/p2pvpn/bundle.\n"
                     "Repairs: 4, the last one 1m 5s ago: process 3 frr 1.\n"
                     "Certificate: good for 381 days.\n");
    status_free(s);
}
END_TEST

START_TEST(drained)
{
    struct status *s = sample();
    _cleanup_buf_ struct buf b = BUF_INIT;

    s->agent.report.drained = true;
    status_agent_judge(s);
    ck_assert_uint_eq(s->problems.n, 0); /* somebody wants it so */
    status_print_text(s, &b);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&b), "The gateway is DRAINED"));
    status_free(s);
}
END_TEST

START_TEST(dead)
{
    struct status *s = sample();
    _cleanup_buf_ struct buf b = BUF_INIT;

    s->agent.running = false;
    agent_report_trouble(&s->agent.report, TROUBLE_FRR, "long ago\n");
    status_agent_judge(s);
    ck_assert_uint_eq(s->problems.n, 1);
    ck_assert(unit_says(&s->problems, "the agent does not run, so nothing is repaired"));
    status_print_text(s, &b);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&b), "\nAgent: NOT RUNNING.\n"));
    status_free(s);

    s = sample();
    s->agent.known = s->agent.running = false;
    status_agent_judge(s);
    ck_assert_uint_eq(s->problems.n, 0); /* none ran: `apply` is used */
    status_free(s);
}
END_TEST

START_TEST(complaints)
{
    struct status *s = sample();

    agent_report_trouble(&s->agent.report, TROUBLE_BUNDLE, "bundle.json is broken\nrefused\n");
    agent_report_trouble(&s->agent.report, TROUBLE_FRR, "no vtysh");
    agent_report_trouble(&s->agent.report, TROUBLE_FIREWALL, "no nft");
    status_agent_judge(s);
    ck_assert_uint_eq(s->problems.n, 4);
    ck_assert_str_eq(s->problems.items[3].message, "the agent cannot set the firewall: no nft");
    ck_assert_str_eq(s->problems.items[0].message,
                     "the bundle that was published is not taken: bundle.json is broken");
    ck_assert_str_eq(s->problems.items[2].message, "the agent cannot put FRR right: no vtysh");
    status_free(s);
}
END_TEST

/* --- the last change ---------------------------------------------------------------------------
 */

static const struct {
    struct change change;
    const char *why, *text, *problem; /* problem NULL: none */
} changes[] = {
    {{.state = CHANGE_NONE, .since = NOW - 60}, NULL, NULL, NULL},
    {{.state = CHANGE_CONFIRMED, .since = NOW - 60},
     "everything is up",
     "\nChange: confirmed 1m 0s ago: everything is up.\n",
     NULL},
    {{.state = CHANGE_PENDING, .since = NOW - 60, .deadline = 100000},
     NULL,
     "\nChange: PENDING since 1m 0s, for another 1m 30s.\n",
     NULL},
    {{.state = CHANGE_ROLLED_BACK, .since = NOW - 60, .refused = "abcdef0123456789"},
     "pv1 4",
     "\nChange: ROLLED BACK 1m 0s ago: pv1 4.\n",
     "the last change was rolled back 1m 0s ago, and revision abcdef012345 is not taken again: pv1 "
     "4; publish"},
};

START_TEST(last_change)
{
    struct status *s = sample();
    _cleanup_buf_ struct buf b = BUF_INIT, json = BUF_INIT;
    json_t *root, *change;

    s->agent.change = changes[_i].change;
    s->agent.change.why = changes[_i].why ? xstrdup(changes[_i].why) : NULL;
    s->agent.change_known = true;
    s->agent.boot_ms = 10000;
    status_agent_judge(s);
    status_print_text(s, &b);
    if (changes[_i].text)
        ck_assert_ptr_nonnull(strstr(buf_cstr(&b), changes[_i].text));
    else
        ck_assert_ptr_null(strstr(buf_cstr(&b), "Change"));
    ck_assert_uint_eq(s->problems.n, changes[_i].problem ? 1 : 0);
    if (changes[_i].problem)
        ck_assert(unit_says(&s->problems, changes[_i].problem));
    status_print_json(s, &json);
    root = json_loads(buf_cstr(&json), 0, NULL);
    change = json_object_get(root, "change");
    ck_assert_str_eq(json_string_value(json_object_get(change, "state")),
                     change_state_name(changes[_i].change.state));
    ck_assert_int_eq(json_integer_value(json_object_get(change, "since")), NOW - 60);
    ck_assert_int_eq(json_integer_value(json_object_get(change, "seconds-left")),
                     changes[_i].change.deadline ? 90 : 0);
    json_decref(root);
    status_free(s);
}
END_TEST

static const struct {
    int64_t left, days;
    const char *says; /* NULL: no problem */
} certificates[] = {
    {30 * DAY, 30, NULL},
    {30 * DAY - 1, 29, "expires in 29 days"},
    {DAY + 5, 1, "expires in 1 day,"},
    {0, 0, "expires in 0 days"},
    {-1, -1, "has expired"},
    {-DAY, -1, "has expired"},
    {-DAY - 1, -2, "has expired"},
};

START_TEST(certificate)
{
    struct status *s = sample();

    s->agent.certificate_expires = NOW + certificates[_i].left;
    ck_assert_int_eq(status_certificate_days(s), certificates[_i].days);
    status_agent_judge(s);
    ck_assert_uint_eq(s->problems.n, certificates[_i].says ? 1 : 0);
    if (certificates[_i].says)
        ck_assert(unit_says(&s->problems, certificates[_i].says));
    status_free(s);
}
END_TEST

/* --- metrics ---------------------------------------------------------------------------------- */

static bool has_line(const struct buf *b, const char *line)
{
    _cleanup_free_ char *whole = xasprintf("\n%s\n", line);

    return strstr(buf_cstr(b), whole) != NULL;
}

START_TEST(metrics)
{
    struct status *s = sample();
    _cleanup_buf_ struct buf b = BUF_INIT;

    peers[0] = unit_prefix("172.19.0.0/32");
    links[0] = (struct bundle_link){
        .interface = "pv1", .peer = "a\"b\\c\nd", .peer_addresses = peers, .n_addresses = 1};
    bundle.links = links;
    bundle.n_links = s->n_links = 1;
    status_links[0] = (struct status_link){.link = links, .up = true};
    s->links = status_links;
    s->frr_asked = true;
    status_judge(s, true, true);
    metrics_format(s, &b);
    ck_assert(has_line(&b, "p2pvpn_agent_up 1"));
    ck_assert(has_line(&b, "p2pvpn_agent_start_time_seconds 1795391240"));
    ck_assert(has_line(&b, "p2pvpn_repairs_total{kind=\"process\"} 3"));
    ck_assert(has_line(&b, "p2pvpn_drained 0"));
    ck_assert(has_line(&b, "# TYPE p2pvpn_repairs_total counter"));
    ck_assert(has_line(&b, "p2pvpn_bundle_info{mesh=\"example\",gateway=\"perth\",lan=\"west\","
                           "revision=\"24\"} 1"));
    ck_assert(has_line(&b, "p2pvpn_link_up{interface=\"pv1\",peer=\"a\\\"b\\\\c\\nd\"} 1"));
    ck_assert(has_line(&b, "p2pvpn_bgp_session_up{interface=\"pv1\",peer=\"a\\\"b\\\\c\\nd\","
                           "neighbor=\"172.19.0.0\",family=\"ipv4\"} 0"));
    ck_assert(has_line(&b, "p2pvpn_prefixes_expected 0"));
    ck_assert_ptr_null(strstr(buf_cstr(&b), "p2pvpn_prefixes_missing")); /* not known */
    s->links = NULL;
    status_free(s);
}
END_TEST

START_TEST(metrics_without_bundle)
{
    struct status *s = sample();
    _cleanup_buf_ struct buf b = BUF_INIT;

    s->bundle = NULL;
    s->agent.running = false;
    metrics_format(s, &b);
    ck_assert(has_line(&b, "p2pvpn_agent_up 0"));
    ck_assert_ptr_null(strstr(buf_cstr(&b), "start_time"));
    ck_assert_ptr_null(strstr(buf_cstr(&b), "p2pvpn_link_up"));
    status_free(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("status_agent");
    TCase *t = unit_case(s, "status_agent", NULL, NULL);

    tcase_add_test(t, all_is_well);
    tcase_add_test(t, drained);
    tcase_add_test(t, dead);
    tcase_add_test(t, complaints);
    tcase_add_loop_test(t, last_change, 0, sizeof(changes) / sizeof(changes[0]));
    tcase_add_loop_test(t, certificate, 0, sizeof(certificates) / sizeof(certificates[0]));
    tcase_add_test(t, metrics);
    tcase_add_test(t, metrics_without_bundle);
    return unit_run(s);
}
