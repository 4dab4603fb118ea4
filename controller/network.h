/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network: the compiled mesh, one step before text.  What allocate.h and topology.h produce and
 * render.h reads.  Indexes are those of the mesh's gateways.
 */
#ifndef P2PVPN_CONTROLLER_NETWORK_H
#define P2PVPN_CONTROLLER_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/bundle.h" /* enum link_role, enum bundle_origin_check */
#include "common/prefix.h"
#include "controller/mesh.h"

#define NETWORK_MAX_POOL 8        /* link prefixes of one family */
#define NETWORK_MAX_TUNNELS 8     /* between one pair; the model's `parallel` */
#define GATEWAY_MAX_NUMBER 65535u /* base-port + number must be a port as well */

/* A link that an imported deployment brought along: its own addresses and ports instead of ours.
 * `a` is the end with the lower gateway number, as in the lock. */
struct link_override {
    struct prefix address_a, address_b; /* IPv4 host addresses; family 0: from the pool */
    uint16_t port_a, port_b;            /* local UDP ports; 0: derived */
};

/* One tunnel; the tunnels of a pair stand side by side. */
struct network_link {
    uint32_t a, b;                        /* gateway indexes, a < b */
    uint8_t tunnel;                       /* 0 for the first */
    uint32_t index;                       /* in the link pool */
    uint32_t settings;                    /* 1 + index into mesh->links, 0: none of its own */
    const struct link_override *override; /* NULL for almost every link */
};

struct network_gateway {
    uint32_t number, asn;
    uint32_t
        extra[NETWORK_MAX_TUNNELS - 1]; /* numbers for the ports of its further tunnels; 0: none */
    uint32_t router_id;                 /* host order */
    uint32_t generation;                /* of the certificate name, from 1 */
    const char *link_key;               /* common/link_key.h, of keys_file.h; NULL: it has none */
    bool transit;                       /* may carry other LANs' traffic */
    bool elected;                       /* it does because a large full mesh needs somebody to */
    uint32_t first_peer, n_peers; /* into peers[], ordered by the peer's number, then the tunnel */
};

struct network_peer {
    uint32_t gateway; /* the other end */
    uint32_t link;    /* into links[] */
};

/* What the mesh was before, as far as the topology keeps to it: of the gateways that stayed. */
struct network_past {
    const bool *elected; /* by gateway: as in struct network_gateway */
    struct network_pair {
        uint32_t a, b; /* gateway indexes */
    } * links;
    size_t n_links;
};

struct network {
    const struct mesh *mesh;
    const struct network_past *past;  /* NULL: a new mesh; only topology_build() reads it */
    struct network_gateway *gateways; /* mesh->n_gateways of them */
    struct network_link *links;       /* by a, b, tunnel */
    size_t n_links;
    struct network_peer *peers;              /* 2 * n_links */
    struct prefix pool[2][NETWORK_MAX_POOL]; /* link prefixes in use: [0] IPv4, [1] IPv6 */
    size_t n_pool[2];
    enum bundle_origin_check origin_check; /* of every gateway (origin_check.h) */
    unsigned path_bound;                   /* the longest AS path that the topology needs */
    double topology_seconds;               /* how long topology_build() took; of no effect */
    struct arena arena;
};

/* One end of one link with everything derived and every default resolved (topology.c). */
struct link_end {
    uint32_t self, peer; /* gateway indexes */
    const struct network_link *link;
    /* IPv4, IPv6; family 0: not used.  Ours is a /31 or /127 with its host bits, the peer's always
     * a host address (/32, /128).  Where ours is a host address too (an imported link), the two
     * have no prefix in common: the interface gets a point-to-point address, `ip address add OURS
     * peer PEER/32`, and the kernel's route to PEER/32 is the connected prefix in which zebra finds
     * the neighbor. */
    struct prefix address[2], peer_address[2];
    uint16_t local_port;
    uint16_t remote_port; /* 0 with remote_host NULL */
    /* The peer's endpoint.  NULL: it has none, or one end's endpoint is an IPv4 address and the
     * other's an IPv6 address: they cannot both call with one socket, so the client calls. */
    const char *remote_host;
    enum link_role role; /* server: it has an endpoint and the peer has none, or the lower number */
    struct mesh_settings settings; /* resolved */
    uint16_t tun_mtu;
};

/* RFC 6996: 64512..65534 and 4200000000..4294967294. */
static inline bool asn_is_private(uint32_t asn)
{
    return (asn >= 64512 && asn <= 65534) || (asn >= 4200000000u && asn <= 4294967294u);
}

/* The settings of a link, every default resolved. */
struct mesh_settings network_link_settings(const struct mesh *mesh,
                                           const struct network_link *link);

void network_link_end(const struct network *net, uint32_t self, const struct network_peer *peer,
                      struct link_end *ret);

#endif
