/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock: what was handed out, kept beside the model in the operator's git (yang/p2pvpn-lock.yang).
 *
 * NAME.json has NAME.lock.json.  Written by compile, read by the next: what stays keeps its number,
 * addresses and ports, whatever is added, removed or reordered around it.
 */
#ifndef P2PVPN_CONTROLLER_LOCK_H
#define P2PVPN_CONTROLLER_LOCK_H

#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/prefix.h"
#include "controller/network.h" /* struct link_override */

struct lock_gateway {
    const char *name;
    uint32_t number, asn, router_id, generation;
};

struct lock_link {
    uint32_t a, b; /* gateway numbers, a < b: the lower one gets the even address */
    uint32_t index;
    struct link_override *override; /* NULL: none; address_a and port_a belong to a */
};

struct lock {
    const char *file;
    const char *mesh;
    struct prefix *link_prefixes; /* the pool the indexes count in */
    size_t n_link_prefixes;
    struct lock_gateway *gateways; /* by number */
    size_t n_gateways;
    struct lock_link *links; /* by index */
    size_t n_links;
    struct arena arena;
};

/* "mesh.json" -> "mesh.lock.json"; caller frees. */
char *lock_file_name(const char *mesh_file);

/* 0 with *ret set; a missing file is an empty lock.  -EINVAL: not a lock, or contradicting itself.
 */
int lock_load(const char *file, struct lock **ret, struct error_list *err);
int lock_parse(const char *text, size_t len, const char *file, struct lock **ret,
               struct error_list *err);

/* Deterministic text, one record a line; runs of links with consecutive peers and indexes are one
 * record, so that a full mesh of 1,000 gateways is about a thousand lines. */
void lock_format(const struct lock *lock, struct buf *ret);

struct lock *lock_free(struct lock *lock); /* NULL ok; returns NULL */

#endif
