/* SPDX-License-Identifier: Apache-2.0 */
#include "common/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"

/* Where the fields are that differ between two files. */
#define SIZE_AT 124
#define SIZE_DIGITS 11
#define CHECKSUM_AT 148
#define CHECKSUM_DIGITS 6

/* Everything else.  The checksum is over the header with spaces in its place. */
static const char constant[TAR_BLOCK - TAR_PATH_MAX + 1] =
    "000644 \0"                                          /* 100: mode */
    "000000 \0"                                          /* 108: user */
    "000000 \0"                                          /* 116: group */
    "00000000000 "                                       /* 124: size */
    "00000000000 "                                       /* 136: time */
    "        "                                           /* 148: checksum */
    "0"                                                  /* 156: a regular file */
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* 157: target of a link */
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "ustar\0"                                                      /* 257: magic */
    "00"                                                           /* 263: version */
    "root\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* 265: user's name */
    "root\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* 297: group's name */
    "000000 \0"                                                    /* 329: device */
    "000000 \0"; /* 337; 345: prefix and padding, zeros */

bool tar_path_valid(const char *path)
{
    return strnlen(path, TAR_PATH_MAX + 1) <= TAR_PATH_MAX && relative_path_valid(path);
}

static void octal(uint8_t *to, unsigned digits, uint64_t n)
{
    while (digits-- > 0) {
        to[digits] = (uint8_t)('0' + (n & 7));
        n >>= 3;
    }
}

/* Only the path and the size differ from file to file, and so only they are added up each time. */
static unsigned sum(const uint8_t *from, size_t n)
{
    unsigned total = 0;

    for (size_t i = 0; i < n; i++)
        total += from[i];
    return total;
}

/* sum() of `constant` with eleven zeros as the size; tests/unit/test_tar.c knows better than to
 * believe it. */
#define CONSTANT_SUM 4597u

void tar_header(uint8_t ret[static TAR_BLOCK], const char *path, size_t size)
{
    size_t n = strnlen(path, TAR_PATH_MAX + 1);

    if (n > TAR_PATH_MAX || size > TAR_FILE_MAX)
        abort();
    memcpy(ret, path, n);
    memset(ret + n, 0, TAR_PATH_MAX - n);
    memcpy(ret + TAR_PATH_MAX, constant, TAR_BLOCK - TAR_PATH_MAX);
    octal(ret + SIZE_AT, SIZE_DIGITS, size);
    octal(ret + CHECKSUM_AT, CHECKSUM_DIGITS,
          CONSTANT_SUM + sum(ret, n) + sum(ret + SIZE_AT, SIZE_DIGITS) - SIZE_DIGITS * '0');
    ret[CHECKSUM_AT + CHECKSUM_DIGITS] = '\0';
}

static void add_zeros(struct buf *out, size_t n)
{
    buf_reserve(out, n);
    memset(out->data + out->len, 0, n + 1);
    out->len += n;
}

void tar_add(struct buf *out, const char *path, const void *data, size_t size)
{
    buf_reserve(out, TAR_BLOCK + size + TAR_BLOCK);
    tar_header((uint8_t *)out->data + out->len, path, size);
    out->len += TAR_BLOCK;
    buf_add(out, data, size);
    add_zeros(out, tar_padding(size));
}

void tar_end(struct buf *out)
{
    add_zeros(out, TAR_END);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool zeros(const char *data, size_t n)
{
    return n == 0 || (data[0] == 0 && memcmp(data, data + 1, n - 1) == 0);
}

static int wrong(const struct tar_reader *r, size_t at, const char *what, struct error_list *err)
{
    return error_add(err, r->file, 0, NULL,
                     "byte %zu: %s; fetch or compile the archive again, only p2pvpn-ctl makes one "
                     "of this form",
                     at, what);
}

bool tar_size(const char *header, uint64_t *ret)
{
    const char *from = header + SIZE_AT;

    *ret = 0;
    for (unsigned i = 0; i < SIZE_DIGITS; i++) {
        if (from[i] < '0' || from[i] > '7')
            return false;
        *ret = *ret << 3 | (uint64_t)(from[i] - '0');
    }
    return true;
}

int tar_next(struct tar_reader *r, struct tar_entry *ret, struct error_list *err)
{
    const char *header = r->data + r->at;
    size_t left = r->len - r->at;
    struct tar_entry e;
    uint8_t again[TAR_BLOCK];
    uint64_t size;

    if (left < TAR_BLOCK)
        return wrong(r, r->len, "the archive is cut off", err);
    if (header[0] == '\0') {
        if (left < TAR_END)
            return wrong(r, r->len, "the archive is cut off in its end", err);
        if (!zeros(header, TAR_END))
            return wrong(r, r->at, "there should be a file or the end", err);
        if (left > TAR_END)
            return wrong(r, r->at + TAR_END, "something follows the end of the archive", err);
        return 0;
    }
    memcpy(e.path, header, TAR_PATH_MAX);
    e.path[TAR_PATH_MAX] = '\0';
    if (!relative_path_valid(e.path))
        return wrong(r, r->at, "the name of a file is not one that a bundle may have", err);
    if (!tar_size(header, &size))
        return wrong(r, r->at + SIZE_AT, "the size of a file is no number", err);
    tar_header(again, e.path, size);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        if (again[i] != (uint8_t)header[i])
            return wrong(r, r->at + i, "the header of a file is not as we write it", err);
    left -= TAR_BLOCK;
    if (size > left || tar_padding(size) > left - size)
        return wrong(r, r->len, "the archive is cut off in a file", err);
    e.data = header + TAR_BLOCK;
    e.size = size;
    if (!zeros(e.data + size, tar_padding(size)))
        return wrong(r, r->at + TAR_BLOCK + size, "a file is not followed by zeros", err);
    r->at += TAR_BLOCK + size + tar_padding(size);
    *ret = e;
    return 1;
}
