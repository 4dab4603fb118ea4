/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator sees of the controller's answers, to the byte. */
#include "controller/fleet_text.h"

#include "tests/unit/unit.h"

#define HEAD                                                                                     \
    "GATEWAY                  STATE    WANTED       RUNNING          LINKS  SESSIONS     SEEN  " \
    "DAYS GEN\n"
#define LINKS_HEAD "\nLINK             PEER                     EXPECTED REPORTED\n"

typedef void format_fn(const json_t *answer, struct buf *ret);

static void expect(format_fn *format, const char *answer, const char *text)
{
    _cleanup_buf_ struct buf b = BUF_INIT;
    json_t *json = json_loads(answer, 0, NULL);

    ck_assert_ptr_nonnull(json);
    format(json, &b);
    ck_assert_str_eq(buf_cstr(&b), text);
    json_decref(json);
}

START_TEST(tokens)
{
    expect(
        fleet_text_tokens,
        "{\"tokens\": [{\"gateway\": \"perth\", \"state\": \"open\", \"generation\": 2,"
        " \"created\": 1000000000, \"expires\": 1000086400, \"by\": \"ann\"}]}",
        "GATEWAY                  STATE    GEN  CREATED              EXPIRES              BY\n"
        "perth                    open       2  2001-09-09 01:46:40  2001-09-10 01:46:40  ann\n");
}
END_TEST

START_TEST(fleet)
{
    expect(
        fleet_text_fleet,
        "{\"gateways\": ["
        "{\"gateway\": \"a\", \"seen\": 1, \"seconds\": 119, \"healthy\": true, \"generation\": 1,"
        " \"wanted\": \"0123456789abcdef\", \"revision\": \"f123456789abcdef\", \"drift\": true,"
        " \"links\": 2, \"links-up\": 1, \"sessions\": 4, \"sessions-up\": 3,"
        " \"certificate-days\": 397},"
        "{\"gateway\": \"b\", \"seen\": 1, \"seconds\": 7199, \"healthy\": false,"
        " \"renewal-due\": true},"
        "{\"gateway\": \"c\", \"seen\": 1, \"seconds\": 172799, \"drained\": true},"
        "{\"gateway\": \"d\", \"seen\": 1, \"seconds\": 172800, \"revoked\": true},"
        "{\"gateway\": \"e\"}]}",
        HEAD
        "a                        healthy  0123456789ab f123456789ab       1/2       3/4    119 s"
        "   397   1  drift\n"
        "b                        problems -            -                    -         -  119 min"
        "     -   -  renew\n"
        "c                        drained  -            -                    -         -     47 h"
        "     -   -\n"
        "d                        revoked  -            -                    -         -      2 d"
        "     -   -\n"
        "e                        unknown  -            -                    -         -    never"
        "     -   -\n");
}
END_TEST

#define A_ROW                                                                                      \
    "a                        unknown  -            -                    -         -    never    " \
    " "                                                                                            \
    "-   -\n"

/* The revision that is published against what runs: a link and a route that are not there yet, and
 * each that is not wanted any more. */
START_TEST(gateway)
{
    expect(
        fleet_text_gateway,
        "{\"gateway\": \"a\", \"expected\": {"
        " \"links\": [{\"interface\": \"pv2\", \"peer\": \"b\"},"
        "             {\"interface\": \"pv3\", \"peer\": \"c\"}],"
        " \"prefixes\": [\"10.1.0.0/16\", \"10.2.0.0/16\", \"10.3.0.0/16\"]},"
        "\"report\": {\"problems\": [\"run 'it'\\n\\u202ewas\", 1],"
        " \"links\": [{\"interface\": \"pv2\", \"peer\": \"b\", \"state\": \"up\"},"
        "             {\"interface\": \"pv9\", \"peer\": \"\\u001b[2J\", \"state\": \"down\"}],"
        " \"sessions\": [{\"neighbor\": \"fe80::1\", \"peer\": \"b\", \"bgp\": \"Established\"}],"
        " \"prefixes\": {\"expected\": [\"10.1.0.0/16\", \"10.2.0.0/16\", \"10.9.0.0/16\","
        "                \"10.10.0.0/16\"],"
        "                \"missing\": [\"10.2.0.0/16\", \"10.10.0.0/16\"]}}}",
        HEAD A_ROW "problem: run 'it'\\x0a\\xe2\\x80\\xaewas\n"
                   "problem: -\n" LINKS_HEAD
                   "pv2              b                        yes      up\n"
                   "pv9              -                        no       down\n"
                   "pv3              c                        yes      -\n"
                   "\nNEIGHBOR                 PEER                     BGP              BFD\n"
                   "fe80::1                  b                        Established      -\n"
                   "\nroutes: 1 of 3 expected\n"
                   "no route to 10.2.0.0/16\n"
                   "no route to 10.3.0.0/16\n"
                   "a route to 10.9.0.0/16, which is not expected any more\n");
}
END_TEST

START_TEST(gateway_by_its_own_word)
{
    /* Nothing is published for it. */
    expect(fleet_text_gateway,
           "{\"gateway\": \"a\", \"report\": {"
           " \"links\": [{\"interface\": \"pv2\", \"peer\": \"b\", \"state\": \"up\"}]}}",
           HEAD A_ROW LINKS_HEAD "pv2              b                        -        up\n"
                                 "\nroutes: not reported, 0 expected\n");
    /* Origins are checked by a cache: its table has the prefixes. */
    expect(fleet_text_gateway,
           "{\"gateway\": \"a\", \"expected\": {\"links\": []}, \"report\": {"
           " \"prefixes\": {\"expected\": [\"10.1.0.0/16\", \"10.2.0.0/16\"],"
           " \"missing\": [\"10.2.0.0/16\"]}}}",
           HEAD A_ROW LINKS_HEAD "\nroutes: 1 of 2 expected\nno route to 10.2.0.0/16\n");
    /* It has not reported, or FRR does not answer there. */
    expect(fleet_text_gateway,
           "{\"gateway\": \"a\", \"expected\": {\"links\": [], \"prefixes\": [\"10.1.0.0/16\"]}}",
           HEAD A_ROW LINKS_HEAD "\nroutes: not reported, 1 expected\n");
}
END_TEST

START_TEST(nothing_as_expected)
{
    expect(fleet_text_fleet, "[]", HEAD);
    expect(fleet_text_fleet, "{\"gateways\": [1, []]}",
           HEAD
           "-                        unknown  -            -                    -         -    "
           "never     -   -\n"
           "-                        unknown  -            -                    -         -    "
           "never     -   -\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fleet text");
    TCase *t = unit_case(s, "fleet text", NULL, NULL);

    tcase_add_test(t, tokens);
    tcase_add_test(t, fleet);
    tcase_add_test(t, gateway);
    tcase_add_test(t, gateway_by_its_own_word);
    tcase_add_test(t, nothing_as_expected);
    return unit_run(s);
}
