/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staging: state_stage() in a worker, so that a source, a reader or a disk that is slow, or hangs,
 * keeps the agent from nothing else.
 *
 * One at a time.  The worker holds the agent's lock as well, so that whoever comes after an agent
 * that was killed finds nobody writing.  What it left unfinished is removed.
 */
#ifndef P2PVPN_AGENT_STAGING_H
#define P2PVPN_AGENT_STAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/handover.h"
#include "agent/settings.h"
#include "agent/worker.h"
#include "common/bundle.h"
#include "common/error.h"

#define STAGING_MS 300000 /* thousands of files, each flushed, on a slow disk */

struct staging {
    const struct settings *settings;
    const char *dir; /* of the bundle */
    struct worker worker;
    struct handover *handover;
    int64_t until; /* monotonic_ms(); SUPERVISE_NEVER: none is under way */
};

void staging_init(struct staging *g, const struct settings *s, const char *dir);

/* Begins; `lock` is what state_lock() gave.  g->worker.fd becomes readable. */
int staging_start(struct staging *g, int lock, struct error_list *err);
bool staging_busy(const struct staging *g);

/* When staging_collect() is to be called at the latest. */
int64_t staging_deadline(const struct staging *g);

/* True: it has come to its end, *r and *ret are those of state_stage(), or it has taken too long:
 * -ETIMEDOUT. */
bool staging_collect(struct staging *g, int *r, struct bundle **ret, struct error_list *err);

/* Ends it, if it is under way, and removes what it has written so far. */
void staging_stop(struct staging *g);

#endif
