/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lock.h share. */
#ifndef P2PVPN_CONTROLLER_LOCK_INTERNAL_H
#define P2PVPN_CONTROLLER_LOCK_INTERNAL_H

#include "controller/lock.h"

#define LOCK_ROOT "/p2pvpn-lock:lock"

/* Gives the items from `first` on the lines of their paths in the text of a lock. */
void lock_locate(const char *text, size_t len, struct error_list *list, size_t first);

#endif
