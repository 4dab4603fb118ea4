/* SPDX-License-Identifier: Apache-2.0 */
#include "common/name.h"

#include <stdint.h>
#include <string.h>

#include "common/prefix.h"

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool name_valid_n(const char *name, size_t n)
{
    if (n == 0 || n > NAME_MAX_LEN || !alnum(name[0]) || !alnum(name[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!alnum(name[i]) && name[i] != '.' && name[i] != '_' && name[i] != '-')
            return false;
        if (name[i] == '.' && name[i + 1] == '.')
            return false;
    }
    return true;
}

bool name_valid(const char *name)
{
    return name_valid_n(name, strnlen(name, NAME_MAX_LEN + 1));
}

static bool label_valid(const char *label, size_t n)
{
    if (n == 0 || n > 63 || !alnum(label[0]) || !alnum(label[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!alnum(label[i]) && label[i] != '-')
            return false;
    return true;
}

bool host_valid(const char *host)
{
    size_t len = strnlen(host, 254);
    struct prefix address;

    if (len > 253)
        return false;
    if (!strchr(host, '/') && prefix_parse(host, &address))
        return true;
    for (;;) {
        size_t n = strcspn(host, ".");

        if (!label_valid(host, n))
            return false;
        if (!host[n] || !host[n + 1])
            return strspn(host, "0123456789-") < n; /* the last label, perhaps with a dot */
        host += n + 1;
    }
}

bool relative_path_valid(const char *path)
{
    if (strnlen(path, 256) == 256)
        return false;
    for (;;) {
        const char *end = strchrnul(path, '/');

        if (!name_valid_n(path, (size_t)(end - path)))
            return false;
        if (!*end)
            return true;
        path = end + 1;
    }
}

/* Characters that change how a line reads rather than what it says: C1 controls, line and paragraph
 * separators, bidirectional and other format characters (Unicode 15, Cc, Cf, Zl, Zp). */
static bool invisible(uint32_t c)
{
    return (c >= 0x80 && c <= 0x9f) || c == 0xad || (c >= 0x600 && c <= 0x605) || c == 0x61c ||
           c == 0x6dd || c == 0x70f || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

size_t utf8_decode(const char *text, size_t n, uint32_t *ret)
{
    const unsigned char *s = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t c = s[0];

    if (len == 0 || len > n || s[0] > 0xf4)
        return 0;
    if (len > 1)
        c = s[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return len;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Not zero: one of the eight bytes is zero. */
static inline uint64_t any_zero(uint64_t w)
{
    return (w - EACH(0x01)) & ~w & EACH(0x80);
}

static inline bool plain_word(uint64_t w)
{
    uint64_t low = (w - EACH(0x20)) & ~w & EACH(0x80); /* below 0x20 */

    return (low | (w & EACH(0x80)) | any_zero(w ^ EACH(0x7f)) | any_zero(w ^ EACH('"')) |
            any_zero(w ^ EACH('\'')) | any_zero(w ^ EACH('`')) | any_zero(w ^ EACH('\\'))) == 0;
}

static bool plain_byte(char c)
{
    static const bool refused[128] = {
        ['"'] = true, ['\''] = true, ['`'] = true, ['\\'] = true, [0x7f] = true};

    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && !refused[(unsigned char)c];
}

/* The first and the last bytes of a short text in one word; they may overlap. */
static inline uint64_t ends(const char *s, size_t n)
{
    uint64_t w;

    memcpy(&w, s, 4);
    memcpy((char *)&w + 4, s + n - 4, 4);
    return w;
}

/* Eight bytes at once, because every value that is rendered comes through here. */
static bool all_plain(const char *s, size_t n)
{
    uint64_t w;
    size_t i;

    if (n < 4) {
        for (i = 0; i < n && plain_byte(s[i]); i++)
            ;
        return i == n;
    }
    if (n <= 8)
        return plain_word(ends(s, n));
    for (i = 0; i + sizeof(w) < n; i += sizeof(w)) {
        memcpy(&w, s + i, sizeof(w));
        if (!plain_word(w))
            return false;
    }
    memcpy(&w, s + n - sizeof(w), sizeof(w)); /* overlaps with what was looked at */
    return plain_word(w);
}

size_t text_plain(const char *text, size_t n)
{
    size_t i = 0;

    if (all_plain(text, n))
        return n;
    while (plain_byte(text[i]))
        i++;
    return i;
}

bool value_valid(const char *value, size_t len)
{
    for (size_t i = text_plain(value, len); i < len;) {
        uint32_t c;
        size_t n;

        if (plain_byte(value[i])) {
            i++;
            continue;
        }
        n = utf8_decode(value + i, len - i, &c);
        if (n < 2 || invisible(c))
            return false;
        i += n;
    }
    return true;
}
