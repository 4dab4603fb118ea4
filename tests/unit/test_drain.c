/* SPDX-License-Identifier: Apache-2.0 */
/* How far draining is, over plans and samples made by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/drain.h"
#include "common/alloc.h"
#include "common/bundle.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

#define LINKS 8
#define SECOND 1000

static struct {
    struct bundle bundle;
    struct bundle_link links[LINKS];
    struct prefix peers[LINKS];
    struct plan_step steps[3 * LINKS];
    struct plan plan;
    struct settings settings;
    struct drain *drain;
    int64_t now;
    char folder[UNIT_FOLDER_SIZE];
    char names[LINKS][LINK_NAME_SIZE];
    size_t others; /* routes over links that are not drained */
} w;

static void setup(void)
{
    memset(&w, 0, sizeof(w));
    unit_folder(w.folder);
    w.settings.state_dir = w.folder;
    w.now = 1000000;
    w.others = 5;
    w.bundle = (struct bundle){.number = 1, .links = w.links, .n_links = LINKS};
    for (unsigned i = 0; i < LINKS; i++) {
        snprintf(w.names[i], LINK_NAME_SIZE, "pv%u", i + 2);
        w.peers[i] = unit_prefix("172.19.0.1");
        w.peers[i].addr[3] = (uint8_t)(2 * i + 1);
        w.links[i] = (struct bundle_link){.interface = w.names[i],
                                          .peer_number = i + 2,
                                          .peer_addresses = &w.peers[i],
                                          .n_addresses = 1};
    }
    w.plan.steps = w.steps;
    w.drain = drain_new(&w.settings);
}

static void teardown(void)
{
    struct error_list err = ERROR_LIST_INIT;

    drain_free(w.drain);
    fs_remove_tree(w.folder, &err);
    error_clear(&err);
}

static void plan_nothing(void)
{
    w.plan.n = 0;
}

static void plan(enum plan_action action, size_t link, const char *interface)
{
    w.steps[w.plan.n++] =
        (struct plan_step){.action = action, .target = (char *)(uintptr_t)interface, .link = link};
}

static void plan_restart(size_t link)
{
    plan(PLAN_DRAIN, link, w.names[link]);
    plan(PLAN_PROCESS_REPLACE, link, w.names[link]);
}

static void plan_leave(const char *interface)
{
    plan(PLAN_DRAIN, PLAN_NO_LINK, interface);
    plan(PLAN_PROCESS_STOP, PLAN_NO_LINK, interface);
    plan(PLAN_LINK_REMOVE, PLAN_NO_LINK, interface);
}

static bool consider(void)
{
    return drain_consider(w.drain, &w.bundle, &w.plan, false, w.now);
}

/* What FRR is to be given: "drain pv2 keep pv9". */
static const char *asked(void)
{
    static char text[256];
    struct drain_request r;
    struct buf b = BUF_INIT;

    drain_request(w.drain, &r);
    if (r.all)
        buf_str(&b, "all ");
    for (size_t i = 0; i < r.drain.n; i++)
        buf_printf(&b, "drain %s ", r.drain.names[i]);
    for (size_t i = 0; i < r.ask.n; i++)
        buf_printf(&b, "ask %s ", r.ask.names[i]);
    for (size_t i = 0; i < r.keep.n; i++)
        buf_printf(&b, "keep %s ", r.keep.names[i]);
    drain_request_clear(&r);
    snprintf(text, sizeof(text), "%s", buf_cstr(&b));
    buf_free(&b);
    return text;
}

/* A look, a quarter of a second later; every link that is drained has so many routes and packets so
 * far, the others that many. */
static enum drain_news look(size_t routes, uint64_t received, bool connected)
{
    struct traffic *seen;
    struct prefix *expected;
    struct drain_request r;
    size_t n = drain_watched(w.drain, &seen), n_expected = drain_expected(w.drain, &expected);
    bool *up = xcalloc(n_expected + 1, sizeof(bool));
    enum drain_news ret;

    drain_request(w.drain, &r);
    for (size_t i = 0; i < n; i++) {
        bool drained = drain_names_have(&r.drain, seen[i].interface) ||
                       drain_names_have(&r.ask, seen[i].interface) ||
                       drain_names_have(&r.keep, seen[i].interface);

        seen[i].routes = drained ? routes : w.others;
        seen[i].received = received;
    }
    drain_request_clear(&r);
    for (size_t i = 0; i < n_expected; i++)
        up[i] = connected;
    w.now += DRAIN_LOOK_MS;
    ret = drain_sample(w.drain, seen, up, w.now);
    free(up);
    free(seen);
    free(expected);
    return ret;
}

