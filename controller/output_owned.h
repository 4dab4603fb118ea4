/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owned: what of the output is ours, for output.c and its parts.
 *
 * Only a file that speaks for itself counts: a bundle.json or an origins table whose revision is
 * that of its text.  No symbolic link is followed.
 */
#ifndef P2PVPN_CONTROLLER_OUTPUT_OWNED_H
#define P2PVPN_CONTROLLER_OUTPUT_OWNED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/name.h"

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

/* True: an entry of DIR has the name of a gateway's archive, and *ret is that gateway. */
bool archive_gateway_of(const char *entry, char ret[static NAME_MAX_LEN + 1]);

/* The same as owned_read() of an archive, FOLDER/NAME, in which bundle.json comes first: no more
 * than that is read, and no paths are. */
int owned_read_archive(int folder, const char *name, struct owned *ret);

bool owned_has(const struct owned *owned, const char *path);        /* the voice included */
bool owned_has_folder(const struct owned *owned, const char *path); /* one of our files is in it */
void owned_free(struct owned *owned);

#define OWNED_INIT       \
    {                    \
        .text = BUF_INIT \
    }

#endif
