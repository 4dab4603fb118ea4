/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check: everything of a repository, read as a gateway's client reads it, from its first root on.
 *
 * Every target is fetched and held against what was signed; archives must be bundles, of the
 * gateway whose name they have, and the table of origins must be one.  A bin in which nothing lies
 * is asked for, too.
 */
#ifndef P2PVPN_CONTROLLER_REPO_CHECK_H
#define P2PVPN_CONTROLLER_REPO_CHECK_H

#include <stddef.h>

#include "common/error.h"

/* 0: a client gets everything; else *err holds everything that it does not get. */
int repo_check(const char *dir, void (*progress)(size_t done, size_t total),
               struct error_list *err);

#endif
