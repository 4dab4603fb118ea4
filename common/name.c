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

/* ASCII that may stand in a line; one look-up a byte, because every value that is rendered comes
 * through here. */
static bool plain(unsigned char c)
{
    static const bool refused[128] = {
        ['"'] = true, ['\''] = true, ['`'] = true, ['\\'] = true, [0x7f] = true};

    return c >= 0x20 && c < 0x80 && !refused[c];
}

bool value_valid(const char *value, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t n;

        if (plain((unsigned char)value[i])) {
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
