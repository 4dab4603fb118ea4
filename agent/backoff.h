/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backoff: how long to wait before a process that died is started again.  Pure.
 *
 * The first death after a good run is answered almost at once, because traffic waits; a process
 * that keeps dying is tried ever more rarely, and forgiven after it has run for a while.
 */
#ifndef P2PVPN_AGENT_BACKOFF_H
#define P2PVPN_AGENT_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 30000
#define BACKOFF_GOOD_RUN_MS 60000

struct backoff {
    unsigned deaths; /* in a row, each after less than a good run */
};

/* Milliseconds to wait now that the process died after running for ran_ms. */
int64_t backoff_next(struct backoff *b, int64_t ran_ms);

#endif
