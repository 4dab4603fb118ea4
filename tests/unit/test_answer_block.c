/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/answer_block.h"
#include "tests/unit/unit.h"

static int find(const char *text, struct buf *ret)
{
    buf_reset(ret);
    return answer_block_find(text, strlen(text), ret);
}

START_TEST(round_trip)
{
    _cleanup_buf_ struct buf text = BUF_INIT, found = BUF_INIT;
    _cleanup_free_ char *large = xcalloc(1, ANSWER_BLOCK_MAX + 1);

    buf_str(&text, "-----BEGIN CERTIFICATE-----\nnot read here\n-----END CERTIFICATE-----\n");
    ck_assert_int_eq(find(buf_cstr(&text), &found), 0);
    ck_assert(answer_block_add(&text, "{\"a\": 1}", 8));
    ck_assert_int_eq(find(buf_cstr(&text), &found), 1);
    ck_assert_str_eq(buf_cstr(&found), "{\"a\": 1}");
    ck_assert(!answer_block_add(&text, "", 0));
    memset(large, 'x', ANSWER_BLOCK_MAX + 1);
    ck_assert(!answer_block_add(&text, large, ANSWER_BLOCK_MAX + 1));
    buf_reset(&text);
    ck_assert(answer_block_add(&text, large, ANSWER_BLOCK_MAX));
    ck_assert_int_eq(find(buf_cstr(&text), &found), 1);
    ck_assert_uint_eq(found.len, ANSWER_BLOCK_MAX);
    ck_assert_int_eq(answer_block_find("", 0, &found), 0);
}
END_TEST

#define BEGIN "-----BEGIN P2PVPN REPOSITORY-----\n"
#define END "-----END P2PVPN REPOSITORY-----\n"

static const char *const broken[] = {
    BEGIN,
    BEGIN "e30=\n",
    BEGIN "e3!=\n" END,
    BEGIN END,
    BEGIN "e30=\n-----END CERTIFICATE-----\n",
    BEGIN "Proc-Type: 4,ENCRYPTED\n\ne30=\n" END,
};

START_TEST(refused)
{
    _cleanup_buf_ struct buf found = BUF_INIT;

    ck_assert_int_eq(find(broken[_i], &found), -EINVAL);
    ck_assert_uint_eq(found.len, 0);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("answer_block");
    Suite *s = suite_create("answer_block");

    tcase_add_test(tc, round_trip);
    tcase_add_loop_test(tc, refused, 0, sizeof(broken) / sizeof(broken[0]));
    suite_add_tcase(s, tc);
    return unit_run(s);
}
