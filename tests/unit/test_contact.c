/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller's answers mean, when a certificate is renewed, and what of a long report is
 * left.  That it is the controller: tests/cli/test_enroll_controller.py. */
#include <errno.h>
#include <string.h>

#include "agent/contact.h"
#include "agent/report.h"
#include "agent/report_when.h"
#include "common/token.h"
#include "tests/unit/unit.h"

#define ID "0123456789abcdef0123456789abcdef"
#define DAY 86400
#define NOW INT64_C(1800000000)

static struct error_list err;
static struct contact_answer answer;

static void setup(void)
{
    answer = (struct contact_answer){.text = BUF_INIT};
}

static void teardown(void)
{
    error_clear(&err);
    contact_answer_clear(&answer);
}

static int read_answer(enum contact_what what, long status, const char *body)
{
    error_clear(&err);
    buf_reset(&answer.text);
    return contact_read(what, status, body, strlen(body), &answer, &err);
}

START_TEST(good_answers)
{
    static const enum contact_what certificates[] = {CONTACT_ENROLL, CONTACT_ENROLL_ASK,
                                                     CONTACT_RENEW};

    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(read_answer(certificates[i], 200, "{\"answer\": \"PEM\\n\", \"x\": 1}"),
                         0);
        ck_assert_str_eq(buf_cstr(&answer.text), "PEM\n");
        ck_assert(!answer.waits);
    }
    ck_assert_int_eq(read_answer(CONTACT_ENROLL, 202, "{\"id\": \"" ID "\"}"), 0);
    ck_assert_str_eq(buf_cstr(&answer.text), ID);
    ck_assert(answer.waits);
    ck_assert_int_eq(read_answer(CONTACT_REPORT, 204, ""), 0);
    ck_assert_uint_eq(answer.text.len, 0);
    ck_assert(!answer.waits);
}
END_TEST

static const struct {
    enum contact_what what;
    long status;
    const char *body;
    int result;
    const char *says;
} bad[] = {
    {CONTACT_ENROLL, 403, "{\"error\": \"this token has expired\"}", -EINVAL,
     "refuses: this token has expired"},
    {CONTACT_ENROLL, 403, "<html>", -EINVAL, "it does not say why"},
    {CONTACT_ENROLL, 403, "{\"error\": \"a\\u001b[31m\"}", -EINVAL, "a\\x1b[31m"},
    {CONTACT_REPORT, 401, "{\"error\": \"who\"}", -EINVAL, "enroll again"},
    {CONTACT_ENROLL, 429, "{\"error\": \"later\"}", -EAGAIN, "cannot do it now (429): later"},
    {CONTACT_RENEW, 503, "{\"error\": \"locked\"}", -EAGAIN, "cannot do it now (503): locked"},
    {CONTACT_ENROLL, 200, "", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_ENROLL, 200, "{\"answer\": \"\"}", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_ENROLL, 200, "{\"answer\": \"a\\u0000b\"}", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_ENROLL, 200, "{\"answer\": 5}", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_ENROLL, 200, "{\"answer\": \"a\", \"answer\": \"b\"}", -EPROTO, "no p2pvpn"},
    {CONTACT_ENROLL, 200, "[\"answer\"]", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_ENROLL, 202, "{\"id\": \"../../v1/renew\"}", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_ENROLL, 202, "{\"id\": \"0123\"}", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_RENEW, 202, "{\"id\": \"" ID "\"}", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_ENROLL, 204, "", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_REPORT, 200, "{\"answer\": \"a\"}", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_REPORT, 200, "{\"renew\": 1}", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_RENEW, 200, "{\"renew\": true}", -EPROTO, "no p2pvpn-controller"},
    {CONTACT_ENROLL, 302, "", -EPROTO, "(302)"},
};

START_TEST(bad_answers)
{
    ck_assert_int_eq(read_answer(bad[_i].what, bad[_i].status, bad[_i].body), bad[_i].result);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_msg(strstr(err.items[0].message, bad[_i].says), "%s", err.items[0].message);
    ck_assert_uint_eq(answer.text.len, 0);
    ck_assert(!answer.waits);
}
END_TEST

START_TEST(an_answer_that_is_too_long)
{
    struct buf body = BUF_INIT;

    buf_str(&body, "{\"answer\":\"");
    for (size_t i = 0; i < CONTACT_ANSWER_MAX; i++)
        buf_char(&body, 'x');
    buf_str(&body, "\"}");
    ck_assert_int_eq(read_answer(CONTACT_RENEW, 200, buf_cstr(&body)), 0);
    ck_assert_uint_eq(answer.text.len, CONTACT_ANSWER_MAX);
    body.len -= 2;
    buf_str(&body, "x\"}");
    ck_assert_int_eq(read_answer(CONTACT_RENEW, 200, buf_cstr(&body)), -EPROTO);
    buf_free(&body);
}
END_TEST

