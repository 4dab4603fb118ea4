/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/origins.h"
#include "tests/unit/unit.h"

static struct error_list err;
static struct buf text;

static void teardown(void)
{
    error_clear(&err);
    buf_free(&text);
}

/* A table of lines "PREFIX ASN[,ASN...] LAN", each ended by a newline, with a head that fits. */
static void make(const char *lines)
{
    char digest[DIGEST_TEXT_LEN + 1];

    buf_reset(&text);
    buf_printf(&text, "p2pvpn-origins 1\nmesh m1\nrevision %064d\n%s", 0, lines);
    digest_sha256_text(text.data, text.len, digest);
    memcpy(strstr(text.data, "revision ") + strlen("revision "), digest, DIGEST_TEXT_LEN);
}

static struct origins *parsed(const char *lines)
{
    struct origins *o = NULL;
    int r;

    make(lines);
    r = origins_parse(text.data, text.len, "origins", &o, &err);
    error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    return o;
}

static const char good[] = "10.1.0.0/16 64512,4200000001,4200000002 perth\n"
                           "10.2.0.0/24 4200000003 a.b-c_d\n"
                           "10.2.1.0/24 4200000003 a.b-c_d\n"
                           "192.168.0.0/32 65534 x\n"
                           "fd00::/48 4294967294 perth\n"
                           "fd00:0:1::/48 4200000000 perth\n";

START_TEST(test_round_trip)
{
    struct origins *o = parsed(good);
    _cleanup_buf_ struct buf again = BUF_INIT;
    char revision[DIGEST_TEXT_LEN + 1];

    ck_assert_uint_eq(o->n, 6);
    ck_assert_str_eq(o->mesh, "m1");
    ck_assert_uint_eq(o->entries[0].n_asns, 3);
    ck_assert_uint_eq(o->entries[0].asns[2], 4200000002u);
    ck_assert_str_eq(o->entries[1].lan, "a.b-c_d");
    buf_str(&again, "before");
    origins_format(o, &again);
    ck_assert_str_eq(buf_cstr(&again) + strlen("before"), buf_cstr(&text));
    ck_assert(origins_text_intact(text.data, text.len, &revision));
    ck_assert_str_eq(revision, o->revision);
    origins_free(o);
}
END_TEST

START_TEST(test_empty_table)
{
    struct origins *o = parsed("");

    ck_assert_uint_eq(o->n, 0);
    origins_free(o);
}
END_TEST

START_TEST(test_sort)
{
    static const uint32_t asns[] = {4200000001};
    struct origin entries[] = {
        {unit_prefix("fd00::/48"), 1, asns, "a"},
        {unit_prefix("10.2.0.0/16"), 1, asns, "a"},
        {unit_prefix("10.1.0.0/16"), 1, asns, "b"},
    };
    struct origins o = {.mesh = "m1", .entries = entries, .n = 3}, *back = NULL;

    origins_sort(&o);
    origins_format(&o, &text);
    ck_assert_int_eq(origins_parse(text.data, text.len, "origins", &back, &err), 0);
    ck_assert_str_eq(back->entries[0].lan, "b");
    origins_free(back);
}
END_TEST

static void refused(const char *lines, unsigned line, const char *part)
{
    struct origins *o = NULL;

    error_clear(&err);
    make(lines);
    ck_assert_int_eq(origins_parse(text.data, text.len, "origins", &o, &err), -EINVAL);
    ck_assert_ptr_null(o);
    ck_assert_msg(unit_says(&err, part), "for: %s", lines);
    ck_assert_str_eq(err.items[0].file, "origins");
    ck_assert_uint_eq(err.items[0].line, line);
}

