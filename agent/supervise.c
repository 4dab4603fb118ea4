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
#include <time.h>
#include <unistd.h>

#include "agent/children.h"
#include "agent/link_unit.h"
#include "agent/log.h"
#include "agent/openvpn.h"
#include "agent/reader_unit.h" /* reader_may_change_user() */
#include "agent/units.h"
#include "common/alloc.h"
#include "common/fs.h"

#define AGAIN_MS 1000 /* while a unit is on its way */

int64_t monotonic_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- what runs already -------------------------------------------------------------------------
 */

static void peek(struct supervisor *sv, const char *interface)
{
    _cleanup_free_ char *path = settings_identity_path(sv->settings, interface);
    struct error_list ignored = ERROR_LIST_INIT;
    struct identity id;

    if (identity_read(path, &id, &ignored) == 0 && identity_alive(&id, OPENVPN_PROGRAM))
        child_insert(sv, interface)->id = id;
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
    c = child_insert(sv, interface);
    c->id = id;
    c->started = monotonic_ms();
    /* First the descriptor, then the question: what it names cannot change any more. */
    if (child_watch(sv, c) < 0 || !identity_alive(&id, OPENVPN_PROGRAM))
        child_forget_process(sv, c);
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
    if (fs_read(config, CHILD_CONFIG_MAX, &text, &err) < 0 ||
        !link_unit_config_digest(buf_cstr(&text), id.digest))
        memset(id.digest, '0', DIGEST_TEXT_LEN); /* and of no key */
    error_clear(&err);
    c->id = id;
    c->unit = true;
    c->waits = false;
    c->start_at = SUPERVISE_NEVER;
    if (child_watch(sv, c) < 0 || !process_start_time(pid, &c->id.start)) {
        child_forget_process(sv, c); /* it has died meanwhile */
        c->waits = true;
        units_ask(sv->units, CHILD_ASK_MS);
        return;
    }
    if (identity_write(identity, &c->id, &err) < 0)
        log_errors(LOG_LEVEL_WARNING, &err);
    error_clear(&err);
    c->fresh = true;
    if (!c->wanted && c->gone)
        child_stop(sv, c);
    else if (c->wanted && strcmp(c->id.digest, c->digest) != 0)
        child_stop(sv, c); /* its death starts the one that is wanted */
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
            child_insert(sv, states[i].interface);
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
    children_sweep(sv);
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
    const struct child *c = child_find(sv, interface);

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
    struct child *c = child_insert(sv, interface);

    replace(&c->peer, peer);
    replace(&c->config, config);
    if (!c->wanted || strcmp(c->digest, digest) != 0)
        c->backoff = (struct backoff){0}; /* something new: no reason for mistrust */
    if (digest != c->digest)              /* what supervisor_digest() said, given back */
        snprintf(c->digest, sizeof(c->digest), "%s", digest);
    c->wanted = true;
    c->gone = false;
    if (c->id.pid && strcmp(c->id.digest, digest) != 0)
        child_stop(sv, c); /* its death starts the new one */
    else if (!c->id.pid && !c->waits && (c->start_at == SUPERVISE_NEVER || c->backoff.deaths == 0))
        child_start(sv, c);
}

void supervisor_detach(struct supervisor *sv, const char *interface)
{
    struct child *c = child_find(sv, interface);

    if (c)
        child_stop(sv, c);
}

void supervisor_unwant(struct supervisor *sv, const char *interface)
{
    struct child *c = child_find(sv, interface);

    if (!c)
        return;
    c->wanted = false;
    c->gone = true;
    c->start_at = SUPERVISE_NEVER;
    child_stop(sv, c);
    children_sweep(sv);
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
                child_died(sv, events[i].data.ptr);
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
            child_start(sv, c);
    }
    run_units(sv); /* what was just asked for */
    children_sweep(sv);
}

unsigned supervisor_deaths(const struct supervisor *sv)
{
    return sv->deaths;
}

bool supervisor_idle(const struct supervisor *sv, const char *interface)
{
    const struct child *c = child_find(sv, interface);

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
