/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/stages.h"

#include <time.h>

static const char *const names[STAGE_COUNT] = {
    [STAGE_LOAD] = "load",         [STAGE_VALIDATE] = "validate", [STAGE_ALLOCATE] = "allocate",
    [STAGE_TOPOLOGY] = "topology", [STAGE_COST] = "cost",         [STAGE_RENDER] = "render",
    [STAGE_SEAL] = "seal",         [STAGE_WRITE] = "write",
};

double stages_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void stages_lap(struct stages *s, enum stage stage, double *since)
{
    double now = stages_now();

    s->seconds[stage] += now - *since;
    *since = now;
}

void stages_json(const struct stages *s, struct buf *ret)
{
    for (unsigned i = 0; i < STAGE_COUNT; i++)
        buf_printf(ret, "%s\"%s\": %.6f", i ? ", " : "", names[i], s->seconds[i]);
}

void stages_text(const struct stages *s, struct buf *ret)
{
    for (unsigned i = 0; i < STAGE_COUNT; i++)
        buf_printf(ret, "%s%s %.0f ms", i ? ", " : "", names[i], s->seconds[i] * 1e3);
}
