/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/loop.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent_report.h"
#include "agent/apply.h"
#include "agent/control.h"
#include "agent/drain.h"
#include "agent/drift.h"
#include "agent/frr_watch.h"
#include "agent/guard.h"
#include "agent/log.h"
#include "agent/metrics_file.h"
#include "agent/netlink.h"
#include "agent/notify.h"
#include "agent/observe.h"
#include "agent/origin_cache.h"
#include "agent/plan.h"
#include "agent/repairs.h"
#include "agent/routing.h"
#include "agent/source.h"
#include "agent/state.h"
#include "agent/supervise.h"
#include "agent/transaction.h"
#include "agent/tun.h"
#include "agent/vty.h"
#include "agent/vtysh.h"
#include "agent/worker.h"

#define LOOK_MS 3000  /* at the bundle and at FRR's daemons */
#define SETTLE_MS 100 /* from the first event to the look, so that a burst is one */
#define AUDIT_MS 3000 /* everything, whether or not something was heard */
#define AUDIT_MAX_MS 30000
#define AUDIT_LINK_MS 8      /* and for each link: looking at it takes some 8 us */
#define SAY_AGAIN_MS 300000  /* our addresses, to zebra */
#define RETRY_MS 5000        /* after a failure */
#define SLOW_RETRY_MS 120000 /* after one that held everything up: READER_MS */
/* Addresses are said again this often after FRR was configured: a busy zebra may still be learning
 * of the interfaces at the first time. */
#define REPEATS 3
#define REPEAT_MS 2500
#define EVENT_GAP_MS 1000 /* between two looks at the interfaces */
#define FRR_RETRY_MS 10000
/* Every line of FRR's configuration is compared when its text changed (frr_watch.h), and this often
 * all the same; but not more than a part of the time, should somebody change it all the time. */
#define FRR_CHECK_MS 300000
#define FRR_CHECK_SHARE 20
#define LOGS_MS 60000
/* A link that left the bundle goes even if FRR cannot be configured, but not at the first try. */
#define FRR_PATIENCE 3

/* What a worker found out about FRR, in memory that both see. */
struct found {
    uint64_t running, differs; /* vty_digest() of what FRR has; of what is wrong about it */
};

struct loop {
    const struct settings *settings;
    const char *dir;
    struct bundle *bundle; /* in force; NULL: none yet */
    struct bundle *before; /* what was, until everything is as the bundle in force says */
    char (*digests)[DIGEST_TEXT_LEN + 1]; /* of its links' processes; NULL: to be computed */
    char digests_keys[DIGEST_TEXT_LEN + 1];
    struct netlink *netlink;
    struct netlink_monitor *monitor;
    struct supervisor *supervisor;
    struct drain *drain;
    struct origin_cache *origins;
    struct frr_watch *frr_watch;
    struct repairs repairs, frr_repairs; /* since this bundle is in force */
    struct found *found;
    bool settled;     /* everything was found as this bundle says: what changes now has drifted */
    bool frr_settled; /* FRR held what is wanted: what it lacks now has drifted */
    unsigned deaths;  /* of processes, that were counted */
    struct metrics_file *metrics;
    struct agent_report report;
    struct agent_report_file report_file;
    struct transaction *transaction;
    struct notify notify;
    struct control *control;
    struct guard *guard;
    struct worker worker;
    bool worker_applies;   /* else it checks */
    bool frr_in_force;     /* as far as we know */
    bool frr_stale;        /* something changed while the worker was at it */
    unsigned frr_failures; /* in a row */
    uint64_t daemons;      /* routing_incarnation() */
    struct source *source;
    struct stat certificate;                   /* gateway.crt as it was seen last */
    bool dir_missing, waits, copy_lost;        /* and said */
    char *told_links, *told_frr, *told_bundle; /* the last reports of trouble, not to be repeated */
    char *failing; /* a plan that was announced, and failed or waits: it is not announced again */
    int epoll, signals, lock;
    int64_t worker_began;
    int64_t check_took; /* of the last check, if it found nothing wrong */
    int64_t look_at, converge_at, converged, repeat_at, frr_at, logs_at;
    unsigned repeats; /* still to come soon */
    bool heap_grew;
    bool leave;
};

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

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

