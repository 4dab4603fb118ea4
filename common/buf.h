/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffer: bytes that grow.  Always NUL-terminated behind the last byte once anything was added, so
 * that text can be read in place.  Owns its memory; zero-initialise with BUF_INIT.
 */
#ifndef P2PVPN_COMMON_BUF_H
#define P2PVPN_COMMON_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data;
    size_t len, cap;
};

#define BUF_INIT   \
    {              \
        NULL, 0, 0 \
    }

/* Room for so many bytes more, and a NUL. */
void buf_reserve(struct buf *b, size_t more);

/* In the header because most of a compile is this; with a constant text it is a few moves. */
static inline void buf_add(struct buf *b, const void *data, size_t n)
{
    if (b->cap - b->len <= n)
        buf_reserve(b, n);
    if (n > 0)
        memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = '\0';
}

static inline void buf_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

static inline void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

void buf_number(struct buf *b, uint64_t n); /* in decimal */

/* The same into a text of at least 21 bytes; returns where its NUL is. */
char *number_text(uint64_t n, char *to);

void buf_size(struct buf *b, double bytes); /* "34 MB", in powers of ten, as people read them */

/* A JSON string (RFC 8259) with its quotes; bytes that are not UTF-8 become U+FFFD. */
void buf_json(struct buf *b, const char *s);

/* The text so far; "" when empty.  Valid until the next change. */
const char *buf_cstr(const struct buf *b);

/* Hands the text over (never NULL) and leaves the buffer empty. */
char *buf_steal(struct buf *b) __attribute__((returns_nonnull));

/* One line after the other of a text: *line (without its newline, not terminated) and *len are set,
 * and *rest moves on.  False: there is no more. */
bool text_line(const char **rest, const char **line, int *len);

/* Keeps the memory for reuse. */
void buf_reset(struct buf *b);
void buf_free(struct buf *b);

#define _cleanup_buf_ __attribute__((cleanup(buf_free)))

#endif
