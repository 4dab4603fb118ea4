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
#include "agent/link_unit.h"
#include "agent/log.h"
#include "agent/openvpn.h"
#include "agent/reader_unit.h" /* reader_may_change_user() */
#include "agent/units.h"
#include "common/alloc.h"
#include "common/fs.h"

#define CONFIG_MAX (1u << 20)
#define ASK_MS 200 /* after a death: systemd has mostly started it again by then, or not at all */
#define AGAIN_MS 1000 /* while a unit is on its way */

struct child {
    char interface[LINK_NAME_SIZE];
    char *peer, *config;              /* NULL until wanted */
    char digest[DIGEST_TEXT_LEN + 1]; /* that a new process gets */
    bool wanted, ours;                /* ours: we forked it, so we reap it */
    bool fresh;                       /* started by us and not yet seen to work */
    bool gone;                        /* the link left: its log goes with its process */
    bool unit;                        /* its process is or was its unit's */
    bool waits;                       /* for what systemd makes of its unit */
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
    struct units *units; /* NULL: there are none on this machine */
    bool by_units;       /* what is started becomes one */
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

static void remove_files(const struct supervisor *sv, const struct child *c)
{
    _cleanup_free_ char *log = settings_log_path(sv->settings, c->interface);
    _cleanup_free_ char *config = settings_link_config(sv->settings, c->interface);

    _cleanup_free_ char *socket = settings_management_path(sv->settings, c->interface);

    unlink(log);
    unlink(config);
    unlink(socket);
}

/* Forgets the links that are neither wanted nor have a process. */
static void sweep(struct supervisor *sv)
{
    size_t kept = 0;

    for (size_t i = 0; i < sv->n; i++) {
        struct child *c = sv->children[i];

        if (c->wanted || c->id.pid || c->waits) {
            sv->children[kept++] = c;
            continue;
        }
        if (c->gone)
            remove_files(sv, c);
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
    if (!c->unit) /* the next process may have made its own already, and makes it in any case */
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
    else
        c->unit = process_is_of_unit(id.pid, interface);
}

/* Interface name out of "pv7.json" or "pv7-2.json"; false: another file. */
static bool identity_name(const char *file, char ret[LINK_NAME_SIZE])
{
    size_t len = strlen(file);

    if (len < 5 || len - 5 >= LINK_NAME_SIZE || strcmp(file + len - 5, ".json") != 0)
        return false;
    memcpy(ret, file, len - 5);
    ret[len - 5] = '\0';
    return link_name_valid(ret);
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
    if (c->unit && sv->units) {
        c->waits = true;
        units_ask(sv->units, ASK_MS);
        log_link(LOG_EVENT_LINK_DIED, LOG_LEVEL_WARNING, c->interface, c->peer,
                 "OpenVPN of link %s to %s ended ('journalctl -u p2pvpn-link@%s' may say why); it "
                 "is started again",
                 c->interface, c->peer, c->interface);
        return;
    }
    wait = backoff_next(&c->backoff, now - c->started);
    c->start_at = now + wait;
    words = openvpn_last_words(sv->settings, c->interface);
    log_link(LOG_EVENT_LINK_DIED, LOG_LEVEL_WARNING, c->interface, c->peer,
             "OpenVPN of link %s to %s %s; starting it again in %.1f s%s%s", c->interface, c->peer,
             how, (double)wait / 1000, words[0] ? "; it last said: " : "", words);
}

/* Not before its time: c->backoff counts it. */
static void could_not_start(struct child *c, struct error_list *err)
{
    c->start_at = monotonic_ms() + backoff_next(&c->backoff, 0);
    log_errors(LOG_LEVEL_ERROR, err);
    error_clear(err);
}

static void start_own(struct supervisor *sv, struct child *c)
{
    struct error_list err = ERROR_LIST_INIT;
    struct identity id = {0};

    memcpy(id.digest, c->digest, sizeof(id.digest));
    if (openvpn_start(sv->settings, c->interface, c->config, &id, &err) < 0) {
        could_not_start(c, &err);
        return;
    }
    c->id = id;
    c->ours = c->fresh = true;
    c->unit = false;
    if (watch(sv, c) < 0)
        died(sv, c);
}

/* The configuration goes where the unit reads it; the rest is systemd's. */
static void start_unit(struct supervisor *sv, struct child *c)
{
    _cleanup_free_ char *path = settings_link_config(sv->settings, c->interface);
    _cleanup_buf_ struct buf config = BUF_INIT, text = BUF_INIT;
    struct error_list err = ERROR_LIST_INIT;
    int r = fs_read(c->config, CONFIG_MAX, &config, &err);

    if (r == 0) {
        link_unit_config(c->digest, buf_cstr(&config), config.len, &text);
        r = fs_write(path, text.data, text.len, 0644, &err);
    }
    if (r < 0) {
        could_not_start(c, &err);
        return;
    }
    c->unit = c->waits = true;
    units_request(sv->units, c->interface, UNIT_START);
}

static void start(struct supervisor *sv, struct child *c)
{
    c->start_at = SUPERVISE_NEVER;
    c->started = monotonic_ms();
    if (sv->by_units)
        start_unit(sv, c);
    else
        start_own(sv, c);
}

static void stop(struct supervisor *sv, struct child *c)
{
    /* Also of a unit without a process: it may be waiting to be started again. */
    if (c->unit && sv->units && (c->id.pid ? c->kill_at == SUPERVISE_NEVER : c->waits))
        units_request(sv->units, c->interface, UNIT_STOP);
    if (c->id.pid == 0 || c->kill_at != SUPERVISE_NEVER)
        return;
    if (!c->unit && syscall(SYS_pidfd_send_signal, c->pidfd, SIGTERM, NULL, 0) < 0 &&
        errno == EPERM)
        log_link(
            LOG_EVENT_NONE, LOG_LEVEL_WARNING, c->interface, c->peer,
            "OpenVPN of link %s is a process of the agent's own, which its unit does not let it "
            "stop: run 'kill %ld'; the unit of the link then takes its place",
            c->interface, (long)c->id.pid);
    c->kill_at = monotonic_ms() + SUPERVISE_TERM_MS;
}

/* --- units ---------------------------------------------------------------------------------- */

/* A process that systemd has started, by our word, by itself or by an operator's. */
static void adopt_from_unit(struct supervisor *sv, struct child *c, pid_t pid)
{
    _cleanup_free_ char *identity = settings_identity_path(sv->settings, c->interface);
    _cleanup_free_ char *config = settings_link_config(sv->settings, c->interface);
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct identity id = {.pid = pid};

    /* Without a copy it was started with we know not what: with no digest that anybody wants. */
    if (fs_read(config, CONFIG_MAX, &text, &err) < 0 ||
        !link_unit_config_digest(buf_cstr(&text), id.digest))
        memset(id.digest, '0', DIGEST_TEXT_LEN);
    error_clear(&err);
    c->id = id;
    c->unit = true;
    c->waits = false;
    c->start_at = SUPERVISE_NEVER;
    if (watch(sv, c) < 0 || !process_start_time(pid, &c->id.start)) {
        forget_process(sv, c); /* it has died meanwhile */
        c->waits = true;
        units_ask(sv->units, ASK_MS);
        return;
    }
    if (identity_write(identity, &c->id, &err) < 0)
        log_errors(LOG_LEVEL_WARNING, &err);
    error_clear(&err);
    c->fresh = true;
    if (!c->wanted && c->gone)
        stop(sv, c);
    else if (c->wanted && strcmp(c->id.digest, c->digest) != 0)
        stop(sv, c); /* its death starts the one that is wanted */
}

static void on_unit(struct supervisor *sv, struct child *c, const struct unit_state *state)
{
    enum unit_life life = state ? state->life : UNIT_RESTS;
    int64_t wait;

    if (c->id.pid)
        return; /* its end is heard of in another way */
    if (life == UNIT_RUNS) {
        adopt_from_unit(sv, c, state->pid);
        return;
    }
    if (life == UNIT_CHANGES) {
        units_ask(sv->units, AGAIN_MS);
        return;
    }
    if (!c->waits)
        return;
    c->waits = false;
    if (!c->wanted)
        return;
    wait = backoff_next(&c->backoff, monotonic_ms() - c->started);
    c->start_at = monotonic_ms() + wait;
    log_link(LOG_EVENT_LINK_DIED, LOG_LEVEL_WARNING, c->interface, c->peer,
             "the unit of link %s to %s does not run; starting it again in %.1f s ('journalctl -u "
             "p2pvpn-link@%s' may say why)",
             c->interface, c->peer, (double)wait / 1000, c->interface);
}

static const struct unit_state *state_of(const struct unit_state *states, size_t n,
                                         const char *interface)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(states[i].interface, interface) == 0)
            return &states[i];
    return NULL;
}

