/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units: what the supervisor wants of systemd, collected and asked in a worker that ends.
 *
 * Nothing here blocks but units_now().  Requests are gathered until the worker is free; of two for
 * one link the later counts.  When systemd cannot be reached they are kept and tried again.
 */
#ifndef P2PVPN_AGENT_UNITS_H
#define P2PVPN_AGENT_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/systemd.h"

#define UNITS_RETRY_MS 3000
#define UNITS_NOW_MS 30000 /* that units_now() waits at most */

struct units;

/* How requests are carried out, in the worker: systemd_links(), or what a test puts there. */
typedef int (*units_work)(const struct unit_request *requests, size_t n, struct unit_state *states,
                          size_t max, size_t *ret_n, struct error_list *err);

struct units *units_new(units_work work);
struct units *units_free(struct units *u); /* NULL ok; returns NULL */

void units_request(struct units *u, const char *interface, enum unit_act act);
/* Ask what there is in that many milliseconds, if nothing else does so before. */
void units_ask(struct units *u, int64_t in_ms);

/* Readable when units_run() should be called; also call it at the deadline.  -1: none.  The
 * descriptor changes with each worker: epoll is the caller's, and told when it is new. */
int units_fd(const struct units *u);
int64_t units_deadline(const struct units *u);

enum units_news {
    UNITS_NOTHING,
    UNITS_STARTED, /* a worker, with its descriptor */
    UNITS_TOLD,    /* units_states() has the answer */
    UNITS_FAILED,  /* and it was said */
};
enum units_news units_run(struct units *u);

/* Of the last answer, valid until the next units_run(). */
const struct unit_state *units_states(const struct units *u, size_t *ret_n);
/* Whether a request for this link was carried out by the worker that gave the last answer. */
bool units_answered(const struct units *u, const char *interface);
/* Whether a request for this link waits for the next worker. */
bool units_wants(const struct units *u, const char *interface);

/* Asks and waits for the answer. */
int units_now(struct units *u, struct error_list *err);

#endif
