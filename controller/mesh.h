/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mesh: the operator's model as plain data (what yang/p2pvpn-mesh.yang describes).
 *
 * mesh_build.c fills it, all after it read it.  All lists are sorted by name (links by a, b), so
 * nothing downstream depends on the order in the file.  One arena owns everything.
 *
 * `line` is where the entry begins in the file, for messages; the data path of a gateway is
 * "/p2pvpn-mesh:mesh/gateway[name='NAME']", of a LAN, segment and link accordingly.
 */
#ifndef P2PVPN_CONTROLLER_MESH_H
#define P2PVPN_CONTROLLER_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/prefix.h"

#define MESH_NONE UINT32_MAX /* an index that points nowhere */

enum tristate { TRI_UNSET, TRI_NO, TRI_YES };

/* Settings of a link; 0 means "not set here".  /mesh/defaults always has every one set.
 * A link's own settings win, then the two gateways' (the careful one of both), then the defaults.
 */
struct mesh_settings {
    uint16_t underlay_mtu;  /* bytes, 576..9216 (1280.. for IPv6) */
    uint32_t bfd_interval;  /* ms, transmit and receive, 50..60000 */
    uint8_t bfd_multiplier; /* 2..50 */
    uint32_t queue_length;  /* packets, txqueuelen of the tun */
    uint32_t socket_buffer; /* bytes, sndbuf and rcvbuf; 0: the system's default */
};

struct mesh_lan {
    const char *name, *description; /* description may be NULL */
    struct prefix *prefixes;        /* sorted with prefix_compare() */
    size_t n_prefixes;
    const char *prefix_text; /* bundle_prefix_text(); NULL: nobody made it */
    uint32_t n_gateways;     /* that serve it */
    uint32_t line;
};

struct mesh_gateway {
    const char *name;
    const char *short_name;  /* at most SHORT_NAME_MAX; defaults to the name's beginning, without a
                                dot, underscore or hyphen at its end */
    const char *description; /* may be NULL */
    uint32_t lan;            /* index into lans */
    const char *endpoint;    /* address or DNS name; NULL: it can only call out */
    uint8_t endpoint_family; /* FAMILY_NONE for a DNS name */
    const char **groups;     /* sorted */
    size_t n_groups;
    enum tristate transit;
    enum tristate manage_wan_firewall;
    uint32_t asn, router_id, number; /* 0: to be allocated */
    struct mesh_settings settings;
    uint32_t line;
};

enum segment_kind { SEGMENT_FULL_MESH, SEGMENT_HUB_AND_SPOKE, SEGMENT_RING };

struct mesh_segment {
    const char *name;
    enum segment_kind kind;
    const char **groups, **hub_groups; /* sorted; no group: every gateway (that is not a hub) */
    size_t n_groups, n_hub_groups;
    uint32_t hubs_per_spoke;  /* 0: all */
    uint32_t transit_members; /* 0: the default, all up to 16 members, else 4 */
    uint32_t parallel;        /* tunnels of a pair; 0: the default, 1 */
    uint32_t line;
};

enum mesh_origin_check { ORIGIN_CHECK_AUTO, ORIGIN_CHECK_LISTS, ORIGIN_CHECK_CACHE };

struct mesh_link {
    uint32_t a, b; /* gateway indexes, a < b */
    struct mesh_settings settings;
    uint32_t parallel; /* tunnels; 0: as the segments say that make the link, else 1 */
    uint32_t line;
};

struct mesh {
    const char *file; /* for messages */
    const char *name;
    const char *description; /* may be NULL */
    uint32_t line;
    struct prefix *link_prefixes; /* as written, in order; none: the defaults (allocate.h) */
    size_t n_link_prefixes;
    uint16_t base_port;
    uint32_t base_asn;
    bool allow_public_prefix;
    enum mesh_origin_check origin_check;
    struct mesh_settings defaults;
    bool manage_wan_firewall; /* of gateways that do not say */
    struct mesh_lan *lans;
    size_t n_lans;
    struct mesh_gateway *gateways;
    size_t n_gateways;
    bool full_mesh; /* no topology in the file: every pair */
    struct mesh_segment *segments;
    size_t n_segments;
    struct mesh_link *links;
    size_t n_links;
    bool has_ipv4, has_ipv6; /* families of the LANs; each gets its addresses and BGP sessions */
    struct arena arena;
};

#endif
