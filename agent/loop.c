/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/drain.h"
#include "agent/frr_watch.h"
#include "agent/guard.h"
#include "agent/key.h"
#include "agent/log.h"
#include "agent/loop_parts.h"
#include "agent/metrics_file.h"
#include "agent/netlink_monitor.h"
#include "agent/origin_cache.h"
#include "agent/routing.h"
#include "agent/source.h"
#include "agent/state.h"
#include "agent/status_agent.h"
#include "agent/transaction.h"
#include "agent/vtysh.h"

#define LOGS_MS 60000
#define DAY (24 * 60 * 60)

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
        loop_reload(l, NULL, &said, &none);
    }
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* In a worker, which alone sees what reads certificates: days, counted from long ago so that there
 * are no negative ones. */
#define DAYS_BEGIN 100000

static int days_left(void *arg, struct error_list *err)
{
    int64_t expires = key_expires(arg), left = (expires - time(NULL)) / DAY;

    (void)err;
    return expires == 0 || left > STATUS_CERTIFICATE_DAYS || left < -DAYS_BEGIN / 2
               ? 2 * DAYS_BEGIN
               : (int)left + DAYS_BEGIN;
}

/* Said once a day, in time. */
static void warn_of_its_end(struct loop *l, char *keys)
{
    struct error_list ignored = ERROR_LIST_INIT;
    int days;

    l->certificate_day = time(NULL) / DAY;
    days = worker_do(days_left, keys, &ignored) - DAYS_BEGIN;
    error_clear(&ignored);
    if (days < -DAYS_BEGIN / 2 || days >= STATUS_CERTIFICATE_DAYS)
        return;
    if (days < 0)
        log_say(LOG_LEVEL_ERROR, "the certificate of this gateway has expired, so no link comes up "
                                 "any more: renew it ('p2pvpn-agent enroll --renew')");
    else
        log_say(
            LOG_LEVEL_WARNING,
            "the certificate of this gateway expires in %d day%s, and no link comes up after that: "
            "renew it ('p2pvpn-agent enroll --renew')",
            days, days == 1 ? "" : "s");
}

static void look_at_certificate(struct loop *l)
{
    _cleanup_free_ char *keys = settings_keys_dir(l->settings);
    _cleanup_free_ char *file = xasprintf("%s/gateway.crt", keys);
    struct stat now;

    if (stat(file, &now) < 0)
        return;
    if (!same_file(&now, &l->certificate) || l->certificate_day != time(NULL) / DAY)
        warn_of_its_end(l, keys);
    if (same_file(&now, &l->certificate))
        return;
    l->certificate = now;
    loop_converge_soon(l);
}

static void on_look_due(struct loop *l)
{
    uint64_t daemons = l->settings->no_frr ? 0 : routing_incarnation(l->settings);

    loop_look_at_bundle(l);
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
        r = vtysh_remember(err);
    if (r == 0)
        r = frr_watch_new(l->settings, &l->frr_watch, err);
    if (r == 0)
        r = source_new(l->dir, l->settings, &l->source, err);
    if (r == 0)
        r = control_new(l->settings, loop_verbs, l, &l->control, err);
    if (r == 0)
        r = key_memory_load(l->settings, &l->known, err);
    if (r == 0)
        r = transaction_new(l->settings, &l->transaction, err);
    if (r == 0)
        r = guard_new(l->settings, &l->guard, err);
    if (r < 0)
        return r;
    l->found = worker_share(sizeof(*l->found), err);
    if (!l->found)
        return -ENOMEM;
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
    next = earliest(next, staging_deadline(&l->staging));
    next = earliest(next, agent_report_deadline(&l->report_file));
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
            loop_source(l);
        else if (tag == &l->worker)
            loop_frr_collect(l);
        else if (tag == &l->monitor && netlink_monitor_read(l->monitor, "pv")) {
            l->heard = true;
            loop_converge_soon(l);
        }
    }
    if (l->leave)
        return;
    supervisor_run(l->supervisor);
    origin_cache_run(l->origins);
    metrics_file_run(l->metrics, l->bundle);
    loop_frr_watch(l);
    control_run(l->control);
    loop_staged(l);
    loop_transaction(l);
    wanted = loop_firewall(l);
    if (guard_run(l->guard, l->bundle ? &wanted : NULL))
        loop_converge_soon(l);
    now = monotonic_ms();
    loop_drain(l, now);
    if (l->look_at <= now)
        on_look_due(l);
    if (l->converge_at <= now)
        loop_converge(l);
    if (l->frr_at <= now)
        loop_frr_due(l);
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
                          : l->told_disk && *l->told_disk   ? l->told_disk
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
    agent_report_trouble(&l->report, TROUBLE_DISK, l->told_disk);
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

    staging_init(&l.staging, s, dir);
    if (r == 0)
        r = state_lock(s, &l.lock, err);
    if (r == 0)
        r = open_sources(&l, err);
    if (r == 0) {
        l.drain = drain_new(s);
        notify_open(&l.notify);
        loop_transaction(&l);
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
    staging_stop(&l.staging);
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
    key_memory_clear(&l.known);
    free(l.digests);
    free(l.told_links);
    free(l.failing);
    free(l.told_frr);
    free(l.told_bundle);
    free(l.told_disk);
    for (int *fd = (int[]){l.signals, l.epoll, l.lock, -2}; *fd != -2; fd++)
        if (*fd >= 0)
            close(*fd);
    return r;
}
