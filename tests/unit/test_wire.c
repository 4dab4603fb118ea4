/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader says comes across whole, or not at all. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wire.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

static struct error_list err;
static struct buf message;
static struct wire_answer answer = WIRE_ANSWER_INIT;

static void teardown(void)
{
    error_clear(&err);
    buf_free(&message);
    wire_answer_clear(&answer);
}

static int read_message(void)
{
    return wire_read(message.data, message.len, "source", &answer, &err);
}

static glob_t golden(const char *pattern)
{
    const char *root = getenv("P2PVPN_SOURCE_ROOT");
    _cleanup_free_ char *whole = xasprintf("%s/tests/golden/%s", root ? root : ".", pattern);
    glob_t found;

    ck_assert_int_eq(glob(whole, 0, NULL, &found), 0);
    ck_assert_uint_gt(found.gl_pathc, 0);
    return found;
}

static struct bundle *load(const char *path)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct bundle *b = NULL;

    ck_assert_int_eq(fs_read(path, BUNDLE_MAX_BYTES, &text, &err), 0);
    ck_assert_int_eq(bundle_parse(text.data, text.len, path, &b, &err), 0);
    return b;
}

static void ck_same(struct bundle *a, struct bundle *b)
{
    _cleanup_buf_ struct buf first = BUF_INIT, second = BUF_INIT;

    bundle_format(a, &first);
    bundle_format(b, &second);
    ck_assert_str_eq(buf_cstr(&first), buf_cstr(&second));
}

START_TEST(every_compiled_bundle_comes_across)
{
    glob_t found = golden("*/expected/*/bundle.json");

    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct bundle *b = load(found.gl_pathv[i]);

        buf_reset(&message);
        wire_bundle(b, NULL, &message);
        ck_assert_int_eq(read_message(), 0);
        ck_assert_int_eq(answer.verb, WIRE_BUNDLE);
        ck_assert_ptr_null(answer.places);
        ck_same(b, answer.bundle);
        ck_assert_str_eq(b->links[0].interface, answer.bundle->links[0].interface);
        wire_answer_clear(&answer);
        bundle_free(b);
    }
    globfree(&found);
}
END_TEST

START_TEST(every_table_comes_across)
{
    glob_t found = golden("*/expected/@mesh/origins");

    for (size_t i = 0; i < found.gl_pathc; i++) {
        _cleanup_buf_ struct buf text = BUF_INIT, again = BUF_INIT;
        struct origins *o = NULL;

        ck_assert_int_eq(fs_read(found.gl_pathv[i], ORIGINS_MAX_BYTES, &text, &err), 0);
        ck_assert_int_eq(origins_parse(text.data, text.len, "origins", &o, &err), 0);
        buf_reset(&message);
        wire_origins(o, &message);
        ck_assert_int_eq(read_message(), 0);
        ck_assert_int_eq(answer.verb, WIRE_ORIGINS);
        origins_format(answer.origins, &again);
        ck_assert_str_eq(buf_cstr(&text), buf_cstr(&again));
        wire_answer_clear(&answer);
        origins_free(o);
    }
    globfree(&found);
}
END_TEST

static struct bundle *small(void)
{
    glob_t found = golden("ipv6-only/expected/lab/bundle.json");
    struct bundle *b = load(found.gl_pathv[0]);

    globfree(&found);
    return b;
}

static void small_table(void)
{
    glob_t found = golden("ipv6-only/expected/@mesh/origins");
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct origins *o = NULL;

    ck_assert_int_eq(fs_read(found.gl_pathv[0], ORIGINS_MAX_BYTES, &text, &err), 0);
    ck_assert_int_eq(origins_parse(text.data, text.len, "origins", &o, &err), 0);
    wire_origins(o, &message);
    origins_free(o);
    globfree(&found);
}

START_TEST(places_come_across)
{
    struct bundle *b = small();
    uint64_t places[BUNDLE_MAX_TUNNELS * 4] = {512, 1ull << 40};

    ck_assert_uint_lt(b->n_files, sizeof(places) / sizeof(places[0]));
    wire_bundle(b, places, &message);
    ck_assert_int_eq(read_message(), 0);
    ck_assert_uint_eq(answer.places[0], 512);
    ck_assert_uint_eq(answer.places[1], 1ull << 40);
    bundle_free(b);
}
END_TEST

START_TEST(refusals_come_across)
{
    struct error_list why = ERROR_LIST_INIT;

    error_add(&why, "bundle.json", 7, "/a/b", "this is wrong");
    error_add(&why, NULL, 0, NULL, "and\nthat");
    wire_refused(-EINVAL, &why, &message);
    ck_assert_int_eq(read_message(), 0);
    ck_assert_int_eq(answer.verb, WIRE_REFUSED);
    ck_assert_int_eq(answer.result, -EINVAL);
    ck_assert_uint_eq(answer.refused.n, 2);
    ck_assert_str_eq(answer.refused.items[0].file, "bundle.json");
    ck_assert_uint_eq(answer.refused.items[0].line, 7);
    ck_assert_str_eq(answer.refused.items[0].path, "/a/b");
    ck_assert_ptr_null(answer.refused.items[1].file);
    wire_answer_clear(&answer);

    /* What a terminal must not see does not get that far, whoever wrote the message. */
    memcpy(memmem(message.data, message.len, "this is wrong", 13), "\033]0;owned\a\n!!", 13);
    ck_assert_int_eq(read_message(), 0);
    ck_assert_ptr_null(strchr(answer.refused.items[0].message, '\033'));
    ck_assert_ptr_null(strchr(answer.refused.items[0].message, '\n'));
    error_clear(&why);
}
END_TEST

