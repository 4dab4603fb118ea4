/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compile: the whole flow, model -> allocate -> topology -> render -> output, and nothing half
 * done.
 */
#ifndef P2PVPN_CONTROLLER_COMPILE_H
#define P2PVPN_CONTROLLER_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "controller/cost.h"
#include "controller/model.h"
#include "controller/output.h"
#include "controller/stages.h"
#include "controller/visitor.h"

struct compile_options {
    const char *mesh_file;
    enum output_format format;     /* of output_dir */
    const char *output_dir;        /* NULL: check only, write nothing, not even the lock */
    const char *lock_file;         /* NULL: beside the mesh file */
    const char *keys_file;         /* keys_file.h; NULL: beside the mesh file */
    const char *template_dir;      /* NULL: none */
    bool allow_shrink;             /* also when most of the mesh goes (shrink.h) */
    const char *shrink_dir;        /* says which LANs there were; NULL: output_dir does */
    const struct visitor *visitor; /* NULL: none */
    unsigned threads;              /* 0: as many as there are processors; the bytes are the same */
    /* Called after every gateway, from any thread, never twice at a time; NULL: not wanted. */
    void (*progress)(size_t done, size_t total);
};

struct compile_summary {
    char *mesh, *lock_file, *keys_file;
    size_t gateways, links, lans, files;
    char **changed, **removed; /* names of gateways, in order; not filled by a mere check */
    size_t n_changed, n_removed;
    bool lock_changed;
    bool mesh_changed; /* DIR/@mesh */
    uint64_t bytes;
    double seconds;
    struct stages stages;                /* where they went */
    struct model_times model;            /* part of them */
    struct cost_figures cost, cost_most; /* in sum; and of one gateway at most */
    struct error_list warnings;
};

/* 0; -EINVAL: the model, lock or a template is wrong; another negative errno: the system failed. In
 * both cases the old output and the old lock are as they were.  *ret owns what it holds, also on
 * failure: compile_summary_clear(). */
int compile(const struct compile_options *options, struct compile_summary *ret,
            struct error_list *err);
void compile_summary_clear(struct compile_summary *summary);

#endif
