/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/tar.h"
#include "tests/unit/unit.h"

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

struct sample {
    const char *path;
    size_t size;
};

/* Sizes around a block, a name as long as they get, and every digit of a size. */
static const struct sample samples[] = {
    {"bundle.json", 0},
    {"frr/frr.conf", 1},
    {"openvpn/pv1.conf", 511},
    {"openvpn/pv2.conf", 512},
    {"openvpn/pv3.conf", 513},
    {"openvpn/pv65535.conf", 1234567},
    {"a23456789-123456789-123456789-123456789-12345678/"
     "b23456789-123456789-123456789-123456789-12345678/cd",
     7654},
};
#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

static char *content(size_t size)
{
    char *data = xmalloc(size + 1);

    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 7 + size);
    return data;
}

static void ours(struct buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *data = content(samples[i].size);

        tar_add(out, samples[i].path, data, samples[i].size);
    }
    tar_end(out);
}

static size_t theirs(char *to, size_t room, size_t n)
{
    struct archive *a = archive_write_new();
    size_t used = 0;

    ck_assert_int_eq(archive_write_set_format_ustar(a), ARCHIVE_OK);
    ck_assert_int_eq(archive_write_open_memory(a, to, room, &used), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *data = content(samples[i].size);
        struct archive_entry *e = archive_entry_new();

        archive_entry_set_pathname(e, samples[i].path);
        archive_entry_set_size(e, (la_int64_t)samples[i].size);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_uid(e, 0);
        archive_entry_set_gid(e, 0);
        archive_entry_set_uname(e, "root");
        archive_entry_set_gname(e, "root");
        archive_entry_set_mtime(e, 0, 0);
        ck_assert_int_eq(archive_write_header(a, e), ARCHIVE_OK);
        ck_assert_int_eq(archive_write_data(a, data, samples[i].size), (la_ssize_t)samples[i].size);
        archive_entry_free(e);
    }
    ck_assert_int_eq(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    return used;
}

START_TEST(same_as_libarchive)
{
    _cleanup_buf_ struct buf out = BUF_INIT;
    size_t room = 2 << 20, used;
    _cleanup_free_ char *reference = xmalloc(room);

    for (size_t n = 0; n <= N_SAMPLES; n++) {
        buf_reset(&out);
        ours(&out, n);
        used = theirs(reference, room, n);
        ck_assert_uint_eq(out.len, used);
        ck_assert_int_eq(memcmp(out.data, reference, used), 0);
    }
}
END_TEST

/* Every path that a file may have has the right checksum. */
START_TEST(libarchive_reads_it)
{
    _cleanup_buf_ struct buf out = BUF_INIT;
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    size_t n = 0;

    ours(&out, N_SAMPLES);
    archive_read_support_format_tar(a);
    ck_assert_int_eq(archive_read_open_memory(a, out.data, out.len), ARCHIVE_OK);
    while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
        ck_assert_str_eq(archive_entry_pathname(e), samples[n].path);
        ck_assert_int_eq(archive_entry_size(e), (la_int64_t)samples[n].size);
        ck_assert_int_eq(archive_entry_mtime(e), 0);
        n++;
    }
    ck_assert_uint_eq(n, N_SAMPLES);
    archive_read_free(a);
}
END_TEST

START_TEST(round_trip)
{
    _cleanup_buf_ struct buf out = BUF_INIT;
    struct tar_reader r = {.file = "x.tar"};
    struct tar_entry e;

    ours(&out, N_SAMPLES);
    r.data = out.data;
    r.len = out.len;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        _cleanup_free_ char *data = content(samples[i].size);

        ck_assert_int_eq(tar_next(&r, &e, &err), 1);
        ck_assert_str_eq(e.path, samples[i].path);
        ck_assert_uint_eq(e.size, samples[i].size);
        ck_assert(e.size == 0 || memcmp(e.data, data, e.size) == 0);
    }
    ck_assert_int_eq(tar_next(&r, &e, &err), 0);
    ck_assert_uint_eq(err.n, 0);
}
END_TEST

