/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preview: what compiling and publishing a mesh would do, found out without writing anything.
 *
 * It is a compilation (compile.h) whose bundles are compared with what there was instead of being
 * written: with the output of an earlier one, or with a lock, which knows much less.
 */
#ifndef P2PVPN_CONTROLLER_PREVIEW_H
#define P2PVPN_CONTROLLER_PREVIEW_H

#include <stdbool.h>

#include "common/error.h"
#include "controller/change.h"
#include "controller/compile.h"

struct preview_options {
    const char *mesh_file;
    const char *against;      /* a folder or a lock; NULL: the mesh's lock */
    const char *lock_file;    /* NULL: beside the mesh file */
    const char *keys_file;    /* NULL: likewise */
    const char *template_dir; /* NULL: none */
    const char *gateway;      /* that somebody asks for: it must be there; NULL: none */
    bool allow_shrink;
    void (*progress)(size_t done, size_t total); /* NULL: not wanted */
};

struct preview {
    struct compile_summary summary;
    struct change *change; /* NULL on failure */
    char *against;         /* the folder or lock that it was compared with */
    bool bundles;          /* it is a folder */
    bool missing;          /* and there is none: everything is new */
    bool origins_change;   /* the table of origins in the folder gets another text */
};

/* 0 or a negative errno as of compile().  *ret owns what it holds, also on failure. */
int preview(const struct preview_options *options, struct preview *ret, struct error_list *err);
void preview_clear(struct preview *p);

/* False: there is nothing to do, as far as it is known. */
bool preview_any(const struct preview *p);

#endif