/* --- FRR, in a worker ----------------------------------------------------------------------- */

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

static void start_worker(struct loop *l, bool apply)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->worker};
    struct error_list err = ERROR_LIST_INIT;

    frr_watch_pause(l->frr_watch);
    l->frr_at = SUPERVISE_NEVER;
    l->worker_began = monotonic_ms();
    l->frr_stale = false;
    l->worker_applies = apply;
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

static void on_worker(struct loop *l)
{
    struct error_list err = ERROR_LIST_INIT;
    int64_t now = monotonic_ms();
    int r;

    if (l->worker.pid == 0 || !worker_collect(&l->worker, &r, &err))
        return;
    if (!l->worker_applies)
        l->check_took = r == 0 ? now - l->worker_began : 0;
    l->frr_at = now + (r < 0 ? FRR_RETRY_MS : FRR_CHECK_MS);
    if (r >= 0 && !l->frr_stale)
        frr_watch_judged(l->frr_watch, l->found->running);
    if (r == 0 && !l->frr_stale) {
        l->frr_failures = 0;
        l->frr_in_force = true;
        if (l->worker_applies && l->frr_settled && l->found->differs != VTY_DIGEST_START)
            agent_report_repaired(&l->report, REPAIR_FRR);
        l->frr_settled = true;
        if (l->worker_applies) {
            l->report.applied = time(NULL);
            log_say(LOG_LEVEL_INFO, "FRR holds what revision %.12s says", l->bundle->revision);
            drain_in_force(l->drain, now);
            l->converge_at = l->repeat_at = now; /* what waited for FRR */
            l->repeats = REPEATS;
        }
    } else if (r >= 0) {
        if (l->frr_stale || repair_frr(l, now)) {
            l->frr_in_force = false;
            l->converge_at = now;
        }
    } else {
        l->frr_in_force = false;
        l->frr_failures++;
        if (l->frr_failures == FRR_PATIENCE)
            l->converge_at = now;
        if (l->worker_applies && !l->frr_stale && (r == -EINVAL || l->frr_failures == FRR_PATIENCE))
            transaction_refuse(l->transaction,
                               err.n ? err.items[0].message : "FRR could not be configured");
    }
    log_report(LOG_EVENT_FRR_FAILED, &l->told_frr, &err);
    error_clear(&err);
}

static void on_frr_due(struct loop *l)
{
    if (l->settings->no_frr || !l->bundle)
        l->frr_at = SUPERVISE_NEVER;
    else if (guard_applying(l->guard)) /* routes come after the firewall */
        l->frr_at = monotonic_ms() + SETTLE_MS;
    else if (l->worker.pid == 0)
        start_worker(l, !l->frr_in_force);
}

