/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller takes for a request, for a name of a file, and for who asks. */
#include <string.h>

#include "service/http.h"
#include "service/route.h"
#include "service/settings.h"
#include "service/static.h"
#include "tests/unit/unit.h"

#define HOST "Host: x\r\n"

static struct http_request request;

static int parse(const char *text)
{
    return http_parse(text, strlen(text), &request);
}

START_TEST(a_request)
{
    static const char text[] = "POST /v1/report?a=1&b=2 HTTP/1.1\r\nHost: c:8443\r\nX: \r\n"
                               "content-LENGTH:  17 \r\nConnection: x, Close\r\n\r\n";

    ck_assert_int_eq(parse(text), (int)strlen(text));
    ck_assert_int_eq(request.method, HTTP_POST);
    ck_assert_str_eq(request.path, "/v1/report");
    ck_assert_str_eq(request.query, "a=1&b=2");
    ck_assert_uint_eq(request.body_len, 17);
    ck_assert(!request.keep_alive);
    for (size_t n = 0; n < strlen(text); n++)
        ck_assert_int_eq(http_parse(text, n, &request), 0);
}
END_TEST

static const struct {
    const char *text;
    int r;
} bad[] = {
    {"\r\n\r\n", -400},
    {"GET / HTTP/1.1\n\n", -400},
    {"GET / HTTP/1.1\r\n\r\n", -400}, /* no Host */
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", -400},
    {"GET / HTTP/1.0\r\n" HOST "\r\n", -505},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", -505},
    {"GET / HTTX/1.1\r\n" HOST "\r\n", -400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", -400},
    {"GET http://x/ HTTP/1.1\r\n" HOST "\r\n", -400},
    {"GET /%2e%2e/ HTTP/1.1\r\n" HOST "\r\n", -400},
    {"GET /\\ HTTP/1.1\r\n" HOST "\r\n", -400},
    {"PUT / HTTP/1.1\r\n" HOST "\r\n", -405},
    {"get / HTTP/1.1\r\n" HOST "\r\n", -405},
    {"G\x01T / HTTP/1.1\r\n" HOST "\r\n", -400},
    {"GET / HTTP/1.1\r\n" HOST " folded: y\r\n\r\n", -400},
    {"GET / HTTP/1.1\r\n" HOST "a : y\r\n\r\n", -400},
    {"GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", -400},
    {"GET / HTTP/1.1\r\n" HOST "a: \x01\r\n\r\n", -400},
    {"GET / HTTP/1.1\r\n" HOST "a: b\rc\r\n\r\n", -400},
    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", -501},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", -400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", -400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n", -400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 9999999999\r\n\r\n", -413},
    {"GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", -417},
};

START_TEST(a_bad_request)
{
    ck_assert_int_eq(parse(bad[_i].text), bad[_i].r);
}
END_TEST

START_TEST(too_long)
{
    char text[HTTP_HEAD_MAX + 200];

    memset(text, 'a', sizeof(text));
    ck_assert_int_eq(http_parse(text, HTTP_HEAD_MAX - 1, &request), 0);
    ck_assert_int_eq(http_parse(text, HTTP_HEAD_MAX, &request), -431);
    memcpy(text, "GET /", 5);
    memcpy(text + 5 + HTTP_TARGET_MAX, " HTTP/1.1\r\n", 11);
    ck_assert_int_eq(http_parse(text, 5 + HTTP_TARGET_MAX + 11, &request), -414);
}
END_TEST

START_TEST(query)
{
    unsigned long long n = 7;

    ck_assert(http_query_number("", "version", 9, &n));
    ck_assert(http_query_number("xversion=1&versions=2", "version", 9, &n));
    ck_assert_uint_eq(n, 7);
    ck_assert(http_query_number("a=b&version=9", "version", 9, &n));
    ck_assert_uint_eq(n, 9);
    ck_assert(!http_query_number("version=10", "version", 9, &n));
    ck_assert(!http_query_number("version=-1", "version", 9, &n));
    ck_assert(!http_query_number("version=", "version", 9, &n));
    ck_assert(!http_query_number("version=99999999999999999999", "version", ~0ull, &n));
}
END_TEST

START_TEST(names_of_files)
{
    static const char *const good[] = {"timestamp.json", "1.root.json", "gateways/ab.head.tar",
                                       "a-b_c/d"};
    static const char *const wrong[] = {"",     "/",    "a/",   "/a",     "a//b",  ".",
                                        "..",   "../a", "a/..", "a/../b", ".lock", "a/.b",
                                        "a..b", "a b",  "a\nb", "a%2e"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(static_name_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!static_name_valid(wrong[i]), "%s", wrong[i]);
}
END_TEST

START_TEST(who)
{
    struct peer peer = {0};

    peer_from_common_name("perth.g12", &peer);
    ck_assert_int_eq(peer.kind, PEER_GATEWAY);
    ck_assert_str_eq(peer.name, "perth");
    ck_assert_uint_eq(peer.generation, 12);
    peer_from_common_name("x.operator.g1", &peer);
    ck_assert_int_eq(peer.kind, PEER_GATEWAY);
    ck_assert_str_eq(peer.name, "x.operator");
    peer_from_common_name("ann.operator", &peer);
    ck_assert_int_eq(peer.kind, PEER_OPERATOR);
    ck_assert_str_eq(peer.name, "ann");
}
END_TEST

START_TEST(nobody)
{
    static const char *const names[] = {"",
                                        "perth",
                                        "perth.g",
                                        "perth.g0",
                                        "perth.g01",
                                        "perth.g1x",
                                        ".g1",
                                        ".operator",
                                        "a b.g1",
                                        "p.Operator",
                                        "perth.g4294967296",
                                        "p.g99999999999999999999999"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct peer peer = {0};

        peer_from_common_name(names[i], &peer);
        ck_assert_msg(peer.kind == PEER_ANYBODY && !peer.name[0], "%s", names[i]);
    }
}
END_TEST

START_TEST(places)
{
    const struct route *route;
    const char *rest;

    ck_assert_int_eq(route_find(HTTP_GET, "/targets/gateways/x.tar", &route, &rest), 0);
    ck_assert_int_eq(route->endpoint, ENDPOINT_TARGET);
    ck_assert_str_eq(rest, "gateways/x.tar");
    ck_assert_int_eq(route_find(HTTP_POST, "/targets/x", &route, &rest), 405);
    ck_assert_int_eq(route_find(HTTP_GET, "/targets/", &route, &rest), 404);
    ck_assert_int_eq(route_find(HTTP_GET, "/v1/waits", &route, &rest), 404);
    ck_assert_int_eq(route_find(HTTP_GET, "/", &route, &rest), 404);
}
END_TEST

START_TEST(settings_file)
{
    struct error_list err = ERROR_LIST_INIT;
    struct controller_settings s, before;
    struct arena keep = ARENA_INIT;
    static const char good[] = "# x\nlisten = 127.0.0.1:1,[::1]:2\n max-unproven=5\n",
                      wrong[] = "listen = \nmax-unproven = 1x\nmax-unproven = 5\nstate = relative\n"
                                "color = red\nnothing\nmax-per-address = 1000001";

    controller_settings_defaults(&s);
    ck_assert_int_eq(controller_settings_parse(good, strlen(good), "f", &keep, &s, &err), 0);
    ck_assert_str_eq(s.listen, "127.0.0.1:1,[::1]:2");
    ck_assert_uint_eq(s.max_unproven, 5);
    ck_assert_str_eq(s.state, "/var/lib/p2pvpn-controller");
    before = s;
    ck_assert_int_lt(controller_settings_parse(wrong, strlen(wrong), "f", &keep, &s, &err), 0);
    ck_assert_int_eq(memcmp(&s, &before, sizeof(s)), 0);
    ck_assert_uint_eq(err.n, 7);
    for (unsigned i = 0; i < 7; i++)
        ck_assert_uint_eq(err.items[i].line, i + 1);
    error_clear(&err);
    ck_assert_int_lt(controller_settings_parse("key = /a", 8, "f", &keep, &s, &err), 0);
    error_clear(&err);
    arena_free(&keep);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http");
    TCase *t = unit_case(s, "http", NULL, NULL);

    tcase_add_test(t, a_request);
    tcase_add_loop_test(t, a_bad_request, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, too_long);
    tcase_add_test(t, query);
    tcase_add_test(t, names_of_files);
    tcase_add_test(t, who);
    tcase_add_test(t, nobody);
    tcase_add_test(t, places);
    tcase_add_test(t, settings_file);
    return unit_run(s);
}
