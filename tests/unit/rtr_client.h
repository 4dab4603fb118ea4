/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A router for tests: reads what the RTR cache sends, aborts on anything that RFC 8210 forbids, and
 * keeps the table that it was told.
 */
#ifndef P2PVPN_TESTS_RTR_CLIENT_H
#define P2PVPN_TESTS_RTR_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/origins.h"

struct rtr_client {
    struct buf in;                        /* not yet a whole PDU */
    struct origin_changes table, pending; /* what it has; what the response has brought so far */
    int version;                          /* of the PDUs it sends; what it gets must be the same */
    bool lax; /* somebody else asks on its connection: look at the form of PDUs only */
    bool responding, asked_all; /* in a response; which is to a Reset Query */
    uint16_t session;
    uint32_t serial;
    unsigned responses, notifies, resets, errors, pdus;
    uint32_t notified; /* serial of the last Serial Notify */
    int error;         /* code of the last Error Report */
    uint32_t refresh, retry, expire;
};

void rtr_client_init(struct rtr_client *c, int version);
void rtr_client_clear(struct rtr_client *c);

/* Append what a router sends. */
void rtr_client_reset_query(struct rtr_client *c, struct buf *to);
void rtr_client_serial_query(struct rtr_client *c, struct buf *to);
void rtr_client_pdu(struct buf *to, int version, int type, unsigned field, uint32_t len);

void rtr_client_take(struct rtr_client *c, const void *data, size_t n);

/* A table of n prefixes, the first half of them IPv4, without every `step`th, with one or two ASNs
 * each. */
struct origins *rtr_client_table(uint32_t n, uint32_t step);

/* It has exactly this table. */
bool rtr_client_has(const struct rtr_client *c, const struct origins *o);

#endif
