/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Change: the record of the last change of the bundle in force, and whether it may stay.  Pure.
 *
 * STATE/change.json says which bundle is meant to be in force, where it may go back to, and what
 * was up before.  It is written before the folders are exchanged (transaction.h): whoever finds
 * folders that say something else ends what was begun.
 *
 * Sessions are named by link and family, "pv7 4": a session that only got another address is the
 * same.
 */
#ifndef P2PVPN_AGENT_CHANGE_H
#define P2PVPN_AGENT_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bundle.h"
#include "common/digest.h"
#include "common/error.h"

#define CHANGE_FILE "change.json"
#define CHANGE_MAX_BYTES (1u << 20)
#define CHANGE_MAX_SESSIONS 20000u
#define CHANGE_BOOT_SIZE 40 /* a UUID */

enum change_state {
    CHANGE_NONE, /* nothing to confirm: the first bundle, or confirmation is switched off */
    CHANGE_PENDING,
    CHANGE_CONFIRMED,
    CHANGE_ROLLED_BACK,
};

struct change {
    enum change_state state;
    char revision[DIGEST_TEXT_LEN + 1]; /* that is meant to be in force; "": none yet */
    char previous[DIGEST_TEXT_LEN + 1]; /* in STATE/previous; "": nothing to go back to */
    char refused[DIGEST_TEXT_LEN + 1];  /* rolled back from, and not taken again; "": none */
    int64_t since;                      /* seconds since 1970: when the state began */
    int64_t deadline;                   /* while pending: CLOCK_BOOTTIME, milliseconds */
    char boot[CHANGE_BOOT_SIZE];        /* of the boot that the deadline belongs to */
    char **sessions;                    /* that were up before; owned */
    size_t n_sessions;
    bool source, reach; /* the bundle's source, and what --reach names, answered before */
    char *why;          /* a sentence; NULL: nothing to say.  Owned */
};

const char *change_state_name(enum change_state s); /* "none", "pending", "confirmed", ... */

void change_format(const struct change *c, struct buf *ret);
/* -EINVAL with *err filled, *ret untouched.  Free what is in *ret with change_clear(). */
int change_parse(const char *data, size_t len, const char *file, struct change *ret,
                 struct error_list *err);
void change_clear(struct change *c); /* back to all zero */
void change_add_session(struct change *c, const char *name);

/* Whether a session that was up proves anything after this change.  Not over a link whose ends
 * prove themselves in another way from now on: it is up again when the peer has its bundle, and if
 * it is to stay away, because a key was given up, nothing may bring the old bundle back. */
bool change_session_counts(const struct bundle *now, const struct bundle *next,
                           const char *session);

/* What is so now, while a change is pending. */
struct change_facts {
    const struct bundle *want; /* the new one */
    int64_t now;               /* CLOCK_BOOTTIME, milliseconds */
    bool applied;              /* nothing is left to do */
    const char *failed;        /* it cannot be applied, because; NULL: as far as we know it can */
    bool known;                /* it could be asked what is up and reachable: */
    char *const *up;           /* sessions that are up */
    size_t n_up;
    bool source, reach;
};

enum change_verdict { CHANGE_WAIT, CHANGE_GOOD, CHANGE_ROLL_BACK };

/* GOOD: all that was up and is still wanted is up, now.  ROLL_BACK: it failed, or time is over.
 * *why says what is missing (also with WAIT). */
enum change_verdict change_decide(const struct change *c, const struct change_facts *f,
                                  struct buf *why);

#endif
