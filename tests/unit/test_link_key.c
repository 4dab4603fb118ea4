/* SPDX-License-Identifier: Apache-2.0 */
#include "common/link_key.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define KEY_A "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
#define KEY_B "AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICE"

START_TEST(text_and_back)
{
    uint8_t key[LINK_KEY_LEN], again[LINK_KEY_LEN];
    char text[LINK_KEY_TEXT_LEN + 1];

    for (unsigned i = 0; i < LINK_KEY_LEN; i++)
        key[i] = (uint8_t)(i + 1);
    link_key_text(key, text);
    ck_assert_str_eq(text, KEY_A); /* base64url of Python's library */
    ck_assert(link_key_parse(text, again));
    ck_assert_mem_eq(key, again, LINK_KEY_LEN);
    memset(key, 0xff, sizeof(key));
    link_key_text(key, text);
    ck_assert_str_eq(text, "__________________________________________8");
}
END_TEST

static const char *const bad[] = {
    "",
    "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHy",
    KEY_A "=",
    "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB", /* the same bytes, spelled otherwise */
    "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHy+",
    "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e/yA",
    " QIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA",
};

START_TEST(no_keys)
{
    ck_assert_msg(!link_key_valid(bad[_i]), "%s", bad[_i]);
}
END_TEST

/* What the file is called, seen from either end. */
static char *file_of(const char *mesh, struct link_key_end own, struct link_key_end peer,
                     unsigned tunnel)
{
    _cleanup_buf_ struct buf info = BUF_INIT;
    char file[LINK_KEY_FILE_SIZE];

    link_key_info(mesh, &own, &peer, tunnel, &info);
    link_key_file("pv7", &info, file);
    return xstrdup(file);
}

START_TEST(both_ends_and_every_part)
{
    const struct link_key_end a = {"head", 1, KEY_A}, b = {"branch", 2, KEY_B};
    const struct link_key_end a2 = {"head", 2, KEY_A}, other = {"head", 1, KEY_B};
    _cleanup_free_ char *one = file_of("mesh", a, b, 1), *two = file_of("mesh", b, a, 1);
    _cleanup_free_ char *mesh = file_of("mash", a, b, 1), *tunnel = file_of("mesh", a, b, 2);
    _cleanup_free_ char *generation = file_of("mesh", a2, b, 1),
                        *key = file_of("mesh", other, b, 1);

    ck_assert_str_eq(one, two);
    ck_assert(strncmp(one, "links/pv7-", 10) == 0 && strlen(one) == 10 + 16 + 4);
    ck_assert_str_ne(one, mesh);
    ck_assert_str_ne(one, tunnel);
    ck_assert_str_ne(one, generation);
    ck_assert_str_ne(one, key);
}
END_TEST

START_TEST(of_bundles)
{
    struct bundle b = {.mesh = "mesh", .gateway = "head", .generation = 1};
    struct bundle_link l = {
        .interface = "pv7", .peer = "branch", .peer_generation = 1, .tunnel = 1};
    struct bundle old = b;
    struct bundle_link was = l;
    _cleanup_buf_ struct buf info = BUF_INIT;
    char file[LINK_KEY_FILE_SIZE];

    ck_assert(!link_key_of(&b, &l, &info, file));
    ck_assert(!link_key_replaced(&old, &was, &b, &l));
    b.link_key = KEY_A;
    ck_assert(!link_key_of(&b, &l, &info, file));
    l.peer_link_key = KEY_B;
    ck_assert(link_key_of(&b, &l, &info, file));
    ck_assert(!link_key_replaced(&old, &was, &b, &l)); /* keys came: nothing was given up */
    ck_assert(link_key_replaced(&b, &l, &old, &was));
    old = b;
    was = l;
    was.peer_generation = 2;
    ck_assert(link_key_replaced(&old, &was, &b, &l));
    was = l;
    was.peer_link_key = KEY_A;
    ck_assert(link_key_replaced(&old, &was, &b, &l));
    old.generation = 4;
    ck_assert(link_key_replaced(&old, &l, &b, &l));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("link_key");
    TCase *t = unit_case(s, "link_key", NULL, NULL);

    tcase_add_test(t, text_and_back);
    tcase_add_loop_test(t, no_keys, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, both_ends_and_every_part);
    tcase_add_test(t, of_bundles);
    return unit_run(s);
}
