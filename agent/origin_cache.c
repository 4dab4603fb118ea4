/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/origin_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/handover.h"
#include "agent/identity.h"
#include "agent/log.h"
#include "agent/origin_report.h"
#include "agent/routing.h"
#include "agent/rtr.h"
#include "agent/state.h"
#include "agent/supervise.h"
#include "agent/worker.h"
#include "common/fs.h"

#define RECONSIDER_GAP_MS 1000 /* a burst of tables is one */
#define RETRY_MS 5000

struct origin_cache {
    const struct settings *settings;
    char *mesh; /* whose table is served; NULL: none is wanted */
    struct rtr *rtr;
    struct stat seen;           /* the file as it was last taken or refused */
    struct error_list trouble;  /* with the file or with serving, as of the last look */
    struct error_list unjudged; /* why bgpd could not be made to judge again */
    char *told, *told_unjudged; /* the last reports, not to be repeated */
    struct buf reported;        /* what RUN/origins.json holds */
    unsigned long long start;   /* of this process */
    int epoll;

    struct worker reading; /* the file */
    struct handover *handover;
    struct stat being_read;

    struct worker worker;
    uint32_t serial;         /* what bgpd goes by, ... */
    unsigned tables;         /* ... as of the last time that it was made to judge again ... */
    struct rtr_status going; /* ... and as of the worker that is at it */
    int64_t reconsider_at;   /* not before this */
};

int origin_cache_new(const struct settings *s, struct origin_cache **ret, struct error_list *err)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct origin_cache *c;

    if (epoll < 0)
        return error_sys(err, errno, NULL, "cannot set up the cache of origins");
    c = xcalloc(1, sizeof(*c));
    c->settings = s;
    c->epoll = epoll;
    process_start_time(getpid(), &c->start);
    c->reading = c->worker = (struct worker)WORKER_INIT;
    *ret = c;
    return 0;
}

static void stop_reading(struct origin_cache *c)
{
    worker_kill(&c->reading);
    c->handover = handover_free(c->handover);
}

static void stop(struct origin_cache *c)
{
    stop_reading(c);
    worker_kill(&c->worker);
    if (c->rtr) /* first out of epoll: a worker elsewhere may hold the descriptor open */
        epoll_ctl(c->epoll, EPOLL_CTL_DEL, rtr_fd(c->rtr), NULL);
    c->rtr = rtr_free(c->rtr);
    free(c->mesh);
    c->mesh = NULL;
    c->seen = (struct stat){0};
    c->serial = c->tables = 0;
    error_clear(&c->trouble);
    error_clear(&c->unjudged);
}

struct origin_cache *origin_cache_free(struct origin_cache *c)
{
    if (!c)
        return NULL;
    stop(c);
    close(c->epoll);
    free(c->told);
    free(c->told_unjudged);
    buf_free(&c->reported);
    free(c);
    return NULL;
}

/* --- for `status` --------------------------------------------------------------------------- */

static void add_all(struct error_list *to, const struct error_list *from)
{
    for (size_t i = 0; i < from->n; i++)
        error_add(to, from->items[i].file, from->items[i].line, NULL, "%s", from->items[i].message);
}

/* Writes the report anew if it says something else than before; none where nothing is served. */
static void write_report(struct origin_cache *c)
{
    _cleanup_free_ char *path = settings_origin_report(c->settings);
    struct origin_report report = ORIGIN_REPORT_INIT;
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;

    if (c->mesh) {
        report.pid = getpid();
        report.start = c->start;
        if (c->rtr)
            report.rtr = rtr_status(c->rtr);
        /* An ordinary user who connects neither hides a bgpd that is missing nor looks like one. */
        report.rtr.routers = report.rtr.system_routers;
        report.rtr.up_to_date = report.rtr.system_up_to_date;
        add_all(&report.problems, &c->trouble);
        add_all(&report.problems, &c->unjudged);
        origin_report_format(&report, &text);
        error_clear(&report.problems);
    }
    if (text.len == c->reported.len && strcmp(buf_cstr(&text), buf_cstr(&c->reported)) == 0)
        return;
    buf_reset(&c->reported);
    if (text.len == 0)
        unlink(path);
    else if (fs_write(path, text.data, text.len, 0644, &ignored) == 0)
        buf_add(&c->reported, text.data, text.len);
    error_clear(&ignored);
}

