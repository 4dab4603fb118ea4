/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handover: what a worker (worker.h) has found out and is more than a number and some sentences.
 *
 * It goes through memory that both see, made before the worker starts: one message of the form of
 * wire.h, that the agent reads as strictly as if a stranger had written it.  Memory that is not
 * written to costs nothing.
 */
#ifndef P2PVPN_AGENT_HANDOVER_H
#define P2PVPN_AGENT_HANDOVER_H

#include <stddef.h>

#include "agent/wire.h"
#include "common/buf.h"
#include "common/error.h"

struct handover; /* in shared memory */

int handover_new(struct handover **ret, struct error_list *err);
struct handover *handover_free(struct handover *h); /* NULL ok; returns NULL */

/* The worker's side.  -EFBIG: it is more than there is room for. */
int handover_put(struct handover *h, const struct buf *message, struct error_list *err);

/* The agent's side, once the worker has ended: wire_read() of what was put.  `file`: what it is
 * about, for messages. */
int handover_take(const struct handover *h, const char *file, struct wire_answer *ret,
                  struct error_list *err);

#endif
