/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/frr_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/supervise.h"
#include "agent/vty.h"
#include "agent/vtysh.h"
#include "common/alloc.h"

struct frr_watch {
    struct vtysh vtysh;
    int epoll;
    bool paused;
    uint64_t judged;
    /* One look: the daemons in order. */
    int fd; /* -1: none is going on */
    size_t daemon;
    struct vty_answer answer;
    size_t bytes; /* of all answers so far */
    int64_t deadline;
};

int frr_watch_new(const struct settings *s, struct frr_watch **ret, struct error_list *err)
{
    struct frr_watch *w = xcalloc(1, sizeof(*w));

    *w = (struct frr_watch){
        .vtysh.frr_namespace = s->frr_namespace,
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .paused = true,
        .fd = -1,
        .deadline = SUPERVISE_NEVER,
    };
    if (w->epoll < 0) {
        free(w);
        return error_sys(err, errno, NULL, "cannot watch FRR");
    }
    *ret = w;
    return 0;
}

static void hang_up(struct frr_watch *w)
{
    if (w->fd >= 0)
        close(w->fd); /* leaves the epoll set with it */
    w->fd = -1;
}

struct frr_watch *frr_watch_free(struct frr_watch *w)
{
    if (!w)
        return NULL;
    hang_up(w);
    close(w->epoll);
    free(w);
    return NULL;
}

void frr_watch_pause(struct frr_watch *w)
{
    hang_up(w);
    w->paused = true;
    w->deadline = SUPERVISE_NEVER;
}

void frr_watch_judged(struct frr_watch *w, uint64_t digest)
{
    hang_up(w);
    w->paused = false;
    w->judged = digest;
    w->deadline = monotonic_ms() + FRR_WATCH_MS;
}

/* The connection to one more daemon; its text is digested behind that of the ones before. */
static bool call(struct frr_watch *w, uint64_t digest)
{
    static const char ask[] = VTY_ENABLE "\0" VTY_RUNNING_CONFIG;
    _cleanup_free_ char *path = vtysh_socket(&w->vtysh, vtysh_daemons[w->daemon]);
    struct epoll_event event = {.events = EPOLLIN};

    hang_up(w);
    w->answer = VTY_ANSWER(NULL, digest);
    w->answer.before = 1; /* each wait for an answer is one more turn of the loop */
    w->fd = vty_connect(path);
    return w->fd >= 0 && epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->fd, &event) == 0 &&
           vty_send(w->fd, ask, sizeof(ask));
}

/* The whole text was seen. */
static bool seen(struct frr_watch *w)
{
    int64_t wait = (int64_t)(w->bytes / FRR_WATCH_BYTES);

    hang_up(w);
    if (w->answer.digest != w->judged)
        return false;
    wait = wait < FRR_WATCH_MS ? FRR_WATCH_MS : wait;
    w->deadline = monotonic_ms() + (wait > FRR_WATCH_MAX_MS ? FRR_WATCH_MAX_MS : wait);
    return true;
}

/* What to do when an answer has ended.  False: that was news. */
static bool go_on(struct frr_watch *w)
{
    if (w->answer.status != 0)
        return false;
    if (vtysh_daemons[++w->daemon])
        return call(w, w->answer.digest);
    return seen(w);
}

static bool hear(struct frr_watch *w)
{
    char data[65536]; /* hundreds of neighbors are hundreds of kilobytes */
    ssize_t n;

    while (w->fd >= 0) {
        n = recv(w->fd, data, sizeof(data), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        w->bytes += n > 0 ? (size_t)n : 0;
        if (n <= 0 || (vty_take(&w->answer, data, (size_t)n) && !go_on(w)))
            return false;
    }
    return true;
}

bool frr_watch_run(struct frr_watch *w)
{
    bool known = true;

    if (w->fd >= 0) {
        known = hear(w);
        if (known && w->fd >= 0 && monotonic_ms() >= w->deadline)
            known = false;
    } else if (!w->paused && monotonic_ms() >= w->deadline) {
        w->deadline = monotonic_ms() + FRR_WATCH_TIMEOUT_MS;
        w->bytes = 0;
        w->daemon = 0;
        known = call(w, VTY_DIGEST_START);
    }
    if (!known)
        frr_watch_pause(w);
    return !known;
}

int frr_watch_fd(const struct frr_watch *w)
{
    return w->epoll;
}

int64_t frr_watch_deadline(const struct frr_watch *w)
{
    return w->deadline;
}