/* Looks until there is news; how long that took. */
static int64_t wait_for(enum drain_news news, size_t routes, uint64_t rate, bool connected)
{
    int64_t since = w.now;

    for (uint64_t i = 0; i < 1000; i++) {
        enum drain_news now =
            look(routes, rate * (uint64_t)(w.now - since) / SECOND + rate, connected);

        if (now == news)
            return w.now - since;
        ck_assert_int_eq(now, DRAIN_NOTHING);
    }
    ck_abort_msg("no end");
    return 0;
}

START_TEST(nothing_to_do)
{
    ck_assert(!consider());
    ck_assert_str_eq(asked(), "");
    ck_assert(!drain_busy(w.drain));
    ck_assert(drain_deadline(w.drain) == INT64_MAX);
}
END_TEST

START_TEST(a_restart_waits_for_the_traffic_and_comes_back)
{
    plan_restart(0);
    ck_assert(consider());
    ck_assert_str_eq(asked(), "ask pv2 ");
    ck_assert(drain_holds(w.drain, "pv2"));
    ck_assert(!drain_holds(w.drain, "pv3"));
    ck_assert(!consider());
    drain_in_force(w.drain, w.now);
    ck_assert_int_eq(look(3, 1000, true), DRAIN_NOTHING);
    ck_assert_int_ge(wait_for(DRAIN_FREED, 0, 20, true), DRAIN_SETTLE_MS - DRAIN_LOOK_MS);
    ck_assert(!drain_holds(w.drain, "pv2"));
    ck_assert_str_eq(asked(), "ask pv2 ");
    plan_nothing(); /* it was restarted */
    ck_assert(!consider());
    ck_assert_str_eq(asked(), "ask pv2 ");
    for (int i = 0; i < 3; i++) /* the old connections, for a while */
        ck_assert_int_eq(look(0, 0, true), DRAIN_NOTHING);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(look(0, 0, false), DRAIN_NOTHING);
    ck_assert_int_ge(wait_for(DRAIN_TEXT, 0, 0, true), DRAIN_SETTLE_MS);
    ck_assert_str_eq(asked(), "");
    ck_assert(!drain_busy(w.drain));
}
END_TEST

/* A try that moves nothing, after which the link waits for so long. */
static void try_in_vain(const char *how, int64_t wait, size_t routes, uint64_t rate)
{
    ck_assert(consider());
    ck_assert_str_eq(asked(), how);
    drain_in_force(w.drain, w.now);
    ck_assert_int_ge(wait_for(DRAIN_TEXT, routes, rate, true), DRAIN_TRY_MS);
    ck_assert_str_eq(asked(), "");
    ck_assert(drain_holds(w.drain, w.names[1]));
    ck_assert_int_ge(wait_for(DRAIN_FREED, routes, rate, true), wait);
    ck_assert(drain_holds(w.drain, w.names[1]));
}

/* Its peer is asked, then the link is drained twice; with these routes and packets it stays. */
static void try_twice(size_t routes, uint64_t rate)
{
    int64_t turn = drain_turn(1, 3, 1) * DRAIN_TURN_MS;

    plan_restart(1);
    try_in_vain("ask pv3 ", DRAIN_FOLLOW_MS + turn, routes, rate);
    try_in_vain("drain pv3 ", turn, routes, rate);
    ck_assert(consider());
    drain_in_force(w.drain, w.now);
    ck_assert_int_ge(wait_for(DRAIN_FREED, routes, rate, true), DRAIN_TRY_MS);
    ck_assert(!drain_holds(w.drain, w.names[1]));
}

START_TEST(traffic_that_does_not_move_is_given_another_chance)
{
    ck_assert_uint_gt(drain_turn(1, 3, 1), 0); /* the first has its second chance at once */
    try_twice(1, 0);
    teardown();
    setup();
    try_twice(0, 2 * DRAIN_IDLE_RATE);
}
END_TEST

START_TEST(where_there_is_one_link_there_is_no_other_way)
{
    w.bundle.n_links = 1;
    plan_restart(0);
    consider();
    drain_in_force(w.drain, w.now);
    ck_assert_int_ge(wait_for(DRAIN_FREED, 1, 0, true), DRAIN_TRY_MS);
}
END_TEST

START_TEST(one_that_waits_for_its_turn_is_free_when_nobody_uses_it)
{
    size_t others = 0;

    for (size_t i = 0; i < LINKS; i++)
        plan_restart(i);
    ck_assert(!consider()); /* the peers ask first */
    wait_for(DRAIN_FREED, 0, 0, true);
    ck_assert(consider());
    w.others = 0; /* the peers drain all of them */
    for (int i = 0; i < 8; i++)
        look(1, 0, true);
    for (size_t i = 0; i < LINKS; i++)
        others += !drain_holds(w.drain, w.names[i]);
    ck_assert_uint_gt(others, 0);
    ck_assert_uint_lt(others, LINKS); /* those whose turn it is wait for FRR */
}
END_TEST

