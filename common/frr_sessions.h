/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: what a change of a gateway's FRR configuration does to its BGP sessions.  Pure.
 *
 * The agent brings FRR from one configuration to the next by frr_diff.h; this says which sessions
 * that lets come, reset and go.  Which lines reset a session was measured with FRR 8.4.4
 * (tests/lab/test_frr_sessions.py); of a line that is not known it is said that it does.  A tunnel
 * that restarts takes its sessions along, which is not looked at here.
 */
#ifndef P2PVPN_COMMON_FRR_SESSIONS_H
#define P2PVPN_COMMON_FRR_SESSIONS_H

#include <stddef.h>

#include "common/alloc.h"
#include "common/error.h"

enum frr_fate { FRR_STAYS, FRR_COMES, FRR_RESETS, FRR_GOES };

struct frr_session {
    const char *neighbor; /* its address */
    enum frr_fate fate;
    const char *why; /* FRR_RESETS: the line that does it */
};

struct frr_sessions {
    struct frr_session *sessions; /* of both configurations, by neighbor */
    size_t n;
    size_t added, removed; /* lines of the whole configuration */
    struct arena arena;
};

#define FRR_SESSIONS_INIT         \
    {                             \
        NULL, 0, 0, 0, ARENA_INIT \
    }

/* From the text that is in force to the text that comes; "" is a router without ours.  0, or
 * -EINVAL: the agent would refuse it, *err says why. */
int frr_sessions_compare(const char *old, const char *now, struct frr_sessions *ret,
                         struct error_list *err);
void frr_sessions_free(struct frr_sessions *s);

#endif
