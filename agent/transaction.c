/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/reach.h"
#include "agent/routing.h"
#include "agent/state.h"
#include "agent/supervise.h"
#include "agent/worker.h"
#include "common/fs.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define CHECK_MS 1000
#define STEADY_MS 3000       /* for this long all has to be well */
#define GRACE_MS 3000        /* beyond the confirm time, for the last answer */
#define RETRY_MS 2000        /* a disk that refuses */
#define DRAIN_MOST_MS 180000 /* of draining, that does not count */
#define REACHED "reach"

struct transaction {
    const struct settings *settings;
    struct change change;
    struct bundle *current;   /* in force, while a change is pending: what was offered */
    struct bundle *taken;     /* not yet handed over; else NULL */
    struct bundle *staged;    /* being prepared; NULL: none */
    const struct bundle *now; /* in force meanwhile */
    bool failed_to_begin, applied, source;
    bool unrecorded;   /* the disk did not take the record of a rollback */
    int64_t record_at; /* when that is tried again */
    char *failed;      /* why it cannot be applied */
    char *told;        /* trouble with the record, not to be repeated */
    char *hung;        /* FRR's, before a change begins; likewise */
    bool drains;       /* traffic is being moved away: nothing of the old links has gone yet */
    int64_t until;     /* when that has lasted too long; CLOCK_BOOTTIME, 0: not yet */
    char boot[CHANGE_BOOT_SIZE];
    struct worker worker;
    int epoll;
    int64_t check_at, well_since; /* monotonic_ms(); 0: not well */
};

static int64_t boottime_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void read_boot_id(char ret[CHANGE_BOOT_SIZE])
{
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    size_t len;

    fs_read(BOOT_ID, 4096, &text, &ignored);
    error_clear(&ignored);
    len = strcspn(buf_cstr(&text), "\n");
    if (len >= CHANGE_BOOT_SIZE)
        len = 0;
    memcpy(ret, buf_cstr(&text), len);
    ret[len] = '\0';
}

static void set_revision(char to[DIGEST_TEXT_LEN + 1], const char *from)
{
    memmove(to, from, strlen(from) + 1);
}

static void set_why(struct change *c, const char *why)
{
    free(c->why);
    c->why = *why ? xstrdup(why) : NULL;
}

/* Whatever was found out about the change in hand. */
static void forget(struct transaction *t)
{
    worker_kill(&t->worker);
    free(t->failed);
    t->failed = NULL;
    t->well_since = 0;
    t->applied = t->drains = false;
    t->until = 0;
}

/* The record of a new state, with nothing in it of the old one but the revisions. */
static struct change successor(const struct change *c, enum change_state state, const char *why)
{
    struct change next = {.state = state, .since = time(NULL)};

    memcpy(next.revision, c->revision, sizeof(next.revision));
    memcpy(next.previous, c->previous, sizeof(next.previous));
    memcpy(next.refused, c->refused, sizeof(next.refused));
    set_why(&next, why);
    return next;
}

static void replace(struct transaction *t, struct change next)
{
    change_clear(&t->change);
    t->change = next;
    t->unrecorded = false;
    forget(t);
}

static void give(struct transaction *t, struct bundle *b)
{
    bundle_free(t->taken);
    t->taken = b;
    t->current = b;
    t->check_at = monotonic_ms() + CHECK_MS;
}

/* --- back ----------------------------------------------------------------------------------- */

/* -EINVAL: there is nothing to go back to; else the disk did not let us, and nothing has changed.
 */
static int go_back(struct transaction *t, const char *why, struct error_list *err)
{
    struct change next = successor(&t->change, CHANGE_ROLLED_BACK, why);
    struct error_list disk = ERROR_LIST_INIT;
    struct bundle *old = NULL;
    bool written;
    int r = state_previous(t->settings, &old, err);

    if (r < 0 || strcmp(old->revision, t->change.previous) != 0) {
        bundle_free(old);
        change_clear(&next);
        return error_add(err, NULL, 0, NULL,
                         "there is no intact bundle to go back to: what is in force stays");
    }
    set_revision(next.refused, t->change.revision);
    set_revision(next.previous, t->change.revision);
    set_revision(next.revision, old->revision);
    /* A disk that takes no record, or does not flush, may still take the exchange, and forwarding
     * comes first. */
    written = state_write_change(t->settings, &next, &disk) == 0;
    r = state_swap(t->settings, err);
    if (r < 0) {
        bundle_free(old);
        change_clear(&next);
        error_clear(&disk);
        return r == -EINVAL ? -EIO : r;
    }
    state_sync(t->settings, &disk);
    log_errors(LOG_LEVEL_ERROR, &disk);
    error_clear(&disk);
    replace(t, next);
    t->unrecorded = !written;
    give(t, old);
    return 0;
}

