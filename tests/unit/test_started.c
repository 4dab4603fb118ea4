/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/started.h"
#include "tests/unit/unit.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NONE "0000000000000000"
#define GENERATIONS "0000000300000007"

static char *text_of(uint32_t own, uint32_t peer, const char *own_key, const char *peer_key,
                     char ret[static STARTED_LEN + 1])
{
    struct bundle b = {.generation = own, .link_key = (char *)own_key};
    struct bundle_link link = {.peer_generation = peer, .peer_link_key = (char *)peer_key};

    started_text(DIGEST, &b, &link, ret);
    ck_assert_uint_eq(started_len(ret), STARTED_LEN);
    return ret;
}

START_TEST(what_is_written)
{
    char text[STARTED_LEN + 1], keys[STARTED_LEN + 1];

    ck_assert_str_eq(text_of(3, 7, NULL, NULL, text), DIGEST "-" GENERATIONS "-" NONE "-" NONE);
    text_of(3, 7, "A", "B", keys);
    ck_assert(strncmp(keys, text, DIGEST_TEXT_LEN + 17) == 0);
    ck_assert(!strstr(keys, NONE));
    ck_assert(started_same(text, keys));
    ck_assert(!started_same(text, OTHER));
}
END_TEST

START_TEST(whether_a_key_was_given_up)
{
    char is[STARTED_LEN + 1], was[STARTED_LEN + 1];

    text_of(3, 7, "A", "B", is);
    ck_assert(!started_key_given_up(is, is));
    ck_assert(!started_key_given_up(text_of(3, 7, NULL, NULL, was), is)); /* keys came */
    ck_assert(started_key_given_up(is, was));
    ck_assert(!started_key_given_up(text_of(3, 7, "A", NULL, was), is));
    ck_assert(started_key_given_up(text_of(2, 7, "A", "B", was), is));
    ck_assert(started_key_given_up(text_of(3, 6, "A", "B", was), is));
    ck_assert(started_key_given_up(text_of(3, 6, NULL, NULL, was), is));
    ck_assert(started_key_given_up(text_of(3, 7, "C", "B", was), is));
    ck_assert(started_key_given_up(text_of(3, 7, "A", "C", was), is));
    ck_assert(!started_key_given_up(DIGEST, is)); /* by an agent of before */
}
END_TEST

static const char *const bad[] = {
    "",
    "x",
    "0123",
    DIGEST "0",
    DIGEST "-",
    DIGEST "-" GENERATIONS "-" NONE,
    DIGEST "-" GENERATIONS "-" NONE "-" NONE "0",
    DIGEST "-" GENERATIONS "0" NONE "-" NONE,
    DIGEST "0" GENERATIONS "-" NONE "-" NONE,
    DIGEST "-" GENERATIONS "-" NONE "-000000000000000-",
    DIGEST "-" GENERATIONS "-" NONE "-000000000000000x",
};

START_TEST(what_is_none)
{
    ck_assert_uint_eq(started_len(bad[_i]), 0);
}
END_TEST

START_TEST(what_is_one)
{
    ck_assert_uint_eq(started_len(DIGEST), DIGEST_TEXT_LEN);
    ck_assert_uint_eq(started_len(DIGEST "\nmore"), DIGEST_TEXT_LEN);
    ck_assert_uint_eq(started_len(DIGEST "-" GENERATIONS "-" NONE "-" NONE "\nmore"), STARTED_LEN);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("started");
    TCase *t = unit_case(s, "started", NULL, NULL);

    tcase_add_test(t, what_is_written);
    tcase_add_test(t, whether_a_key_was_given_up);
    tcase_add_loop_test(t, what_is_none, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, what_is_one);
    return unit_run(s);
}
