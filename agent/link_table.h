/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link table: the network interfaces as netlink.h has read them, as plain data.
 */
#ifndef P2PVPN_AGENT_LINK_TABLE_H
#define P2PVPN_AGENT_LINK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/prefix.h"

#define LINK_NAME_SIZE 16 /* IFNAMSIZ */

/* /31 and /127: peer.family is 0.  A host length: the peer is the other end of the link. */
struct link_address {
    struct prefix local; /* with the prefix length */
    struct prefix peer;
};

/* The kernel's settings of one interface that matter here; netlink_setting_name() names them. */
enum link_setting {
    LINK_RP_FILTER,
    LINK_REDIRECTS4,
    LINK_REDIRECTS6,
    LINK_ACCEPT_RA,
    LINK_FORWARDING6,
    LINK_DISABLE_IPV6,
    LINK_ADDR_GEN_MODE,
    LINK_SETTINGS,
};
#define LINK_SETTING_ABSENT INT32_MIN /* the interface has no such setting */

struct link_state {
    unsigned index;
    char name[LINK_NAME_SIZE];
    char kind[LINK_NAME_SIZE]; /* "tun", "veth", ...; "" for hardware */
    char *alias;               /* never NULL */
    char **altnames;
    size_t n_altnames;
    uint32_t mtu, queue_length;
    bool up, carrier;
    bool persistent; /* tun: survives its last descriptor */
    int64_t owner;   /* tun: user id, -1: anybody with CAP_NET_ADMIN */
    uint64_t rx_bytes, tx_bytes;
    bool link_local;                /* tun: has an IPv6 address of link scope */
    struct link_address *addresses; /* global scope only */
    size_t n_addresses;
    int32_t settings[LINK_SETTINGS];
};

struct link_table {
    struct link_state *links; /* by index */
    size_t n;
};

#define LINK_TABLE_INIT \
    {                   \
        NULL, 0         \
    }

void link_table_clear(struct link_table *t);

/* NULL: there is none of this name (alternative names are not looked at). */
const struct link_state *link_table_find(const struct link_table *t, const char *name);
/* NULL: there is none with this index. */
struct link_state *link_table_at(const struct link_table *t, unsigned index);
void link_table_sort(struct link_table *t); /* as it has to be: by index */

bool link_address_equal(const struct link_address *a, const struct link_address *b);

#endif
