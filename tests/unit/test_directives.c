/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/directives.h"
#include "tests/unit/unit.h"

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

START_TEST(test_good)
{
    static const char text[] = "# a comment with plugin in it\n"
                               "; another\n"
                               "\n"
                               "dev pv7\n"
                               "  remote 192.0.2.1 11002\n"
                               "ca ca.crt\n"
                               "cert gateway.crt\n"
                               "key gateway.key\n"
                               "script-security 0\n"
                               "verb 3";

    ck_assert_int_eq(directives_check(text, strlen(text), "pv7", NULL, "f", &err), 0);
    ck_assert_uint_eq(err.n, 0);
}
END_TEST

/* What would run a program, load code, open a file, or be read differently by OpenVPN. */
static const char *const bad[] = {
    "up /bin/sh",
    "--up /bin/sh",
    "plugin /tmp/x.so",
    "tls-verify /bin/sh",
    "route-up /bin/sh",
    "ipchange /bin/sh",
    "learn-address /bin/sh",
    "config /tmp/other.conf",
    "management 127.0.0.1 7505",
    "log /etc/passwd",
    "writepid /etc/passwd",
    "status /etc/passwd",
    "replay-persist /etc/passwd",
    "cd /",
    "chroot /tmp",
    "user root",
    "setenv LD_PRELOAD /tmp/x.so",
    "pkcs11-providers /tmp/x.so",
    "engine x",
    "providers x",
    "iproute /bin/sh",
    "http-proxy 192.0.2.1 80",
    "script-security 2",
    "script-security 0 2",
    "dev pv8",
    "dev",
    "ca /etc/passwd",
    "key ../gateway.key",
    "<ca>",
    "\xef\xbb\xbfup /bin/sh",
    "\"up\" /bin/sh",
    "u\\p /bin/sh",
    "verb 3\rup /bin/sh",
    "UP /bin/sh",
    "uP",
};

START_TEST(test_bad)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "verb 3\n%s\nverb 4\n", bad[_i]);

    ck_assert_int_eq(directives_check(text, (size_t)n, "pv7", NULL, "f", &err), -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_uint_eq(err.items[0].line, 2);
    ck_assert_str_eq(err.items[0].file, "f");
}
END_TEST

START_TEST(test_all_lines_are_reported)
{
    static const char text[] = "up x\nverb 3\ndown y\n";

    ck_assert_int_eq(directives_check(text, strlen(text), "pv7", NULL, "f", &err), -EINVAL);
    ck_assert_uint_eq(err.n, 2);
    ck_assert_str_eq(err.items[1].message,
                     "the directive 'down' is not among those that a bundle may bring: take it out "
                     "of the template");
}
END_TEST

START_TEST(test_long_line_and_zero_byte)
{
    char text[400];

    memset(text, 'a', sizeof(text));
    memcpy(text, "remote ", 7);
    ck_assert_int_eq(directives_check(text, DIRECTIVES_LINE_MAX, "pv7", NULL, "f", &err), 0);
    ck_assert_int_eq(directives_check(text, DIRECTIVES_LINE_MAX + 1, "pv7", NULL, "f", &err),
                     -EINVAL);
    ck_assert_int_eq(directives_check("verb 3\0\nup x\n", 13, "pv7", NULL, "f", &err), -EINVAL);
    ck_assert_uint_eq(err.n, 3);
}
END_TEST

#define FILE_OF_LINK "links/pv7-0123456789abcdef.key"

static int check_crypt(const char *text, const char *file)
{
    return directives_check(text, strlen(text), "pv7", file, "f", &err);
}

/* The file of the link, and no other, where the link has one; and then it must be there. */
START_TEST(test_tls_crypt)
{
    ck_assert_int_eq(check_crypt("verb 3\ntls-crypt " FILE_OF_LINK "\n", FILE_OF_LINK), 0);
    ck_assert_int_eq(check_crypt("verb 3\ntls-crypt " FILE_OF_LINK "\n", NULL), -EINVAL);
    ck_assert_int_eq(check_crypt("tls-crypt /etc/shadow\n", FILE_OF_LINK), -EINVAL);
    ck_assert_int_eq(check_crypt("tls-crypt links/pv8-0123456789abcdef.key\n", FILE_OF_LINK),
                     -EINVAL);
    ck_assert_int_eq(check_crypt("tls-crypt " FILE_OF_LINK " 1\n", FILE_OF_LINK), -EINVAL);
    ck_assert_int_eq(check_crypt("verb 3\n", FILE_OF_LINK), -EINVAL);
    ck_assert_int_eq(
        check_crypt("tls-crypt " FILE_OF_LINK "\ntls-crypt " FILE_OF_LINK "\n", FILE_OF_LINK),
        -EINVAL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("directives");
    TCase *t = unit_case(s, "directives", NULL, teardown);

    tcase_add_test(t, test_good);
    tcase_add_loop_test(t, test_bad, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, test_tls_crypt);
    tcase_add_test(t, test_all_lines_are_reported);
    tcase_add_test(t, test_long_line_and_zero_byte);
    return unit_run(s);
}
