/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FRR's JSON, read: sessions and routes as numbers and short strings.  Pure.
 *
 * FRR's JSON differs from version to version, so unknown keys are ignored, a missing one leaves its
 * field empty, and a number may come as a string.  Where there is nothing to show FRR answers in
 * prose ("% BGP instance not found"): that is an empty list.  Text that begins as JSON and is not
 * is -EINVAL.  Fields keep the first bytes of what is longer; a control byte becomes '?'.
 */
#ifndef P2PVPN_AGENT_VTYSH_JSON_H
#define P2PVPN_AGENT_VTYSH_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/prefix.h"

struct bgp_session {
    struct prefix address; /* of the neighbor, host length */
    uint8_t family;        /* of the routes: FAMILY_IPV4 or FAMILY_IPV6 */
    char state[24];        /* "Established", "Active", "Idle (Admin)", ... */
    bool established;
    uint32_t asn;            /* of the neighbor */
    uint64_t up_ms;          /* since the last change of state */
    uint32_t received, sent; /* prefixes, after policy */
    uint32_t established_times, dropped_times;
};

struct bgp_sessions {
    struct bgp_session *items;
    size_t n;
    uint32_t asn; /* ours; 0: unknown */
};

struct bfd_session {
    struct prefix address;
    char status[16]; /* "up", "down", "init", "shutdown" */
    char diagnostic[48];
    bool up;
    uint64_t seconds; /* up or down since */
};

struct bfd_sessions {
    struct bfd_session *items;
    size_t n;
};

struct route_set {
    struct prefix *items; /* selected and installed; sorted by prefix_compare() */
    size_t n;
};

/* `show bgp summary json`: IPv4 and IPv6 unicast. */
int vtysh_json_bgp_summary(const char *text, struct bgp_sessions *ret, struct error_list *err);
/* `show bfd peers json` */
int vtysh_json_bfd_peers(const char *text, struct bfd_sessions *ret, struct error_list *err);
/* `show ip route bgp json`, `show ipv6 route bgp json`: adds to *ret. */
int vtysh_json_routes(const char *text, struct route_set *ret, struct error_list *err);

/* NULL: there is none. */
const struct bgp_session *bgp_sessions_find(const struct bgp_sessions *s, const struct prefix *a,
                                            uint8_t family);
const struct bfd_session *bfd_sessions_find(const struct bfd_sessions *s, const struct prefix *a);
bool route_set_has(const struct route_set *s, const struct prefix *p);

void bgp_sessions_free(struct bgp_sessions *s);
void bfd_sessions_free(struct bfd_sessions *s);
void route_set_free(struct route_set *s);

#endif
