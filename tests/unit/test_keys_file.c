/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/keys_file.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/unit.h"

#define TLS "0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef"
#define LINK "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
#define BEGIN "{\n  \"p2pvpn-keys:keys\": {\n    \"gateway\": [\n      "
#define END "\n    ]\n  }\n}\n"
#define PERTH \
    "{\"name\": \"perth\", \"generation\": 3, \"tls-key\": \"" TLS "\", \"link-key\": \"" LINK "\""

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

static int parse(const char *text, struct keys_file **ret)
{
    return keys_file_parse(text, strlen(text), "keys", ret, &err);
}

START_TEST(text_and_back)
{
    static const char text[] = BEGIN "{\"name\": \"head\", \"generation\": 1, \"tls-key\": \"" TLS
                                     "\"},\n      " PERTH ", \"revoked\": true}" END;
    struct keys_file *k = NULL;
    _cleanup_buf_ struct buf again = BUF_INIT;

    ck_assert_int_eq(parse(text, &k), 0);
    ck_assert_uint_eq(k->n, 2);
    ck_assert_ptr_eq(keys_file_find(k, "nobody"), NULL);
    ck_assert_uint_eq(keys_file_find(k, "perth")->generation, 3);
    ck_assert(keys_file_find(k, "perth")->revoked && !keys_file_find(k, "head")->link_key);
    keys_file_format(k, &again);
    ck_assert_str_eq(buf_cstr(&again), text);
    keys_file_free(k);
}
END_TEST

static const struct {
    const char *text, *says;
} bad[] = {
    {"", "not JSON"},
    {"{}", "is not the file"},
    {"{\"p2pvpn-keys:keys\": {\"gateway\": [], \"more\": 1}}", "is not the file"},
    {BEGIN "7" END, "an object is needed"},
    {BEGIN "{}" END, "missing"},
    {BEGIN PERTH ", \"more\": 1}" END, "no such member"},
    {BEGIN "{\"name\": \"a b\", \"generation\": 1, \"tls-key\": \"" TLS "\"}" END, "the name of"},
    {BEGIN "{\"name\": \"a\", \"generation\": 0, \"tls-key\": \"" TLS "\"}" END, "a number from 1"},
    {BEGIN "{\"name\": \"a\", \"tls-key\": \"" TLS "\"}" END, "a number from 1"},
    {BEGIN "{\"name\": \"a\", \"generation\": 1, \"tls-key\": \"12\"}" END, "a fingerprint"},
    {BEGIN "{\"name\": \"a\", \"generation\": 1}" END, "missing"},
    {BEGIN "{\"name\": \"a\", \"generation\": 1, \"tls-key\": \"" TLS
           "\", \"link-key\": \"x\"}" END,
     "a link key"},
    {BEGIN PERTH ", \"revoked\": false}" END, "only be true"},
    {BEGIN PERTH ", \"revoked\": true, \"rekey\": true}" END, "take one of both out"},
    {BEGIN PERTH "},\n" PERTH "}" END, "out of order or there twice"},
};

START_TEST(no_file)
{
    struct keys_file *k = NULL;

    ck_assert_int_eq(parse(bad[_i].text, &k), -EINVAL);
    ck_assert_ptr_eq(k, NULL);
    ck_assert(unit_says(&err, bad[_i].says));
}
END_TEST

START_TEST(generations)
{
    struct keys_file *k = NULL;
    uint32_t n = 0;

    ck_assert_int_eq(parse(BEGIN PERTH "}" END, &k), 0);
    ck_assert_int_eq(keys_file_generation(k, "perth", 0, &n, &err), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert_int_eq(keys_file_generation(k, "head", 0, &n, &err), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(keys_file_generation(k, "perth", 2, &n, &err), -EINVAL);
    /* Out and again out: one generation that nobody had.  Back with new keys, and out once more:
     * each another, so that a copy of before is known by it. */
    ck_assert_uint_eq(keys_file_revoke(k, "perth", true, 1), 4);
    ck_assert_uint_eq(keys_file_revoke(k, "perth", true, 1), 4);
    ck_assert_int_eq(keys_file_generation(k, "perth", 0, &n, &err), -EINVAL);
    ck_assert_int_eq(keys_file_generation(k, "perth", 9, &n, &err), -EINVAL);
    ck_assert_str_eq(keys_file_find(k, "perth")->link_key, LINK);
    ck_assert_uint_eq(keys_file_revoke(k, "perth", false, 4), 5);
    ck_assert_uint_eq(keys_file_revoke(k, "perth", false, 4), 5);
    ck_assert_int_eq(keys_file_generation(k, "perth", 0, &n, &err), 0);
    ck_assert_uint_eq(n, 5);
    ck_assert_uint_eq(keys_file_revoke(k, "perth", true, 4), 6);
    /* One that only the lock knows; and the lock may know better. */
    ck_assert_uint_eq(keys_file_revoke(k, "head", true, 7), 8);
    ck_assert_uint_eq(keys_file_revoke(k, "perth", true, 7), 8);
    ck_assert_uint_eq(keys_file_revoke(k, "branch", true, UINT32_MAX), 0);
    keys_file_free(k);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("keys_file");
    TCase *t = unit_case(s, "keys_file", NULL, teardown);

    tcase_add_test(t, text_and_back);
    tcase_add_loop_test(t, no_file, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, generations);
    return unit_run(s);
}
