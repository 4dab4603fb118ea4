/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocate, the gateways: their numbers, ASNs and router ids.  The rules stand in allocate.h, whose
 * inner half this is.
 */
#ifndef P2PVPN_CONTROLLER_ALLOCATE_GATEWAYS_H
#define P2PVPN_CONTROLLER_ALLOCATE_GATEWAYS_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct mesh;
struct lock;
struct lock_gateway;
struct network;
struct pair;

#define ALLOCATE_NOBODY UINT32_MAX

struct allocator {
    const struct mesh *mesh;
    const struct lock *lock; /* NULL: none */
    struct network *net;
    struct error_list *err;
    const struct lock_gateway **kept; /* by gateway index; NULL: new */
    uint32_t *owner;                  /* by number; ALLOCATE_NOBODY: free */
    struct pair *asns, *router_ids;   /* given before any number is looked for: value, owner */
    size_t n_asns, n_router_ids;
    uint32_t max_number;
};

/* Fills in number, ASN, router id and generation of every gateway; what contradicts is an error. */
void allocate_gateways(struct allocator *al);
/* After the topology: a number for each further tunnel that a gateway has with any of its peers. */
void allocate_extra_numbers(struct allocator *al);
/* base-asn is for those that have no ASN yet; nobody shall believe that it moved the others. */
void allocate_warn_of_base_asn(const struct allocator *al, struct error_list *warnings);

#endif
