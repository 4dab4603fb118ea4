/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled: a mesh file and its lock, read and allocated, for those who look and write nothing.
 *
 * The network is the one that `compile` would render now; compile.c has a flow of its own, because
 * it renders while the model's last check runs, and holds the output meanwhile.
 */
#ifndef P2PVPN_CONTROLLER_COMPILED_H
#define P2PVPN_CONTROLLER_COMPILED_H

#include "common/error.h"

struct lock;
struct mesh;
struct network;

struct compiled {
    struct mesh *mesh;
    struct lock *old_lock, *new_lock; /* as it is; as compile would write it */
    struct network *net;              /* points into mesh and old_lock */
};

/* lock_file NULL: beside the mesh file.  0 with *ret filled; a negative errno with errors that have
 * their lines, and nothing to clear. */
int compiled_load(const char *mesh_file, const char *lock_file, struct compiled *ret,
                  struct error_list *warnings, struct error_list *err);

void compiled_clear(struct compiled *c);

#endif
