/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "tests/unit/unit.h"

START_TEST(growing)
{
    struct buf b = BUF_INIT;
    char *text;

    ck_assert_str_eq(buf_cstr(&b), "");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%03d", i);
    ck_assert_uint_eq(b.len, 3000);
    ck_assert_int_eq(strncmp(buf_cstr(&b) + 2997, "999", 4), 0);
    buf_reset(&b);
    ck_assert_str_eq(buf_cstr(&b), "");
    buf_str(&b, "kept");
    text = buf_steal(&b);
    ck_assert_str_eq(text, "kept");
    ck_assert_uint_eq(b.len, 0);
    free(text);
    buf_free(&b);
}
END_TEST

START_TEST(json)
{
    static const char *const cases[][2] = {
        {"", "\"\""},
        {"perth", "\"perth\""},
        {"a\"b\\c/d", "\"a\\\"b\\\\c/d\""},
        {"a\nb\x01\x7f", "\"a\\u000ab\\u0001\x7f\""},
        {"Z\xc3\xbcrich \xf0\x9f\x9a\x80", "\"Z\xc3\xbcrich \xf0\x9f\x9a\x80\""},
        {"\xff\xc0\xafx", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},
        {"cut \xf0\x9f\x9a", "\"cut \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b = BUF_INIT;

        buf_json(&b, cases[i][0]);
        ck_assert_str_eq(buf_cstr(&b), cases[i][1]);
        buf_free(&b);
    }
}
END_TEST

/* More than the buffer has room for is formatted a second time, with the same arguments. */
START_TEST(printf_beyond_the_room)
{
    struct buf b = BUF_INIT;

    buf_printf(&b, "%05d%s", 7, "x");
    buf_printf(&b, "%s%0500d|%s", "<", 12345, ">");
    ck_assert_uint_eq(b.len, 6 + 503);
    ck_assert_int_eq(strncmp(buf_cstr(&b), "00007x<0000", 11), 0);
    ck_assert_str_eq(buf_cstr(&b) + b.len - 7, "12345|>");
    buf_free(&b);
}
END_TEST

START_TEST(lines)
{
    const char *rest = "one\n\nthree", *line = NULL;
    int len = -1;

    ck_assert(text_line(&rest, &line, &len));
    ck_assert(len == 3 && strncmp(line, "one", 3) == 0);
    ck_assert(text_line(&rest, &line, &len) && len == 0);
    ck_assert(text_line(&rest, &line, &len) && len == 5); /* the last needs no newline */
    ck_assert(!text_line(&rest, &line, &len) && *rest == '\0');
    rest = "";
    ck_assert(!text_line(&rest, &line, &len));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("buf");
    TCase *t = unit_case(s, "buf", NULL, NULL);

    tcase_add_test(t, growing);
    tcase_add_test(t, json);
    tcase_add_test(t, printf_beyond_the_room);
    tcase_add_test(t, lines);
    return unit_run(s);
}
