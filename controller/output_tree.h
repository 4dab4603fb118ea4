/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of files, for output.c: carrying over what is not ours, and clearing a tree away without
 * losing a foreign file.
 *
 * Works on descriptors and never follows a symbolic link.
 */
#ifndef P2PVPN_CONTROLLER_OUTPUT_TREE_H
#define P2PVPN_CONTROLLER_OUTPUT_TREE_H

#include "common/error.h"

struct owned; /* controller/output_owned.h */

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
