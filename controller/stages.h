/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages: where the time of a compile went.
 *
 * Seconds of wall clock.  Render, seal and write are done by several threads at a time, each of
 * which does all three for one gateway after the other; what they measure is added up and divided
 * by their number, so that the stages together are about as long as the whole.
 */
#ifndef P2PVPN_CONTROLLER_STAGES_H
#define P2PVPN_CONTROLLER_STAGES_H

#include "common/buf.h"

enum stage {
    STAGE_LOAD,     /* the file, the YANG modules, the text */
    STAGE_VALIDATE, /* our checks, and waiting for libyang's */
    STAGE_ALLOCATE, /* the old lock, numbers, addresses, the new lock */
    STAGE_TOPOLOGY, /* which pairs, who carries transit, what paths there are */
    STAGE_COST,     /* what it asks of the gateways */
    STAGE_RENDER,   /* the templates */
    STAGE_SEAL,     /* SHA-256 and bundle.json */
    STAGE_WRITE,    /* looking at the old output, comparing, writing, flushing, exchanging */
    STAGE_COUNT
};

struct stages {
    double seconds[STAGE_COUNT];
};

double stages_now(void);

/* Adds what has passed since *since, and moves it to now. */
void stages_lap(struct stages *s, enum stage stage, double *since);

/* "load": 0.012, "validate": ... */
void stages_json(const struct stages *s, struct buf *ret);

/* "load 12 ms, validate ..." */
void stages_text(const struct stages *s, struct buf *ret);

#endif
