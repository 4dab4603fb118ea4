/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "agent/link_unit.h"
#include "agent/supervise.h" /* monotonic_ms() */
#include "agent/units.h"
#include "unit.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(names)
{
    char name[LINK_NAME_SIZE] = "as before", unit[LINK_UNIT_NAME_SIZE];

    link_unit_name("pv7", unit);
    ck_assert_str_eq(unit, "p2pvpn-link@pv7.service");
    ck_assert(link_unit_interface(unit, name));
    ck_assert_str_eq(name, "pv7");
    ck_assert(link_unit_interface("p2pvpn-link@pv12-3.service", name));
    ck_assert_str_eq(name, "pv12-3");
}
END_TEST

START_TEST(names_of_others)
{
    static const char *const wrong[] = {"p2pvpn-link@.service",
                                        "p2pvpn-link@pv.service",
                                        "p2pvpn-link@eth0.service",
                                        "p2pvpn-link@pv7-1.service",
                                        "p2pvpn-link@pv7.socket",
                                        "p2pvpn-link@pv7",
                                        "p2pvpn-agent.service",
                                        "p2pvpn-link@pv7x.service",
                                        "",
                                        "p2pvpn-link@../x.service",
                                        "p2pvpn-link@pv7-22.service",
                                        "p2pvpn-link@pv1234567890123456.service"};
    char name[LINK_NAME_SIZE] = "as before";

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!link_unit_interface(wrong[i], name), "%s", wrong[i]);
    ck_assert_str_eq(name, "as before");
}
END_TEST

START_TEST(control_groups)
{
    ck_assert(link_unit_in_cgroup(
        "0::/system.slice/system-p2pvpn\\x2dlink.slice/p2pvpn-link@pv7.service\n", "pv7"));
    ck_assert(link_unit_in_cgroup("1:name=systemd:/p2pvpn-link@pv7.service/x\n0::/\n", "pv7"));
    ck_assert(!link_unit_in_cgroup("0::/system.slice/p2pvpn-agent.service\n", "pv7"));
    ck_assert(!link_unit_in_cgroup("0::/p2pvpn-link@pv71.service\n", "pv7"));
    ck_assert(!link_unit_in_cgroup("0::/p2pvpn-link@pv7.service.old\n", "pv7"));
    ck_assert(!link_unit_in_cgroup("0::/user-p2pvpn-link@pv7.service\n", "pv7"));
}
END_TEST

START_TEST(lives)
{
    ck_assert_int_eq(link_unit_life("active", "running", 7), UNIT_RUNS);
    ck_assert_int_eq(link_unit_life("active", "running", 0), UNIT_CHANGES);
    ck_assert_int_eq(link_unit_life("activating", "start", 7), UNIT_CHANGES);
    ck_assert_int_eq(link_unit_life("activating", "auto-restart", 0), UNIT_CHANGES);
    ck_assert_int_eq(link_unit_life("deactivating", "stop-sigterm", 7), UNIT_CHANGES);
    ck_assert_int_eq(link_unit_life("inactive", "dead", 0), UNIT_RESTS);
    ck_assert_int_eq(link_unit_life("failed", "failed", 0), UNIT_RESTS);
    ck_assert_int_eq(link_unit_life("maintenance", "", 0), UNIT_RESTS);
}
END_TEST

START_TEST(configurations)
{
    char digest[STARTED_LEN + 1] = "as before";
    struct buf text = BUF_INIT;

    link_unit_config(DIGEST, "dev pv7\n", 8, &text);
    ck_assert_str_eq(buf_cstr(&text), "# started with " DIGEST "\ndev pv7\n");
    ck_assert(link_unit_config_digest(buf_cstr(&text), digest));
    ck_assert_str_eq(digest, DIGEST);
    ck_assert(!link_unit_config_digest("# started with 0123\ndev pv7\n", digest));
    ck_assert(!link_unit_config_digest("# started with " DIGEST "0\n", digest));
    ck_assert(!link_unit_config_digest("# started with", digest));
    ck_assert(!link_unit_config_digest("", digest));
    ck_assert_str_eq(digest, DIGEST);
    buf_free(&text);
}
END_TEST