static bool due(int64_t expires, bool wanted, int64_t tried, int64_t now)
{
    const struct report_renewal at = {.expires = expires, .wanted = wanted, .tried = tried};

    return report_renewal_due(&at, now);
}

START_TEST(each_gateway_renews_at_its_own_time)
{
    static const int64_t left[] = {120 * DAY, 120 * DAY - DAY / 2, 119 * DAY + 3};
    const uint32_t phase[] = {0, REPORT_EVERY_MS / 2, REPORT_EVERY_MS - 1};

    for (size_t i = 0; i < 3; i++) {
        struct report_renewal at = {.expires = NOW + left[i], .phase = phase[i]};

        ck_assert(!report_renewal_due(&at, NOW));
        ck_assert(report_renewal_due(&at, NOW + 1));
        at.wanted = true;
        ck_assert(report_renewal_due(&at, NOW));
    }
}
END_TEST

START_TEST(when_to_renew)
{
    ck_assert(!due(0, false, 0, NOW));
    ck_assert(!due(NOW + 120 * DAY, false, 0, NOW));
    ck_assert(due(NOW + 120 * DAY - 1, false, 0, NOW));
    ck_assert(due(NOW - 1, false, 0, NOW));
    ck_assert(!due(NOW + DAY, false, NOW - 3599, NOW));
    ck_assert(due(NOW + DAY, false, NOW - 3600, NOW));
    ck_assert(due(NOW + DAY, false, NOW + 5, NOW)); /* the clock went back */
    ck_assert(due(NOW + 300 * DAY, true, 0, NOW));  /* the controller wants it */
    ck_assert(!due(NOW + 300 * DAY, true, NOW - 3599, NOW));
    ck_assert(!due(0, true, 0, NOW));
}
END_TEST

/* Else it would be renewed, and restart its links, all the time until the authority ends. */
START_TEST(no_longer_than_the_authority)
{
    struct report_renewal at = {.expires = NOW + 100 * DAY, .authority = NOW + 100 * DAY};

    ck_assert(!report_renewal_due(&at, NOW));
    at.authority--; /* it is of before there was such a limit */
    ck_assert(!report_renewal_due(&at, NOW));
    at.wanted = true; /* another one follows */
    ck_assert(report_renewal_due(&at, NOW));
    at.wanted = false;
    at.authority += 2;
    ck_assert(report_renewal_due(&at, NOW));
}
END_TEST

START_TEST(a_report_that_is_shortened)
{
    struct buf b = BUF_INIT;

    buf_str(&b,
            "{\"gateway\":\"perth\",\"links\":[{\"interface\":\"pv1\",\"peer\":\"a\",\"since\":1,"
            "\"state\":\"up\"}],\"sessions\":[{\"neighbor\":\"fe80::1\",\"bgp\":\"Idle\","
            "\"received\":5}],\"prefixes\":{\"missing\":[]},\"healthy\":true}");
    report_shorten(&b);
    ck_assert_str_eq(
        buf_cstr(&b),
        "{\"gateway\":\"perth\",\"links\":[{\"interface\":\"pv1\",\"peer\":\"a\","
        "\"state\":\"up\"}],\"sessions\":[{\"neighbor\":\"fe80::1\",\"bgp\":\"Idle\"}],"
        "\"healthy\":true}");
    buf_reset(&b);
    buf_str(&b, "no JSON");
    report_shorten(&b);
    ck_assert_str_eq(buf_cstr(&b), "no JSON");
    buf_free(&b);
}
END_TEST

/* As OpenSSL's base64 has them. */
START_TEST(the_pin_of_a_token)
{
    char text[TOKEN_PIN_TEXT_LEN + 1];
    struct token token = {.pin = {0}};

    token_pin_text(&token, text);
    ck_assert_str_eq(text, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    for (size_t i = 0; i < TOKEN_PIN_LEN; i++)
        token.pin[i] = (uint8_t)(0xff - i * 8);
    token_pin_text(&token, text);
    ck_assert_str_eq(text, "sha256////fv59/Xz8e/t6+nn5ePh393b2dfV09HPzcvJx8XDwc=");
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("contact");
    Suite *suite = suite_create("contact");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, good_answers);
    tcase_add_loop_test(tcase, bad_answers, 0, (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tcase, an_answer_that_is_too_long);
    tcase_add_test(tcase, when_to_renew);
    tcase_add_test(tcase, no_longer_than_the_authority);
    tcase_add_test(tcase, each_gateway_renews_at_its_own_time);
    tcase_add_test(tcase, a_report_that_is_shortened);
    tcase_add_test(tcase, the_pin_of_a_token);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
