/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTR session: what is said on one connection, as a state machine over bytes in and bytes out.
 *
 * No descriptor and no clock: rtr.c moves the bytes, tests and the fuzzer do so in memory.  The
 * peer is taken for hostile.  What it sends is bounded by a small buffer, and nothing is read while
 * a response is being sent; what it is sent is made piece by piece from the place in the table, so
 * a session takes the same little memory however large the table is.
 *
 * Deviations from RFC 8210, each for bgpd's rtrlib 0.8 (rtr/rtr.c, rtr/packets.c):
 * - A query with another session's id is answered by Cache Reset, where 5.1 wants an error and the
 *   end of the connection.  After that error rtrlib would ask the same again until its data
 *   expires; after Cache Reset it takes the whole table at once, compares it with what it has, and
 *   tells bgpd of the differences only.  So an agent that was restarted causes no routes to flap.
 * - Serial Notify is not limited to one a minute (5.2).  The limit is for caches with many routers
 *   far away; here a new LAN waits for it.
 */
#ifndef P2PVPN_AGENT_RTR_SESSION_H
#define P2PVPN_AGENT_RTR_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/rtr_cache.h"

/* Seconds, in every End of Data of version 1; rtrlib takes them over (FRR 8.4 has 3600, 600 and
 * 7200).  Refresh: each sync renews the time to expiry, and finds an agent that hangs.  Retry: how
 * soon after an agent's restart its table is there again.  Expire: for how long after the agent has
 * died the mesh goes on as it was: as long as the protocol allows. */
#define RTR_REFRESH_S 300
#define RTR_RETRY_S 2
#define RTR_EXPIRE_S 172800

#define RTR_INPUT_MAX 4096   /* bytes of a PDU that are taken; queries have at most 12 */
#define RTR_OUTPUT_MAX 16384 /* bytes that wait to be written */

struct rtr_session {
    struct rtr_cache *cache;
    int version; /* -1: not negotiated yet */
    bool notify; /* a Serial Notify is due */
    bool over;   /* nothing more is read; close it when the output is written */

    /* The response that is being sent: one of them, or none. */
    struct rtr_table *table;
    struct origin_place place;
    struct rtr_delta *delta;
    size_t change;

    bool synced;      /* it was sent an End of Data */
    uint32_t serial;  /* of that */
    unsigned queries; /* answered */
    unsigned tables;  /* whole ones that were sent to their end */
    struct buf said;  /* for the log: why it is over; untrusted bytes are made printable */

    size_t in_len, out_at, out_len;
    uint8_t in[RTR_INPUT_MAX], out[RTR_OUTPUT_MAX];
};

void rtr_session_init(struct rtr_session *s, struct rtr_cache *cache);
void rtr_session_clear(struct rtr_session *s);

/* How many bytes it takes now; 0 while it answers and when it is over. */
size_t rtr_session_room(const struct rtr_session *s);
/* Takes n bytes, at most the room. */
void rtr_session_input(struct rtr_session *s, const uint8_t *data, size_t n);

/* The bytes to write next; 0: there are none.  Valid until the next call. */
size_t rtr_session_output(struct rtr_session *s, const uint8_t **ret);
/* n of them were written. */
void rtr_session_written(struct rtr_session *s, size_t n);

/* The table changed: tells the router, when its current response is complete. */
void rtr_session_notify(struct rtr_session *s);

#endif
