/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repairs: when putting the same thing right again and again has become a fight.  Pure.
 *
 * What drifts is put right at once.  What is wrong again soon after, several times in a row, is
 * changed back by something on the machine, and whoever set that up will not be persuaded by
 * writing faster: it is said once, and from then on this thing is put right ever more rarely, every
 * few minutes in the end.  When it has stayed right for a while, all is forgotten.  Each thing has
 * its own count, so a fight over one keeps nothing else from being repaired.
 *
 * Things are told apart by a 64-bit number, for instance a hash of their name.
 */
#ifndef P2PVPN_AGENT_REPAIRS_H
#define P2PVPN_AGENT_REPAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPAIRS_FREE 3 /* in a row, before it is a fight */
#define REPAIRS_MIN_MS 10000
#define REPAIRS_MAX_MS 300000
#define REPAIRS_CALM_MS 60000 /* right for so long: forgotten */

struct repair; /* one thing */

struct repairs {
    struct repair *items; /* by key */
    size_t n, cap;
};

#define REPAIRS_INIT \
    {                \
        NULL, 0, 0   \
    }

enum repairs_answer {
    REPAIRS_GO,    /* put it right */
    REPAIRS_FIGHT, /* leave it for now, and say that this is a fight: it has just become one */
    REPAIRS_WAIT,  /* leave it for now */
};

/* This thing is wrong at this time; asked again at the same time, the answer is the same.  *until:
 * with the last two answers, when it may be put right next. */
enum repairs_answer repairs_ask(struct repairs *r, uint64_t key, int64_t now, int64_t *until);
/* It could not be put right: that is no fight, and not counted. */
void repairs_failed(struct repairs *r, uint64_t key);

/* Forgets what has been calm.  Call now and then. */
void repairs_sweep(struct repairs *r, int64_t now);
/* Forgets everything: something new is to be put in place. */
void repairs_reset(struct repairs *r);

#endif