/* When the disk takes it after all. */
static void record_again(struct transaction *t)
{
    struct error_list ignored = ERROR_LIST_INIT;

    if (!t->unrecorded || monotonic_ms() < t->record_at)
        return;
    t->unrecorded = state_write_change(t->settings, &t->change, &ignored) < 0;
    t->record_at = monotonic_ms() + RETRY_MS;
    error_clear(&ignored);
}

/* By itself, so it is tried until it works. */
static void fall_back(struct transaction *t, const char *why)
{
    _cleanup_free_ char *reason = xstrdup(why);
    struct error_list err = ERROR_LIST_INIT;
    int r;

    log_event(LOG_EVENT_ROLLED_BACK, LOG_LEVEL_ERROR,
              "revision %.12s did not prove good: %s; going back to revision %.12s",
              t->change.revision, reason, t->change.previous);
    r = go_back(t, reason, &err);
    log_errors(LOG_LEVEL_ERROR, &err);
    error_clear(&err);
    if (r == -EINVAL) {
        replace(t, successor(&t->change, CHANGE_CONFIRMED,
                             "it did not prove good, but there was nothing intact to go back to"));
        if (state_write_change(t->settings, &t->change, &err) < 0)
            log_errors(LOG_LEVEL_ERROR, &err);
    } else if (r < 0) {
        free(t->failed);
        t->failed = xstrdup(reason);
        t->check_at = monotonic_ms() + RETRY_MS;
    }
    error_clear(&err);
}

/* --- what an earlier life left --------------------------------------------------------------- */

static void adopt_none(struct transaction *t, const struct bundle *current)
{
    replace(t, successor(&t->change, CHANGE_NONE, ""));
    set_revision(t->change.revision, current->revision);
}

/* The copy in force is not intact, or gone. */
static void replace_damaged(struct transaction *t)
{
    struct error_list err = ERROR_LIST_INIT;

    if (t->change.previous[0] && t->change.state != CHANGE_ROLLED_BACK &&
        go_back(t, "its copy on this gateway was damaged", &err) == 0) {
        log_event(LOG_EVENT_ROLLED_BACK, LOG_LEVEL_ERROR,
                  "the copy of revision %.12s was damaged; revision %.12s of before is in force",
                  t->change.refused, t->change.revision);
        t->change.refused[0] = '\0'; /* the bundle itself may be good */
        t->change.previous[0] = '\0';
        if (state_write_change(t->settings, &t->change, &err) < 0)
            log_errors(LOG_LEVEL_ERROR, &err);
    }
    error_clear(&err);
}

static void resume(struct transaction *t, struct bundle *current)
{
    struct change *c = &t->change;
    struct error_list err = ERROR_LIST_INIT;

    if (c->state == CHANGE_ROLLED_BACK && strcmp(current->revision, c->refused) == 0 &&
        strcmp(c->previous, c->refused) == 0) {
        bundle_free(current);
        current = NULL;
        if (state_swap(t->settings, &err) < 0 || state_current(t->settings, &current, &err) < 0)
            log_errors(LOG_LEVEL_ERROR, &err);
    }
    if (current && strcmp(current->revision, c->revision) != 0)
        adopt_none(t, current); /* it had not begun, or somebody else applied */
    if (current)
        give(t, current);
    if (current && c->state == CHANGE_PENDING && strcmp(c->boot, t->boot) != 0)
        fall_back(t, "this gateway was started anew before the change was confirmed");
    else if (c->state == CHANGE_PENDING)
        log_say(LOG_LEVEL_NOTICE, "revision %.12s still has to prove good", c->revision);
    error_clear(&err);
}