/* --- the table ------------------------------------------------------------------------------ */

static void serve(struct origin_cache *c, struct origins *o)
{
    size_t n = o->n;
    char revision[sizeof(o->revision)];

    memcpy(revision, o->revision, sizeof(revision));
    if (rtr_set(c->rtr, o))
        log_say(LOG_LEVEL_NOTICE, "table of origins, revision %.12s: %zu prefixes are served",
                revision, n);
}

static bool listening(struct origin_cache *c, struct error_list *trouble)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    struct error_list ignored = ERROR_LIST_INIT;
    struct origins *o = NULL;
    int r;

    if (c->rtr)
        return true;
    r = rtr_new(RTR_PORT, &c->rtr, trouble);
    if (r < 0)
        return false;
    if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, rtr_fd(c->rtr), &event) < 0) {
        error_sys(trouble, errno, NULL, "cannot set up the cache of origins");
        c->rtr = rtr_free(c->rtr);
        return false;
    }
    r = state_origins(c->settings, c->mesh, &o, &ignored);
    if (r == 0)
        serve(c, o);
    else if (r != -ENOENT)
        log_errors(LOG_LEVEL_WARNING, &ignored);
    error_clear(&ignored);
    return true;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What the last look has brought; with trouble, what bgpd goes by meanwhile. */
static void settle(struct origin_cache *c, struct error_list *trouble)
{
    const struct origins *o = c->rtr ? rtr_table(c->rtr) : NULL;

    if (trouble->n)
        c->seen = (struct stat){0}; /* perhaps it is still being copied, or the disk was full */
    if (trouble->n && o)
        error_add(trouble, NULL, 0, NULL,
                  "the table of origins of before stays in force: revision %.12s, %zu prefixes",
                  o->revision, o->n);
    else if (trouble->n && c->rtr)
        error_add(trouble, NULL, 0, NULL,
                  "no table of origins is in force, so bgpd accepts no route of the mesh");
    error_clear(&c->trouble);
    c->trouble = *trouble;
    log_report(LOG_EVENT_NONE, &c->told, &c->trouble);
    write_report(c);
}

static int work_read(void *arg, struct error_list *err)
{
    struct origin_cache *c = arg;
    _cleanup_buf_ struct buf message = BUF_INIT;
    struct origins *o = NULL;
    int r = state_install_origins(c->settings, c->settings->origins, c->mesh, &o, err);

    if (r < 0)
        return r;
    wire_origins(o, &message);
    return handover_put(c->handover, &message, err); /* what is left in memory ends with us */
}

static int start_reading(struct origin_cache *c, struct error_list *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int r = handover_new(&c->handover, err);

    if (r == 0)
        r = worker_start(&c->reading, work_read, c, err);
    if (r == 0 && epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->reading.fd, &event) < 0)
        r = error_sys(err, errno, NULL, "cannot wait for a worker process");
    if (r < 0)
        stop_reading(c);
    return r;
}

static void collect_reading(struct origin_cache *c)
{
    struct error_list trouble = ERROR_LIST_INIT;
    struct wire_answer a = WIRE_ANSWER_INIT;
    int r;

    if (c->reading.pid == 0 || !worker_collect(&c->reading, &r, &trouble))
        return;
    if (r == 0)
        r = handover_take(c->handover, c->settings->origins, &a, &trouble);
    if (r == 0 && a.verb == WIRE_ORIGINS) {
        c->seen = c->being_read;
        serve(c, a.origins);
        a.origins = NULL;
    }
    wire_answer_clear(&a);
    stop_reading(c);
    settle(c, &trouble);
}

