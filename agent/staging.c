/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/staging.h"

#include <errno.h>

#include "agent/state.h"
#include "agent/state_stage.h"
#include "agent/supervise.h"

void staging_init(struct staging *g, const struct settings *s, const char *dir)
{
    *g = (struct staging){.settings = s, .dir = dir, .until = SUPERVISE_NEVER};
    g->worker = (struct worker)WORKER_INIT;
}

static int work(void *arg, struct error_list *err)
{
    struct staging *g = arg;
    _cleanup_buf_ struct buf message = BUF_INIT;
    struct bundle *b = NULL;
    int r = state_stage(g->settings, g->dir, &b, err);

    if (r < 0)
        return r;
    wire_bundle(b, NULL, &message);
    return handover_put(g->handover, &message, err); /* what is left in memory ends with us */
}

static void over(struct staging *g)
{
    g->handover = handover_free(g->handover);
    g->until = SUPERVISE_NEVER;
}

int staging_start(struct staging *g, int lock, struct error_list *err)
{
    int r = handover_new(&g->handover, err);

    if (r == 0)
        r = worker_start_locked(&g->worker, work, g, lock, err);
    if (r < 0)
        over(g);
    else
        g->until = monotonic_ms() + STAGING_MS;
    return r;
}

bool staging_busy(const struct staging *g)
{
    return g->worker.pid != 0;
}

int64_t staging_deadline(const struct staging *g)
{
    return g->until;
}

static int understand(struct staging *g, struct bundle **ret, struct error_list *err)
{
    struct wire_answer a = WIRE_ANSWER_INIT;
    int r = handover_take(g->handover, g->dir, &a, err);

    if (r == 0 && a.verb == WIRE_BUNDLE) {
        *ret = a.bundle;
        a.bundle = NULL;
    } else if (r == 0) {
        error_add(err, g->dir, 0, NULL, "a worker process gave no bundle; it is tried again");
        r = -EPROTO;
    }
    wire_answer_clear(&a);
    return r;
}

bool staging_collect(struct staging *g, int *r, struct bundle **ret, struct error_list *err)
{
    if (!staging_busy(g))
        return false;
    if (worker_collect(&g->worker, r, err)) {
        if (*r == 0)
            *r = understand(g, ret, err);
        if (*r < 0)
            state_drop(g->settings); /* it may have been killed */
        over(g);
        return true;
    }
    if (monotonic_ms() < g->until)
        return false;
    staging_stop(g);
    error_add(
        err, g->dir, 0, NULL,
        "reading and copying it took more than %d s and was stopped: look after the disk that "
        "it is on, and after the one of %s",
        STAGING_MS / 1000, g->settings->state_dir);
    *r = -ETIMEDOUT;
    return true;
}

void staging_stop(struct staging *g)
{
    if (!staging_busy(g))
        return;
    worker_kill(&g->worker);
    state_drop(g->settings);
    over(g);
}
