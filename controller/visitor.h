/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visitor: somebody who looks at everything that a compilation makes, before or instead of its
 * being written (compile.h).
 *
 * Each function returns 0 or a negative errno with an error added, which ends the compilation.
 */
#ifndef P2PVPN_CONTROLLER_VISITOR_H
#define P2PVPN_CONTROLLER_VISITOR_H

#include <stdint.h>

#include "common/error.h"

struct buf;
struct lock;
struct network;
struct rendered;

/* Lives as long as the compilation. */
struct visitor_view {
    const struct network *net; /* with its mesh */
    const struct lock *old_lock, *new_lock;
    const char *lock_file;
};

struct visitor {
    void *arg;
    int (*begin)(void *arg, const struct visitor_view *view, struct error_list *err);
    /* Each gateway once, in any order, from several threads at a time. */
    int (*gateway)(void *arg, uint32_t gateway, const struct rendered *r, struct error_list *err);
    /* The text of the table of origins (common/origins.h). */
    int (*mesh)(void *arg, const struct buf *origins, struct error_list *err);
    /* All is made, and the model is valid. */
    int (*end)(void *arg, struct error_list *err);
};

#endif
