/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "common/prefix.h"
#include "tests/unit/unit.h"

START_TEST(parse_and_format)
{
    static const struct {
        const char *text, *canonical;
    } good[] = {
        {"10.1.0.0/16", "10.1.0.0/16"},   {"10.1.2.3", "10.1.2.3/32"}, {"0.0.0.0/0", "0.0.0.0/0"},
        {"FD00:0:0::1/64", "fd00::1/64"}, {"::1", "::1/128"},
    };
    static const char *const bad[] = {
        "",  "10.1.0.0/33", "10.1.0.0/",   "10.1.0/16", "fd00::/129", "10.1.0.0/016", "10.1.0.0/-1",
        "x", "10.1.0.0/1 ", "010.1.0.0/16"};
    char text[PREFIX_TEXT_MAX];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct prefix p = unit_prefix(good[i].text);

        ck_assert_str_eq(prefix_format(&p, text), good[i].canonical);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct prefix p;

        ck_assert_msg(!prefix_parse(bad[i], &p), "accepted: %s", bad[i]);
    }
}
END_TEST

START_TEST(containment)
{
    struct prefix a = unit_prefix("10.1.0.0/16"), b = unit_prefix("10.1.4.0/24"),
                  c = unit_prefix("10.2.0.0/16"), d = unit_prefix("fd00::/8"),
                  host = unit_prefix("10.1.4.1/24");

    ck_assert(prefix_contains(&a, &b) && !prefix_contains(&b, &a));
    ck_assert(prefix_overlaps(&a, &b) && prefix_overlaps(&b, &a) && !prefix_overlaps(&a, &c));
    ck_assert(!prefix_overlaps(&a, &d));
    ck_assert(prefix_has_host_bits(&host) && !prefix_has_host_bits(&b));
    ck_assert_int_eq(prefix_compare(&a, &c) < 0, 1);
    ck_assert_int_eq(prefix_compare(&a, &a), 0);
}
END_TEST

START_TEST(blocks)
{
    struct prefix pool = unit_prefix("172.19.0.0/16"), v6 = unit_prefix("fd00:1::/64"), ret;
    char text[PREFIX_TEXT_MAX];

    ck_assert_uint_eq(prefix_count(&pool, 31), 32768);
    ck_assert(prefix_nth(&pool, 2 * 300 + 1, 31, &ret));
    ck_assert_str_eq(prefix_format(&ret, text), "172.19.2.89/31");
    ck_assert(!prefix_nth(&pool, 65536, 31, &ret));
    ck_assert(prefix_nth(&v6, 65537, 127, &ret));
    ck_assert_str_eq(prefix_format(&ret, text), "fd00:1::1:1/127");
    ck_assert_uint_eq(prefix_count(&v6, 128), UINT64_MAX);
}
END_TEST

START_TEST(kinds)
{
    struct prefix p;

    p = unit_prefix("172.31.0.0/16");
    ck_assert(prefix_is_private(&p) && !prefix_is_special(&p));
    p = unit_prefix("172.0.0.0/8");
    ck_assert(!prefix_is_private(&p));
    p = unit_prefix("fd12::/48");
    ck_assert(prefix_is_private(&p));
    p = unit_prefix("224.0.0.5");
    ck_assert(prefix_is_special(&p));
    p = unit_prefix("0.0.0.0/0");
    ck_assert(prefix_is_special(&p));
    p = unit_prefix("fe80::1");
    ck_assert(prefix_is_special(&p));
}
END_TEST

/* Our text is the C library's, for many addresses with many zeros in them. */
START_TEST(text_is_canonical)
{
    uint32_t state = 1;

    for (unsigned i = 0; i < 200000; i++) {
        struct prefix p = {.family = i % 4 ? FAMILY_IPV6 : FAMILY_IPV4};
        char ours[PREFIX_TEXT_MAX], theirs[PREFIX_TEXT_MAX];

        for (unsigned k = 0; k < (i % 4 ? 16 : 4); k++) {
            state = state * 1664525 + 1013904223;
            p.addr[k] = state >> 24 < 100 ? (uint8_t)(state >> 16) : 0;
        }
        inet_ntop(i % 4 ? AF_INET6 : AF_INET, p.addr, theirs, sizeof(theirs));
        if (strcmp(prefix_format_address(&p, ours), theirs) != 0)
            ck_assert_str_eq(ours, theirs);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prefix");
    TCase *t = unit_case(s, "prefix", NULL, NULL);

    tcase_add_test(t, parse_and_format);
    tcase_add_test(t, containment);
    tcase_add_test(t, blocks);
    tcase_add_test(t, kinds);
    tcase_add_test(t, text_is_canonical);
    return unit_run(s);
}
