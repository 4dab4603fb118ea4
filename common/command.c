/* SPDX-License-Identifier: Apache-2.0 */
#include "common/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_MAX_OUTPUT (64u << 20)

static char *const environment[] = {(char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
                                    (char[]){"LC_ALL=C.UTF-8"},
                                    (char[]){"HOME=/nonexistent"},
                                    (char[]){"TERM=dumb"},
                                    (char[]){"VTYSH_PAGER=exec /bin/cat"},
                                    NULL};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Standard input: what the caller gave, as an anonymous file at its start. */
static int open_input(const struct command *c)
{
    size_t done = 0;
    int fd;

    if (!c->input)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    fd = memfd_create("input", MFD_CLOEXEC);
    while (fd >= 0 && done < c->input_len) {
        ssize_t n = pwrite(fd, c->input + done, c->input_len - done, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int saved = errno;

            close(fd);
            errno = saved;
            return -1;
        }
        done += (size_t)n;
    }
    return fd;
}

/* In the child, between fork and exec: only async-signal-safe calls. */
static void __attribute__((noreturn))
become(const struct command *c, int input, int output, int errors, int report)
{
    sigset_t none;
    int saved;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* The descriptors are above 2 (above()), so no dup2() overwrites one that is still needed. */
    if (dup2(input, 0) == 0 && dup2(output, 1) == 1 && dup2(errors, 2) == 2 &&
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        execve(c->argv[0], (char *const *)(uintptr_t)c->argv, environment);
    saved = errno;
    (void)!write(report, &saved, sizeof(saved));
    _exit(127);
}

/* Moves a descriptor out of 0..2, where a daemon without standard streams may have got it. */
static int above(int *fd)
{
    int moved;

    if (*fd > 2)
        return 0;
    if (*fd < 0)
        return -1;
    moved = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    if (moved < 0)
        return -1;
    close(*fd);
    *fd = moved;
    return 0;
}

static int above_pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    return above(&fds[0]) < 0 || above(&fds[1]) < 0 ? -1 : 0;
}

/* Reads what is there; false at the end of the stream. */
static bool drain(int fd, size_t max, struct buf *b, bool *truncated)
{
    char chunk[65536];
    ssize_t n;

    do
        n = read(fd, chunk, sizeof(chunk));
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    if (b->len + (size_t)n > max) {
        *truncated = true;
        n = (ssize_t)(max - b->len);
    }
    buf_add(b, chunk, (size_t)n);
    return true;
}

/* Until both streams have ended and the program too, or the time is over. True: it ended. */
static bool follow(int *output, int *errors, int pidfd, int64_t deadline, size_t max,
                   struct command_result *ret)
{
    for (;;) {
        int64_t left = deadline - now_ms();
        bool drained = *output < 0 && *errors < 0;
        struct pollfd p[2] = {{.fd = drained ? pidfd : *output, .events = POLLIN},
                              {.fd = *errors, .events = POLLIN}};

        if (left <= 0)
            return false;
        if (poll(p, 2, left > INT32_MAX ? INT32_MAX : (int)left) < 0 && errno != EINTR)
            return false;
        if (drained && p[0].revents)
            return true;
        if (!drained && p[0].revents && !drain(*output, max, &ret->output, &ret->truncated))
            close_fd(output);
        if (p[1].revents && !drain(*errors, max, &ret->errors, &ret->truncated))
            close_fd(errors);
    }
}

static void reap(pid_t pid, struct command_result *ret)
{
    int status;
    pid_t r;

    do
        r = waitpid(pid, &status, 0);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return;
    ret->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int command_run(const struct command *c, struct command_result *ret, struct error_list *err)
{
    int64_t deadline = now_ms() + (c->timeout_ms ? c->timeout_ms : DEFAULT_TIMEOUT_MS);
    int input = -1, out[2] = {-1, -1}, errs[2] = {-1, -1}, report[2] = {-1, -1}, pidfd = -1;
    int failure = 0;
    pid_t pid = -1;

    *ret = (struct command_result)COMMAND_RESULT_INIT;
    input = open_input(c);
    if (above(&input) < 0 || above_pipe(out) < 0 || above_pipe(errs) < 0 ||
        above_pipe(report) < 0 || (pid = fork()) < 0) {
        failure = errno;
        goto finish;
    }
    if (pid == 0)
        become(c, input, out[1], errs[1], report[1]);
    setpgid(pid, pid); /* whoever comes first, so that the group exists before it is killed */
    close_fd(&out[1]);
    close_fd(&errs[1]);
    close_fd(&report[1]);
    /* Ends at exec (close-on-exec), or brings why there was none. */
    if (read(report[0], &failure, sizeof(failure)) != sizeof(failure))
        failure = 0;
    if (failure == 0 && (pidfd = pidfd_open(pid, 0)) < 0)
        failure = errno;
    if (failure == 0)
        ret->timed_out = !follow(&out[0], &errs[0], pidfd, deadline,
                                 c->max_output ? c->max_output : DEFAULT_MAX_OUTPUT, ret);
    if (failure != 0 || ret->timed_out)
        kill(-pid, SIGKILL);
    reap(pid, ret);
finish:
    close_fd(&input);
    for (int i = 0; i < 2; i++) {
        close_fd(&out[i]);
        close_fd(&errs[i]);
        close_fd(&report[i]);
    }
    close_fd(&pidfd);
    return failure ? error_sys(err, failure, c->argv[0], "cannot start the program") : 0;
}

bool command_succeeded(const struct command_result *r)
{
    return !r->timed_out && r->signal == 0 && r->status == 0;
}

void command_result_clear(struct command_result *r)
{
    buf_free(&r->output);
    buf_free(&r->errors);
    *r = (struct command_result)COMMAND_RESULT_INIT;
}
