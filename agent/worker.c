/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fs.h"

#define OUTPUT_MAX (256u << 10)
/* In the worker: the first behind the standard ones, then the lock, and nothing else. */
#define PIPE_FD 3
#define LOCK_FD 4

/* What the agent has open is its own: a descriptor that lived on here would keep a connection from
 * ending, and an epoll from forgetting it. */
static void keep_only(int end, int lock)
{
    /* Above what they become, so that neither is written over. */
    end = fcntl(end, F_DUPFD_CLOEXEC, LOCK_FD + 1);
    if (lock >= 0)
        lock = fcntl(lock, F_DUPFD_CLOEXEC, LOCK_FD + 1);
    if (end < 0 || dup3(end, PIPE_FD, O_CLOEXEC) < 0)
        _exit(1);
    if (lock >= 0)
        dup3(lock, LOCK_FD, O_CLOEXEC);
    close_range(lock >= 0 ? LOCK_FD + 1 : LOCK_FD, ~0u, 0);
}

static void tell_text(struct buf *b, const char *text)
{
    buf_add(b, text ? text : "", text ? strlen(text) + 1 : 1);
}

/*
 * On the pipe: one int, the result; then for each error its file, its line, its data path and its
 * message, each with a NUL.  The result comes first so that a worker that was killed is known by a
 * short answer.
 */
static void tell(int fd, int result, const struct error_list *err)
{
    _cleanup_buf_ struct buf b = BUF_INIT;

    buf_add(&b, &result, sizeof(result));
    for (size_t i = 0; i < err->n && b.len < OUTPUT_MAX / 2; i++) {
        const struct error_item *e = &err->items[i];

        tell_text(&b, e->file);
        buf_number(&b, e->line);
        buf_char(&b, '\0');
        tell_text(&b, e->path);
        tell_text(&b, e->message);
    }
    fs_write_fd(fd, b.data, b.len);
}

void *worker_share(size_t size, struct error_list *err)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory != MAP_FAILED)
        return memory;
    error_sys(err, errno, NULL, "cannot share memory with a worker");
    return NULL;
}

int worker_start_locked(struct worker *w, int (*run)(void *arg, struct error_list *err), void *arg,
                        int lock, struct error_list *err)
{
    pid_t agent = getpid();
    int ends[2], e;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, errno, NULL, "cannot start a worker process");
    w->pid = fork();
    if (w->pid < 0) {
        e = errno;
        w->pid = 0;
        close(ends[0]);
        close(ends[1]);
        return error_sys(err, e, NULL, "cannot start a worker process");
    }
    if (w->pid == 0) {
        struct error_list own = ERROR_LIST_INIT;
        sigset_t nothing;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != agent)
            _exit(1); /* it had died before that */
        sigemptyset(&nothing);
        sigprocmask(SIG_SETMASK, &nothing, NULL); /* the loop's signals are its own business */
        keep_only(ends[1], lock);
        tell(PIPE_FD, run(arg, &own), &own);
        _exit(0);
    }
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    w->fd = ends[0];
    return 0;
}

int worker_start(struct worker *w, int (*run)(void *arg, struct error_list *err), void *arg,
                 struct error_list *err)
{
    return worker_start_locked(w, run, arg, -1, err);
}

/* The text at *at, which is moved behind it; NULL: it has no end. */
static const char *next_text(const char **at, const char *end)
{
    const char *text = *at, *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;

    if (!nul)
        return NULL;
    *at = nul + 1;
    return text;
}

static int understand(const struct buf *b, struct error_list *err)
{
    const char *p = b->data, *end = b->data + b->len;
    int result;

    if (b->len < sizeof(result)) {
        error_add(err, NULL, 0, NULL, "a worker process of the agent died; it is tried again");
        return -ECHILD;
    }
    memcpy(&result, p, sizeof(result));
    p += sizeof(result);
    while (p < end) {
        const char *file = next_text(&p, end), *line = next_text(&p, end);
        const char *path = next_text(&p, end), *message = next_text(&p, end);

        if (!message)
            break;
        error_add(err, *file ? file : NULL, (unsigned)strtoul(line, NULL, 10), *path ? path : NULL,
                  "%s", message);
    }
    return result;
}

static void finish(struct worker *w)
{
    close(w->fd);
    waitpid(w->pid, NULL, 0);
    buf_free(&w->output);
    *w = (struct worker)WORKER_INIT;
}

bool worker_collect(struct worker *w, int *ret, struct error_list *err)
{
    for (;;) {
        ssize_t n;

        buf_reserve(&w->output, 4096);
        n = read(w->fd, w->output.data + w->output.len, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n > 0 && w->output.len < OUTPUT_MAX)
            w->output.len += (size_t)n;
        if (n <= 0)
            break;
    }
    w->output.data[w->output.len] = '\0';
    *ret = understand(&w->output, err);
    finish(w);
    return true;
}

int worker_do(int (*run)(void *arg, struct error_list *err), void *arg, struct error_list *err)
{
    struct worker w = WORKER_INIT;
    int r = worker_start(&w, run, arg, err);
    struct pollfd ready = {.fd = w.fd, .events = POLLIN};

    while (r == 0 && !worker_collect(&w, &r, err))
        poll(&ready, 1, -1);
    return r;
}

void worker_kill(struct worker *w)
{
    if (w->pid == 0)
        return;
    kill(w->pid, SIGKILL);
    finish(w);
}
