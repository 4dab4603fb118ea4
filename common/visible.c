/* SPDX-License-Identifier: Apache-2.0 */
#include "common/visible.h"

#include <string.h>

#include "common/name.h"

/* The length of a character that may be seen; 0: none. */
static size_t visible_character(const char *p)
{
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (n == 1)
        return c >= 0x20 && c != 0x7f;
    return strnlen(p, n) == n && value_valid(p, n) ? n : 0;
}

void visible_add(struct buf *b, const char *text, size_t max)
{
    static const char dots[] = "...";
    const size_t start = b->len, longest = start + max + sizeof(dots) - 1;
    size_t cut = start; /* where a character ends, with room for the dots */

    for (const char *p = text; *p && b->len <= longest;) {
        size_t n = visible_character(p);

        if (b->len <= start + max)
            cut = b->len;
        if (n)
            buf_add(b, p, n);
        else
            buf_printf(b, "\\x%02x", (unsigned char)*p);
        p += n ? n : 1;
    }
    if (b->len > longest) {
        b->len = cut;
        buf_str(b, dots);
    }
}