static void hear_units(struct supervisor *sv)
{
    size_t n;
    const struct unit_state *states = units_states(sv->units, &n);

    for (size_t i = 0; i < n; i++)
        if (states[i].life != UNIT_RESTS)
            insert(sv, states[i].interface);
    for (size_t i = 0; i < sv->n; i++) {
        struct child *c = sv->children[i];

        /* What was asked for since the question is answered by the next. */
        if (!c->waits || units_answered(sv->units, c->interface) ||
            !units_wants(sv->units, c->interface))
            on_unit(sv, c, state_of(states, n, c->interface));
    }
}

static void run_units(struct supervisor *sv)
{
    struct epoll_event event = {.events = EPOLLIN};
    enum units_news news;

    if (!sv->units)
        return;
    event.data.ptr = sv->units;
    while ((news = units_run(sv->units)) != UNITS_NOTHING) {
        if (news == UNITS_STARTED)
            epoll_ctl(sv->epoll, EPOLL_CTL_ADD, units_fd(sv->units), &event);
        else if (news == UNITS_TOLD)
            hear_units(sv);
    }
}

/* Before anything is started: what systemd runs already. */
static int find_units(struct supervisor *sv, struct error_list *err)
{
    int r;

    if (!systemd_has_links(sv->settings))
        return 0;
    sv->units = units_new(systemd_links);
    sv->by_units = strcmp(sv->settings->links_by, "agent") != 0;
    r = units_now(sv->units, err);
    if (r == 0)
        hear_units(sv);
    return r;
}

