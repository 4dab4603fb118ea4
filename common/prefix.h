/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prefixes: IPv4 and IPv6 addresses and prefixes as numbers.  Pure; nothing here resolves a name.
 */
#ifndef P2PVPN_COMMON_PREFIX_H
#define P2PVPN_COMMON_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

enum { FAMILY_NONE = 0, FAMILY_IPV4 = 4, FAMILY_IPV6 = 6 };

struct prefix {
    uint8_t family;   /* FAMILY_IPV4 or FAMILY_IPV6 */
    uint8_t len;      /* 0..32 or 0..128 */
    uint8_t addr[16]; /* network order; the first 4 bytes for IPv4; the rest zero */
};

/* Room for "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128" and its NUL. */
#define PREFIX_TEXT_MAX 52

/* "10.1.0.0/16", "fd00::/8".  A missing "/LEN" means the host length.  Host bits are kept as given.
 * False, *ret untouched: not an address or prefix. */
bool prefix_parse(const char *text, struct prefix *ret);

/* Canonical text (RFC 5952 for IPv6) with "/LEN"; returns text. */
char *prefix_format(const struct prefix *p, char text[static PREFIX_TEXT_MAX]);
/* The same without "/LEN". */
char *prefix_format_address(const struct prefix *p, char text[static PREFIX_TEXT_MAX]);

bool prefix_has_host_bits(const struct prefix *p);
struct prefix prefix_network(const struct prefix *p); /* host bits cleared */
bool prefix_contains(const struct prefix *outer, const struct prefix *inner);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
int prefix_compare(const struct prefix *a, const struct prefix *b); /* family, address, length */

/* The address at base + offset, as a host prefix of len `len` (for instance 31 or 127).
 * False: outside the prefix. */
bool prefix_nth(const struct prefix *base, uint64_t offset, uint8_t len, struct prefix *ret);
/* How many blocks of length `len` fit; saturates at UINT64_MAX. */
uint64_t prefix_count(const struct prefix *base, uint8_t len);

/* IPv4: within RFC 1918 space.  IPv6: within fc00::/7 (RFC 4193). */
bool prefix_is_private(const struct prefix *p);
/* Unspecified, loopback, link-local, multicast or class E: never a LAN, link or endpoint. */
bool prefix_is_special(const struct prefix *p);

#endif