START_TEST(test_wrong_lines)
{
    static const struct {
        const char *lines;
        unsigned line;
        const char *part;
    } wrong[] = {
        {"10.1.0.0/16 4200000001 a", 4, "cut off"},
        {"10.1.0.0/16 4200000001 a\n\n", 5, "'PREFIX ASN[,ASN...] LAN' is needed"},
        {"10.1.0.0/16 4200000001\n", 4, "is needed"},
        {"10.1.0.1/16 4200000001 a\n", 4, "cannot be the prefix"},
        {"0.0.0.0/0 4200000001 a\n", 4, "cannot be the prefix"},
        {"127.1.0.0/16 4200000001 a\n", 4, "cannot be the prefix"},
        {"10.1.0.0 4200000001 a\n", 4, "canonical"},
        {"10.1.0.0/016 4200000001 a\n", 4, "canonical"},
        {"FD00::/48 4200000001 a\n", 4, "canonical"},
        {"fd00:0::/48 4200000001 a\n", 4, "canonical"},
        {"10.1.0.0/16  4200000001 a\n", 4, "an ASN is missing"},
        {"10.1.0.0/16 4200000001 a \n", 4, "name of a LAN"},
        {"10.1.0.0/16 4200000001 a b\n", 4, "name of a LAN"},
        {"10.1.0.0/16 4200000001 ../x\n", 4, "name of a LAN"},
        {"10.1.0.0/16 4200000001 a\r\n", 4, "name of a LAN"},
        {"10.1.0.0/16 4200000001 \n", 4, "name of a LAN"},
        {"10.1.0.0/16 0 a\n", 4, "is no ASN"},
        {"10.1.0.0/16 64511 a\n", 4, "is no ASN"},
        {"10.1.0.0/16 65535 a\n", 4, "is no ASN"},
        {"10.1.0.0/16 4199999999 a\n", 4, "is no ASN"},
        {"10.1.0.0/16 4294967295 a\n", 4, "is no ASN"},
        {"10.1.0.0/16 8494967297 a\n", 4, "is no ASN"},
        {"10.1.0.0/16 04200000001 a\n", 4, "is no ASN"},
        {"10.1.0.0/16 +64512 a\n", 4, "is no ASN"},
        {"10.1.0.0/16 64512, a\n", 4, "is no ASN"},
        {"10.1.0.0/16 ,64512 a\n", 4, "is no ASN"},
        {"10.1.0.0/16 64513,64512 a\n", 4, "ASN 64512 is out of order"},
        {"10.1.0.0/16 64513,64513 a\n", 4, "ASN 64513 is out of order"},
        {"10.2.0.0/16 64513 a\n10.1.0.0/16 64513 a\n", 5, "10.1.0.0/16 is out of order"},
        {"10.2.0.0/16 64513 a\n10.2.0.0/16 64513 b\n", 5, "10.2.0.0/16 is out of order"},
        {"fd00::/48 64513 a\n10.2.0.0/16 64513 b\n", 5, "10.2.0.0/16 is out of order"},
        {"10.2.0.0/16 64513 a\n10.2.3.0/24 64513 b\n", 5, "inside the prefix of the line before"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refused(wrong[i].lines, wrong[i].line, wrong[i].part);
}
END_TEST

START_TEST(test_all_wrong_lines_are_said)
{
    refused("10.1.0.1/16 1 a\nx\n", 4, "cannot be the prefix");
    ck_assert_uint_eq(err.n, 3);
    ck_assert_uint_eq(err.items[2].line, 5);
}
END_TEST

START_TEST(test_wrong_head)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *part;
    } wrong[] = {
        {"", 1, "cut off"},
        {"p2pvpn-origins 1", 1, "cut off"},
        {"{}\n", 1, "no table of origins"},
        {"p2pvpn-origins 2\n", 1, "not format 1"},
        {"p2pvpn-origins 11\n", 1, "not format 1"},
        {"p2pvpn-origins 1\nmesh \n", 2, "'mesh NAME'"},
        {"p2pvpn-origins 1\nmesh a/b\n", 2, "'mesh NAME'"},
        {"p2pvpn-origins 1\nmesh a\nrevision 00\n", 3, "'revision SHA-256'"},
        {"p2pvpn-origins 1\nmesh a\n\n", 3, "'revision SHA-256'"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct origins *o = NULL;

        error_clear(&err);
        ck_assert_int_eq(origins_parse(wrong[i].text, strlen(wrong[i].text), "origins", &o, &err),
                         -EINVAL);
        ck_assert(unit_says(&err, wrong[i].part));
        ck_assert_uint_eq(err.items[0].line, wrong[i].line);
        ck_assert(!origins_text_intact(wrong[i].text, strlen(wrong[i].text), NULL));
    }
}
END_TEST

/* In a copy of exactly this size, so that a sanitizer sees a read past its end. */
static int parse_copy(const char *data, size_t len, struct origins **ret)
{
    char *copy = xmalloc(len + !len);
    int r;

    memcpy(copy, data, len);
    error_clear(&err);
    r = origins_parse(copy, len, "origins", ret, &err);
    ck_assert_int_eq(origins_text_intact(copy, len, NULL) && r < 0, 0);
    free(copy);
    return r;
}

START_TEST(test_truncations_and_bit_flips)
{
    struct origins *o = NULL;

    make(good);
    for (size_t n = 0; n < text.len; n++)
        ck_assert_msg(parse_copy(text.data, n, &o) == -EINVAL && err.n, "accepted: %zu bytes", n);
    for (size_t i = 0; i < text.len * 8; i++) {
        text.data[i / 8] ^= (char)(1 << i % 8);
        ck_assert_msg(parse_copy(text.data, text.len, &o) == -EINVAL && err.n,
                      "accepted: bit %zu flipped", i);
        text.data[i / 8] ^= (char)(1 << i % 8);
    }
    buf_char(&text, '\n');
    ck_assert_int_eq(parse_copy(text.data, text.len, &o), -EINVAL);
    ck_assert_ptr_null(o);
}
END_TEST

START_TEST(test_caps)
{
    _cleanup_buf_ struct buf lines = BUF_INIT;

    for (unsigned i = 0; i <= ORIGINS_MAX_ENTRIES; i++)
        buf_str(&lines, "\n");
    refused(buf_cstr(&lines), 3, "more than 200000 are not supported");
    buf_reset(&lines);
    for (unsigned i = 0; i <= ORIGINS_MAX_PAIRS; i++)
        buf_str(&lines, ",");
    refused(buf_cstr(&lines), 3, "more than 1000000 pairs");
}
END_TEST

/* 50,000 LANs with two prefixes each, and every second one with two gateways. */
START_TEST(test_large)
{
    static const uint32_t asns[] = {4200000001, 4200000002};
    struct origins o = {.mesh = "large", .n = 100000}, *back = NULL;

    o.entries = xcalloc(o.n, sizeof(*o.entries));
    for (uint32_t i = 0; i < o.n; i++) {
        struct origin *e = &o.entries[i];
        uint32_t lan = i / 2;

        *e = (struct origin){.n_asns = 1 + lan % 2, .asns = asns, .lan = "lan-with-a-name"};
        if (i % 2)
            e->prefix = (struct prefix){
                .family = FAMILY_IPV6,
                .len = 48,
                .addr = {0xfd, 0, 0, (uint8_t)(lan >> 16), (uint8_t)(lan >> 8), (uint8_t)lan}};
        else
            e->prefix = (struct prefix){
                .family = FAMILY_IPV4,
                .len = 28,
                .addr = {10, (uint8_t)(lan >> 12), (uint8_t)(lan >> 4), (uint8_t)(lan << 4)}};
    }
    origins_sort(&o);
    origins_format(&o, &text);
    ck_assert_int_eq(origins_parse(text.data, text.len, "origins", &back, &err), 0);
    ck_assert_uint_eq(back->n, o.n);
    ck_assert_str_eq(back->revision, o.revision);
    origins_free(back);
    free(o.entries);
}
END_TEST

/* The changes as "-PREFIX ASN" and "+PREFIX ASN". */
static void check_diff(const char *from, const char *to, const char *expected)
{
    struct origins *a = from ? parsed(from) : NULL, *b = to ? parsed(to) : NULL;
    struct origin_changes changes = ORIGIN_CHANGES_INIT;
    _cleanup_buf_ struct buf said = BUF_INIT;
    char prefix[PREFIX_TEXT_MAX];

    origins_diff(a, b, &changes);
    for (size_t i = 0; i < changes.n; i++) {
        const struct origin_change *c = &changes.changes[i];

        buf_printf(&said, "%c%s %u\n", c->announced ? '+' : '-', prefix_format(&c->prefix, prefix),
                   c->asn);
        ck_assert(i == 0 || origin_change_compare(c - 1, c) < 0);
    }
    ck_assert_str_eq(buf_cstr(&said), expected);
    origin_changes_free(&changes);
    origins_free(a);
    origins_free(b);
}

START_TEST(test_diff)
{
    check_diff(good, good, "");
    check_diff(NULL, NULL, "");
    check_diff("10.1.0.0/16 64512 a\n", "10.1.0.0/16 64512 renamed\n", "");
    check_diff(NULL, "10.1.0.0/16 64512,64513 a\n", "+10.1.0.0/16 64512\n+10.1.0.0/16 64513\n");
    check_diff("10.1.0.0/16 64512,64513 a\n", "", "-10.1.0.0/16 64512\n-10.1.0.0/16 64513\n");
    check_diff("10.1.0.0/16 64512,64514 a\n10.2.0.0/16 64512 b\n",
               "10.1.0.0/16 64513,64514 a\n10.2.0.0/24 64512 b\nfd00::/48 64512 b\n",
               "-10.1.0.0/16 64512\n+10.1.0.0/16 64513\n-10.2.0.0/16 64512\n"
               "+10.2.0.0/24 64512\n+fd00::/48 64512\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("origins");
    TCase *t = unit_case(s, "origins", NULL, teardown);

    tcase_add_test(t, test_round_trip);
    tcase_add_test(t, test_empty_table);
    tcase_add_test(t, test_sort);
    tcase_add_test(t, test_wrong_lines);
    tcase_add_test(t, test_all_wrong_lines_are_said);
    tcase_add_test(t, test_wrong_head);
    tcase_add_test(t, test_truncations_and_bit_flips);
    tcase_add_test(t, test_caps);
    tcase_add_test(t, test_large);
    tcase_add_test(t, test_diff);
    return unit_run(s);
}
