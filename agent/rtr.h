/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTR: tells this machine's bgpd which AS may announce which prefix (RFC 8210, version 1, and
 * RFC 6810, version 0).
 *
 * FRR asks an RPKI cache, through rtrlib, about every route that `match rpki valid` looks at.  Here
 * that cache is the agent, and what it serves is the mesh's own table (common/origins.h) with
 * max-length equal to the length: exactly the registered prefix is valid, from exactly its ASNs.
 *
 * It listens on 127.0.0.1 only, by default on port 323, which only root can open: so no
 * unprivileged user of the gateway can pretend to be the cache while the agent is away.  Any local
 * user may connect and read the table, and is treated as hostile: bounded in memory and time, and
 * in number so that ordinary users cannot take the places of bgpd's.
 *
 * What bgpd does with it, as of FRR 8.4.4 (bgpd/bgp_rpki.c) and rtrlib 0.8.0:
 * - It connects when the `rpki` node of its configuration is left by `exit`, and after a failure,
 * or "no data available", sleeps for `rpki retry_interval`, by default ten minutes: set it to 2.
 *   After the first sync our own intervals hold (rtr_session.h).
 * - Each change of the table is checked only against what a neighbor with `soft-reconfiguration
 *   inbound` sent; without it, routes stay accepted or refused as they were when they came.
 * - Until up to three seconds after its first whole table nothing is valid for it, and then it
 * looks at no route again: routes that came before stay refused.  Something must make it look
 * (`clear bgp * soft in`) when rtr_status.tables goes up.  After that a lost connection, or an
 * agent that is restarted, changes nothing.
 * - When no sync succeeds for RTR_EXPIRE_S it drops the table, and no route is valid any more.
 *
 * Nothing here blocks: a descriptor becomes readable when rtr_run() should be called, and a
 * deadline says when to call it at the latest.  It speaks through log.h.  Times are milliseconds of
 * CLOCK_MONOTONIC.
 */
#ifndef P2PVPN_AGENT_RTR_H
#define P2PVPN_AGENT_RTR_H

#include <stdint.h>

#include "common/error.h"
#include "common/origins.h"

#define RTR_PORT 323 /* IANA: rpki-rtr */

struct rtr;

/* Listens on 127.0.0.1:port (0: any free one), with the socket that systemd has passed for it
 * (p2pvpn-rtr.socket) or one of its own, with no table yet: routers are told "no data
 * available".  0 and *ret set, or a negative errno with *err filled; *ret is then untouched. */
int rtr_new(uint16_t port, struct rtr **ret, struct error_list *err);
struct rtr *rtr_free(struct rtr *r); /* closes all connections; NULL ok; returns NULL */

uint16_t rtr_port(const struct rtr *r);

/* From now on this table is served; it is owned by r from here.  If it differs from the last one in
 * any prefix or ASN the serial goes up, every router is notified at once, and true is returned.  A
 * router in the middle of receiving an older table receives that one to its end. */
bool rtr_set(struct rtr *r, struct origins *table);
/* The table that is served, or NULL.  Valid until the next rtr_set(). */
const struct origins *rtr_table(const struct rtr *r);

/* Readable when rtr_run() should be called; also call it at the deadline (INT64_MAX: none). */
int rtr_fd(const struct rtr *r);
int64_t rtr_deadline(const struct rtr *r);
void rtr_run(struct rtr *r);

/* For status: what a person wants to see. */
struct rtr_status {
    uint32_t serial;     /* of the table */
    size_t prefixes;     /* in the table */
    size_t pairs;        /* of prefix and ASN */
    unsigned routers;    /* connected */
    unsigned up_to_date; /* routers that have received exactly this table */
    unsigned tables;     /* whole tables that were sent to their end, since rtr_new() */
    /* The same three without the routers of ordinary users: these are bgpd's, so what is done
     * because of them cannot be caused by anybody. */
    unsigned system_routers, system_up_to_date, system_tables;
};

struct rtr_status rtr_status(const struct rtr *r);

#endif
