/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/link_unit.h"
#include "agent/log.h"
#include "agent/openvpn.h"
#include "agent/supervise.h"
#include "agent/units.h"
#include "common/alloc.h"
#include "common/fs.h"

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

struct child *child_find(const struct supervisor *sv, const char *interface)
{
    size_t i = position(sv, interface);

    return i < sv->n && strcmp(sv->children[i]->interface, interface) == 0 ? sv->children[i] : NULL;
}

struct child *child_insert(struct supervisor *sv, const char *interface)
{
    struct child *c = child_find(sv, interface);
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

void child_free(struct child *c)
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

void children_sweep(struct supervisor *sv)
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

int child_watch(struct supervisor *sv, struct child *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    c->pidfd = (int)syscall(SYS_pidfd_open, c->id.pid, 0);
    if (c->pidfd >= 0 && epoll_ctl(sv->epoll, EPOLL_CTL_ADD, c->pidfd, &event) == 0)
        return 0;
    return -errno;
}

void child_forget_process(struct supervisor *sv, struct child *c)
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

void child_died(struct supervisor *sv, struct child *c)
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
    child_forget_process(sv, c);
    if (!c->wanted)
        return;
    if (stopping) {
        c->start_at = now;
        return;
    }
    sv->deaths++;
    if (c->unit && sv->units) {
        c->waits = true;
        units_ask(sv->units, CHILD_ASK_MS);
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
    if (child_watch(sv, c) < 0)
        child_died(sv, c);
}

/* The configuration goes where the unit reads it; the rest is systemd's. */
static void start_unit(struct supervisor *sv, struct child *c)
{
    _cleanup_free_ char *path = settings_link_config(sv->settings, c->interface);
    _cleanup_buf_ struct buf config = BUF_INIT, text = BUF_INIT;
    struct error_list err = ERROR_LIST_INIT;
    int r = fs_read(c->config, CHILD_CONFIG_MAX, &config, &err);

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

void child_start(struct supervisor *sv, struct child *c)
{
    c->start_at = SUPERVISE_NEVER;
    c->started = monotonic_ms();
    if (sv->by_units)
        start_unit(sv, c);
    else
        start_own(sv, c);
}

void child_stop(struct supervisor *sv, struct child *c)
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
