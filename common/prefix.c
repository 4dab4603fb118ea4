/* SPDX-License-Identifier: Apache-2.0 */
#include "common/prefix.h"

#include <arpa/inet.h>
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

struct prefix prefix_network(const struct prefix *p)
{
    struct prefix net = *p;

    for (unsigned i = 0; i < sizeof(net.addr); i++) {
        unsigned first = i * 8;

        if (first >= p->len)
            net.addr[i] = 0;
        else if (p->len - first < 8)
            net.addr[i] &= (uint8_t)(0xff00u >> (p->len - first));
    }
    return net;
}

bool prefix_has_host_bits(const struct prefix *p)
{
    struct prefix net = prefix_network(p);

    return memcmp(net.addr, p->addr, sizeof(net.addr)) != 0;
}

bool prefix_contains(const struct prefix *outer, const struct prefix *inner)
{
    struct prefix a, b;

    if (outer->family != inner->family || outer->len > inner->len)
        return false;
    a = prefix_network(outer);
    b = *inner;
    b.len = outer->len;
    b = prefix_network(&b);
    return memcmp(a.addr, b.addr, sizeof(a.addr)) == 0;
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

static bool within(const struct prefix *p, const char *outer)
{
    struct prefix o;

    return prefix_parse(outer, &o) && prefix_contains(&o, p);
}

bool prefix_is_private(const struct prefix *p)
{
    return within(p, "10.0.0.0/8") || within(p, "172.16.0.0/12") || within(p, "192.168.0.0/16") ||
           within(p, "fc00::/7");
}

bool prefix_is_special(const struct prefix *p)
{
    static const char *const special[] = {
        "0.0.0.0/8", "127.0.0.0/8",   "169.254.0.0/16", "224.0.0.0/3", "::/128",
        "::1/128",   "::ffff:0:0/96", "fe80::/10",      "ff00::/8",
    };

    for (unsigned i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        struct prefix s;

        if (prefix_parse(special[i], &s) && prefix_overlaps(&s, p))
            return true;
    }
    return false;
}
