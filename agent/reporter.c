/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reporter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent_report.h"
#include "agent/contact.h"
#include "agent/identity.h"
#include "agent/log.h"
#include "agent/report.h"
#include "agent/repository.h"
#include "agent/supervise.h" /* monotonic_ms() */
#include "common/alloc.h"
#include "common/fs.h"
#include "tuf/fetch_curl.h"

#define LOCK_FILE "report.lock"
#define RENEWAL_LOOK_MS 20000 /* reports in a row look at the certificate once */

static uint32_t chance(void)
{
    uint32_t n = 0;

    if (getrandom(&n, sizeof(n), 0) != sizeof(n))
        n = UINT32_MAX / 2;
    return n;
}

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what it watches ---------------------------------------------------------------------------
 */

/* By path, again and again: a folder may come later, or be exchanged. */
static void watch_folders(const struct reporter *r)
{
    _cleanup_free_ char *keys = settings_keys_dir(r->settings);
    const char *const folders[] = {r->settings->run_dir, r->settings->state_dir, keys};

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        inotify_add_watch(r->inotify, folders[i], IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR);
}

/* At once. */
static void look_at_all(struct reporter *r)
{
    report_when_hurry(&r->when, monotonic_ms());
    r->renewal_at = 0;
}

static void take_event(struct reporter *r, const struct inotify_event *e)
{
    static const char *const who[] = {CONTACT_FILE, REPOSITORY_FILE, "gateway.crt"};

    if (e->mask & IN_Q_OVERFLOW || (e->len && strcmp(e->name, AGENT_REPORT_FILE) == 0))
        report_when_changed(&r->when, monotonic_ms());
    for (size_t i = 0; e->len && i < sizeof(who) / sizeof(who[0]); i++)
        if (strcmp(e->name, who[i]) == 0)
            look_at_all(r);
}

static void take_events(struct reporter *r)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    while ((n = read(r->inotify, events, sizeof(events))) > 0)
        for (const char *p = events; p < events + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)p;

            take_event(r, e);
            p += sizeof(*e) + e->len;
        }
}

/* --- what it says ------------------------------------------------------------------------------
 */

