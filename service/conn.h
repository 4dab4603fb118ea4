/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: from accept() to close, one request after the other, each step within its time.
 *
 * A connection is silent until the first record of TLS is all there: it has no TLS and no buffer,
 * and costs less than a kilobyte.  Then it is unproven until its first request is complete.  Of
 * those there are at most max_unproven: a new one takes the place of the oldest.  While it waits
 * for a publication it holds neither buffers nor the request.  So neither half-open nor slow
 * connections cost more than a fixed sum, and none of them shuts an agent out.
 */
#ifndef P2PVPN_SERVICE_CONN_H
#define P2PVPN_SERVICE_CONN_H

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "service/address.h"
#include "service/api.h"
#include "service/tls.h"

struct conn;
TAILQ_HEAD(conn_list, conn);

enum conn_place {
    CONN_SILENT,
    CONN_UNPROVEN,
    CONN_IDLE,
    CONN_BUSY,
    CONN_WAITING,
    CONN_COMMITTING,
    CONN_PLACES
};

struct conns {
    struct event_base *base;
    struct tls *tls;
    struct api *api;
    struct conn_list lists[CONN_PLACES]; /* the oldest first */
    unsigned counts[CONN_PLACES];
    struct addresses addresses;
    struct event *commit; /* when those in CONN_COMMITTING are answered */
    bool closing;
};

void conns_init(struct conns *all, struct event_base *base, struct tls *tls, struct api *api);

/* Takes the socket.  address NULL: of the local socket. */
void conns_add(struct conns *all, int fd, const struct sockaddr *address);

/* Something was published: everybody who waits for it is answered. */
void conns_published(struct conns *all);

/* What waits to be written is, and its senders are answered. */
void conns_commit(struct conns *all);

/* No new requests; those that wait are told to come again. */
void conns_shut(struct conns *all);
unsigned conns_count(const struct conns *all);
void conns_clear(struct conns *all);

#endif
