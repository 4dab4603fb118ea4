/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/command.h"
#include "tests/unit/unit.h"

static struct error_list err;
static struct command_result result;

/* The tests' own programs are small shell scripts; the module itself never starts a shell. */
static int run_script(const char *script, const char *input, unsigned timeout_ms, size_t max)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct command c = {.argv = argv,
                        .input = input,
                        .input_len = input ? strlen(input) : 0,
                        .timeout_ms = timeout_ms,
                        .max_output = max};

    return command_run(&c, &result, &err);
}

static void teardown(void)
{
    command_result_clear(&result);
    error_clear(&err);
}

START_TEST(output_and_status)
{
    ck_assert_int_eq(run_script("echo out; echo err >&2; exit 3", NULL, 5000, 0), 0);
    ck_assert_str_eq(buf_cstr(&result.output), "out\n");
    ck_assert_str_eq(buf_cstr(&result.errors), "err\n");
    ck_assert_int_eq(result.status, 3);
    ck_assert(!command_succeeded(&result));
}
END_TEST

START_TEST(input_is_a_file)
{
    ck_assert_int_eq(run_script("cat; cat /proc/self/fd/0", "a line\n", 5000, 0), 0);
    ck_assert_str_eq(buf_cstr(&result.output), "a line\na line\n");
    ck_assert(command_succeeded(&result));
}
END_TEST

START_TEST(no_input_is_empty)
{
    ck_assert_int_eq(run_script("cat; echo end", NULL, 5000, 0), 0);
    ck_assert_str_eq(buf_cstr(&result.output), "end\n");
}
END_TEST

START_TEST(large_on_both_pipes)
{
    ck_assert_int_eq(run_script("head -c 3000000 /dev/zero | tr '\\0' e >&2;"
                                "head -c 3000000 /dev/zero | tr '\\0' o",
                                NULL, 20000, 0),
                     0);
    ck_assert_uint_eq(result.output.len, 3000000);
    ck_assert_uint_eq(result.errors.len, 3000000);
    ck_assert(!result.truncated);
}
END_TEST

START_TEST(cap_keeps_the_start)
{
    ck_assert_int_eq(run_script("head -c 300000 /dev/zero | tr '\\0' o; exit 4", NULL, 20000, 1000),
                     0);
    ck_assert_uint_eq(result.output.len, 1000);
    ck_assert(result.truncated);
    ck_assert_int_eq(result.status, 4);
}
END_TEST

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

START_TEST(timeout_kills_the_group)
{
    double start = seconds();

    /* The grandchild holds the pipe: killing the shell alone would leave us waiting for it. */
    ck_assert_int_eq(run_script("echo begun; sleep 30 & wait", NULL, 300, 0), 0);
    ck_assert(result.timed_out);
    ck_assert_int_eq(result.signal, 9);
    ck_assert_str_eq(buf_cstr(&result.output), "begun\n");
    ck_assert(!command_succeeded(&result));
    ck_assert(seconds() - start < 10);
}
END_TEST

START_TEST(timeout_with_closed_pipes)
{
    ck_assert_int_eq(run_script("exec sleep 30 >/dev/null 2>&1", NULL, 300, 0), 0);
    ck_assert(result.timed_out);
}
END_TEST

START_TEST(killed_by_a_signal)
{
    ck_assert_int_eq(run_script("kill -TERM $$", NULL, 5000, 0), 0);
    ck_assert_int_eq(result.signal, 15);
    ck_assert_int_eq(result.status, -1);
    ck_assert(!result.timed_out);
}
END_TEST

START_TEST(missing_program)
{
    const char *argv[] = {"/nonexistent/vtysh", NULL};
    struct command c = {.argv = argv};

    ck_assert_int_eq(command_run(&c, &result, &err), -ENOENT);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_str_eq(err.items[0].file, "/nonexistent/vtysh");
}
END_TEST

START_TEST(environment_is_ours)
{
    setenv("LD_PRELOAD_CANARY", "x", 1);
    ck_assert_int_eq(
        run_script("env | sort | tr '\\n' ' '; ls /proc/self/fd | wc -l", NULL, 5000, 0), 0);
    ck_assert_ptr_eq(strstr(buf_cstr(&result.output), "CANARY"), NULL);
    ck_assert_ptr_ne(strstr(buf_cstr(&result.output), "PATH=/usr/sbin:"), NULL);
    /* 0, 1, 2 and the folder that ls itself reads. */
    ck_assert_ptr_ne(strstr(buf_cstr(&result.output), " 4\n"), NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("command");
    TCase *t = unit_case(s, "command", NULL, teardown);

    tcase_set_timeout(t, 40);
    tcase_add_test(t, output_and_status);
    tcase_add_test(t, input_is_a_file);
    tcase_add_test(t, no_input_is_empty);
    tcase_add_test(t, large_on_both_pipes);
    tcase_add_test(t, cap_keeps_the_start);
    tcase_add_test(t, timeout_kills_the_group);
    tcase_add_test(t, timeout_with_closed_pipes);
    tcase_add_test(t, killed_by_a_signal);
    tcase_add_test(t, missing_program);
    tcase_add_test(t, environment_is_ours);
    return unit_run(s);
}
