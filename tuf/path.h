/* SPDX-License-Identifier: Apache-2.0 */
/* Names of roles and targets, which others choose, as parts of URLs and as names of files.  Pure.
 */
#ifndef P2PVPN_TUF_PATH_H
#define P2PVPN_TUF_PATH_H

#include <stdbool.h>

#include "common/buf.h"

/* Percent-encodes all but letters, digits and "_.-~"; with `slashes` those stay, too. */
void tuf_path_quote(const char *name, bool slashes, struct buf *ret);

/* One file name for any name, never "." or ".." or longer than 200 bytes; different names have
 * different ones.  To be freed. */
char *tuf_path_file(const char *name) __attribute__((returns_nonnull));

/* A relative path with no empty part, "." or "..", whose parts a web server cannot mistake. */
bool tuf_path_safe(const char *path);

#endif