/* --- life ----------------------------------------------------------------------------------- */

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

int supervisor_check(const struct settings *s, struct error_list *err)
{
    const char *by = s->links_by;

    if (strcmp(by, "systemd") == 0 && !systemd_has_links(s))
        return error_add(err, NULL, 0, NULL,
                         "links-by is systemd, but links cannot be units here: that takes systemd, "
                         "its unit " LINK_UNIT_FILE ", state %s, run-dir %s and link-user %s; or "
                         "say auto",
                         SETTINGS_STATE_DIR, SETTINGS_RUN_DIR, SETTINGS_LINK_USER);
    if (strcmp(by, "auto") != 0 && strcmp(by, "agent") != 0 && strcmp(by, "systemd") != 0)
        return error_add(err, NULL, 0, NULL, "links-by wants auto, agent or systemd, not '%.60s'",
                         by);
    if (geteuid() == 0 && !reader_may_change_user() &&
        (strcmp(by, "agent") == 0 || !systemd_has_links(s)))
        return error_add(err, NULL, 0, NULL,
                         "links would be processes of the agent here (links-by %s, state %s, "
                         "run-dir %s, link-user %s), which its unit does not let become another "
                         "user: install the drop-in own-links.conf of the examples, or take these "
                         "settings back",
                         by, s->state_dir, s->run_dir, s->link_user);
    return 0;
}