/* A long list of problems is cut, not refused. */
START_TEST(many_problems)
{
    struct error_list why = ERROR_LIST_INIT;

    for (int i = 0; i < 1000; i++)
        error_add(&why, "f", 0, NULL, "%0*d", 10000, i);
    wire_refused(-EIO, &why, &message);
    ck_assert_int_eq(read_message(), 0);
    ck_assert_int_eq(answer.result, -EIO);
    ck_assert_uint_eq(answer.refused.n, 64);
    error_clear(&why);
}
END_TEST

START_TEST(nothing_cut_short_is_taken)
{
    struct bundle *b = small();

    for (int table = 0; table < 2; table++) {
        buf_reset(&message);
        if (table)
            small_table();
        else
            wire_bundle(b, NULL, &message);
        for (size_t n = 0; n < message.len; n++) {
            ck_assert_msg(wire_read(message.data, n, "source", &answer, &err) == -EPROTO, "%zu", n);
            /* Also when the length says so. */
            if (n >= 9) {
                _cleanup_buf_ struct buf cut = BUF_INIT;

                buf_add(&cut, message.data, n);
                for (unsigned i = 0; i < 4; i++)
                    cut.data[8 - i] = (char)((n - 9) >> (8 * i));
                ck_assert_msg(wire_read(cut.data, n, "source", &answer, &err) == -EPROTO, "%zu", n);
            }
        }
        buf_char(&message, '\0');
        ck_assert_int_eq(read_message(), -EPROTO);
    }
    ck_assert_uint_gt(err.n, 0);
    ck_assert_ptr_null(answer.bundle);
    bundle_free(b);
}
END_TEST

START_TEST(no_bit_can_be_flipped)
{
    struct bundle *b = small();

    for (int table = 0; table < 2; table++) {
        buf_reset(&message);
        if (table)
            small_table();
        else
            wire_bundle(b, NULL, &message);
        for (size_t bit = 0; bit < 8 * message.len; bit++) {
            message.data[bit / 8] ^= (char)(1 << bit % 8);
            ck_assert_msg(read_message() == -EPROTO, "bit %zu of message %d", bit, table);
            message.data[bit / 8] ^= (char)(1 << bit % 8);
            error_clear(&err);
        }
        ck_assert_int_eq(read_message(), 0);
        wire_answer_clear(&answer);
    }
    bundle_free(b);
}
END_TEST

/* A count of four thousand million costs nothing. */
START_TEST(hostile_counts)
{
    struct bundle *b = small();

    wire_bundle(b, NULL, &message);
    for (size_t i = 9; i + 4 <= message.len; i++) {
        char was[4];

        memcpy(was, message.data + i, 4);
        memset(message.data + i, 0xff, 4);
        ck_assert_int_eq(read_message(), -EPROTO);
        memcpy(message.data + i, was, 4);
        error_clear(&err);
    }
    bundle_free(b);
}
END_TEST

static const char *const rubbish[] = {
    "", "p", "pvw1", "pvw1\x03", "HTTP/1.1 200 OK\r\n\r\n", "{\"p2pvpn-bundle:bundle\": {}}",
};

START_TEST(what_is_no_message)
{
    buf_str(&message, rubbish[_i]);
    ck_assert_int_eq(wire_read(buf_cstr(&message), message.len, "source", &answer, &err), -EPROTO);
    ck_assert(unit_says(&err, "no answer that can be believed"));
}
END_TEST

/* P2PVPN_CORPUS=DIR: writes what the fuzzer begins with. */
START_TEST(corpus)
{
    const char *to = getenv("P2PVPN_CORPUS");
    static const char *const from[] = {"ipv6-only/expected/lab/bundle.json",
                                       "parallel/expected/bremen/bundle.json",
                                       "origin-cache/expected/dc-a/bundle.json"};

    for (size_t i = 0; to && i < sizeof(from) / sizeof(from[0]); i++) {
        glob_t found = golden(from[i]);
        struct bundle *b = load(found.gl_pathv[0]);
        _cleanup_free_ char *path = xasprintf("%s/bundle-%zu", to, i);

        buf_reset(&message);
        buf_char(&message, '\0');
        wire_bundle(b, NULL, &message);
        ck_assert_int_eq(fs_write(path, message.data, message.len, 0644, &err), 0);
        bundle_free(b);
        globfree(&found);
    }
    if (to) {
        struct error_list why = ERROR_LIST_INIT;
        _cleanup_free_ char *table = xasprintf("%s/table", to);
        _cleanup_free_ char *refusal = xasprintf("%s/refusal", to);

        buf_reset(&message);
        buf_char(&message, '\0');
        small_table();
        ck_assert_int_eq(fs_write(table, message.data, message.len, 0644, &err), 0);
        buf_reset(&message);
        buf_char(&message, '\0');
        error_add(&why, "f", 3, "/p", "m");
        wire_refused(-EINVAL, &why, &message);
        ck_assert_int_eq(fs_write(refusal, message.data, message.len, 0644, &err), 0);
        error_clear(&why);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wire");
    TCase *t = unit_case(s, "wire", NULL, teardown);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_compiled_bundle_comes_across);
    tcase_add_test(t, every_table_comes_across);
    tcase_add_test(t, places_come_across);
    tcase_add_test(t, refusals_come_across);
    tcase_add_test(t, many_problems);
    tcase_add_test(t, nothing_cut_short_is_taken);
    tcase_add_test(t, no_bit_can_be_flipped);
    tcase_add_test(t, hostile_counts);
    tcase_add_loop_test(t, what_is_no_message, 0, (int)(sizeof(rubbish) / sizeof(rubbish[0])));
    tcase_add_test(t, corpus);
    return unit_run(s);
}
