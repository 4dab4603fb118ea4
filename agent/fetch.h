/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetch: `p2pvpn-agent fetch`: brings this gateway's bundle, and the mesh's table of origins, from
 * a signed repository to FETCH_DIR, where the agent finds them.
 *
 * It has no rights, and no key: what comes from outside is given to tuf/updater.h, and only what
 * that trusts replaces what is there, whole.  Mirrors are asked in order; one that does not answer
 * or lies is a reason to ask the next.  When all do, what is there stays, and fetch.json says why
 * (fetch_report.h).  An unchanged repository costs one request of one small file; with a controller
 * the answer to a question that waits there.
 *
 * - FETCH_DIR/bundle.tar, FETCH_DIR/origins: verified
 * - FETCH_DIR/metadata/: of the repository (tuf/updater.h)
 * - FETCH_DIR/fetch.json, FETCH_DIR/lock: its report; held by the one that is at work
 *
 * Started as root it becomes the fetcher's user before it asks anybody.  SIGHUP: look now.
 */
#ifndef P2PVPN_AGENT_FETCH_H
#define P2PVPN_AGENT_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/settings.h"
#include "common/error.h"

/* Stays until it is killed; with `once` it looks once and returns 0 when the repository is fresh,
 * -EINVAL when it was refused, and what failed otherwise. */
int fetch_run(const struct settings *s, bool once, struct error_list *err);

/* Milliseconds until the next look: poll_ms after a good one, otherwise 5 s and then twice as long
 * each time, at most FETCH_RETRY_MAX_MS; a fifth more or less by `random`, so that the gateways of
 * a mesh do not come all at once.  Pure. */
#define FETCH_RETRY_FIRST_MS 5000
#define FETCH_RETRY_MAX_MS 600000
int64_t fetch_delay(unsigned failures, int64_t poll_ms, uint32_t random);

#endif
