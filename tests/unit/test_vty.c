/* SPDX-License-Identifier: Apache-2.0 */
/* The end of an answer of an FRR daemon, however the bytes arrive. */
#include <stdlib.h>
#include <string.h>

#include "agent/vty.h"
#include "tests/unit/unit.h"

static const char text[] = "router bgp 65001\n neighbor 192.0.2.1 remote-as 65002\nexit\n!\n";

START_TEST(test_any_portions)
{
    char all[sizeof(text) + 4];
    size_t len = sizeof(text) - 1;

    memcpy(all, text, len);
    memcpy(all + len, "\0\0\0\2", 4);
    for (size_t portion = 1; portion <= len + 4; portion++) {
        struct buf kept = BUF_INIT;
        struct vty_answer a = VTY_ANSWER(&kept, VTY_DIGEST_START);

        for (size_t at = 0; at < len + 4; at += portion) {
            size_t n = at + portion > len + 4 ? len + 4 - at : portion;

            ck_assert_int_eq(vty_take(&a, all + at, n), at + n == len + 4);
        }
        ck_assert_uint_eq(a.status, 2);
        ck_assert_str_eq(buf_cstr(&kept), text);
        ck_assert_uint_eq(a.digest, vty_digest(VTY_DIGEST_START, text, len));
        buf_free(&kept);
    }
}
END_TEST

START_TEST(test_digest_goes_on)
{
    struct vty_answer a = VTY_ANSWER(NULL, VTY_DIGEST_START), b;

    ck_assert(vty_take(&a, "one\0\0\0\0", 7));
    b = VTY_ANSWER(NULL, a.digest);
    ck_assert(vty_take(&b, "two\0\0\0\0", 7));
    ck_assert_uint_eq(b.digest, vty_digest(VTY_DIGEST_START, "onetwo", 6));
    ck_assert_uint_ne(b.digest, a.digest);
    for (size_t cut = 0; cut <= 20; cut++) { /* eight bytes at a time are as one at a time */
        static const char words[] = "twenty bytes of text";
        uint64_t part = vty_digest(7, words, cut);

        ck_assert_uint_eq(vty_digest(part, words + cut, 20 - cut), vty_digest(7, words, 20));
        ck_assert(cut == 20 || part != vty_digest(7, words, 20));
    }
}
END_TEST

START_TEST(test_the_second_of_two)
{
    static const char both[] = "% odd\0\0\0\0text\0\0\0\2", failed[] = "no\0\0\0\4text\0\0\0\0";

    for (size_t portion = 1; portion <= sizeof(both); portion++) {
        struct buf kept = BUF_INIT;
        struct vty_answer a = VTY_ANSWER(&kept, VTY_DIGEST_START);

        a.before = 1;
        for (size_t at = 0; at < sizeof(both) - 1; at += portion)
            vty_take(&a, both + at, at + portion < sizeof(both) ? portion : sizeof(both) - 1 - at);
        ck_assert(a.done);
        ck_assert_uint_eq(a.status, 2);
        ck_assert_str_eq(buf_cstr(&kept), "text");
        ck_assert_uint_eq(a.digest, vty_digest(VTY_DIGEST_START, "text", 4));
        buf_free(&kept);
    }
    struct vty_answer a = VTY_ANSWER(NULL, VTY_DIGEST_START);

    a.before = 1; /* what failed was the last */
    ck_assert(vty_take(&a, failed, sizeof(failed) - 1));
    ck_assert_uint_eq(a.status, 4);
}
END_TEST

START_TEST(test_nothing_but_the_end)
{
    struct vty_answer a = VTY_ANSWER(NULL, 0);

    ck_assert(!vty_take(&a, "a\0b\0\0c", 6));
    ck_assert(!vty_take(&a, "\0\0\0", 3));
    ck_assert(vty_take(&a, "\0more", 5));
    ck_assert(vty_take(&a, "and more", 8));
    ck_assert_uint_eq(a.status, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vty");
    TCase *t = unit_case(s, "vty", NULL, NULL);

    tcase_add_test(t, test_any_portions);
    tcase_add_test(t, test_digest_goes_on);
    tcase_add_test(t, test_the_second_of_two);
    tcase_add_test(t, test_nothing_but_the_end);
    return unit_run(s);
}
