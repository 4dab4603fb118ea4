/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/name.h"

void buf_reserve(struct buf *b, size_t more)
{
    size_t need = b->len + more + 1;

    if (need <= b->cap)
        return;
    if (need < b->cap * 2)
        need = b->cap * 2;
    if (need < 64)
        need = 64;
    b->data = xreallocarray(b->data, need, 1);
    b->cap = need;
}

void buf_vprintf(struct buf *b, const char *format, va_list ap)
{
    va_list again;
    size_t room;
    int n;

    buf_reserve(b, 64); /* nearly always enough: then it is formatted once */
    room = b->cap - b->len;
    va_copy(again, ap);
    n = vsnprintf(b->data + b->len, room, format, ap);
    if (n > 0 && (size_t)n >= room) {
        buf_reserve(b, (size_t)n);
        vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
    }
    va_end(again);
    b->len += n > 0 ? (size_t)n : 0;
    b->data[b->len] = '\0';
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    buf_vprintf(b, format, ap);
    va_end(ap);
}

char *number_text(uint64_t n, char *to)
{
    char digits[20], *p = digits + sizeof(digits);

    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    n = (uint64_t)(digits + sizeof(digits) - p);
    memcpy(to, p, n);
    to[n] = '\0';
    return to + n;
}

void buf_number(struct buf *b, uint64_t n)
{
    buf_reserve(b, 20);
    b->len = (size_t)(number_text(n, b->data + b->len) - b->data);
}

void buf_size(struct buf *b, double bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    size_t unit = 0;

    while (bytes >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1000;
        unit++;
    }
    buf_printf(b, unit && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

void buf_json(struct buf *b, const char *s)
{
    size_t left = strlen(s), n;
    uint32_t c;

    buf_char(b, '"');
    for (; left > 0; s += n, left -= n) {
        n = text_plain(s, left);
        if (n > 0) {
            buf_add(b, s, n);
            continue;
        }
        n = utf8_decode(s, left, &c);
        if (n == 0) {
            buf_str(b, "\xef\xbf\xbd");
            n = 1;
        } else if (c < 0x20) {
            buf_printf(b, "\\u%04x", (unsigned)c);
        } else {
            if (c == '"' || c == '\\')
                buf_char(b, '\\');
            buf_add(b, s, n);
        }
    }
    buf_char(b, '"');
}

const char *buf_cstr(const struct buf *b)
{
    return b->len ? b->data : "";
}

char *buf_steal(struct buf *b)
{
    char *s = b->data;

    if (!s)
        return xstrdup("");
    s[b->len] = '\0';
    *b = (struct buf)BUF_INIT;
    return s;
}

bool text_line(const char **rest, const char **line, int *len)
{
    size_t n = strcspn(*rest, "\n");

    if (!**rest)
        return false;
    *line = *rest;
    *len = (int)n;
    *rest += n + ((*rest)[n] == '\n');
    return true;
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf)BUF_INIT;
}