int supervisor_new(const struct settings *s, struct supervisor **ret, struct error_list *err)
{
    struct supervisor *sv = NULL;
    DIR *dir = opendir(s->run_dir);
    int r;

    if (!dir)
        return error_sys(err, errno, s->run_dir, "cannot look for running links");
    r = open_supervisor(s, adopt, dir, &sv, err);
    closedir(dir);
    if (r == 0)
        r = find_units(sv, err);
    if (r == 0)
        *ret = sv;
    else
        supervisor_free(sv);
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
    units_free(sv->units);
    if (sv->epoll >= 0)
        close(sv->epoll);
    free(sv);
    return NULL;
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
        stop(sv, c); /* its death starts the new one */
    else if (!c->id.pid && !c->waits && (c->start_at == SUPERVISE_NEVER || c->backoff.deaths == 0))
        start(sv, c);
}

void supervisor_detach(struct supervisor *sv, const char *interface)
{
    struct child *c = find(sv, interface);

    if (c)
        stop(sv, c);
}

void supervisor_unwant(struct supervisor *sv, const char *interface)
{
    struct child *c = find(sv, interface);

    if (!c)
        return;
    c->wanted = false;
    c->gone = true;
    c->start_at = SUPERVISE_NEVER;
    stop(sv, c);
    sweep(sv);
}

int supervisor_fd(const struct supervisor *sv)
{
    return sv->epoll;
}

int64_t supervisor_deadline(const struct supervisor *sv)
{
    int64_t next = sv->units ? units_deadline(sv->units) : SUPERVISE_NEVER;

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
    bool heard;
    int n;

    /* What the units' worker has to say stays readable until run_units() takes it. */
    do {
        n = epoll_wait(sv->epoll, events, 64, 0);
        heard = false;
        for (int i = 0; i < n; i++)
            if (events[i].data.ptr != sv->units) {
                died(sv, events[i].data.ptr);
                heard = true;
            }
    } while (heard);
    run_units(sv);
    now = monotonic_ms();
    for (size_t i = 0; i < sv->n; i++) {
        struct child *c = sv->children[i];

        if (c->kill_at <= now && c->id.pid) {
            log_link(LOG_EVENT_NONE, LOG_LEVEL_WARNING, c->interface, c->peer,
                     "OpenVPN of link %s does not end when asked; killing it", c->interface);
            if (c->unit && sv->units)
                units_request(sv->units, c->interface, UNIT_STOP); /* which kills */
            else
                syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
            c->kill_at = now + SUPERVISE_TERM_MS;
        }
        if (c->start_at <= now && c->wanted && !c->id.pid && !c->waits)
            start(sv, c);
    }
    run_units(sv); /* what was just asked for */
    sweep(sv);
}

unsigned supervisor_deaths(const struct supervisor *sv)
{
    return sv->deaths;
}

bool supervisor_idle(const struct supervisor *sv, const char *interface)
{
    const struct child *c = find(sv, interface);

    return !c || (!c->id.pid && !c->waits);
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
        more = more || c->waits || c->kill_at != SUPERVISE_NEVER || (c->fresh && c->id.pid) ||
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
        r = -EIO;
        if (sv->by_units) {
            error_add(err, NULL, 0, NULL,
                      "OpenVPN of link %s to %s does not stay alive: look at 'journalctl -u "
                      "p2pvpn-link@%s'",
                      c->interface, c->peer, c->interface);
            continue;
        }
        words = openvpn_last_words(sv->settings, c->interface);
        error_add(err, NULL, 0, NULL,
                  "OpenVPN of link %s to %s does not stay alive; its log is %s/%s.log and ends: %s",
                  c->interface, c->peer, sv->settings->run_dir, c->interface, words);
    }
    return r;
}

void supervisor_bound_logs(struct supervisor *sv)
{
    for (size_t i = 0; i < sv->n; i++)
        openvpn_bound_log(sv->settings, sv->children[i]->interface);
}
