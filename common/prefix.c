/* SPDX-License-Identifier: Apache-2.0 */
#include "common/prefix.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

static uint8_t family_bits(const struct prefix *p)
{
    return p->family == FAMILY_IPV4 ? 32 : 128;
}

bool prefix_parse(const char *text, struct prefix *ret)
{
    struct prefix p = {0};
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);

    if (n == 0 || n >= sizeof(address))
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    if (inet_pton(AF_INET, address, p.addr) == 1)
        p.family = FAMILY_IPV4;
    else if (inet_pton(AF_INET6, address, p.addr) == 1)
        p.family = FAMILY_IPV6;
    else
        return false;
    p.len = family_bits(&p);
    if (slash) {
        unsigned len = 0;
        const char *d = slash + 1;

        if (!*d || strlen(d) > 3 || (d[0] == '0' && d[1]))
            return false;
        for (; *d; d++) {
            if (*d < '0' || *d > '9')
                return false;
            len = len * 10 + (unsigned)(*d - '0');
        }
        if (len > p.len)
            return false;
        p.len = (uint8_t)len;
    }
    *ret = p;
    return true;
}

/* --- text: by hand, because compiling a large mesh writes millions of them ----------------------
 */

static char *put_byte(char *p, unsigned n)
{
    if (n >= 100)
        *p++ = (char)('0' + n / 100);
    if (n >= 10)
        *p++ = (char)('0' + n / 10 % 10);
    *p++ = (char)('0' + n % 10);
    return p;
}

static char *put_group(char *p, unsigned n)
{
    static const char digits[] = "0123456789abcdef";

    if (n >= 0x1000)
        *p++ = digits[n >> 12];
    if (n >= 0x100)
        *p++ = digits[n >> 8 & 15];
    if (n >= 0x10)
        *p++ = digits[n >> 4 & 15];
    *p++ = digits[n & 15];
    return p;
}

static char *put_ipv4(char *p, const uint8_t *addr)
{
    for (unsigned i = 0; i < 4; i++) {
        p = put_byte(p, addr[i]);
        *p++ = '.';
    }
    return p - 1;
}

/* RFC 5952: "::" for the first of the longest runs of zero groups, if it has more than one. */
static char *put_ipv6(char *p, const uint8_t *addr)
{
    unsigned groups[8], begin = 8, length = 1;

    for (unsigned i = 0; i < 8; i++)
        groups[i] = (unsigned)addr[2 * i] << 8 | addr[2 * i + 1];
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = 0;

        while (i + n < 8 && groups[i + n] == 0)
            n++;
        if (n > length) {
            begin = i;
            length = n;
        }
        i += n;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == begin) {
            *p++ = ':';
            *p++ = ':';
            i += length - 1;
            continue;
        }
        if (i > 0 && i != begin + length)
            *p++ = ':';
        p = put_group(p, groups[i]);
    }
    return p;
}

static char *put_address(char *p, const struct prefix *prefix)
{
    static const uint8_t zero[10];

    if (prefix->family == FAMILY_IPV4)
        return put_ipv4(p, prefix->addr);
    /* ::1, ::ffff:192.0.2.1 and their like, which have rules of their own. */
    if (memcmp(prefix->addr, zero, sizeof(zero)) == 0 &&
        inet_ntop(AF_INET6, prefix->addr, p, PREFIX_TEXT_MAX))
        return p + strlen(p);
    return put_ipv6(p, prefix->addr);
}

char *prefix_format_address(const struct prefix *p, char text[static PREFIX_TEXT_MAX])
{
    *put_address(text, p) = '\0';
    return text;
}

char *prefix_format(const struct prefix *p, char text[static PREFIX_TEXT_MAX])
{
    char *end = put_address(text, p);

    *end++ = '/';
    *put_byte(end, p->len) = '\0';
    return text;
}

/* --- as numbers: the address is two words, the network is some of their bits -------------------
 */

static uint64_t word(const struct prefix *p, unsigned i)
{
    uint64_t w;

    memcpy(&w, p->addr + i * sizeof(w), sizeof(w));
    return be64toh(w);
}

/* The bits of a word that belong to the network. */
static uint64_t mask(unsigned len, unsigned i)
{
    unsigned bits = len > i * 64 ? len - i * 64 : 0;

    return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : ~(UINT64_MAX >> bits);
}

struct prefix prefix_network(const struct prefix *p)
{
    struct prefix net = *p;

    for (unsigned i = 0; i < 2; i++) {
        uint64_t w = htobe64(word(p, i) & mask(p->len, i));

        memcpy(net.addr + i * sizeof(w), &w, sizeof(w));
    }
    return net;
}

bool prefix_has_host_bits(const struct prefix *p)
{
    return (word(p, 0) & ~mask(p->len, 0)) || (word(p, 1) & ~mask(p->len, 1));
}

bool prefix_contains(const struct prefix *outer, const struct prefix *inner)
{
    return outer->family == inner->family && outer->len <= inner->len &&
           ((word(outer, 0) ^ word(inner, 0)) & mask(outer->len, 0)) == 0 &&
           ((word(outer, 1) ^ word(inner, 1)) & mask(outer->len, 1)) == 0;
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
    return prefix_contains(a, b) || prefix_contains(b, a);
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
    int r;

    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    r = memcmp(a->addr, b->addr, sizeof(a->addr));
    if (r)
        return r;
    return a->len < b->len ? -1 : a->len > b->len;
}

uint64_t prefix_count(const struct prefix *base, uint8_t len)
{
    if (len < base->len)
        return 0;
    return len - base->len >= 64 ? UINT64_MAX : UINT64_C(1) << (len - base->len);
}

bool prefix_nth(const struct prefix *base, uint64_t offset, uint8_t len, struct prefix *ret)
{
    struct prefix p = prefix_network(base);
    unsigned carry = 0;

    p.len = len;
    for (int i = family_bits(base) / 8 - 1; i >= 0; i--) {
        unsigned sum = p.addr[i] + (unsigned)(offset & 0xff) + carry;

        p.addr[i] = (uint8_t)sum;
        carry = sum >> 8;
        offset >>= 8;
    }
    if (carry || offset || !prefix_contains(base, &p))
        return false;
    *ret = p;
    return true;
}

/* --- ranges with a meaning; as numbers, because each prefix of a mesh is compared with them -----
 */

#define V4(a, b, len)     \
    {                     \
        FAMILY_IPV4, len, \
        {                 \
            (a), (b)      \
        }                 \
    }

bool prefix_is_private(const struct prefix *p)
{
    static const struct prefix ranges[] = {
        V4(10, 0, 8), V4(172, 16, 12), V4(192, 168, 16), {FAMILY_IPV6, 7, {0xfc}}, /* fc00::/7 */
    };

    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (prefix_contains(&ranges[i], p))
            return true;
    return false;
}

bool prefix_is_special(const struct prefix *p)
{
    static const struct prefix ranges[] = {
        V4(0, 0, 8),
        V4(127, 0, 8),
        V4(169, 254, 16),
        V4(224, 0, 3),
        {FAMILY_IPV6, 128, {0}},                       /* :: */
        {FAMILY_IPV6, 128, {[15] = 1}},                /* ::1 */
        {FAMILY_IPV6, 96, {[10] = 0xff, [11] = 0xff}}, /* ::ffff:0:0/96 */
        {FAMILY_IPV6, 10, {0xfe, 0x80}},               /* fe80::/10 */
        {FAMILY_IPV6, 8, {0xff}},                      /* ff00::/8 */
    };

    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (prefix_overlaps(&ranges[i], p))
            return true;
    return false;
}
