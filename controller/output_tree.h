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

/* What an intact bundle.json says is ours. */
struct owned {
    struct buf text;    /* the bundle.json */
    const char **paths; /* in ascending order, pointing into text */
    size_t n;
    const char *mesh, *gateway; /* point into text */
};

/* Reads FOLDER/bundle.json.  1: ours, *ret filled; 0: there is none, or none of ours; or a negative
 * errno.  Only the names, if `paths` is not wanted. */
int owned_read(int folder, bool paths, struct owned *ret);
bool owned_has(const struct owned *owned, const char *path); /* bundle.json included */
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
