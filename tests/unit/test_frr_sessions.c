/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/frr_sessions.h"
#include "tests/unit/unit.h"

/* Two neighbors in one group, one in another. */
#define BASE                                               \
    "router bgp 4200000001\n"                              \
    " bgp router-id 100.64.0.1\n"                          \
    " neighbor P2PVPN-LEAF-V4 peer-group\n"                \
    " neighbor P2PVPN-LEAF-V4 ttl-security hops 1\n"       \
    " neighbor P2PVPN-LEAF-V4 timers 10 30\n"              \
    " neighbor P2PVPN-TRANSIT-V4 peer-group\n"             \
    " neighbor P2PVPN-TRANSIT-V4 timers 10 30\n"           \
    " neighbor 172.19.0.1 remote-as 4200000002\n"          \
    " neighbor 172.19.0.1 peer-group P2PVPN-LEAF-V4\n"     \
    " neighbor 172.19.0.1 description perth\n"             \
    " neighbor 172.19.0.1 update-source pv2\n"             \
    " neighbor 172.19.0.3 remote-as 4200000003\n"          \
    " neighbor 172.19.0.3 peer-group P2PVPN-LEAF-V4\n"     \
    " neighbor 172.19.0.3 update-source pv3\n"             \
    " neighbor 172.19.0.5 remote-as 4200000004\n"          \
    " neighbor 172.19.0.5 peer-group P2PVPN-TRANSIT-V4\n"  \
    " neighbor 172.19.0.5 update-source pv4\n"             \
    " !\n"                                                 \
    " address-family ipv4 unicast\n"                       \
    "  network 10.1.0.0/16\n"                              \
    "  neighbor P2PVPN-LEAF-V4 activate\n"                 \
    "  neighbor P2PVPN-LEAF-V4 route-map P2PVPN-OUT out\n" \
    "  neighbor P2PVPN-TRANSIT-V4 activate\n"              \
    " exit-address-family\n"                               \
    "exit\n"

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

/* BASE with the first `what` replaced. */
static char *edited(const char *what, const char *with)
{
    const char *at = strstr(BASE, what);
    struct buf b = BUF_INIT;

    ck_assert_ptr_nonnull(at);
    buf_add(&b, BASE, (size_t)(at - BASE));
    buf_str(&b, with);
    buf_str(&b, at + strlen(what));
    return buf_steal(&b);
}

/* "+ 172.19.0.1\n" for one that comes, "~" resets, "-" goes, nothing for one that stays. */
static char *said(const struct frr_sessions *s)
{
    static const char marks[] = {
        [FRR_STAYS] = '=', [FRR_COMES] = '+', [FRR_RESETS] = '~', [FRR_GOES] = '-'};
    struct buf b = BUF_INIT;

    for (size_t i = 0; i < s->n; i++)
        if (s->sessions[i].fate != FRR_STAYS)
            buf_printf(&b, "%c%s ", marks[s->sessions[i].fate], s->sessions[i].neighbor);
    return buf_steal(&b);
}

static void expect(const char *old, const char *now, const char *wanted)
{
    struct frr_sessions s = FRR_SESSIONS_INIT;
    _cleanup_free_ char *text = NULL;

    ck_assert_int_eq(frr_sessions_compare(old, now, &s, &err), 0);
    text = said(&s);
    ck_assert_str_eq(text, wanted);
    frr_sessions_free(&s);
}

static void edit_expect(const char *what, const char *with, const char *wanted)
{
    _cleanup_free_ char *now = edited(what, with);

    expect(BASE, now, wanted);
}

START_TEST(nothing_changes_nothing)
{
    struct frr_sessions s = FRR_SESSIONS_INIT;

    ck_assert_int_eq(frr_sessions_compare(BASE, BASE, &s, &err), 0);
    ck_assert_uint_eq(s.n, 3);
    ck_assert_uint_eq(s.added + s.removed, 0);
    ck_assert_int_eq(s.sessions[0].fate, FRR_STAYS);
    frr_sessions_free(&s);
}
END_TEST

