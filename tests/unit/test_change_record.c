/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a change may stay, and its record. */
#include <errno.h>
#include <string.h>

#include "agent/change.h"
#include "tests/unit/unit.h"

#define DEADLINE 100000

static struct error_list err;
static struct bundle want;
static struct bundle_link links[2];
static struct prefix own[3];
static struct change change;
static struct change_facts facts;
static struct buf why;

static void setup(void)
{
    own[0] = unit_prefix("172.19.0.0/31");
    own[1] = unit_prefix("fd00::/127");
    own[2] = unit_prefix("172.19.0.2/31");
    links[0] = (struct bundle_link){
        .interface = "pv2", .peer = "east", .addresses = own, .n_addresses = 2};
    links[1] = (struct bundle_link){
        .interface = "pv7-2", .peer = "west", .addresses = own + 2, .n_addresses = 1};
    want = (struct bundle){.links = links, .n_links = 2};
    change = (struct change){.state = CHANGE_PENDING, .deadline = DEADLINE};
    change_add_session(&change, "pv2 4");
    change_add_session(&change, "pv2 6");
    change_add_session(&change, "pv9 4"); /* the bundle has it no more */
    change_add_session(&change, "pv7-2 4");
    change_add_session(&change, "pv7-2 6"); /* nor this family */
    facts = (struct change_facts){.want = &want, .now = 1, .applied = true, .known = true};
}

static void teardown(void)
{
    change_clear(&change);
    error_clear(&err);
    buf_free(&why);
}

/* up: names with a comma between. */
static enum change_verdict decide(const char *up)
{
    static char text[200];
    char *names[10], *rest = NULL;

    strcpy(text, up);
    facts.n_up = 0;
    for (char *n = strtok_r(text, ",", &rest); n; n = strtok_r(NULL, ",", &rest))
        names[facts.n_up++] = n;
    facts.up = names;
    buf_reset(&why);
    return change_decide(&change, &facts, &why);
}

START_TEST(good_when_all_is_back)
{
    ck_assert_int_eq(decide("pv2 4,pv2 6,pv7-2 4"), CHANGE_GOOD);
    ck_assert_int_eq(decide("pv7-2 4,pv33 4,pv2 6,pv2 4"), CHANGE_GOOD);
    facts.now = DEADLINE + 1; /* late, but well */
    ck_assert_int_eq(decide("pv2 4,pv2 6,pv7-2 4"), CHANGE_GOOD);
}
END_TEST

START_TEST(waits_and_then_goes_back)
{
    for (int late = 0; late < 2; late++) {
        enum change_verdict verdict = late ? CHANGE_ROLL_BACK : CHANGE_WAIT;

        facts.now = late ? DEADLINE : DEADLINE - 1;
        ck_assert_int_eq(decide("pv2 4,pv2 6"), verdict);
        ck_assert_str_eq(buf_cstr(&why), "the BGP session to west over pv7-2 was up before and has "
                                         "not come back");
        ck_assert_int_eq(decide("pv2 4"), verdict);
        ck_assert_str_eq(buf_cstr(&why),
                         "the BGP session to east over pv2, the BGP session to west "
                         "over pv7-2 were up before and have not come back");
        facts.applied = false;
        ck_assert_int_eq(decide("pv2 4,pv2 6,pv7-2 4"), verdict);
        ck_assert_str_eq(buf_cstr(&why), "not everything could be applied yet");
        facts.applied = true;
        facts.known = false;
        ck_assert_int_eq(decide(""), verdict);
        ck_assert_str_eq(buf_cstr(&why), "it could not be found out which BGP sessions are up: FRR "
                                         "does not answer");
        facts.known = true;
    }
}
END_TEST

START_TEST(what_answered_before_must_answer)
{
    static const char up[] = "pv2 4,pv2 6,pv7-2 4";

    change.reach = true;
    ck_assert_int_eq(decide(up), CHANGE_WAIT);
    facts.reach = true;
    ck_assert_int_eq(decide(up), CHANGE_GOOD);
    change.source = true;
    ck_assert_int_eq(decide(up), CHANGE_WAIT);
    facts.source = true;
    ck_assert_int_eq(decide(up), CHANGE_GOOD);
    change.source = change.reach = false;
    facts.source = facts.reach = false;
    ck_assert_int_eq(decide(up), CHANGE_GOOD);
}
END_TEST

