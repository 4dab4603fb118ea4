/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces, processes and the firewall: the one answer to everything that happens to them. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/apply.h"
#include "agent/drain.h"
#include "agent/drift.h"
#include "agent/guard.h"
#include "agent/link_secret.h"
#include "agent/log.h"
#include "agent/loop_parts.h"
#include "agent/observe.h"
#include "agent/origin_cache.h"
#include "agent/plan.h"
#include "agent/state.h"
#include "agent/transaction.h"
#include "agent/tun.h"

#define AUDIT_MS 3000 /* everything, whether or not something was heard */
#define AUDIT_MAX_MS 30000
#define AUDIT_LINK_MS 9     /* and for each link: looking at it takes some 6 us */
#define SAY_AGAIN_MS 300000 /* our addresses, to zebra */
#define REPEAT_MS 2500
#define EVENT_GAP_MS 1000 /* between two looks at the interfaces */

/* --- speaking ------------------------------------------------------------------------------- */

/* A line of the text. */
static bool was_said(const char *said, const char *line, size_t len)
{
    for (const char *p = said; p && *p; p += strcspn(p, "\n") + 1)
        if (strcspn(p, "\n") == len && strncmp(p, line, len) == 0)
            return true;
    return false;
}

/* What is about to be done, once; of a long plan only the sum. */
static void announce(struct loop *l, const struct plan *plan)
{
    size_t created = 0, started = 0, removed = 0;
    _cleanup_buf_ struct buf text = BUF_INIT, news = BUF_INIT;
    _cleanup_free_ char *said = l->failing;

    plan_print(plan, &text);
    for (const char *p = buf_cstr(&text); *p && plan->n <= LOG_LINES_MAX; p += strcspn(p, "\n") + 1)
        if (!was_said(said, p, strcspn(p, "\n")))
            buf_printf(&news, "%.*s\n", (int)strcspn(p, "\n"), p);
    l->failing = buf_steal(&text);
    if (plan->n <= LOG_LINES_MAX) {
        log_lines(l->settled ? LOG_EVENT_REPAIRED : LOG_EVENT_NONE,
                  l->settled ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, l->settled ? "repair: " : "",
                  buf_cstr(&news));
        return;
    }
    if (said && strcmp(said, l->failing) == 0)
        return;
    for (size_t i = 0; i < plan->n; i++) {
        enum plan_action a = plan->steps[i].action;

        created += a == PLAN_LINK_CREATE || a == PLAN_LINK_RECREATE;
        started +=
            a == PLAN_PROCESS_START || a == PLAN_PROCESS_RESTART || a == PLAN_PROCESS_REPLACE;
        removed += a == PLAN_LINK_REMOVE;
    }
    log_say(l->settled ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO,
            "%zu changes: %zu interfaces created, %zu OpenVPN processes started, %zu interfaces "
            "removed, and what belongs to them",
            plan->n, created, started, removed);
}

/* --- the one answer to everything ----------------------------------------------------------- */

/* When to look at everything again: often, but not all the time. */
static int64_t next_audit(const struct loop *l)
{
    int64_t wait = (int64_t)l->bundle->n_links * AUDIT_LINK_MS;

    wait = wait < AUDIT_MS ? AUDIT_MS : wait;
    return l->converged + (wait > AUDIT_MAX_MS ? AUDIT_MAX_MS : wait);
}

/* What was repaired, counted. */
static void count_repairs(struct loop *l, const struct plan *plan)
{
    unsigned deaths = supervisor_deaths(l->supervisor), n[REPAIR_KINDS] = {0};

    if (l->settled)
        drift_count(plan, n);
    n[REPAIR_PROCESS] += deaths - l->deaths;
    l->deaths = deaths;
    for (size_t kind = 0; kind < REPAIR_KINDS; kind++)
        while (n[kind]--)
            agent_report_repaired(&l->report, kind);
}