/* For a terminal, and in few bytes. */
static void copy_text(const char *text, char ret[static REPORT_NOTE_TEXT_MAX + 1])
{
    size_t n = 0;

    for (; n < REPORT_NOTE_TEXT_MAX && text[n]; n++)
        ret[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    ret[n] = '\0';
}

static void note_failure(struct reporter *r, int result, const struct error_list *err)
{
    struct report_note *n = &r->note;
    bool refuses = result == -EINVAL;
    int64_t now = time(NULL);

    if (!*n->text || n->since > now) {
        n->since = now;
        n->tries = 0;
    }
    n->tries++;
    copy_text(err->n ? err->items[0].message : "nothing says why", n->text);
    if (!r->away || n->refused != refuses)
        log_errors(refuses ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, err);
    r->away = true;
    n->refused = refuses;
}

static void note_success(struct reporter *r, bool told)
{
    struct report_note *n = &r->note;

    if (told && r->away)
        log_say(LOG_LEVEL_NOTICE, "the controller is told again, after %lld s",
                (long long)(time(NULL) - n->since));
    else if (told && !r->known)
        log_say(LOG_LEVEL_INFO, "the controller is told how this gateway is");
    r->known = r->known || told;
    r->away = false;
    if (told)
        n->told = time(NULL);
    *n->text = '\0';
    n->since = 0;
    n->tries = 0;
    n->refused = false;
}

static void write_note(struct reporter *r)
{
    struct error_list ignored = ERROR_LIST_INIT; /* the next one is written anew */

    r->note.next = (wall_ms() + report_when_due(&r->when) - monotonic_ms()) / 1000;
    report_note_write(r->settings->run_dir, &r->note, &ignored);
    error_clear(&ignored);
}

/* --- its work ----------------------------------------------------------------------------------
 */

static void has_told(struct reporter *r, int result, const struct error_list *err)
{
    enum report_result what = result < 0                   ? REPORT_FAILED
                              : result == REPORT_TO_NOBODY ? REPORT_NOBODY
                              : result & REPORT_PROBLEMS   ? REPORT_TOLD_PROBLEMS
                                                           : REPORT_TOLD;
    bool told = what == REPORT_TOLD || what == REPORT_TOLD_PROBLEMS;

    if (told)
        r->when.phase = (uint32_t)(result & ~(REPORT_PROBLEMS | REPORT_WANTED));
    report_when_end(&r->when, what, monotonic_ms(), wall_ms(), chance());
    if (what == REPORT_FAILED)
        note_failure(r, result, err);
    else
        note_success(r, told);
    write_note(r);
}

static void has_renewed(struct reporter *r, int result, const struct error_list *err)
{
    if (result < 0 && !r->not_renewed) {
        log_say(LOG_LEVEL_ERROR, "the certificate of this gateway could not be renewed; that is "
                                 "tried again every hour");
        log_errors(LOG_LEVEL_ERROR, err);
    }
    if (result == REPORT_RENEWED)
        log_say(LOG_LEVEL_NOTICE, "the certificate of this gateway is renewed");
    if (result != REPORT_RENEW_LATER)
        r->not_renewed = result < 0;
}

static void begin(struct reporter *r, bool renews);

static void done(struct reporter *r, int result, const struct error_list *err)
{
    if (r->renews) {
        has_renewed(r, result, err);
        return;
    }
    has_told(r, result, err);
    if (result == REPORT_TO_NOBODY)
        return;
    /* Also when it could not be told: what is wrong may be the report alone. */
    if (monotonic_ms() >= r->renewal_at || (result >= 0 && result & REPORT_WANTED))
        begin(r, true);
}

static void begin(struct reporter *r, bool renews)
{
    struct error_list err = ERROR_LIST_INIT;
    struct settings *settings = (struct settings *)(uintptr_t)r->settings;
    int started;

    r->renews = renews;
    r->worker_until = monotonic_ms() + REPORTER_JOB_MS;
    if (renews) {
        r->renewal_at = monotonic_ms() + RENEWAL_LOOK_MS;
    } else {
        watch_folders(r);
        report_when_begin(&r->when, monotonic_ms());
    }
    started = worker_start(&r->worker, renews ? r->renew : r->tell, settings, &err);
    if (started < 0)
        done(r, started, &err);
    error_clear(&err);
}

static void end_late(struct reporter *r)
{
    struct error_list err = ERROR_LIST_INIT;
    int result = error_sys(&err, ETIMEDOUT, NULL, "this gateway does not answer for its status");

    worker_kill(&r->worker);
    done(r, result, &err);
    error_clear(&err);
}

void reporter_step(struct reporter *r, const sigset_t *during)
{
    int64_t now = monotonic_ms(), left;
    struct timespec timeout;

    if (r->worker.pid == 0 && report_when_due(&r->when) <= now)
        begin(r, false);
    left = (r->worker.pid ? r->worker_until : report_when_due(&r->when)) - now;
    left = left < 0 ? 0 : left;
    timeout = (struct timespec){.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};

    struct pollfd ready[] = {{.fd = r->inotify, .events = POLLIN},
                             {.fd = r->worker.fd, .events = POLLIN}};

    if (ppoll(ready, 2, &timeout, during) < 0)
        return;
    if (ready[0].revents)
        take_events(r);
    if (ready[1].revents) {
        struct error_list err = ERROR_LIST_INIT;
        int result;

        if (worker_collect(&r->worker, &result, &err))
            done(r, result, &err);
        error_clear(&err);
    } else if (r->worker.pid && monotonic_ms() >= r->worker_until) {
        end_late(r);
    }
}

/* --- from its start to its end -----------------------------------------------------------------
 */

static int lock(struct reporter *r, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" LOCK_FILE, r->settings->run_dir);

    r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->lock < 0)
        return error_sys(err, errno, path, "cannot be made");
    if (flock(r->lock, LOCK_EX | LOCK_NB) < 0)
        return error_add(err, path, 0, NULL,
                         "another \"p2pvpn-agent report\" is at work here: \"systemctl reload "
                         "p2pvpn-report\" makes it tell at once");
    return 0;
}

int reporter_open(struct reporter *r, const struct settings *s, reporter_job *tell,
                  reporter_job *renew, struct error_list *err)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct report_note before = {0};
    int result;

    *r = (struct reporter){.settings = s,
                           .tell = tell,
                           .renew = renew,
                           .worker = WORKER_INIT,
                           .inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
                           .lock = -1};
    if (r->inotify < 0)
        return error_sys(err, errno, NULL, "cannot watch folders");
    result = fs_mkdirs(s->run_dir, 0755, err);
    if (result == 0)
        result = lock(r, err);
    if (result < 0)
        return result;
    report_note_read(s->run_dir, &before, &ignored);
    error_clear(&ignored);
    r->note.told = before.told;
    r->note.pid = getpid();
    process_start_time(r->note.pid, &r->note.start);
    report_when_start(&r->when, monotonic_ms());
    return 0;
}

void reporter_close(struct reporter *r)
{
    worker_kill(&r->worker);
    if (r->inotify >= 0)
        close(r->inotify);
    if (r->lock >= 0)
        close(r->lock);
}

static volatile sig_atomic_t hurry, stop;

static void on_signal(int number)
{
    if (number == SIGHUP)
        hurry = 1;
    else
        stop = 1;
}

int reporter_run(const struct settings *s, struct error_list *err)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT};
    const struct sigaction action = {.sa_handler = on_signal};
    struct reporter r;
    sigset_t ours, during;
    int result;

    sigemptyset(&ours);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaddset(&ours, numbers[i]);
        sigaction(numbers[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &ours, &during);
    tuf_curl_preload(); /* each report is a process or two of its own */
    result = reporter_open(&r, s, report_tell_job, report_renew_job, err);
    while (result == 0 && !stop) {
        reporter_step(&r, &during);
        if (hurry)
            look_at_all(&r);
        hurry = 0;
    }
    reporter_close(&r);
    return result;
}
