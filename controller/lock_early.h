/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock, read early: beside the model, in a thread of its own, because a lock of a large mesh takes
 * as long as a tenth of a compile that changes nothing.
 *
 * The lock counts as it is when lock_early_end() is called, when the caller holds the output and no
 * other compile of the mesh can be writing it: the file is read once more then, and parsed again if
 * a byte of it is another one.
 */
#ifndef P2PVPN_CONTROLLER_LOCK_EARLY_H
#define P2PVPN_CONTROLLER_LOCK_EARLY_H

#include "common/error.h"

struct lock;
struct lock_early;

struct lock_early *lock_early_begin(const char *file);

/* As lock_load() of that file now; `early` is freed. */
int lock_early_end(struct lock_early *early, struct lock **ret, struct error_list *err);

/* Without the lock.  NULL ok; returns NULL. */
struct lock_early *lock_early_free(struct lock_early *early);

#endif
