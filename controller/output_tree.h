/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of files, for output.c: what of a gateway's folder is ours, carrying the rest over, and
 * clearing a tree away without losing a foreign file.
 *
 * Works on descriptors and never follows a symbolic link.
 */
#ifndef P2PVPN_CONTROLLER_OUTPUT_TREE_H
#define P2PVPN_CONTROLLER_OUTPUT_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

/* What of a folder is ours, as the file in it says that speaks for it. */
struct owned {
    const char *voice;  /* the name of that file */
    struct buf text;    /* its content */
    const char **paths; /* other files, in ascending order, pointing into text */
    size_t n;
    const char *mesh, *gateway; /* point into text; the gateway of ORIGINS_DIR is ORIGINS_DIR */
};

/* The file that speaks for a folder of this name: bundle.json for a gateway's, which lists the
 * others, and for ORIGINS_DIR (common/origins.h) the only one in it. */
const char *owned_voice(const char *name);

/* Reads that file, which must be intact, in the folder of this name.  1: ours, *ret filled; 0:
 * there is none, or none of ours; or a negative errno.  Only the names, if `paths` is not wanted.
 */
int owned_read(int folder, const char *name, bool paths, struct owned *ret);
bool owned_has(const struct owned *owned, const char *path); /* the voice included */
void owned_free(struct owned *owned);

#define OWNED_INIT       \
    {                    \
        .text = BUF_INIT \
    }

/* Hard-links everything below from/name to to/name but what `owned` has (NULL: nothing is skipped).
 * Folders are made where needed: one that only held our files is not, an empty foreign one is.
 * `from_name` is the path of `from`, for messages. */
int tree_carry(int from, const char *from_name, int to, const char *name, const struct owned *owned,
               struct error_list *err);

/* Removes the tree parent/name, which is either the output before the exchange or what a killed run
 * had staged.  A foreign file in it that `to` does not have, or has in an older form, was made
 * while compile ran: it is moved to `to`. */
int tree_absorb(int parent, const char *name, int to, struct error_list *err);

#endif
