/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tar: an archive of regular files in memory, as plain ustar (POSIX.1-2001, pax(1), "ustar
 * Interchange Format").
 *
 * There is one archive for the same files in the same order: mode 0644, owner and group 0 (root),
 * time 0, two blocks of zeros at the end and nothing behind them; to the byte what libarchive's
 * ustar writer makes of that.  `tar tf` lists it.
 *
 * The reader takes what the writer makes and nothing else: it makes each header anew and compares.
 * So whoever hands us an archive chooses names (relative_path_valid()) and contents, and nothing
 * that a tar parser would have to be careful about.  Pure; neither side copies contents it need
 * not copy.
 */
#ifndef P2PVPN_COMMON_TAR_H
#define P2PVPN_COMMON_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

#define TAR_BLOCK 512u
#define TAR_END (2 * TAR_BLOCK)      /* zeros behind the last file */
#define TAR_PATH_MAX 100u            /* bytes; ustar's prefix field is not used */
#define TAR_FILE_MAX 077777777777ull /* bytes of one file: eleven octal digits */

/* What stands behind a file of this size up to the next block, in zeros. */
static inline size_t tar_padding(size_t size)
{
    return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

/* True: a file may have this path in an archive. */
bool tar_path_valid(const char *path);

/* The header of one file.  The path must be tar_path_valid() and the size at most TAR_FILE_MAX;
 * abort(3) otherwise, for the caller chose them. */
void tar_header(uint8_t ret[static TAR_BLOCK], const char *path, size_t size);

/* The size that a header says; false: that is no number.  For those who make the header anew, which
 * nobody should go on without. */
bool tar_size(const char *header, uint64_t *ret);

/* Appends one file, and at last the end.  Same conditions. */
void tar_add(struct buf *out, const char *path, const void *data, size_t size);
void tar_end(struct buf *out);

/* Reading: {.data = ..., .len = ..., .file = name for messages}. */
struct tar_reader {
    const char *data;
    size_t len;
    const char *file;
    size_t at; /* of the next header */
};

struct tar_entry {
    char path[TAR_PATH_MAX + 1];
    const char *data; /* in the archive, not terminated */
    size_t size;
};

/* 1: *ret is the next file; 0: the archive ends here as it should, and nothing is behind it;
 * -EINVAL: this is none of our archives, the error says at which byte and why. */
int tar_next(struct tar_reader *r, struct tar_entry *ret, struct error_list *err);

#endif