START_TEST(paths)
{
    char path[TAR_PATH_MAX + 2];

    memset(path, 'a', sizeof(path));
    for (size_t i = 40; i < sizeof(path); i += 40)
        path[i] = '/';
    path[TAR_PATH_MAX] = '\0';
    ck_assert(tar_path_valid(path));
    path[TAR_PATH_MAX] = 'a';
    path[TAR_PATH_MAX + 1] = '\0';
    ck_assert(!tar_path_valid(path));
    ck_assert(!tar_path_valid("../a"));
    ck_assert(!tar_path_valid("/a"));
    ck_assert(!tar_path_valid(""));
}
END_TEST

/* Reads all of it from memory of exactly this size, so that a sanitizer sees a read behind it.
 * False: refused, with a message. */
static bool accepted(const char *data, size_t len)
{
    _cleanup_free_ char *exact = xmalloc(len);
    struct tar_reader r = {.len = len, .file = "x.tar"};
    struct tar_entry e;
    int k;

    memcpy(exact, data, len);
    r.data = exact;
    error_clear(&err);
    while ((k = tar_next(&r, &e, &err)) > 0)
        ;
    ck_assert_int_eq(k<0, err.n> 0);
    return k == 0;
}

START_TEST(every_truncation_is_refused)
{
    _cleanup_buf_ struct buf out = BUF_INIT;

    ours(&out, 5);
    for (size_t len = 0; len < out.len; len++)
        ck_assert(!accepted(out.data, len));
    ck_assert(accepted(out.data, out.len));
    buf_char(&out, '\0');
    ck_assert(!accepted(out.data, out.len));
}
END_TEST

/* A bit of a file's content is the bundle's business; every other one is ours. */
START_TEST(every_flipped_bit_is_refused)
{
    _cleanup_buf_ struct buf out = BUF_INIT;
    size_t content_at[5], at = 0, n_refused = 0;

    ours(&out, 5);
    for (size_t i = 0; i < 5; i++) {
        content_at[i] = at + TAR_BLOCK;
        at += TAR_BLOCK + samples[i].size + tar_padding(samples[i].size);
    }
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        bool inside = false;

        for (size_t i = 0; i < 5; i++)
            inside |= bit / 8 >= content_at[i] && bit / 8 < content_at[i] + samples[i].size;
        out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
        ck_assert_msg(accepted(out.data, out.len) == inside, "bit %zu", bit);
        n_refused += !inside;
        out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
    }
    ck_assert_uint_gt(n_refused, 5 * TAR_BLOCK * 8);
}
END_TEST

START_TEST(what_others_make_is_refused)
{
    static const char *const types = "1256xgLKS\0";
    _cleanup_buf_ struct buf out = BUF_INIT;

    tar_add(&out, "a", "text", 4);
    tar_end(&out);
    ck_assert(accepted(out.data, out.len));
    for (unsigned i = 0; i < 10; i++) { /* links, folders, extensions: with a right checksum, too */
        unsigned sum = 0;

        out.data[156] = types[i];
        memset(out.data + 148, ' ', 8);
        for (unsigned k = 0; k < TAR_BLOCK; k++)
            sum += (uint8_t)out.data[k];
        snprintf(out.data + 148, 7, "%06o", sum);
        ck_assert(!accepted(out.data, out.len));
    }
    memcpy(out.data, "/a", 2);
    ck_assert(!accepted(out.data, out.len));
    ck_assert(unit_says(&err, "byte 0: the name of a file"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tar");
    TCase *t = unit_case(s, "archive", NULL, teardown);

    tcase_add_test(t, same_as_libarchive);
    tcase_add_test(t, libarchive_reads_it);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, paths);
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, every_flipped_bit_is_refused);
    tcase_add_test(t, what_others_make_is_refused);
    return unit_run(s);
}