void origin_cache_look(struct origin_cache *c, bool again)
{
    struct error_list trouble = ERROR_LIST_INIT;
    const char *file = c->settings->origins;
    struct stat now = {0};
    int missing;

    if (!c->mesh || (c->reading.pid && !again))
        return;
    missing = stat(file, &now) < 0 ? errno : 0;
    if (!again && c->rtr && c->trouble.n == 0 && !missing && same_file(&now, &c->seen))
        return;
    stop_reading(c);
    if (!listening(c, &trouble)) {
        settle(c, &trouble);
        return;
    }
    if (missing)
        error_sys(&trouble, missing, file,
                  "there is no table of origins: put " ORIGINS_DIR "/" ORIGINS_NAME
                  " of the compiler's output here");
    c->being_read = now;
    if (missing || start_reading(c, &trouble) < 0)
        settle(c, &trouble);
}

void origin_cache_take(struct origin_cache *c, const struct bundle *b)
{
    const char *mesh =
        !c->settings->no_frr && b->origin_check == BUNDLE_ORIGINS_BY_CACHE ? b->mesh : NULL;

    if (mesh && c->mesh && strcmp(mesh, c->mesh) == 0)
        return;
    stop(c);
    if (mesh) {
        c->mesh = xstrdup(mesh);
        origin_cache_look(c, true);
    }
    write_report(c);
}

const struct origins *origin_cache_table(const struct origin_cache *c)
{
    return c->rtr ? rtr_table(c->rtr) : NULL;
}

/* --- what bgpd makes of it ------------------------------------------------------------------ */

static int work_reconsider(void *arg, struct error_list *err)
{
    return routing_reconsider(((struct origin_cache *)arg)->settings, err);
}

/* A router of the system has received what bgpd has not judged its routes by. */
static bool is_due(const struct origin_cache *c)
{
    struct rtr_status s = c->rtr ? rtr_status(c->rtr) : (struct rtr_status){0};

    return c->worker.pid == 0 && s.system_up_to_date > 0 &&
           s.system_up_to_date == s.system_routers &&
           (s.serial != c->serial || s.system_tables != c->tables);
}

static void start_worker(struct origin_cache *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    struct error_list err = ERROR_LIST_INIT;

    c->reconsider_at = monotonic_ms() + RETRY_MS;
    c->going = rtr_status(c->rtr);
    if (worker_start(&c->worker, work_reconsider, c, &err) == 0 &&
        epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->worker.fd, &event) == 0)
        return;
    worker_kill(&c->worker);
    log_errors(LOG_LEVEL_ERROR, &err);
    error_clear(&err);
}

static void collect_worker(struct origin_cache *c)
{
    struct error_list err = ERROR_LIST_INIT;
    int r;

    if (c->worker.pid == 0 || !worker_collect(&c->worker, &r, &err))
        return;
    if (r == 0) {
        c->serial = c->going.serial;
        c->tables = c->going.system_tables;
        c->reconsider_at = monotonic_ms() + RECONSIDER_GAP_MS;
        log_say(LOG_LEVEL_INFO, "bgpd judges its routes by %zu prefixes of the table of origins",
                c->going.prefixes);
    }
    error_clear(&c->unjudged);
    add_all(&c->unjudged, &err);
    log_report(LOG_EVENT_NONE, &c->told_unjudged, &err);
    error_clear(&err);
}

int origin_cache_fd(const struct origin_cache *c)
{
    return c->epoll;
}

int64_t origin_cache_deadline(const struct origin_cache *c)
{
    int64_t at = c->rtr ? rtr_deadline(c->rtr) : SUPERVISE_NEVER;

    return is_due(c) && c->reconsider_at < at ? c->reconsider_at : at;
}

void origin_cache_run(struct origin_cache *c)
{
    if (!c->rtr)
        return;
    rtr_run(c->rtr);
    collect_reading(c);
    collect_worker(c);
    if (is_due(c) && monotonic_ms() >= c->reconsider_at)
        start_worker(c);
    write_report(c);
}
