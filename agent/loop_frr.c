/* SPDX-License-Identifier: Apache-2.0 */
/* FRR, in a worker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "agent/drain.h"
#include "agent/drift.h"
#include "agent/frr_watch.h"
#include "agent/guard.h"
#include "agent/log.h"
#include "agent/loop_parts.h"
#include "agent/routing.h"
#include "agent/transaction.h"
#include "agent/vty.h"

/* Addresses are said again this often after FRR was configured: a busy zebra may still be learning
 * of the interfaces at the first time. */
#define REPEATS 3
#define FRR_RETRY_MS 10000
/* Every line of FRR's configuration is compared when its text changed (frr_watch.h), and this often
 * all the same; but not more than a part of the time, should somebody change it all the time. */
#define FRR_CHECK_MS 300000
#define FRR_CHECK_SHARE 20

static void tell_found(struct loop *l, const struct frr_result *r)
{
    l->found->running = r->running;
    l->found->differs = vty_digest(VTY_DIGEST_START, buf_cstr(&r->changes), r->changes.len);
}

static int work_apply(void *arg, struct error_list *err)
{
    struct loop *l = arg;
    struct frr_result changed = FRR_RESULT_INIT;
    struct drain_request drain;
    int r;

    drain_request(l->drain, &drain);
    r = routing_apply(l->settings, &drain, &changed, err);
    tell_found(l, &changed);
    if (l->frr_settled)
        log_lines(LOG_EVENT_REPAIRED, LOG_LEVEL_NOTICE,
                  "repair: FRR: ", buf_cstr(&changed.changes));
    else
        log_lines(LOG_EVENT_NONE, LOG_LEVEL_INFO, "FRR: ", buf_cstr(&changed.changes));
    drain_request_clear(&drain);
    frr_result_clear(&changed);
    return r;
}

static int work_check(void *arg, struct error_list *err)
{
    struct loop *l = arg;
    struct frr_result differs = FRR_RESULT_INIT;
    struct drain_request drain;
    int r;

    drain_request(l->drain, &drain);
    r = routing_check(l->settings, &drain, &differs, err);
    tell_found(l, &differs);
    drain_request_clear(&drain);
    frr_result_clear(&differs);
    return r;
}

void loop_frr_start(struct loop *l, bool apply)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->worker};
    struct error_list err = ERROR_LIST_INIT;

    frr_watch_pause(l->frr_watch);
    l->frr_at = SUPERVISE_NEVER;
    l->worker_began = monotonic_ms();
    l->frr_stale = false;
    l->worker_applies = apply;
    l->worker_repairs = apply && l->frr_settled;
    if (worker_start(&l->worker, apply ? work_apply : work_check, l, &err) < 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->worker.fd, &event) < 0) {
        worker_kill(&l->worker);
        log_errors(LOG_LEVEL_ERROR, &err);
        error_clear(&err);
        l->frr_at = monotonic_ms() + RETRY_MS;
    }
}

/* Something is wrong in FRR that was right.  False: it is changed back again and again, and left
 * for now. */
static bool repair_frr(struct loop *l, int64_t now)
{
    _cleanup_buf_ struct buf fight = BUF_INIT;
    int64_t until;
    enum repairs_answer answer = repairs_ask(&l->frr_repairs, l->found->differs, now, &until);

    repairs_sweep(&l->frr_repairs, now);
    if (answer == REPAIRS_GO)
        return true;
    l->frr_at = until;
    if (answer == REPAIRS_FIGHT) {
        drift_tell(&fight, "the mesh's part of FRR's configuration");
        log_lines(LOG_EVENT_FOUGHT, LOG_LEVEL_WARNING, "", buf_cstr(&fight));
    }
    return false;
}

/* FRR is to be given what is wanted, at once. */
static void configure_anew(struct loop *l, int64_t now)
{
    l->frr_in_force = false;
    l->converge_at = l->frr_at = now;
}

/* FRR has what is wanted. */
static void on_held(struct loop *l, int64_t now)
{
    l->frr_in_force = l->frr_settled = true;
    l->frr_at = now + FRR_CHECK_MS;
    if (!l->worker_applies)
        return;
    l->report.applied = time(NULL);
    log_say(LOG_LEVEL_INFO, "FRR holds what revision %.12s says", l->bundle->revision);
    drain_in_force(l->drain, now);
    l->converge_at = l->repeat_at = now; /* what waited for FRR */
    l->repeats = REPEATS;
}

static void on_failure(struct loop *l, int64_t now, int r, const struct error_list *err)
{
    l->frr_in_force = false;
    l->frr_at = now + FRR_RETRY_MS;
    if (l->frr_failures == FRR_PATIENCE)
        l->converge_at = now;
    if (l->worker_applies && (r == -EINVAL || l->frr_failures == FRR_PATIENCE))
        transaction_refuse(l->transaction,
                           err->n ? err->items[0].message : "FRR could not be configured");
}

void loop_frr_collect(struct loop *l)
{
    struct error_list err = ERROR_LIST_INIT;
    int64_t now = monotonic_ms();
    int r;

    if (l->worker.pid == 0 || !worker_collect(&l->worker, &r, &err))
        return;
    if (!l->worker_applies)
        l->check_took = r == 0 ? now - l->worker_began : 0;
    l->frr_failures = r < 0 ? l->frr_failures + 1 : 0;
    /* Done is done, whatever happened meanwhile: the next one finds nothing to count. */
    if (r == 0 && l->worker_repairs && l->found->differs != VTY_DIGEST_START)
        agent_report_repaired(&l->report, REPAIR_FRR);
    if (r >= 0 && !l->frr_stale)
        frr_watch_judged(l->frr_watch, l->found->running);
    if (l->frr_stale)
        configure_anew(l, now);
    else if (r < 0)
        on_failure(l, now, r, &err);
    else if (r == 0)
        on_held(l, now);
    else if (repair_frr(l, now))
        configure_anew(l, now);
    log_report(LOG_EVENT_FRR_FAILED, &l->told_frr, &err);
    error_clear(&err);
}

void loop_frr_due(struct loop *l)
{
    if (l->settings->no_frr || !l->bundle)
        l->frr_at = SUPERVISE_NEVER;
    else if (guard_applying(l->guard)) /* routes come after the firewall */
        l->frr_at = monotonic_ms() + SETTLE_MS;
    else if (l->worker.pid == 0)
        loop_frr_start(l, !l->frr_in_force);
}

void loop_frr_watch(struct loop *l)
{
    int64_t at = l->worker_began + l->check_took * FRR_CHECK_SHARE;

    if (frr_watch_run(l->frr_watch))
        l->frr_at = earliest(l->frr_at, at);
}

/* FRR has to be given another text than it was. */
void loop_frr_changes(struct loop *l)
{
    l->frr_in_force = l->frr_settled = false;
    l->frr_stale = true;
    l->converge_at = monotonic_ms();
}
