/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection, for conn*.c alone: conn.c has who is connected, and for how long; conn_http.c
 * what is asked and answered over it.
 */
#ifndef P2PVPN_SERVICE_CONN_PARTS_H
#define P2PVPN_SERVICE_CONN_PARTS_H

#include <event2/event_struct.h>

#include "service/conn.h"

/* Seconds. */
#define TIME_HANDSHAKE 10 /* from accept() to the first request's head */
#define TIME_REQUEST 10   /* from a request's first byte to its last */
#define TIME_IDLE 30      /* between two requests */
#define TIME_WRITE 60     /* a response */
#define TIME_LINGER 2     /* until the other side has heard why it is closed */

enum state {
    STATE_NEW,
    STATE_HANDSHAKE,
    STATE_REQUEST,
    STATE_WAIT,
    STATE_COMMIT,
    STATE_WRITE,
    STATE_LINGER
};

struct conn {
    struct conns *all;
    struct address_seat seat; /* what it counts for; nothing: local */
    TAILQ_ENTRY(conn) entry;
    enum conn_place place;
    enum state state;
    int fd;
    struct tls_conn *tls;
    struct event io, timer;
    struct peer *peer; /* once it is known */
    struct buf in;     /* what was read and is not yet answered */
    struct buf out;    /* the response's head and body */
    size_t out_done;
    int file; /* the response's file, or -1 */
    int64_t file_at, file_size, seen;
    size_t lingered;
    int peeked; /* bytes of the first record that were there */
    int status;
    bool renew; /* what a report waits to hear (api_response) */
    bool keep_alive, begun;
    char from[ADDRESS_TEXT_SIZE];
};

/* conn.c */
void conn_put(struct conn *c, enum conn_place place);
void conn_close(struct conn *c);
void conn_arm(struct conn *c, short what);
void conn_within(struct conn *c, unsigned seconds);
/* True: wait for the socket; the event is armed. */
bool conn_again(struct conn *c, enum tls_result r);

/* conn_http.c */
void conn_answer(struct conn *c, struct api_response *response);
/* An answer after which the connection ends, as what follows cannot be understood. */
void conn_refuse(struct conn *c, int status, const char *sentence);
void conn_request(struct conn *c);
void conn_wait(struct conn *c);
void conn_write(struct conn *c);
void conn_linger(struct conn *c);

#endif
