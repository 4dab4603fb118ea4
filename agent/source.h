/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source: the place that bundles come from, watched.
 *
 * It is a folder or an archive, or not there yet, and any of its folders may be a link or be
 * exchanged.  A descriptor becomes readable when something happened there that may matter; a look
 * every few seconds finds out what inotify does not tell.
 */
#ifndef P2PVPN_AGENT_SOURCE_H
#define P2PVPN_AGENT_SOURCE_H

#include <stdbool.h>

#include "agent/settings.h"
#include "common/error.h"

struct source;

enum source_state {
    SOURCE_MISSING, /* errno says why */
    SOURCE_SAME,    /* as at the last look */
    SOURCE_NEW,     /* another one: at the next look it is the same */
};

/* The folder of the table of origins is watched as well; and that of the sockets of FRR's daemons,
 * which appear there when they come back.  `dir` stays the caller's. */
int source_new(const char *dir, const struct settings *settings, struct source **ret,
               struct error_list *err);
struct source *source_free(struct source *s); /* NULL ok; returns NULL */

int source_fd(const struct source *s);
void source_clear_events(struct source *s);

enum source_state source_look(struct source *s);
bool source_is_there(const struct source *s); /* at the last look */
/* It was replaced since the last look: what was read may be of both. */
bool source_moved(const struct source *s);
/* At the next look it is new, whatever it is. */
void source_forget(struct source *s);

#endif
