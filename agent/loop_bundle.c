/* SPDX-License-Identifier: Apache-2.0 */
/* The bundle, on its way from the source into force and back, and what an operator says. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "agent/drain.h"
#include "agent/guard.h"
#include "agent/log.h"
#include "agent/loop_parts.h"
#include "agent/origin_cache.h"
#include "agent/repository.h"
#include "agent/settings_file.h"
#include "agent/source.h"
#include "agent/state.h"
#include "agent/transaction.h"

#define LOOK_MS 3000         /* at the bundle and at FRR's daemons */
#define SLOW_RETRY_MS 120000 /* after one that took all the time it may */

static void take(struct loop *l, struct bundle *b)
{
    bool changed = !l->bundle || strcmp(l->bundle->revision, b->revision) != 0;
    struct error_list err = ERROR_LIST_INIT;
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
    if (key_memory_take(l->settings, &l->known, b, &err) < 0)
        log_errors(LOG_LEVEL_ERROR, &err);
    error_clear(&err);
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
    loop_frr_changes(l);
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

static const char *revision_in_force(const struct loop *l)
{
    return l->bundle ? l->bundle->revision : "";
}

static void refuse(struct loop *l, int why, struct error_list *err)
{
    state_advise(l->settings, why, err);
    error_add(err, l->dir, 0, NULL, "refused; %s%.12s",
              l->bundle ? "what stays in force is revision " : "no bundle is in force",
              revision_in_force(l));
    look_again(l, why);
}

static void read_bundle(struct loop *l)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->staging};
    struct error_list err = ERROR_LIST_INIT;
    int r = staging_start(&l->staging, l->lock, &err);

    memcpy(l->staged_over, revision_in_force(l), strlen(revision_in_force(l)) + 1);
    if (r == 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->staging.worker.fd, &event) < 0) {
        r = error_sys(&err, errno, NULL, "cannot wait for a worker process");
        staging_stop(&l->staging);
    }
    if (r < 0) {
        refuse(l, r, &err);
        log_report(LOG_EVENT_BUNDLE_REFUSED, &l->told_bundle, &err);
    }
    error_clear(&err);
}

void loop_staged(struct loop *l)
{
    struct error_list err = ERROR_LIST_INIT;
    struct bundle *b = NULL;
    int r;

    if (!staging_collect(&l->staging, &r, &b, &err))
        return;
    l->look_at = monotonic_ms(); /* nobody looked meanwhile */
    if ((r < 0 && source_moved(l->source)) || strcmp(l->staged_over, revision_in_force(l)) != 0) {
        /* It was replaced while it was read, or an operator went back meanwhile. */
        error_clear(&err);
        bundle_free(b);
        state_drop(l->settings);
        source_forget(l->source);
        l->look_at += SETTLE_MS;
        return;
    }
    if (r == 0)
        r = offer(l, b, &err);
    if (r < 0)
        refuse(l, r, &err);
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

/* What runs goes on with any disk; what it keeps from being done is said. */
static void look_at_disk(struct loop *l)
{
    struct error_list err = ERROR_LIST_INIT, ignored = ERROR_LIST_INIT;

    state_heal(l->settings, &ignored);
    error_clear(&ignored);
    state_trouble(l->settings, &err);
    log_report(LOG_EVENT_NONE, &l->told_disk, &err);
    error_clear(&err);
}

/* Enrolment has brought a repository, and bundles come from its fetcher from now on: systemd starts
 * the next agent, which looks there.  The links do not notice. */
static void look_for_repository(struct loop *l)
{
    if (l->dir != l->settings->bundle || settings_given(&l->settings->bundle, l->settings) ||
        !repository_configured(l->settings))
        return;
    if (!l->repository_told)
        log_say(LOG_LEVEL_NOTICE, "there is a repository now, and bundles come from it: %s",
                l->notify.fd >= 0 ? "the next agent looks there" : "start the agent again");
    l->repository_told = true;
    l->leave = l->notify.fd >= 0;
}

void loop_look_at_bundle(struct loop *l)
{
    enum source_state state;

    look_at_copy(l);
    look_at_disk(l);
    look_for_repository(l);
    l->look_at = monotonic_ms() + LOOK_MS;
    if (staging_busy(&l->staging))
        return; /* what is new is seen when that is over */
    state = source_look(l->source);
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

void loop_source(struct loop *l)
{
    int64_t soon = monotonic_ms() + SETTLE_MS;

    source_clear_events(l->source);
    if (soon < l->look_at)
        l->look_at = soon;
}

void loop_transaction(struct loop *l)
{
    struct bundle *b;

    transaction_run(l->transaction);
    if (l->waits && !transaction_busy(l->transaction)) {
        l->waits = false;
        l->look_at = monotonic_ms(); /* at what has waited for this */
    }
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

int loop_reload(void *arg, const char *word, struct buf *said, struct error_list *err)
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
    loop_frr_changes(l);
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

const struct control_verb loop_verbs[] = {
    {"confirm", on_confirm, false},      {"drain", on_drain_verb, false},
    {"undrain", on_undrain_verb, false}, {"rollback", on_rollback, false},
    {"reload", loop_reload, false},      {NULL, NULL, false},
};