static void hold_back(struct loop *l, struct plan *plan)
{
    _cleanup_buf_ struct buf fights = BUF_INIT;

    drift_hold_back(&l->repairs, plan, l->converged, &l->converge_at, &fights);
    log_lines(LOG_EVENT_FOUGHT, LOG_LEVEL_WARNING, "", buf_cstr(&fights));
}

/* The plan, once it is known what of it has to wait for traffic to be moved away. */
static struct plan *make_plan(struct loop *l, const struct plan_context *context,
                              struct observed *have, bool no_restarts)
{
    struct plan *plan;

    have->frr_in_force = l->frr_in_force;
    plan = plan_compute(l->bundle, context, have);
    hold_back(l, plan);
    if (l->settings->no_frr ||
        !drain_consider(l->drain, l->bundle, plan, no_restarts, l->converged))
        return plan;
    loop_frr_changes(l);
    if (!plan_has(plan, PLAN_FRR)) {
        plan_free(plan);
        have->frr_in_force = false;
        plan = plan_compute(l->bundle, context, have);
        hold_back(l, plan);
    }
    return plan;
}

void loop_drain(struct loop *l, int64_t now)
{
    enum drain_news news = drain_run(l->drain, now);

    transaction_drains(l->transaction, drain_waits(l->drain));
    if (news == DRAIN_TEXT)
        loop_frr_changes(l);
    else if (news == DRAIN_FREED)
        l->converge_at = now;
}

/* Links that leave, and what may come by an old way, count until nothing of it is left. */
static void forget_before(struct loop *l, const struct plan *plan)
{
    if (!l->before || plan_has(plan, PLAN_FRR) || plan_has_breaks(plan) || drain_busy(l->drain))
        return;
    l->before = bundle_free(l->before);
    link_secrets_sweep(l->settings, l->bundle, NULL);
    l->settled = false; /* the firewall forgets it, too: that is no repair */
    l->converge_at = monotonic_ms();
}

struct firewall loop_firewall(const struct loop *l)
{
    return (struct firewall){l->bundle, l->before, origin_cache_table(l->origins)};
}

/* Hundreds of hashes, which change with the bundle or the certificates only. */
static void keep_digests(struct loop *l, struct plan_context *context)
{
    if (!l->digests || strcmp(l->digests_keys, context->keys_digest) != 0) {
        free(l->digests);
        l->digests = xcalloc(l->bundle->n_links + 1, sizeof(*l->digests));
        l->secrets_there = false;
        memcpy(l->digests_keys, context->keys_digest, sizeof(l->digests_keys));
        for (size_t i = 0; i < l->bundle->n_links; i++)
            plan_link_digest(l->bundle, &l->bundle->links[i], context, l->digests[i]);
    }
    context->digests = (const char(*)[STARTED_LEN + 1]) l->digests;
}

/* Looked for when they may be others, and when a process has ended, perhaps for lack of one. */
static int make_secrets(struct loop *l, struct error_list *err)
{
    int r;

    if (l->secrets_there && l->deaths == supervisor_deaths(l->supervisor))
        return 0;
    r = link_secrets_make(l->settings, l->bundle, err);
    l->secrets_there = r == 0;
    return r;
}

/* The kernel tells of every address that comes or goes, so they are read when it did; and now and
 * then, for it may be wrong to rely on that. */
static int look(struct loop *l, struct observed *have, struct error_list *err)
{
    bool same = !l->heard && l->converged < l->addresses_at;
    int r;

    l->heard = false; /* what is heard from here on may be missing */
    r = observe(l->netlink, l->supervisor, same, have, err);
    if (r < 0)
        l->heard = true;
    else if (!same)
        l->addresses_at = l->converged + AUDIT_MAX_MS;
    return r;
}

