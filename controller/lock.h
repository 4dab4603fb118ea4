/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock: what was handed out, kept beside the model in the operator's git (yang/p2pvpn-lock.yang).
 *
 * NAME.json has NAME.lock.json.  Written by compile, read by the next: what stays keeps its number,
 * addresses and ports, whatever is added, removed or reordered around it.
 *
 * A record of links is a run: {index i, a, b, count n} stands for (a,b) -> i, (a+1,b) -> i+1 ...
 * (a+n-1,b) -> i+n-1.  Runs go over the lower number because indexes are handed out in the order
 * (b, a): a mesh that grows gateway by gateway then has the same records as one compiled at once,
 * one a gateway, and adding a gateway adds two lines to the file.  A run is of one tunnel: a record
 * with tunnel t is of the t-th tunnels of its pairs, counted from 1 as in an interface's name.
 *
 * Hub-and-spoke has hardly any runs, so a large lock has hundreds of thousands of records: the text
 * that lock_format() writes is read back by a reader of its own, everything else by a JSON parser
 * that says what is wrong.
 */
#ifndef P2PVPN_CONTROLLER_LOCK_H
#define P2PVPN_CONTROLLER_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/prefix.h"
#include "controller/network.h" /* struct link_override */

#define LOCK_MAX_BYTES (768u << 20) /* LOCK_MAX_LINKS that are all a run of their own */
#define LOCK_MAX_LINKS (1u << 23)   /* a full mesh of 4,096; what a hostile count stops at */

struct lock_gateway {
    const char *name;
    uint32_t number, asn, router_id, generation; /* router_id in host order */
    uint32_t extra[NETWORK_MAX_TUNNELS - 1]; /* numbers for further tunnels; 0: none, at the end */
    bool transit;                            /* elected to give transit (topology.h) */
};

struct lock_link {
    uint32_t a, b; /* gateway numbers, a < b: the lower one gets the even address */
    uint32_t index;
    uint8_t tunnel;                 /* 0 for the first */
    struct link_override *override; /* NULL: none; address_a and port_a belong to a */
};

struct lock {
    const char *file;                      /* for messages; NULL when made by allocate_network() */
    const char *mesh;                      /* NULL: an empty lock */
    enum bundle_origin_check origin_check; /* by lists where the file does not say */
    struct prefix *link_prefixes; /* the pool the indexes count in: IPv4 first, each in its order */
    size_t n_link_prefixes;
    struct lock_gateway *gateways; /* by number */
    size_t n_gateways;
    struct lock_link *links; /* by index; both ends are among gateways */
    size_t n_links;
    struct arena arena;
};

/* "mesh.json" -> "mesh.lock.json"; caller frees. */
char *lock_file_name(const char *mesh_file);

/* 0 with *ret set; a missing file is an empty lock.  -EINVAL: not a lock, or contradicting itself:
 * every error with its data path and line. */
int lock_load(const char *file, struct lock **ret, struct error_list *err);
int lock_parse(const char *text, size_t len, const char *file, struct lock **ret,
               struct error_list *err);

/* Deterministic text, one record a line, so that a full mesh of 1,000 gateways is about two
 * thousand lines.  lock_parse() gives the same lock back. */
void lock_format(const struct lock *lock, struct buf *ret);

struct lock *lock_free(struct lock *lock); /* NULL ok; returns NULL */

#endif