/* Its routes stay until its hold time is over, and only the restart may mend it. */
START_TEST(a_link_whose_peer_does_not_answer_is_free_at_once)
{
    plan_restart(1);
    consider();
    drain_in_force(w.drain, w.now);
    ck_assert_int_eq(look(3, 1000, true), DRAIN_NOTHING);
    ck_assert_int_eq(wait_for(DRAIN_FREED, 3, 1000, false), DRAIN_QUIET_MS + DRAIN_LOOK_MS);
    ck_assert(!drain_holds(w.drain, w.names[1]));
    teardown();
    setup(); /* while they wait for their turns */
    for (size_t i = 0; i < LINKS; i++)
        plan_restart(i);
    consider();
    wait_for(DRAIN_TEXT, 3, 1000, false);
    for (size_t i = 0; i < LINKS; i++)
        ck_assert(!drain_holds(w.drain, w.names[i]));
}
END_TEST

START_TEST(one_that_cannot_be_restarted_holds_up_the_others_for_a_while_only)
{
    size_t others = 0;

    for (size_t i = 0; i < LINKS; i++)
        plan_restart(i);
    consider();
    wait_for(DRAIN_FREED, 3, 1000, true);
    ck_assert(consider());
    drain_in_force(w.drain, w.now);
    wait_for(DRAIN_FREED, 0, 0, true);
    ck_assert(!consider()); /* they are to restart still */
    ck_assert_int_ge(wait_for(DRAIN_FREED, 0, 0, true), DRAIN_RETURN_MS - DRAIN_LOOK_MS);
    ck_assert(consider());
    drain_in_force(w.drain, w.now);
    wait_for(DRAIN_FREED, 0, 0, true);
    for (size_t i = 0; i < LINKS; i++)
        others += !drain_holds(w.drain, w.names[i]);
    ck_assert_uint_gt(others, LINKS / 4);
}
END_TEST

START_TEST(a_link_that_does_not_come_back_is_not_waited_for_for_ever)
{
    plan_restart(0);
    consider();
    drain_in_force(w.drain, w.now);
    wait_for(DRAIN_FREED, 0, 0, true);
    plan_nothing();
    consider();
    ck_assert_int_ge(wait_for(DRAIN_TEXT, 0, 0, false), DRAIN_RETURN_MS);
    ck_assert(!drain_busy(w.drain));
}
END_TEST

START_TEST(connections_that_survive_are_believed_in_the_end)
{
    plan_restart(0);
    consider();
    drain_in_force(w.drain, w.now);
    wait_for(DRAIN_FREED, 0, 0, true);
    plan_nothing();
    consider();
    ck_assert_int_ge(wait_for(DRAIN_TEXT, 0, 0, true), DRAIN_LOSS_MS);
}
END_TEST

START_TEST(one_that_leaves_goes_from_frr_before_it_goes)
{
    plan_leave("pv9");
    ck_assert(consider());
    ck_assert_str_eq(asked(), "keep pv9 ");
    drain_in_force(w.drain, w.now);
    wait_for(DRAIN_TEXT, 0, 0, true);
    ck_assert_str_eq(asked(), "");
    ck_assert(!drain_holds(w.drain, "pv9"));
    plan_nothing();
    ck_assert(!consider());
    ck_assert(!drain_busy(w.drain));
}
END_TEST

START_TEST(new_links_are_up_before_anything_goes)
{
    plan(PLAN_PROCESS_START, 3, w.names[3]);
    plan_leave("pv20");
    consider();
    drain_in_force(w.drain, w.now);
    for (int64_t i = 0; i < (DRAIN_NEW_MS - SECOND) / DRAIN_LOOK_MS; i++)
        ck_assert_int_eq(look(0, 0, false), DRAIN_NOTHING);
    wait_for(DRAIN_TEXT, 0, 0, true);
    teardown();
    setup();
    plan(PLAN_PROCESS_START, 3, w.names[3]);
    plan_leave("pv20");
    consider();
    drain_in_force(w.drain, w.now);
    ck_assert_int_ge(wait_for(DRAIN_TEXT, 1, 0, false), DRAIN_NEW_MS);
}
END_TEST