static void on_frr_watch(struct loop *l)
{
    int64_t at = l->worker_began + l->check_took * FRR_CHECK_SHARE;

    if (frr_watch_run(l->frr_watch))
        l->frr_at = earliest(l->frr_at, at);
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

/* FRR has to be given another text than it was. */
static void frr_changes(struct loop *l)
{
    l->frr_in_force = l->frr_settled = false;
    l->frr_stale = true;
    l->converge_at = monotonic_ms();
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
    frr_changes(l);
    if (!plan_has(plan, PLAN_FRR)) {
        plan_free(plan);
        have->frr_in_force = false;
        plan = plan_compute(l->bundle, context, have);
        hold_back(l, plan);
    }
    return plan;
}

static void on_drain(struct loop *l, int64_t now)
{
    enum drain_news news = drain_run(l->drain, now);

    if (news == DRAIN_TEXT)
        frr_changes(l);
    else if (news == DRAIN_FREED)
        l->converge_at = now;
}

/* Links that leave, and what may come by an old way, count until nothing of it is left. */
static void forget_before(struct loop *l, const struct plan *plan)
{
    if (!l->before || plan_has(plan, PLAN_FRR) || plan_has_breaks(plan) || drain_busy(l->drain))
        return;
    l->before = bundle_free(l->before);
    l->converge_at = monotonic_ms();
}

static struct firewall firewall(const struct loop *l)
{
    return (struct firewall){l->bundle, l->before, origin_cache_table(l->origins)};
}

/* Hundreds of hashes, which change with the bundle or the certificates only. */
static void keep_digests(struct loop *l, struct plan_context *context)
{
    if (!l->digests || strcmp(l->digests_keys, context->keys_digest) != 0) {
        free(l->digests);
        l->digests = xcalloc(l->bundle->n_links + 1, sizeof(*l->digests));
        memcpy(l->digests_keys, context->keys_digest, sizeof(l->digests_keys));
        for (size_t i = 0; i < l->bundle->n_links; i++)
            plan_link_digest(l->bundle, &l->bundle->links[i], context, l->digests[i]);
    }
    context->digests = (const char(*)[DIGEST_TEXT_LEN + 1]) l->digests;
}

static void converge(struct loop *l)
{
    struct apply_context c = {l->settings, l->netlink, l->supervisor, l->drain, false};
    struct error_list err = ERROR_LIST_INIT;
    struct observed have = OBSERVED_INIT;
    struct plan_context context = {
        .mesh = l->bundle ? l->bundle->mesh : "",
        .link_uid = l->settings->link_uid,
        .no_frr = l->settings->no_frr,
        .new_bundle = drain_is_new_bundle(l->drain),
    };
    struct firewall wanted;
    struct plan *plan;
    int r, q;

    l->converged = monotonic_ms();
    l->converge_at = l->converged + AUDIT_MAX_MS;
    if (!l->bundle)
        return;
    state_keys_digest(l->settings, context.keys_digest);
    wanted = firewall(l);
    keep_digests(l, &context);
    if (observe(l->netlink, l->supervisor, &have, &err) < 0) {
        log_report(LOG_EVENT_LINKS_FAILED, &l->told_links, &err);
        error_clear(&err);
        l->converge_at = l->converged + RETRY_MS;
        return;
    }
    q = guard_look(l->guard, &wanted, &context, &have, &err);
    r = tun_check(l->settings->link_uid, l->settings->link_gid, &err);
    c.hold_processes = r < 0 || state_check_keys(l->settings, &err) < 0;
    if (c.hold_processes || q < 0)
        r = -EINVAL;
    plan = make_plan(l, &context, &have, c.hold_processes);
    if (plan->n && !(plan->n == 1 && plan_has(plan, PLAN_FRR)))
        announce(l, plan);
    if (plan_has(plan, PLAN_FIREWALL) && guard_apply(l->guard, &wanted))
        agent_report_repaired(&l->report, REPAIR_FIREWALL);
    if (apply_make(&c, l->bundle, plan, &err) < 0)
        r = -EIO;
    if (plan_has(plan, PLAN_FRR) && l->worker.pid == 0 && l->frr_failures == 0 &&
        !guard_applying(l->guard))
        start_worker(l, true);
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
    transaction_see(l->transaction,
                    r == 0 && plan_is_done(plan) && !drain_busy(l->drain) &&
                        !guard_applying(l->guard),
                    !l->dir_missing);
    plan_free(plan);
    observed_clear(&have);
    error_clear(&err);
}

/* Soon, but not more often than every EVENT_GAP_MS. */
static void converge_soon(struct loop *l)
{
    int64_t at = monotonic_ms() + SETTLE_MS;

    if (at < l->converged + EVENT_GAP_MS)
        at = l->converged + EVENT_GAP_MS;
    if (at < l->converge_at)
        l->converge_at = at;
}

/* --- the bundle ----------------------------------------------------------------------------- */

static void take(struct loop *l, struct bundle *b)
{
    bool changed = !l->bundle || strcmp(l->bundle->revision, b->revision) != 0;
    bool back = l->bundle && transaction_refuses(l->transaction, l->bundle->revision);

    if (changed) {
        bundle_free(l->before);
        l->before = l->bundle;
    } else {
        bundle_free(l->bundle);
    }
    l->bundle = b;
    free(l->digests);
    l->digests = NULL;
    l->heap_grew = true;
    if (!changed)
        return;
    log_set_bundle(b->gateway, b->revision);
    log_event(LOG_EVENT_IN_FORCE, LOG_LEVEL_NOTICE,
              "gateway %s of mesh %s: revision %.12s with %zu links is in force", b->gateway,
              b->mesh, b->revision, b->n_links);
    origin_cache_take(l->origins, b);
    repairs_reset(&l->repairs);
    repairs_reset(&l->frr_repairs);
    l->settled = false;
    drain_new_bundle(l->drain, back);
    l->frr_failures = 0;
    frr_changes(l);
}

/* Perhaps its files are still being copied, or the disk was full: look again. */
static void look_again(struct loop *l, int why)
{
    source_forget(l->source);
    l->look_at = monotonic_ms() + (why == -ETIMEDOUT ? SLOW_RETRY_MS : RETRY_MS);
}

/* A bundle that is good in itself: shall it come into force? */
static int offer(struct loop *l, struct bundle *b, struct error_list *err)
{
    if (l->bundle && strcmp(l->bundle->revision, b->revision) == 0) {
        bundle_free(b);
        return state_mend(l->settings, err);
    }
    if (transaction_refuses(l->transaction, b->revision)) {
        error_add(err, l->dir, 0, NULL,
                  "revision %.12s was rolled back and is not taken again: compile a corrected one, "
                  "or run 'p2pvpn-agent reload' to try this one once more",
                  b->revision);
        bundle_free(b);
        state_drop(l->settings);
        return 0;
    }
    return transaction_offer(l->transaction, b, l->bundle, err);
}

static void read_bundle(struct loop *l)
{
    struct error_list err = ERROR_LIST_INIT;
    struct bundle *b = NULL;
    int r = state_stage(l->settings, l->dir, &b, &err);

    if (r < 0 && source_moved(l->source)) {
        error_clear(&err);
        source_forget(l->source);
        l->look_at = monotonic_ms() + SETTLE_MS; /* it was replaced while it was read */
        return;
    }
    if (r == 0)
        r = offer(l, b, &err);
    if (r < 0) {
        state_advise(l->settings, r, &err);
        error_add(&err, l->dir, 0, NULL, "refused; %s%.12s",
                  l->bundle ? "what stays in force is revision " : "no bundle is in force",
                  l->bundle ? l->bundle->revision : "");
        look_again(l, r);
    }
    log_report(LOG_EVENT_BUNDLE_REFUSED, &l->told_bundle, &err);
    error_clear(&err);
}

/* What runs goes on without its copy, but nothing can be started from it. */
static void look_at_copy(struct loop *l)
{
    struct error_list err = ERROR_LIST_INIT;
    bool lost = l->bundle && !state_present(l->settings);

    if (lost && !l->copy_lost)
        log_say(
            LOG_LEVEL_ERROR,
            "the copy of the bundle in force is gone from %s: what runs goes on, but a link that "
            "ends cannot be started again until the bundle is read anew from its source",
            l->settings->state_dir);
    else if (l->copy_lost && !lost)
        log_say(LOG_LEVEL_NOTICE, "the copy of the bundle in force is in its place again");
    l->copy_lost = lost;
    if (lost) {
        state_prepare(l->settings, &err);
        source_forget(l->source);
    }
    error_clear(&err);
}

static void look_at_bundle(struct loop *l)
{
    enum source_state state;

    look_at_copy(l);
    state = source_look(l->source);

    l->look_at = monotonic_ms() + LOOK_MS;
    if (state == SOURCE_MISSING && !l->dir_missing)
        log_say(LOG_LEVEL_WARNING, "%s: there is no bundle here (%s); %s", l->dir, strerror(errno),
                l->bundle ? "the one in force stays in force" : "waiting for one");
    l->dir_missing = state == SOURCE_MISSING;
    if (state != SOURCE_NEW)
        return;
    if (!transaction_busy(l->transaction)) {
        l->waits = false;
        read_bundle(l);
        return;
    }
    source_forget(l->source);
    if (!l->waits)
        log_say(LOG_LEVEL_NOTICE,
                "%s: what is new here waits until the change before it is decided", l->dir);
    l->waits = true;
}

static void on_source(struct loop *l)
{
    int64_t soon = monotonic_ms() + SETTLE_MS;

    source_clear_events(l->source);
    if (soon < l->look_at)
        l->look_at = soon;
}

static void run_transaction(struct loop *l)
{
    struct bundle *b;

    transaction_run(l->transaction);
    b = transaction_taken(l->transaction);
    if (b)
        take(l, b);
    if (transaction_failed_to_begin(l->transaction))
        look_again(l, 0);
}

/* --- what an operator says -------------------------------------------------------------------- */

static int on_confirm(void *arg, const char *word, struct buf *said, struct error_list *err)
{
    (void)word;
    return transaction_confirm(((struct loop *)arg)->transaction, said, err);
}

static int on_rollback(void *arg, const char *word, struct buf *said, struct error_list *err)
{
    (void)word;
    return transaction_roll_back(((struct loop *)arg)->transaction, said, err);
}

static int on_reload(void *arg, const char *word, struct buf *said, struct error_list *err)
{
    struct loop *l = arg;

    (void)word;
    (void)err;
    log_say(LOG_LEVEL_INFO, "asked to look at everything again");
    transaction_forgive(l->transaction);
    source_forget(l->source);
    l->frr_failures = 0;
    repairs_reset(&l->repairs);
    repairs_reset(&l->frr_repairs);
    origin_cache_look(l->origins, true);
    guard_look_again(l->guard);
    l->look_at = l->converge_at = l->frr_at = monotonic_ms();
    buf_str(said, "looking at everything again: bundle, links, FRR");
    return 0;
}

static int drain_or_not(struct loop *l, bool on, struct buf *said, struct error_list *err)
{
    bool was = drain_gateway_on(l->drain);
    int r;

    if (l->settings->no_frr)
        return error_add(err, NULL, 0, NULL,
                         "this agent leaves FRR alone (no-frr), and traffic moves by BGP only");
    r = drain_gateway(l->drain, on, err);
    if (r < 0)
        return r;
    l->report.drained = on;
    buf_str(said, on ? "the gateway is drained: its peers are asked to use other ways"
                     : "the gateway is used again");
    if (was == on)
        return 0;
    log_say(LOG_LEVEL_NOTICE, "by hand: %s", buf_cstr(said));
    frr_changes(l);
    return 0;
}

static int on_drain_verb(void *arg, const char *word, struct buf *said, struct error_list *err)
{
    (void)word;
    return drain_or_not(arg, true, said, err);
}

static int on_undrain_verb(void *arg, const char *word, struct buf *said, struct error_list *err)
{
    (void)word;
    return drain_or_not(arg, false, said, err);
}

static const struct control_verb verbs[] = {
    {"confirm", on_confirm, false},      {"drain", on_drain_verb, false},
    {"undrain", on_undrain_verb, false}, {"rollback", on_rollback, false},
    {"reload", on_reload, false},        {NULL, NULL, false},
};

/* --- the loop ------------------------------------------------------------------------------- */

static void on_signal(struct loop *l)
{
    struct error_list none = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf said = BUF_INIT;
    struct signalfd_siginfo info;

    while (read(l->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo != SIGHUP) {
            l->leave = true;
            continue;
        }
        notify_reloading(&l->notify);
        on_reload(l, NULL, &said, &none);
    }
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void look_at_certificate(struct loop *l)
{
    _cleanup_free_ char *keys = settings_keys_dir(l->settings);
    _cleanup_free_ char *file = xasprintf("%s/gateway.crt", keys);
    struct stat now;

    if (stat(file, &now) < 0 || same_file(&now, &l->certificate))
        return;
    l->certificate = now;
    converge_soon(l);
}

static void on_look_due(struct loop *l)
{
    uint64_t daemons = l->settings->no_frr ? 0 : routing_incarnation(l->settings);

    look_at_bundle(l);
    origin_cache_look(l->origins, false);
    look_at_certificate(l);
    if (daemons != l->daemons) {
        l->daemons = daemons;
        repairs_reset(&l->frr_repairs); /* a new one knows nothing: that is no fight */
        if (l->worker.pid == 0)
            l->frr_at = monotonic_ms();
        else
            l->frr_stale = true;
    }
}

static int add_source(struct loop *l, int fd, void *tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};

    return fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_sources(struct loop *l, struct error_list *err)
{
    sigset_t set;
    int r;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    r = netlink_open(&l->netlink, err);
    if (r == 0)
        r = netlink_monitor_open(&l->monitor, err);
    if (r == 0)
        r = supervisor_new(l->settings, &l->supervisor, err);
    if (r == 0)
        r = origin_cache_new(l->settings, &l->origins, err);
    if (r == 0)
        r = metrics_file_new(l->settings, &l->metrics, err);
    if (r == 0)
        r = frr_watch_new(l->settings, &l->frr_watch, err);
    if (r == 0)
        r = source_new(l->dir, l->settings, &l->source, err);
    if (r == 0)
        r = control_new(l->settings, verbs, l, &l->control, err);
    if (r == 0)
        r = transaction_new(l->settings, &l->transaction, err);
    if (r == 0)
        r = guard_new(l->settings, &l->guard, err);
    if (r < 0)
        return r;
    l->found =
        mmap(NULL, sizeof(*l->found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (l->found == MAP_FAILED)
        return error_sys(err, errno, NULL, "cannot share memory with a worker");
    r = add_source(l, l->signals, &l->signals);
    if (r == 0)
        r = add_source(l, source_fd(l->source), &l->source);
    if (r == 0)
        r = add_source(l, netlink_monitor_fd(l->monitor), &l->monitor);
    if (r == 0)
        r = add_source(l, supervisor_fd(l->supervisor), &l->supervisor);
    if (r == 0)
        r = add_source(l, origin_cache_fd(l->origins), &l->origins);
    if (r == 0)
        r = add_source(l, metrics_file_fd(l->metrics), &l->metrics);
    if (r == 0)
        r = add_source(l, frr_watch_fd(l->frr_watch), &l->frr_watch);
    if (r == 0)
        r = add_source(l, control_fd(l->control), &l->control);
    if (r == 0)
        r = add_source(l, transaction_fd(l->transaction), &l->transaction);
    if (r == 0)
        r = add_source(l, guard_fd(l->guard), &l->guard);
    return r < 0 ? error_sys(err, -r, NULL, "cannot set up the event loop") : 0;
}

static int wait_ms(const struct loop *l)
{
    int64_t next = earliest(earliest(l->look_at, l->converge_at), earliest(l->frr_at, l->logs_at));
    int64_t now = monotonic_ms();

    next = earliest(next, supervisor_deadline(l->supervisor));
    next = earliest(next, drain_deadline(l->drain));
    next = earliest(next, origin_cache_deadline(l->origins));
    next = earliest(next, metrics_file_deadline(l->metrics));
    next = earliest(next, frr_watch_deadline(l->frr_watch));
    next = earliest(next, control_deadline(l->control));
    next = earliest(next, notify_deadline(&l->notify));
    next = earliest(next, transaction_deadline(l->transaction));
    next = earliest(next, guard_deadline(l->guard));
    if (next <= now)
        return 0;
    return next - now > 60000 ? 60000 : (int)(next - now);
}

static void turn(struct loop *l)
{
    struct epoll_event events[16];
    struct firewall wanted;
    int n = epoll_wait(l->epoll, events, 16, wait_ms(l));
    int64_t now;

    for (int i = 0; i < n; i++) {
        void *tag = events[i].data.ptr;

        if (tag == &l->signals)
            on_signal(l);
        else if (tag == &l->source)
            on_source(l);
        else if (tag == &l->worker)
            on_worker(l);
        else if (tag == &l->monitor && netlink_monitor_read(l->monitor, "pv"))
            converge_soon(l);
    }
    if (l->leave)
        return;
    supervisor_run(l->supervisor);
    origin_cache_run(l->origins);
    metrics_file_run(l->metrics, l->bundle);
    on_frr_watch(l);
    control_run(l->control);
    run_transaction(l);
    wanted = firewall(l);
    if (guard_run(l->guard, l->bundle ? &wanted : NULL))
        converge_soon(l);
    now = monotonic_ms();
    on_drain(l, now);
    if (l->look_at <= now)
        on_look_due(l);
    if (l->converge_at <= now)
        converge(l);
    if (l->frr_at <= now)
        on_frr_due(l);
    if (l->logs_at <= now) {
        supervisor_bound_logs(l->supervisor);
        l->logs_at = now + LOGS_MS;
    }
}

/* For `systemctl status`: what is wrong, else what is in force. */
static void tell_systemd(struct loop *l)
{
    const char *trouble = l->told_bundle && *l->told_bundle ? l->told_bundle
                          : l->told_links && *l->told_links ? l->told_links
                          : l->told_frr && *l->told_frr     ? l->told_frr
                                                            : NULL;
    _cleanup_free_ char *text = NULL;

    if (trouble)
        text = xasprintf("trouble: %s", trouble);
    else if (l->bundle)
        text =
            xasprintf("gateway %s of mesh %s: revision %.12s with %zu links%s", l->bundle->gateway,
                      l->bundle->mesh, l->bundle->revision, l->bundle->n_links,
                      transaction_busy(l->transaction) ? ", which has to prove good" : "");
    else
        text = xasprintf("waiting for a bundle at %s", l->dir);
    notify_status(&l->notify, text);
    /* Once everything was looked at: not when all is well, which may be long after. */
    if (!l->bundle || l->converged)
        notify_ready(&l->notify);
    notify_run(&l->notify, monotonic_ms());
}

static void report(struct loop *l)
{
    agent_report_trouble(&l->report, TROUBLE_BUNDLE, l->told_bundle);
    agent_report_trouble(&l->report, TROUBLE_LINKS, l->told_links);
    agent_report_trouble(&l->report, TROUBLE_FRR, l->told_frr);
    agent_report_trouble(&l->report, TROUBLE_FIREWALL, guard_trouble(l->guard));
    agent_report_run(&l->report_file, &l->report);
}

int loop_run(const struct settings *s, const char *dir, struct error_list *err)
{
    struct loop l = {
        .settings = s,
        .dir = dir,
        .worker = WORKER_INIT,
        .notify = {.fd = -1},
        .epoll = -1,
        .signals = -1,
        .lock = -1,
        .converge_at = SUPERVISE_NEVER,
        .frr_at = SUPERVISE_NEVER,
    };
    int r = state_prepare(s, err);

    if (r == 0)
        r = state_lock(s, &l.lock, err);
    if (r == 0)
        r = open_sources(&l, err);
    if (r == 0) {
        l.drain = drain_new(s);
        notify_open(&l.notify);
        run_transaction(&l);
        l.logs_at = monotonic_ms() + LOGS_MS;
        agent_report_open(s->run_dir, dir, &l.report, &l.report_file);
        l.report.drained = drain_gateway_on(l.drain);
        while (!l.leave) {
            report(&l);
            tell_systemd(&l);
            turn(&l);
        }
        log_say(LOG_LEVEL_NOTICE, "leaving; links and routing go on without me");
    }
    agent_report_close(&l.report_file, &l.report);
    agent_report_clear(&l.report);
    notify_close(&l.notify);
    worker_kill(&l.worker);
    frr_watch_free(l.frr_watch);
    repairs_reset(&l.repairs);
    repairs_reset(&l.frr_repairs);
    transaction_free(l.transaction);
    control_free(l.control);
    source_free(l.source);
    drain_free(l.drain);
    metrics_file_free(l.metrics);
    guard_free(l.guard);
    origin_cache_free(l.origins);
    supervisor_free(l.supervisor);
    netlink_monitor_close(l.monitor);
    netlink_close(l.netlink);
    bundle_free(l.bundle);
    bundle_free(l.before);
    free(l.digests);
    free(l.told_links);
    free(l.failing);
    free(l.told_frr);
    free(l.told_bundle);
    for (int *fd = (int[]){l.signals, l.epoll, l.lock, -2}; *fd != -2; fd++)
        if (*fd >= 0)
            close(*fd);
    return r;
}