static void recover(struct transaction *t)
{
    struct error_list err = ERROR_LIST_INIT;
    struct bundle *current = NULL;
    int r = state_change(t->settings, &t->change, &err), q;

    if (r < 0 && r != -ENOENT)
        log_errors(LOG_LEVEL_WARNING, &err);
    error_clear(&err);
    if (state_settle(t->settings, t->change.previous, &err) < 0)
        log_errors(LOG_LEVEL_ERROR, &err);
    error_clear(&err);
    q = state_current(t->settings, &current, &err);
    if (q == 0 && r < 0) {
        adopt_none(t, current);
        give(t, current);
    } else if (q == 0) {
        resume(t, current);
    } else {
        if (q != -ENOENT)
            log_errors(LOG_LEVEL_WARNING, &err);
        replace_damaged(t);
    }
    error_clear(&err);
}

int transaction_new(const struct settings *s, struct transaction **ret, struct error_list *err)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct transaction *t;

    if (epoll < 0)
        return error_sys(err, errno, NULL, "cannot set up the changes of the bundle");
    t = xcalloc(1, sizeof(*t));
    t->settings = s;
    t->epoll = epoll;
    t->worker = (struct worker)WORKER_INIT;
    t->check_at = SUPERVISE_NEVER;
    read_boot_id(t->boot);
    recover(t);
    *ret = t;
    return 0;
}

struct transaction *transaction_free(struct transaction *t)
{
    if (!t)
        return NULL;
    worker_kill(&t->worker);
    close(t->epoll);
    bundle_free(t->taken);
    bundle_free(t->staged);
    free(t->failed);
    free(t->told);
    free(t->hung);
    change_clear(&t->change);
    free(t);
    return NULL;
}

struct bundle *transaction_taken(struct transaction *t)
{
    struct bundle *b = t->taken;

    t->taken = NULL;
    return b;
}

bool transaction_busy(const struct transaction *t)
{
    return t->staged || t->change.state == CHANGE_PENDING;
}

bool transaction_refuses(const struct transaction *t, const char *revision)
{
    return t->change.refused[0] && strcmp(t->change.refused, revision) == 0;
}

void transaction_forgive(struct transaction *t)
{
    t->change.refused[0] = '\0'; /* on the disk with the next change */
}

/* --- forth ---------------------------------------------------------------------------------- */

/* What answers now, a name each, as sentences of a worker. */
static int work_look(void *arg, struct error_list *err)
{
    const struct transaction *t = arg;
    const struct settings *s = t->settings;
    int r = 0;

    if (s->reach && reach_answers(s->reach))
        error_add(err, NULL, 0, NULL, REACHED);
    if (!s->no_frr)
        r = routing_sessions(s, t->staged ? t->now : t->current, err);
    return r;
}

static int start_worker(struct transaction *t, struct error_list *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = t};
    int r = worker_start(&t->worker, work_look, t, err);

    if (r == 0 && epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->worker.fd, &event) < 0) {
        r = error_sys(err, errno, NULL, "cannot wait for a worker process");
        worker_kill(&t->worker);
    }
    return r;
}

/* Into force: the record first, then the folders. */
static int commit(struct transaction *t, struct change next, struct error_list *err)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct bundle *b = t->staged;
    int r;

    t->staged = NULL;
    set_revision(next.previous, t->now ? t->now->revision : "");
    set_revision(next.revision, b->revision);
    next.refused[0] = '\0';
    r = state_write_change(t->settings, &next, err);
    if (r == 0)
        r = state_commit(t->settings, err);
    if (r == 0) {
        replace(t, next);
        give(t, b);
        return 0;
    }
    bundle_free(b);
    change_clear(&next);
    /* If even that fails, the next start sees that the folders were not exchanged. */
    state_write_change(t->settings, &t->change, &ignored);
    state_settle(t->settings, t->change.previous, &ignored);
    error_clear(&ignored);
    return r;
}

int transaction_offer(struct transaction *t, struct bundle *staged, const struct bundle *now,
                      struct error_list *err)
{
    int r;

    t->staged = staged;
    t->now = now;
    if (!now || t->settings->confirm_time == 0)
        return commit(t, successor(&t->change, CHANGE_NONE, ""), err);
    r = start_worker(t, err);
    if (r < 0)
        t->staged = bundle_free(staged);
    return r;
}

bool transaction_failed_to_begin(struct transaction *t)
{
    bool failed = t->failed_to_begin;

    t->failed_to_begin = false;
    return failed;
}

