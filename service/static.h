/* SPDX-License-Identifier: Apache-2.0 */
/* Static: the repository's files by safe names, never outside of its folder, never by a link. */
#ifndef P2PVPN_SERVICE_STATIC_H
#define P2PVPN_SERVICE_STATIC_H

#include <stdbool.h>
#include <stdint.h>

/* Parts of [A-Za-z0-9_-][A-Za-z0-9._-]*, without two dots in a row, joined by single slashes.
 * Pure. */
bool static_name_valid(const char *name);

/* An open regular file and its size, or a negative errno; -ENOENT also for a name that is not
 * valid.  `folder` is "metadata" or "targets". */
int static_open(const char *repository, const char *folder, const char *name, int64_t *ret_size);

/* The version of the timestamp that is published; 0: none. */
int64_t static_version(const char *repository);

#endif
