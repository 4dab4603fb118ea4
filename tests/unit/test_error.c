/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/error.h"
#include "tests/unit/unit.h"

static const char *message_of(struct error_list *err, const char *text)
{
    error_add(err, NULL, 0, NULL, "%s", text);
    return err->items[err->n - 1].message;
}

/* A message that went through a file is quoted once more: it must not change by that. */
START_TEST(quoted_twice_as_once)
{
    static const char *const tails[] = {"", "\x01", "\x01\x02\x03", "abc", "abcd", "\xc3\xa9\xff"};
    struct error_list err = ERROR_LIST_INIT;
    char text[2100];

    for (size_t k = 0; k < sizeof(tails) / sizeof(tails[0]); k++)
        for (size_t plain = 0; plain <= 2010; plain = plain == 3 ? 1985 : plain + 1) {
            size_t controls = plain < 1985 ? 2050 : plain;
            const char *once;

            memset(text, 'x', plain);
            memset(text + plain, '\x1b', controls - plain);
            strcpy(text + controls, tails[k]);
            once = message_of(&err, text);
            ck_assert_uint_le(strlen(once), 2003);
            ck_assert_str_eq(message_of(&err, once), once);
        }
    error_clear(&err);
}
END_TEST

START_TEST(spelled_out)
{
    struct error_list err = ERROR_LIST_INIT;

    ck_assert_str_eq(message_of(&err, "a\nb\x7f\xc3\xa9\xff"), "a\\x0ab\\x7f\xc3\xa9\\xff");
    error_clear(&err);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("error");
    TCase *t = unit_case(s, "error", NULL, NULL);

    tcase_add_test(t, quoted_twice_as_once);
    tcase_add_test(t, spelled_out);
    return unit_run(s);
}