/* It is not known what is up, so it could not be known later what is missing. */
static void do_not_begin(struct transaction *t, struct error_list *why)
{
    error_add(
        why, NULL, 0, NULL,
        "revision %.12s does not begin until FRR answers: without that nobody knows which BGP "
        "sessions are up and have to come back",
        t->staged->revision);
    log_report(LOG_EVENT_NONE, &t->hung, why);
    t->staged = bundle_free(t->staged);
    t->failed_to_begin = true;
}

/* The worker has said what is up: now it can begin. */
static void begin(struct transaction *t, int looked, struct error_list *seen)
{
    struct error_list err = ERROR_LIST_INIT;
    struct change next;
    int r;

    if (looked == -ETIMEDOUT) {
        do_not_begin(t, seen);
        return;
    }
    log_report(LOG_EVENT_NONE, &t->hung, &err);
    next = successor(&t->change, CHANGE_PENDING, "");
    if (looked < 0)
        log_errors(LOG_LEVEL_WARNING, seen);
    for (size_t i = 0; looked >= 0 && i < seen->n; i++) {
        if (strcmp(seen->items[i].message, REACHED) == 0)
            next.reach = true;
        else if (next.n_sessions < CHANGE_MAX_SESSIONS &&
                 change_session_counts(t->now, t->staged, seen->items[i].message))
            change_add_session(&next, seen->items[i].message);
    }
    next.source = t->source;
    next.deadline = boottime_ms() + (int64_t)t->settings->confirm_time * 1000;
    memcpy(next.boot, t->boot, sizeof(next.boot));
    r = commit(t, next, &err);
    if (r < 0) {
        state_advise(t->settings, r, &err);
        log_errors(LOG_LEVEL_ERROR, &err);
        t->failed_to_begin = true;
    } else {
        log_say(LOG_LEVEL_NOTICE,
                "revision %.12s has %u s to prove good: %zu BGP sessions were up before",
                t->change.revision, t->settings->confirm_time, t->change.n_sessions);
    }
    error_clear(&err);
}

/* --- proving -------------------------------------------------------------------------------- */

/* On failure it stays pending, as the record says, and this is tried again. */
static int prove(struct transaction *t, const char *why, struct error_list *err)
{
    struct change next = successor(&t->change, CHANGE_CONFIRMED, why);
    int r = state_write_change(t->settings, &next, err);

    if (r == 0)
        replace(t, next);
    else
        change_clear(&next);
    return r;
}

static void judge(struct transaction *t, int looked, const struct error_list *seen)
{
    struct change_facts facts = {.want = t->current,
                                 .now = boottime_ms(),
                                 .applied = t->applied,
                                 .failed = t->failed,
                                 .known = looked >= 0,
                                 .source = t->source};
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf why = BUF_INIT;
    int64_t now = monotonic_ms();
    char **up = xcalloc(seen->n + 1, sizeof(*up));

    for (size_t i = 0; looked >= 0 && i < seen->n; i++) {
        if (strcmp(seen->items[i].message, REACHED) == 0)
            facts.reach = true;
        else
            up[facts.n_up++] = seen->items[i].message;
    }
    facts.up = up;
    t->check_at = now + CHECK_MS;
    switch (change_decide(&t->change, &facts, &why)) {
    case CHANGE_ROLL_BACK:
        fall_back(t, buf_cstr(&why));
        break;
    case CHANGE_WAIT:
        t->well_since = 0;
        break;
    case CHANGE_GOOD:
        if (t->well_since == 0)
            t->well_since = now;
        if (now - t->well_since < STEADY_MS && facts.now < t->change.deadline)
            break;
        if (prove(t, "", &err) == 0)
            log_event(LOG_EVENT_CONFIRMED, LOG_LEVEL_NOTICE,
                      "revision %.12s has proved good and stays", t->change.revision);
        log_report(LOG_EVENT_NONE, &t->told, &err);
        break;
    }
    free(up);
    error_clear(&err);
}

void transaction_see(struct transaction *t, bool applied, bool source)
{
    t->applied = applied;
    t->source = source;
}