/* A manager that answers with what it was asked. */
static int echo(const struct unit_request *requests, size_t n, struct unit_state *states,
                size_t max, size_t *ret_n, struct error_list *err)
{
    ck_assert_uint_le(n, max);
    for (size_t i = 0; i < n; i++) {
        memcpy(states[i].interface, requests[i].interface, sizeof(states[i].interface));
        states[i].life = requests[i].act == UNIT_START ? UNIT_RUNS : UNIT_RESTS;
        states[i].pid = 100 + (pid_t)i;
    }
    *ret_n = n;
    (void)err;
    return 0;
}

static int refuse(const struct unit_request *requests, size_t n, struct unit_state *states,
                  size_t max, size_t *ret_n, struct error_list *err)
{
    (void)requests, (void)n, (void)states, (void)max, (void)ret_n;
    return error_sys(err, 111, NULL, "nobody there");
}

static enum units_news wait_for_news(struct units *u)
{
    int64_t until = monotonic_ms() + 20000;
    enum units_news news;

    do {
        news = units_run(u);
        usleep(1000);
    } while ((news == UNITS_NOTHING || news == UNITS_STARTED) && monotonic_ms() < until);
    return news;
}

START_TEST(requests_are_gathered)
{
    struct units *u = units_new(echo);
    const struct unit_state *states;
    size_t n;

    ck_assert_int_eq(units_run(u), UNITS_NOTHING);
    ck_assert_int_eq(units_deadline(u), SUPERVISE_NEVER);
    units_request(u, "pv1", UNIT_START);
    units_request(u, "pv2", UNIT_START);
    units_request(u, "pv1", UNIT_STOP); /* the later counts */
    ck_assert(units_wants(u, "pv1"));
    ck_assert_int_eq(units_run(u), UNITS_STARTED);
    ck_assert(!units_wants(u, "pv1"));
    units_request(u, "pv3", UNIT_START); /* for the next one */
    ck_assert_int_eq(wait_for_news(u), UNITS_TOLD);
    states = units_states(u, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(states[0].interface, "pv1");
    ck_assert_int_eq(states[0].life, UNIT_RESTS);
    ck_assert_int_eq(states[1].life, UNIT_RUNS);
    ck_assert_int_eq(states[1].pid, 101);
    ck_assert(units_answered(u, "pv2") && !units_answered(u, "pv3"));
    ck_assert(units_wants(u, "pv3"));
    ck_assert_int_eq(wait_for_news(u), UNITS_TOLD);
    ck_assert(units_answered(u, "pv3"));
    ck_assert_int_eq(units_run(u), UNITS_NOTHING);
    units_free(u);
}
END_TEST

START_TEST(requests_outlive_a_failure)
{
    struct units *u = units_new(refuse);
    int64_t now = monotonic_ms();

    units_request(u, "pv1", UNIT_START);
    ck_assert_int_eq(wait_for_news(u), UNITS_FAILED);
    ck_assert(units_wants(u, "pv1"));
    ck_assert_int_ge(units_deadline(u), now + UNITS_RETRY_MS);
    ck_assert_int_eq(units_run(u), UNITS_NOTHING);
    units_request(u, "pv1", UNIT_STOP); /* asked for since: at once */
    ck_assert_int_le(units_deadline(u), monotonic_ms());
    units_free(u);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("link_unit");
    TCase *t = unit_case(s, "link_unit", NULL, NULL);

    tcase_add_test(t, names);
    tcase_add_test(t, names_of_others);
    tcase_add_test(t, control_groups);
    tcase_add_test(t, lives);
    tcase_add_test(t, configurations);
    tcase_add_test(t, requests_are_gathered);
    tcase_add_test(t, requests_outlive_a_failure);
    return unit_run(s);
}
