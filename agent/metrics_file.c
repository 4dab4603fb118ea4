/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/metrics_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/metrics.h"
#include "agent/status.h"
#include "agent/supervise.h"
#include "agent/worker.h"
#include "common/alloc.h"
#include "common/fs.h"

struct metrics_file {
    const struct settings *settings;
    const struct bundle *bundle; /* during a run */
    struct worker worker;
    int epoll;
    int64_t began, deadline;
    char *told;
};

int metrics_collect(const struct settings *s, const struct bundle *bundle, struct buf *ret,
                    struct error_list *err)
{
    struct arena paths = ARENA_INIT;
    struct status_query q = status_query_of(s, &paths);
    struct status *status = NULL;
    int r;

    q.light = true;
    q.bundle = bundle;
    r = status_collect(&q, &status, err);
    if (r == 0)
        metrics_format(status, ret);
    status_free(status);
    arena_free(&paths);
    return r;
}

static int work(void *arg, struct error_list *err)
{
    const struct metrics_file *m = arg;
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = metrics_collect(m->settings, m->bundle, &text, err);

    return r < 0 ? r : fs_write(m->settings->metrics_file, text.data, text.len, 0644, err);
}

int metrics_file_new(const struct settings *s, struct metrics_file **ret, struct error_list *err)
{
    struct metrics_file *m = xcalloc(1, sizeof(*m));

    *m = (struct metrics_file){
        .settings = s,
        .worker = WORKER_INIT,
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .deadline = s->metrics_file ? monotonic_ms() + METRICS_FIRST_MS : SUPERVISE_NEVER,
    };
    if (m->epoll < 0) {
        free(m);
        return error_sys(err, errno, NULL, "cannot prepare the metrics");
    }
    *ret = m;
    return 0;
}

struct metrics_file *metrics_file_free(struct metrics_file *m)
{
    if (!m)
        return NULL;
    worker_kill(&m->worker);
    close(m->epoll);
    free(m->told);
    free(m);
    return NULL;
}

int metrics_file_fd(const struct metrics_file *m)
{
    return m->epoll;
}

int64_t metrics_file_deadline(const struct metrics_file *m)
{
    return m->deadline;
}

static void start(struct metrics_file *m, const struct bundle *bundle)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct error_list err = ERROR_LIST_INIT;

    m->deadline = SUPERVISE_NEVER;
    m->began = monotonic_ms();
    m->bundle = bundle;
    if (worker_start(&m->worker, work, m, &err) < 0 ||
        epoll_ctl(m->epoll, EPOLL_CTL_ADD, m->worker.fd, &event) < 0) {
        worker_kill(&m->worker);
        log_report(LOG_EVENT_NONE, &m->told, &err);
        m->deadline = m->began + METRICS_MS;
    }
    m->bundle = NULL;
    error_clear(&err);
}

void metrics_file_run(struct metrics_file *m, const struct bundle *bundle)
{
    struct error_list err = ERROR_LIST_INIT;
    int64_t now = monotonic_ms(), wait;
    int r;

    if (m->worker.pid == 0) {
        if (m->deadline <= now)
            start(m, bundle);
        return;
    }
    if (!worker_collect(&m->worker, &r, &err))
        return;
    wait = (now - m->began) * METRICS_SHARE;
    wait = wait < METRICS_MS ? METRICS_MS : wait;
    m->deadline = m->began + (wait > METRICS_MAX_MS ? METRICS_MAX_MS : wait);
    log_report(LOG_EVENT_NONE, &m->told, &err);
    error_clear(&err);
}
