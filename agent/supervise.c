/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/supervise.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/backoff.h"
#include "agent/log.h"
#include "agent/netlink.h" /* LINK_NAME_SIZE */
#include "agent/openvpn.h"
#include "common/alloc.h"

struct child {
    char interface[LINK_NAME_SIZE];
    char *peer, *config;              /* NULL until wanted */
    char digest[DIGEST_TEXT_LEN + 1]; /* that a new process gets */
    bool wanted, ours;                /* ours: we forked it, so we reap it */
    bool fresh;                       /* started by us and not yet seen to work */
    bool gone;                        /* the link left: its log goes with its process */
    struct identity id;               /* pid 0: no process */
    int pidfd;
    struct backoff backoff;
    int64_t started, start_at, kill_at; /* SUPERVISE_NEVER: no such plan */
};

struct supervisor {
    const struct settings *settings;
    int epoll;
    struct child **children; /* by interface name */
    size_t n, cap;
    unsigned deaths;
};

int64_t monotonic_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the table ------------------------------------------------------------------------------ */

static size_t position(const struct supervisor *sv, const char *interface)
{
    size_t low = 0, high = sv->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(sv->children[middle]->interface, interface) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct child *find(const struct supervisor *sv, const char *interface)
{
    size_t i = position(sv, interface);

    return i < sv->n && strcmp(sv->children[i]->interface, interface) == 0 ? sv->children[i] : NULL;
}

static struct child *insert(struct supervisor *sv, const char *interface)
{
    struct child *c = find(sv, interface);
    size_t i;

    if (c)
        return c;
    c = xcalloc(1, sizeof(*c));
    snprintf(c->interface, sizeof(c->interface), "%s", interface);
    c->pidfd = -1;
    c->start_at = c->kill_at = SUPERVISE_NEVER;
    if (sv->n == sv->cap) {
        sv->cap = sv->cap ? sv->cap * 2 : 8;
        sv->children = xreallocarray(sv->children, sv->cap, sizeof(struct child *));
    }
    i = position(sv, interface);
    memmove(sv->children + i + 1, sv->children + i, (sv->n - i) * sizeof(struct child *));
    sv->children[i] = c;
    sv->n++;
    return c;
}

static void child_free(struct child *c)
{
    if (c->pidfd >= 0)
        close(c->pidfd);
    free(c->peer);
    free(c->config);
    free(c);
}

static void remove_log(const struct supervisor *sv, const struct child *c)
{
    _cleanup_free_ char *path = settings_log_path(sv->settings, c->interface);

    unlink(path);
}

/* Forgets the links that are neither wanted nor have a process. */
static void sweep(struct supervisor *sv)
{
    size_t kept = 0;

    for (size_t i = 0; i < sv->n; i++) {
        struct child *c = sv->children[i];

        if (c->wanted || c->id.pid) {
            sv->children[kept++] = c;
            continue;
        }
        if (c->gone)
            remove_log(sv, c);
        child_free(c);
    }
    sv->n = kept;
}

/* --- processes ------------------------------------------------------------------------------ */

static int watch(struct supervisor *sv, struct child *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    c->pidfd = (int)syscall(SYS_pidfd_open, c->id.pid, 0);
    if (c->pidfd >= 0 && epoll_ctl(sv->epoll, EPOLL_CTL_ADD, c->pidfd, &event) == 0)
        return 0;
    return -errno;
}

static void forget_process(struct supervisor *sv, struct child *c)
{
    _cleanup_free_ char *path = settings_identity_path(sv->settings, c->interface);
    _cleanup_free_ char *socket = settings_management_path(sv->settings, c->interface);

    unlink(path);
    unlink(socket);
    if (c->pidfd >= 0) {
        /* First out of epoll: a process that was just forked may hold the descriptor open, and then
         * the end of this one would be heard again and again. */
        epoll_ctl(sv->epoll, EPOLL_CTL_DEL, c->pidfd, NULL);
        close(c->pidfd);
    }
    c->pidfd = -1;
    c->id = (struct identity){0};
    c->kill_at = SUPERVISE_NEVER;
    c->ours = false;
}

static void peek(struct supervisor *sv, const char *interface)
{
    _cleanup_free_ char *path = settings_identity_path(sv->settings, interface);
    struct error_list ignored = ERROR_LIST_INIT;
    struct identity id;

    if (identity_read(path, &id, &ignored) == 0 && identity_alive(&id, OPENVPN_PROGRAM))
        insert(sv, interface)->id = id;
    error_clear(&ignored);
}

static void adopt(struct supervisor *sv, const char *interface)
{
    _cleanup_free_ char *path = settings_identity_path(sv->settings, interface);
    struct error_list err = ERROR_LIST_INIT;
    struct identity id;
    struct child *c;

    if (identity_read(path, &id, &err) < 0) {
        log_errors(LOG_LEVEL_WARNING, &err);
        error_clear(&err);
        return;
    }
    c = insert(sv, interface);
    c->id = id;
    c->started = monotonic_ms();
    /* First the descriptor, then the question: what it names cannot change any more. */
    if (watch(sv, c) < 0 || !identity_alive(&id, OPENVPN_PROGRAM))
        forget_process(sv, c);
}

/* Interface name out of "pv7.json" or "pv7-2.json"; false: another file. */
static bool identity_name(const char *file, char ret[LINK_NAME_SIZE])
{
    size_t len = strlen(file), number;

    if (strncmp(file, "pv", 2) != 0 || len < 8 || len - 5 >= LINK_NAME_SIZE ||
        strcmp(file + len - 5, ".json") != 0)
        return false;
    len -= 5;
    memcpy(ret, file, len);
    ret[len] = '\0';
    number = 2 + strspn(ret + 2, "0123456789");
    return number > 2 && (number == len || (ret[number] == '-' && number + 2 == len &&
                                            strchr("2345678", ret[number + 1])));
}

static int open_supervisor(const struct settings *s,
                           void (*each)(struct supervisor *sv, const char *interface), DIR *dir,
                           struct supervisor **ret, struct error_list *err)
{
    struct supervisor *sv = xcalloc(1, sizeof(*sv));
    struct dirent *entry;

    sv->settings = s;
    sv->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (sv->epoll < 0) {
        int r = error_sys(err, errno, s->run_dir, "cannot look for running links");

        supervisor_free(sv);
        return r;
    }
    while (dir && (entry = readdir(dir))) {
        char interface[LINK_NAME_SIZE];

        if (identity_name(entry->d_name, interface))
            each(sv, interface);
    }
    sweep(sv);
    *ret = sv;
    return 0;
}

int supervisor_new(const struct settings *s, struct supervisor **ret, struct error_list *err)
{
    DIR *dir = opendir(s->run_dir);
    int r;

    if (!dir)
        return error_sys(err, errno, s->run_dir, "cannot look for running links");
    r = open_supervisor(s, adopt, dir, ret, err);
    closedir(dir);
    return r;
}

int supervisor_peek(const struct settings *s, struct supervisor **ret, struct error_list *err)
{
    DIR *dir = opendir(s->run_dir);
    int r;

    if (!dir && errno != ENOENT)
        return error_sys(err, errno, s->run_dir, "cannot look for running links");
    r = open_supervisor(s, peek, dir, ret, err);
    if (dir)
        closedir(dir);
    return r;
}

struct supervisor *supervisor_free(struct supervisor *sv)
{
    if (!sv)
        return NULL;
    for (size_t i = 0; i < sv->n; i++)
        child_free(sv->children[i]);
    free(sv->children);
    if (sv->epoll >= 0)
        close(sv->epoll);
    free(sv);
    return NULL;
}

static void died(struct supervisor *sv, struct child *c)
{
    int64_t now = monotonic_ms(), wait;
    bool stopping = c->kill_at != SUPERVISE_NEVER;
    _cleanup_free_ char *words = NULL;
    char how[64] = "ended";
    siginfo_t info = {0};

    if (c->ours && waitid(P_PID, (id_t)c->id.pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid) {
        if (info.si_code == CLD_EXITED)
            snprintf(how, sizeof(how), "exited with status %d", info.si_status);
        else
            snprintf(how, sizeof(how), "was killed by signal %d", info.si_status);
    }
    forget_process(sv, c);
    if (!c->wanted)
        return;
    if (stopping) {
        c->start_at = now;
        return;
    }
    sv->deaths++;
    wait = backoff_next(&c->backoff, now - c->started);
    c->start_at = now + wait;
    words = openvpn_last_words(sv->settings, c->interface);
    log_link(LOG_EVENT_LINK_DIED, LOG_LEVEL_WARNING, c->interface, c->peer,
             "OpenVPN of link %s to %s %s; starting it again in %.1f s%s%s", c->interface, c->peer,
             how, (double)wait / 1000, words[0] ? "; it last said: " : "", words);
}

static void start(struct supervisor *sv, struct child *c)
{
    struct error_list err = ERROR_LIST_INIT;
    struct identity id = {0};

    c->start_at = SUPERVISE_NEVER;
    memcpy(id.digest, c->digest, sizeof(id.digest));
    c->started = monotonic_ms();
    if (openvpn_start(sv->settings, c->interface, c->config, &id, &err) < 0) {
        c->start_at = c->started + backoff_next(&c->backoff, 0);
        log_errors(LOG_LEVEL_ERROR, &err);
        error_clear(&err);
        return;
    }
    c->id = id;
    c->ours = c->fresh = true;
    if (watch(sv, c) < 0)
        died(sv, c);
}

static void stop(struct child *c)
{
    if (c->id.pid == 0 || c->kill_at != SUPERVISE_NEVER)
        return;
    syscall(SYS_pidfd_send_signal, c->pidfd, SIGTERM, NULL, 0);
    c->kill_at = monotonic_ms() + SUPERVISE_TERM_MS;
}

/* --- what callers say ----------------------------------------------------------------------- */

/* A process that is about to be replaced, or waits for its next try, counts as what comes. */
static const char *digest_of(const struct child *c)
{
    if (c->wanted && (!c->id.pid || c->kill_at != SUPERVISE_NEVER))
        return c->digest;
    return c->id.pid ? c->id.digest : NULL;
}

const char *supervisor_digest(const struct supervisor *sv, const char *interface)
{
    const struct child *c = find(sv, interface);

    return c ? digest_of(c) : NULL;
}

void supervisor_each(const struct supervisor *sv,
                     void (*each)(void *arg, const char *interface, const char *digest), void *arg)
{
    for (size_t i = 0; i < sv->n; i++)
        if (digest_of(sv->children[i]))
            each(arg, sv->children[i]->interface, digest_of(sv->children[i]));
}

static void replace(char **to, const char *text)
{
    if (*to && strcmp(*to, text) == 0)
        return;
    free(*to);
    *to = xstrdup(text);
}

void supervisor_want(struct supervisor *sv, const char *interface, const char *peer,
                     const char *config, const char *digest)
{
    struct child *c = insert(sv, interface);

    replace(&c->peer, peer);
    replace(&c->config, config);
    if (!c->wanted || strcmp(c->digest, digest) != 0)
        c->backoff = (struct backoff){0}; /* something new: no reason for mistrust */
    if (digest != c->digest)              /* what supervisor_digest() said, given back */
        snprintf(c->digest, sizeof(c->digest), "%s", digest);
    c->wanted = true;
    c->gone = false;
    if (c->id.pid && strcmp(c->id.digest, digest) != 0)
        stop(c); /* its death starts the new one */
    else if (!c->id.pid && (c->start_at == SUPERVISE_NEVER || c->backoff.deaths == 0))
        start(sv, c);
}

void supervisor_detach(struct supervisor *sv, const char *interface)
{
    struct child *c = find(sv, interface);

    if (c)
        stop(c);
}

void supervisor_unwant(struct supervisor *sv, const char *interface)
{
    struct child *c = find(sv, interface);

    if (!c)
        return;
    c->wanted = false;
    c->gone = true;
    c->start_at = SUPERVISE_NEVER;
    stop(c);
    sweep(sv);
}

int supervisor_fd(const struct supervisor *sv)
{
    return sv->epoll;
}

int64_t supervisor_deadline(const struct supervisor *sv)
{
    int64_t next = SUPERVISE_NEVER;

    for (size_t i = 0; i < sv->n; i++) {
        const struct child *c = sv->children[i];

        next = c->start_at < next ? c->start_at : next;
        next = c->kill_at < next ? c->kill_at : next;
    }
    return next;
}

void supervisor_run(struct supervisor *sv)
{
    struct epoll_event events[64];
    int64_t now;
    int n;

    while ((n = epoll_wait(sv->epoll, events, 64, 0)) > 0)
        for (int i = 0; i < n; i++)
            died(sv, events[i].data.ptr);
    now = monotonic_ms();
    for (size_t i = 0; i < sv->n; i++) {
        struct child *c = sv->children[i];

        if (c->kill_at <= now && c->id.pid) {
            log_link(LOG_EVENT_NONE, LOG_LEVEL_WARNING, c->interface, c->peer,
                     "OpenVPN of link %s does not end when asked; killing it", c->interface);
            syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
            c->kill_at = now + SUPERVISE_TERM_MS;
        }
        if (c->start_at <= now && c->wanted && !c->id.pid)
            start(sv, c);
    }
    sweep(sv);
}

unsigned supervisor_deaths(const struct supervisor *sv)
{
    return sv->deaths;
}

bool supervisor_idle(const struct supervisor *sv, const char *interface)
{
    const struct child *c = find(sv, interface);

    return !c || !c->id.pid;
}

/* Whether anything is still on its way; finds out which fresh processes have come to work. */
static bool unsettled(struct supervisor *sv)
{
    bool more = false;

    for (size_t i = 0; i < sv->n; i++) {
        struct child *c = sv->children[i];
        _cleanup_free_ char *socket = settings_management_path(sv->settings, c->interface);

        if (c->fresh && c->id.pid && access(socket, F_OK) == 0)
            c->fresh = false;
        more = more || c->kill_at != SUPERVISE_NEVER || (c->fresh && c->id.pid) ||
               (c->wanted && !c->id.pid && c->backoff.deaths < 2);
    }
    return more;
}

int supervisor_settle(struct supervisor *sv, int64_t patience_ms, struct error_list *err)
{
    int64_t until = monotonic_ms() + patience_ms;
    int r = 0;

    while (unsettled(sv) && monotonic_ms() < until) {
        struct pollfd ready = {.fd = sv->epoll, .events = POLLIN};

        poll(&ready, 1, 10);
        supervisor_run(sv);
    }
    for (size_t i = 0; i < sv->n; i++) {
        const struct child *c = sv->children[i];
        _cleanup_free_ char *words = NULL;

        if (!c->wanted || c->id.pid)
            continue;
        words = openvpn_last_words(sv->settings, c->interface);
        error_add(err, NULL, 0, NULL,
                  "OpenVPN of link %s to %s does not stay alive; its log is %s/%s.log and ends: %s",
                  c->interface, c->peer, sv->settings->run_dir, c->interface, words);
        r = -EIO;
    }
    return r;
}

void supervisor_bound_logs(struct supervisor *sv)
{
    for (size_t i = 0; i < sv->n; i++)
        openvpn_bound_log(sv->settings, sv->children[i]->interface);
}