START_TEST(all_come_and_all_go)
{
    expect("", BASE, "+172.19.0.1 +172.19.0.3 +172.19.0.5 ");
    expect(BASE, "", "-172.19.0.1 -172.19.0.3 -172.19.0.5 ");
}
END_TEST

START_TEST(one_comes_and_one_goes)
{
    static const char gone[] = " neighbor 172.19.0.3 remote-as 4200000003\n"
                               " neighbor 172.19.0.3 peer-group P2PVPN-LEAF-V4\n"
                               " neighbor 172.19.0.3 update-source pv3\n";
    _cleanup_free_ char *without = edited(gone, "");

    expect(BASE, without, "-172.19.0.3 ");
    expect(without, BASE, "+172.19.0.3 ");
}
END_TEST

START_TEST(what_takes_effect_without_a_reset)
{
    edit_expect(" description perth", " description hobart", "");
    edit_expect(" timers 10 30", " timers 5 15", "");
    edit_expect(" route-map P2PVPN-OUT out", " route-map P2PVPN-OTHER out", "");
    edit_expect("  network 10.1.0.0/16\n", "  network 10.1.0.0/16\n  network 10.2.0.0/16\n", "");
    edit_expect("  neighbor P2PVPN-LEAF-V4 activate\n",
                "  neighbor P2PVPN-LEAF-V4 activate\n"
                "  no neighbor P2PVPN-LEAF-V4 send-community extended\n",
                "");
}
END_TEST

START_TEST(what_resets_one)
{
    edit_expect("4200000002\n", "4200000009\n", "~172.19.0.1 ");
    edit_expect("update-source pv2", "update-source pv9", "~172.19.0.1 ");
    edit_expect("172.19.0.1 peer-group P2PVPN-LEAF-V4", "172.19.0.1 peer-group P2PVPN-TRANSIT-V4",
                "~172.19.0.1 ");
}
END_TEST

START_TEST(what_resets_a_group)
{
    edit_expect(" neighbor P2PVPN-LEAF-V4 timers 10 30\n",
                " neighbor P2PVPN-LEAF-V4 timers 10 30\n neighbor P2PVPN-LEAF-V4 passive\n",
                "~172.19.0.1 ~172.19.0.3 ");
    edit_expect("  neighbor P2PVPN-TRANSIT-V4 activate\n", "", "~172.19.0.5 ");
}
END_TEST

START_TEST(what_resets_all)
{
    edit_expect("100.64.0.1", "100.64.0.9", "~172.19.0.1 ~172.19.0.3 ~172.19.0.5 ");
    edit_expect("bgp 4200000001", "bgp 4200000009", "~172.19.0.1 ~172.19.0.3 ~172.19.0.5 ");
}
END_TEST

START_TEST(the_reason_is_the_line)
{
    struct frr_sessions s = FRR_SESSIONS_INIT;
    _cleanup_free_ char *now = edited("100.64.0.1", "100.64.0.9");

    ck_assert_int_eq(frr_sessions_compare(BASE, now, &s, &err), 0);
    ck_assert_str_eq(s.sessions[0].why, "bgp router-id 100.64.0.9");
    ck_assert_uint_eq(s.added, 1);
    ck_assert_uint_eq(s.removed, 1);
    frr_sessions_free(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("frr-sessions");
    TCase *t = unit_case(s, "frr-sessions", NULL, teardown);

    tcase_add_test(t, nothing_changes_nothing);
    tcase_add_test(t, all_come_and_all_go);
    tcase_add_test(t, one_comes_and_one_goes);
    tcase_add_test(t, what_takes_effect_without_a_reset);
    tcase_add_test(t, what_resets_one);
    tcase_add_test(t, what_resets_a_group);
    tcase_add_test(t, what_resets_all);
    tcase_add_test(t, the_reason_is_the_line);
    return unit_run(s);
}
