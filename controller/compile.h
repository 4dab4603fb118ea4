/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compile: the whole flow, model -> allocate -> topology -> render -> output, and nothing half
 * done.
 */
#ifndef P2PVPN_CONTROLLER_COMPILE_H
#define P2PVPN_CONTROLLER_COMPILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct compile_options {
    const char *mesh_file;
    const char *output_dir;   /* NULL: check only, write nothing */
    const char *lock_file;    /* NULL: beside the mesh file */
    const char *template_dir; /* NULL: none */
};

struct compile_summary {
    const char *mesh; /* copied; compile_summary_clear() frees */
    size_t gateways, links, lans, files;
    size_t gateways_changed, gateways_removed;
    uint64_t bytes;
    double seconds;
    struct error_list warnings;
};

/* 0; -EINVAL: the model, lock or a template is wrong; another negative errno: the system failed. In
 * both cases the old output and the old lock are as they were. */
int compile(const struct compile_options *options, struct compile_summary *ret,
            struct error_list *err);
void compile_summary_clear(struct compile_summary *summary);

#endif
