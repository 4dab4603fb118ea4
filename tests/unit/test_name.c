/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/name.h"
#include "tests/unit/unit.h"

START_TEST(names)
{
    static const char *const good[] = {
        "a",       "perth", "aws-ap-southeast-2a",
        "R2.d2_x", "7",     "123456789012345678901234567890123456789012345678"};
    static const char *const bad[] = {
        "",      "-a",    "a-",       ".",     "..",
        "a..b",  "a b",   "a/b",      "a\nb",  "a'b",
        "$(id)", "</ca>", "\xc3\xa9", "a\x7f", "1234567890123456789012345678901234567890123456789"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(name_valid(good[i]), "refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!name_valid(bad[i]), "accepted: %s", bad[i]);
}
END_TEST

START_TEST(values)
{
    static const char *const good[] = {"", "Head office, Perth (WA)", "Z\xc3\xbcrich", "10.0.0.0/8",
                                       "\xf0\x9f\x9a\x80"};
    static const char *const bad[] = {
        "a\nb",         "a\tb",     "a\"b",         "a'b",          "a\\b",
        "a`b",          "a\x7f",    "\xe2\x80\xae", "\xe2\x80\xa8", "\xc2\x85",
        "\xef\xbb\xbf", "\xc0\xaf", "\xff",         "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xc3"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(value_valid(good[i], strlen(good[i])), "refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!value_valid(bad[i], strlen(bad[i])), "accepted: %zu", i);
    ck_assert(!value_valid("a\0b", 3));
}
END_TEST

START_TEST(paths)
{
    ck_assert(relative_path_valid("frr/frr.conf"));
    ck_assert(relative_path_valid("bundle.json"));
    ck_assert(!relative_path_valid("/etc/passwd"));
    ck_assert(!relative_path_valid("../x"));
    ck_assert(!relative_path_valid("a//b"));
    ck_assert(!relative_path_valid("a/./b"));
    ck_assert(!relative_path_valid("a/"));
    ck_assert(!relative_path_valid(""));
}
END_TEST

START_TEST(hosts)
{
    static const char *const good[] = {
        "203.0.113.7",   "2001:db8::7", "vpn.example.net",       "localhost",
        "gw-1.example.", "1.2.3.4a",    "xn--bcher-kva.example", "3com.example"};
    static const char *const bad[] = {
        "",         ".",          "a..b",         "-a.b",  "a-.b", "203.0.113",
        "1.2.3.4.", "10.0.0.0/8", "fe80::1%eth0", "a_b.c", "a b",  "a.b\nremote x",
        "::g"};
    char lengthy[256];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(host_valid(good[i]), "refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!host_valid(bad[i]), "accepted: %s", bad[i]);
    for (size_t i = 0; i < 253; i++)
        lengthy[i] = i % 2 ? '.' : 'a';
    lengthy[253] = '\0';
    ck_assert(host_valid(lengthy));
    strcat(lengthy, ".");
    ck_assert(!host_valid(lengthy));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("name");
    TCase *t = unit_case(s, "name", NULL, NULL);

    tcase_add_test(t, names);
    tcase_add_test(t, values);
    tcase_add_test(t, paths);
    tcase_add_test(t, hosts);
    return unit_run(s);
}
