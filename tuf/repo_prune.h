/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nobody needs any more of a repository goes: metadata and targets that are neither in the
 * current state nor in one that was current until a while ago, as somebody may be in the middle of
 * reading it.  Roots stay for ever.  Only files whose names the publisher gives are looked at.
 */
#ifndef P2PVPN_TUF_REPO_PRUNE_H
#define P2PVPN_TUF_REPO_PRUNE_H

#include <stddef.h>
#include <stdint.h>

#include "tuf/error.h"
#include "tuf/repo_publish.h"

/* A state that was replaced before `since` goes, and what an interrupted publish left by then.
 * Adds to *removed.  While somebody publishes nothing is done. */
enum tuf_code tuf_repo_prune(const struct tuf_repo *repo, int64_t since, size_t *removed,
                             struct tuf_error *err);

#endif