void transaction_drains(struct transaction *t, bool drains)
{
    int64_t now = boottime_ms(), full = now + (int64_t)t->settings->confirm_time * 1000;
    struct error_list err = ERROR_LIST_INIT;

    if (t->change.state != CHANGE_PENDING || (!drains && !t->drains))
        return;
    if (t->until == 0)
        t->until = now + DRAIN_MOST_MS;
    if (now < t->until && now < t->change.deadline && full > t->change.deadline)
        t->change.deadline = full;
    /* The next agent, and status, are to know of it. */
    if (drains != t->drains && state_write_change(t->settings, &t->change, &err) < 0)
        log_report(LOG_EVENT_NONE, &t->told, &err);
    t->drains = drains;
    error_clear(&err);
}

void transaction_refuse(struct transaction *t, const char *why)
{
    if (t->change.state != CHANGE_PENDING || t->failed)
        return;
    t->failed = xstrdup(why);
    t->check_at = monotonic_ms();
}

int transaction_confirm(struct transaction *t, struct buf *said, struct error_list *err)
{
    if (t->change.state != CHANGE_PENDING)
        return error_add(err, NULL, 0, NULL, "no change waits for a confirmation");
    if (prove(t, "confirmed by hand", err) < 0)
        return -EIO;
    buf_printf(said, "revision %.12s is confirmed and stays", t->change.revision);
    log_event(LOG_EVENT_CONFIRMED, LOG_LEVEL_NOTICE, "%s", buf_cstr(said));
    return 0;
}

int transaction_roll_back(struct transaction *t, struct buf *said, struct error_list *err)
{
    char from[DIGEST_TEXT_LEN + 1];
    int r;

    memcpy(from, t->change.revision, sizeof(from));
    if (t->staged)
        return error_add(err, NULL, 0, NULL, "a change is just beginning: try again");
    if (!t->change.previous[0] || t->change.state == CHANGE_ROLLED_BACK)
        return error_add(err, NULL, 0, NULL,
                         t->change.state == CHANGE_ROLLED_BACK
                             ? "the last change was rolled back already; 'p2pvpn-agent reload' "
                               "tries the bundle at its source again"
                             : "there is no bundle of before to go back to");
    r = go_back(t, "rolled back by hand", err);
    if (r < 0)
        return r;
    buf_printf(said,
               "revision %.12s is in force again; %.12s is not taken from its source until "
               "'p2pvpn-agent reload'",
               t->change.revision, from);
    log_event(LOG_EVENT_ROLLED_BACK, LOG_LEVEL_NOTICE, "rolled back by hand: %s", buf_cstr(said));
    return 0;
}

int transaction_fd(const struct transaction *t)
{
    return t->epoll;
}

/* When no answer is waited for any more, by the clock of the loop. */
static int64_t end_of_time(const struct transaction *t)
{
    int64_t left = t->change.deadline + GRACE_MS - boottime_ms();

    return left > 0 ? monotonic_ms() + left : 0;
}

int64_t transaction_deadline(const struct transaction *t)
{
    if (t->taken || t->failed_to_begin)
        return 0;
    if (t->change.state != CHANGE_PENDING)
        return SUPERVISE_NEVER;
    if (t->worker.pid == 0)
        return t->check_at;
    return end_of_time(t);
}

static void collect(struct transaction *t)
{
    struct error_list seen = ERROR_LIST_INIT;
    int r;

    if (!worker_collect(&t->worker, &r, &seen))
        return;
    if (t->staged)
        begin(t, r, &seen);
    else if (t->change.state == CHANGE_PENDING)
        judge(t, r, &seen);
    error_clear(&seen);
}

void transaction_run(struct transaction *t)
{
    struct error_list none = ERROR_LIST_INIT;

    record_again(t);
    if (t->worker.pid)
        collect(t);
    if (t->staged || t->change.state != CHANGE_PENDING || monotonic_ms() < t->check_at)
        return;
    if (t->worker.pid && end_of_time(t) > 0 && !t->failed)
        return;
    /* Without an answer: it failed, there is nothing to ask yet, or it was asked in vain to the
     * end.
     */
    if (t->failed || !t->applied || end_of_time(t) == 0) {
        worker_kill(&t->worker);
        judge(t, -ETIMEDOUT, &none);
        return;
    }
    if (start_worker(t, &none) < 0)
        judge(t, -EIO, &none);
    error_clear(&none);
}