START_TEST(links_take_turns)
{
    bool done[LINKS] = {false};
    unsigned rounds = 0;

    for (size_t turn = 0; turn < DRAIN_TURNS; turn++) {
        size_t now = 0;

        plan_nothing();
        for (size_t i = 0; i < LINKS; i++)
            if (!done[i])
                plan_restart(i);
        if (w.plan.n == 0)
            break;
        rounds++;
        if (!consider()) { /* the peers ask first */
            ck_assert_uint_eq(turn, 0);
            ck_assert_int_ge(wait_for(DRAIN_FREED, 0, 0, true), DRAIN_FIRST_MS);
            ck_assert(consider());
        }
        drain_in_force(w.drain, w.now);
        wait_for(DRAIN_FREED, 0, 0, true);
        for (size_t i = 0; i < LINKS; i++)
            if (!done[i] && !drain_holds(w.drain, w.names[i])) {
                done[i] = true;
                now++;
            }
        ck_assert_uint_gt(now, 0);
        ck_assert_uint_le(now, LINKS / 4);
        plan_nothing();
        for (size_t i = 0; i < LINKS; i++)
            if (!done[i])
                plan_restart(i);
        ck_assert(!consider()); /* the next turn waits until this one is back */
        wait_for(DRAIN_TEXT, 0, 0, true);
    }
    for (size_t i = 0; i < LINKS; i++)
        ck_assert(done[i]);
    ck_assert_uint_gt(rounds, 1);
}
END_TEST

START_TEST(both_ends_have_the_same_turn_and_gateways_several)
{
    for (uint32_t a = 1; a <= 40; a++) {
        unsigned seen = 0;

        for (uint32_t b = 1; b <= 40; b++) {
            ck_assert_uint_eq(drain_turn(a, b, 1), drain_turn(b, a, 0));
            if (a != b)
                seen |= 1u << drain_turn(a, b, 1);
        }
        ck_assert_int_ge(__builtin_popcount(seen), DRAIN_TURNS * 3 / 4);
        seen = 0;
        for (unsigned tunnel = 1; tunnel <= 2; tunnel++)
            seen |= 1u << drain_turn(a, a + 1, tunnel);
        ck_assert_msg(seen & (seen - 1), "parallel tunnels of %u have one turn", a);
    }
}
END_TEST

START_TEST(what_is_not_wanted_any_more_is_undone)
{
    plan_restart(0);
    consider();
    drain_in_force(w.drain, w.now);
    look(1, 0, true);
    plan_nothing(); /* the old bundle came back */
    ck_assert(consider());
    ck_assert_str_eq(asked(), "");
    ck_assert(!drain_busy(w.drain));
}
END_TEST

START_TEST(when_frr_is_gone_nothing_waits)
{
    plan_leave("pv9");
    consider();
    drain_give_up(w.drain);
    ck_assert(!drain_holds(w.drain, "pv9"));
}
END_TEST

START_TEST(without_a_key_no_restart_is_waited_for)
{
    plan_restart(0);
    ck_assert(!drain_consider(w.drain, &w.bundle, &w.plan, true, w.now));
    ck_assert_str_eq(asked(), "");
}
END_TEST

START_TEST(the_gateway_as_a_whole_survives_the_agent)
{
    struct error_list err = ERROR_LIST_INIT;

    ck_assert_int_eq(drain_gateway(w.drain, true, &err), 0);
    ck_assert_str_eq(asked(), "all ");
    drain_free(w.drain);
    w.drain = drain_new(&w.settings);
    ck_assert(drain_gateway_on(w.drain));
    ck_assert_str_eq(asked(), "all ");
    ck_assert_int_eq(drain_gateway(w.drain, false, &err), 0);
    ck_assert_int_eq(drain_gateway(w.drain, false, &err), 0);
    drain_free(w.drain);
    w.drain = drain_new(&w.settings);
    ck_assert(!drain_gateway_on(w.drain));
    error_clear(&err);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("drain");
    TCase *t = unit_case(s, "drain", setup, teardown);

    tcase_add_test(t, nothing_to_do);
    tcase_add_test(t, a_restart_waits_for_the_traffic_and_comes_back);
    tcase_add_test(t, traffic_that_does_not_move_is_given_another_chance);
    tcase_add_test(t, where_there_is_one_link_there_is_no_other_way);
    tcase_add_test(t, one_that_waits_for_its_turn_is_free_when_nobody_uses_it);
    tcase_add_test(t, a_link_whose_peer_does_not_answer_is_free_at_once);
    tcase_add_test(t, one_that_cannot_be_restarted_holds_up_the_others_for_a_while_only);
    tcase_add_test(t, a_link_that_does_not_come_back_is_not_waited_for_for_ever);
    tcase_add_test(t, connections_that_survive_are_believed_in_the_end);
    tcase_add_test(t, one_that_leaves_goes_from_frr_before_it_goes);
    tcase_add_test(t, new_links_are_up_before_anything_goes);
    tcase_add_test(t, links_take_turns);
    tcase_add_test(t, both_ends_have_the_same_turn_and_gateways_several);
    tcase_add_test(t, what_is_not_wanted_any_more_is_undone);
    tcase_add_test(t, when_frr_is_gone_nothing_waits);
    tcase_add_test(t, without_a_key_no_restart_is_waited_for);
    tcase_add_test(t, the_gateway_as_a_whole_survives_the_agent);
    return unit_run(s);
}
