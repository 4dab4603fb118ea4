/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: read with a cap, written whole or not at all.
 *
 * All functions return 0 or a negative errno, those with `err` fill it then.  Nothing follows a
 * symbolic link in the last component of a path that it writes.
 */
#ifndef P2PVPN_COMMON_FS_H
#define P2PVPN_COMMON_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/error.h"

/* The whole file; more than max bytes is -EFBIG.  Appends to *ret. */
int fs_read(const char *path, size_t max, struct buf *ret, struct error_list *err);

/* What is left in an open file, for those who say themselves what is wrong: appends to *ret; 0 or a
 * negative errno, -EFBIG for more than max bytes. */
int fs_read_fd(int fd, size_t max, struct buf *ret);

/* All of it, or a negative errno. */
int fs_write_fd(int fd, const void *data, size_t len);

/* Temporary file beside it, written, fsynced, renamed over path, folder fsynced. */
int fs_write(const char *path, const void *data, size_t len, mode_t mode, struct error_list *err);

/* The same, but does not touch the file (or its time) when it already holds these bytes. *changed
 * may be NULL. */
int fs_write_if_changed(const char *path, const void *data, size_t len, mode_t mode, int *changed,
                        struct error_list *err);

/* Whether the file is the one that *was describes, unchanged; *was then describes it as it is now,
 * and is all zero if there is none (or path is NULL). */
bool fs_same(const char *path, struct stat *was);

/* Creates path and its parents with this mode; existing folders are left as they are. */
int fs_mkdirs(const char *path, mode_t mode, struct error_list *err);

/* Removes a file or a whole folder; never leaves `path`, never follows a symbolic link.  A missing
 * path is success. */
int fs_remove_tree(const char *path, struct error_list *err);

#endif