void loop_converge(struct loop *l)
{
    struct apply_context c = {l->settings, l->netlink, l->supervisor, l->drain, false};
    struct error_list err = ERROR_LIST_INIT;
    struct observed have = OBSERVED_INIT;
    struct plan_context context = {
        .mesh = l->bundle ? l->bundle->mesh : "",
        .link_uid = l->settings->link_uid,
        .no_frr = l->settings->no_frr,
        .new_bundle = drain_is_new_bundle(l->drain),
        .known = &l->known,
    };
    struct firewall wanted;
    struct plan *plan;
    int r, q;

    l->converged = monotonic_ms();
    l->converge_at = l->converged + AUDIT_MAX_MS;
    if (!l->bundle)
        return;
    state_keys_digest(l->settings, context.keys_digest);
    wanted = loop_firewall(l);
    keep_digests(l, &context);
    if (look(l, &have, &err) < 0) {
        log_report(LOG_EVENT_LINKS_FAILED, &l->told_links, &err);
        error_clear(&err);
        l->converge_at = l->converged + RETRY_MS;
        return;
    }
    q = guard_look(l->guard, &wanted, &context, &have, &err);
    r = tun_check(l->settings->link_uid, l->settings->link_gid, &err);
    c.hold_processes =
        r < 0 || state_check_keys(l->settings, &err) < 0 || make_secrets(l, &err) < 0;
    if (c.hold_processes || q < 0)
        r = -EINVAL;
    plan = make_plan(l, &context, &have, c.hold_processes);
    if (plan->n && !(plan->n == 1 && plan_has(plan, PLAN_FRR)))
        announce(l, plan);
    if (plan_has(plan, PLAN_FIREWALL) && guard_apply(l->guard, &wanted))
        agent_report_repaired(&l->report, REPAIR_FIREWALL);
    if (apply_make(&c, l->bundle, plan, &err) < 0)
        r = -EIO;
    if (plan_has(plan, PLAN_FRR) && l->worker.pid == 0 && l->frr_failures == 0) {
        if (guard_applying(l->guard)) /* loop_frr_due() waits for it, and no look as this one */
            l->frr_at = earliest(l->frr_at, monotonic_ms());
        else
            loop_frr_start(l, true);
    }
    if (l->frr_failures >= FRR_PATIENCE)
        drain_give_up(l->drain);
    if (plan_has(plan, PLAN_FRR) && l->frr_failures < FRR_PATIENCE)
        apply_put_off(plan);
    else if (apply_break(&c, l->bundle, plan, &err) < 0)
        r = -EIO;
    if (l->converged >= l->repeat_at) {
        l->repeat_at = l->converged + (l->repeats ? REPEAT_MS : SAY_AGAIN_MS);
        l->repeats -= l->repeats > 0;
        if (!l->settings->no_frr && apply_repeat_addresses(&c, l->bundle, plan, &err) < 0)
            r = -EIO;
    }
    drift_failed(&l->repairs, plan);
    count_repairs(l, plan);
    l->heap_grew |= plan->n > 0;
    if (plan->n == 0 && l->heap_grew) {
        malloc_trim(0); /* what much work has left of holes goes back */
        l->heap_grew = false;
    }
    l->settled |= r == 0 && plan->n == 0;
    l->converge_at = earliest(l->converge_at, earliest(l->repeat_at, next_audit(l)));
    if (r < 0) {
        l->converge_at = l->converged + RETRY_MS;
    } else if (!drain_busy(l->drain)) {
        if (!guard_trouble(l->guard)) {
            free(l->failing);
            l->failing = NULL;
        }
        if (plan->n > 0 && !plan_has(plan, PLAN_FRR))
            l->report.applied = time(NULL);
    }
    forget_before(l, plan);
    log_report(LOG_EVENT_LINKS_FAILED, &l->told_links, &err);
    transaction_drains(l->transaction, drain_waits(l->drain));
    transaction_see(l->transaction,
                    r == 0 && plan_is_done(plan) && !drain_busy(l->drain) &&
                        !guard_applying(l->guard),
                    !l->dir_missing);
    plan_free(plan);
    observed_clear(&have);
    error_clear(&err);
}

/* Soon, but not more often than every EVENT_GAP_MS. */
void loop_converge_soon(struct loop *l)
{
    int64_t at = monotonic_ms() + SETTLE_MS;

    if (at < l->converged + EVENT_GAP_MS)
        at = l->converged + EVENT_GAP_MS;
    if (at < l->converge_at)
        l->converge_at = at;
}