START_TEST(what_cannot_be_applied_goes_back_at_once)
{
    facts.failed = "FRR did not take \"x\"";
    ck_assert_int_eq(decide("pv2 4,pv2 6,pv7-2 4"), CHANGE_ROLL_BACK);
    ck_assert_str_eq(buf_cstr(&why), "FRR did not take \"x\"");
}
END_TEST

START_TEST(many_are_counted)
{
    change_clear(&change);
    change.deadline = DEADLINE;
    for (int i = 0; i < 9; i++)
        change_add_session(&change, "pv2 4");
    ck_assert_int_eq(decide(""), CHANGE_WAIT);
    ck_assert(strstr(buf_cstr(&why), " and 4 more were up before and have not come back"));
}
END_TEST

START_TEST(sessions_that_prove_nothing)
{
    struct bundle_link was[2] = {{.interface = "pv2", .peer_generation = 1},
                                 {.interface = "pv7", .peer_generation = 1}},
                       is[2] = {was[0], was[1]};
    struct bundle now = {.links = was, .n_links = 2}, next = {.links = is, .n_links = 2};

    ck_assert(change_session_counts(&now, &next, "pv2 4"));
    ck_assert(change_session_counts(&now, &next, "pv9 4"));
    is[0].peer_generation = 2;
    ck_assert(!change_session_counts(&now, &next, "pv2 4"));
    ck_assert(change_session_counts(&now, &next, "pv7 6"));
    /* The other end may get its key later. */
    next.link_key = "a";
    is[1].peer_link_key = "b";
    ck_assert(!change_session_counts(&now, &next, "pv7 6"));
    next.generation = 2;
    is[1].peer_link_key = NULL;
    ck_assert(!change_session_counts(&now, &next, "pv7 6"));
}
END_TEST

START_TEST(round_trip)
{
    struct change again = {0};
    struct buf text = BUF_INIT;

    memset(change.revision, 'a', DIGEST_TEXT_LEN);
    memset(change.previous, 'b', DIGEST_TEXT_LEN);
    strcpy(change.boot, "7f0a2d54-0b6c-4c7e-9d0e-0d3a3a2c9d11");
    change.since = 1700000000;
    change.source = true;
    change.why = strdup("he said \"no\"");
    change_format(&change, &text);
    ck_assert_int_eq(change_parse(text.data, text.len, "f", &again, &err), 0);
    ck_assert_int_eq(again.state, CHANGE_PENDING);
    ck_assert_str_eq(again.revision, change.revision);
    ck_assert_str_eq(again.previous, change.previous);
    ck_assert_str_eq(again.refused, "");
    ck_assert_str_eq(again.boot, change.boot);
    ck_assert_str_eq(again.why, change.why);
    ck_assert_int_eq(again.since, change.since);
    ck_assert_int_eq(again.deadline, DEADLINE);
    ck_assert(again.source && !again.reach);
    ck_assert_uint_eq(again.n_sessions, 5);
    ck_assert_str_eq(again.sessions[3], "pv7-2 4");
    /* Cut off anywhere it is no record, and says so. */
    for (size_t len = 0; len < text.len - 2; len++) {
        struct change cut = {0};

        ck_assert_int_eq(change_parse(text.data, len, "f", &cut, &err), -EINVAL);
        ck_assert(!cut.sessions && !cut.why);
    }
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "the record of the last change is damaged"));
    change_clear(&again);
    buf_free(&text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("change_record");
    TCase *t = unit_case(s, "change_record", setup, teardown);

    tcase_add_test(t, good_when_all_is_back);
    tcase_add_test(t, waits_and_then_goes_back);
    tcase_add_test(t, what_answered_before_must_answer);
    tcase_add_test(t, what_cannot_be_applied_goes_back_at_once);
    tcase_add_test(t, many_are_counted);
    tcase_add_test(t, sessions_that_prove_nothing);
    tcase_add_test(t, round_trip);
    return unit_run(s);
}
