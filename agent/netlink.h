/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink: the links and addresses of this network namespace, read and changed (rtnetlink(7)).
 *
 * Only this module and netlink_monitor.h see libnl.  Attributes are read from the messages
 * themselves: libnl 3.7's link objects know neither alternative names nor a tun's owner.  Functions
 * return 0 or a negative errno with *err saying what was tried on which interface.
 */
#ifndef P2PVPN_AGENT_NETLINK_H
#define P2PVPN_AGENT_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
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

/* Of a socket: a machine with thousands of links sends dumps and bursts far beyond libnl's 32 KiB.
 */
#define NETLINK_RECEIVE_BUFFER (2 << 20)
#define NETLINK_SEND_BUFFER (64 << 10)

struct netlink;

int netlink_open(struct netlink **ret, struct error_list *err);
struct netlink *netlink_close(struct netlink *nl); /* NULL ok; returns NULL */

/* What of the links is asked for.  The counters of bytes the kernel sums up over all processors;
 * where they are not asked for, they are 0.  The addresses need not be read again by who has heard
 * of no change since the last time (netlink_monitor.h): they are a quarter of the work. */
enum {
    LINKS_COUNTERS = 1,
    LINKS_SAME_ADDRESSES = 2,
};

/* Every link with its settings; addresses of the tuns only. */
int netlink_links(struct netlink *nl, unsigned what, struct link_table *ret,
                  struct error_list *err);
void link_table_clear(struct link_table *t);
/* "net/ipv4/conf/pv7/rp_filter", as sysctl.h wants it; on the heap. */
char *netlink_setting_name(enum link_setting setting, const char *interface);
/* NULL: there is none of this name (alternative names are not looked at). */
const struct link_state *link_table_find(const struct link_table *t, const char *name);

bool link_address_equal(const struct link_address *a, const struct link_address *b);

int netlink_set_alias(struct netlink *nl, const char *name, const char *alias,
                      struct error_list *err);
int netlink_set_mtu(struct netlink *nl, const char *name, uint32_t mtu, struct error_list *err);
int netlink_set_queue_length(struct netlink *nl, const char *name, uint32_t packets,
                             struct error_list *err);
int netlink_set_up(struct netlink *nl, const char *name, struct error_list *err);
int netlink_add_altname(struct netlink *nl, const char *name, const char *altname,
                        struct error_list *err);
int netlink_remove_altname(struct netlink *nl, const char *name, const char *altname,
                           struct error_list *err);
/* Without duplicate address detection: a link has two ends and no third. Being there already, or
 * gone already, is success. */
int netlink_add_address(struct netlink *nl, const char *name, const struct link_address *a,
                        struct error_list *err);
/* Tells everybody who listens that the address is there; sets it if it is not.  Nothing else
 * changes. For zebra, see apply_repeat_addresses(). */
int netlink_repeat_address(struct netlink *nl, const char *name, const struct link_address *a,
                           struct error_list *err);
int netlink_remove_address(struct netlink *nl, const char *name, const struct link_address *a,
                           struct error_list *err);
int netlink_delete_link(struct netlink *nl, const char *name, struct error_list *err);

#endif
