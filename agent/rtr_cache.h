/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTR cache: the table that is served, its serial, and how to get there from the last few tables.
 *
 * No descriptor and no clock.  Tables and differences are counted references, so that a response
 * that is being sent keeps to the version that it began with while newer ones arrive.
 */
#ifndef P2PVPN_AGENT_RTR_CACHE_H
#define P2PVPN_AGENT_RTR_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/origins.h"

#define RTR_VERSIONS 2 /* 0: RFC 6810; 1: RFC 8210 */
#define RTR_HISTORY 16 /* serials from which there is a way to the current one */

/* One version of the table. */
struct rtr_table {
    unsigned references;
    uint32_t serial;
    struct origins *origins;
};

/* From an older serial to a newer one, each pair at most once (RFC 8210, 5.3). */
struct rtr_delta {
    unsigned references;
    uint32_t from, to;
    struct origin_changes changes;
};

struct rtr_cache {
    uint16_t session[RTR_VERSIONS];        /* by version: serials of two versions do not compare */
    uint32_t serial;                       /* of the last table, or the one before the first */
    size_t pairs;                          /* of prefix and ASN in the table */
    struct rtr_table *table;               /* NULL: none yet */
    struct rtr_delta *deltas[RTR_HISTORY]; /* oldest first, all to the current serial */
    size_t n_deltas;
};

/* Takes a random session for each version; serials go up from `serial`. */
void rtr_cache_init(struct rtr_cache *c, uint32_t serial);
void rtr_cache_clear(struct rtr_cache *c);

/* Owns `origins` from here.  True: it differs from the last table, and the serial went up. */
bool rtr_cache_set(struct rtr_cache *c, struct origins *origins);

/* New references, or NULL: there is no table; there is no way from this serial. */
struct rtr_table *rtr_cache_table(const struct rtr_cache *c);
struct rtr_delta *rtr_cache_delta(const struct rtr_cache *c, uint32_t from);
struct rtr_table *rtr_table_unref(struct rtr_table *t); /* NULL ok; returns NULL */
struct rtr_delta *rtr_delta_unref(struct rtr_delta *d); /* NULL ok; returns NULL */

#endif
