/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/backoff.h"

int64_t backoff_next(struct backoff *b, int64_t ran_ms)
{
    int64_t wait = BACKOFF_FIRST_MS;

    if (ran_ms >= BACKOFF_GOOD_RUN_MS)
        b->deaths = 0;
    if (b->deaths > 0)
        wait = BACKOFF_MIN_MS;
    for (unsigned i = 1; i < b->deaths && wait < BACKOFF_MAX_MS; i++)
        wait *= 2;
    b->deaths++;
    return wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
}
