/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Produce: every gateway rendered, sealed and handed to the output, by several threads.
 *
 * Each thread takes the next gateway, and holds one in memory at a time.  The files of a gateway
 * depend on no other gateway's, so how many threads there are shows in the time only.  What is
 * reported of wrong gateways does not depend on it either: it is always the first of them.
 */
#ifndef P2PVPN_CONTROLLER_PRODUCE_H
#define P2PVPN_CONTROLLER_PRODUCE_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "controller/output.h"
#include "controller/stages.h"

#define PRODUCE_MAX_THREADS 64u

struct network;
struct renderer;
struct visitor;

struct production {
    const struct renderer *renderer;
    const struct network *net;
    struct output *output;                       /* NULL: render only */
    const struct visitor *visitor;               /* NULL: none */
    enum output_format format;                   /* of what is counted */
    unsigned threads;                            /* 0: as many as there are processors */
    void (*progress)(size_t done, size_t total); /* from any thread, never twice at a time */
};

/* What was made, in the form in which it goes to disk. */
struct produced {
    size_t files;
    uint64_t bytes;
};

/* 0, or what render_gateway() or output_gateway() said of the first gateway that failed, with *err
 * filled.  Adds to `stages`. */
int produce(const struct production *p, struct produced *ret, struct stages *stages,
            struct error_list *err);

#endif
