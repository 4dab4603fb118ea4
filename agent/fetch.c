/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/fetch_parts.h"
#include "agent/identity.h"
#include "agent/log.h"
#include "agent/supervise.h" /* monotonic_ms() */
#include "common/fs.h"

#define WRITE_S 300   /* between two reports that differ in their times only */
#define WAIT_S 55     /* that the controller is asked to wait */
#define ANSWER_S 75   /* within which it has to answer then */
#define ROUND_S 900   /* between two rounds, however quiet the controller is */
#define HASTY_MS 1000 /* after an answer that brought nothing, doubled each time */

static volatile sig_atomic_t hurry;

static void on_hangup(int number)
{
    (void)number;
    hurry = 1;
}

int64_t fetch_delay(unsigned failures, int64_t poll_ms, uint32_t random)
{
    int64_t ms = failures ? FETCH_RETRY_FIRST_MS : poll_ms;

    for (unsigned i = 1; i < failures && ms < FETCH_RETRY_MAX_MS; i++)
        ms *= 2;
    if (failures && ms > FETCH_RETRY_MAX_MS)
        ms = FETCH_RETRY_MAX_MS;
    return ms - ms / 5 + (int64_t)((uint64_t)(ms / 5 * 2) * random / UINT32_MAX);
}

static uint32_t chance(void)
{
    uint32_t n = 0;

    if (getrandom(&n, sizeof(n), 0) != sizeof(n))
        n = UINT32_MAX / 2;
    return n;
}

/* --- whom it runs as, and where ----------------------------------------------------------------
 */

static int become(const struct settings *s, struct error_list *err)
{
    bool there = access(s->fetch_dir, F_OK) == 0;
    uid_t uid = 0;
    gid_t gid = 0;
    int r = 0;

    if (geteuid() == 0)
        r = settings_resolve_fetcher(s, &uid, &gid, err);
    if (r == 0)
        r = fs_mkdirs(s->fetch_dir, 0755, err);
    if (r < 0)
        return r;
    if (geteuid() == 0 &&
        ((!there && lchown(s->fetch_dir, uid, gid) < 0) || setgroups(0, NULL) < 0 ||
         setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 || setresuid(0, 0, 0) == 0))
        return error_sys(err, EPERM, NULL, "cannot become the user '%s'", s->fetch_user);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return 0;
}

/* What somebody who was killed while he wrote has left: NAME.XXXXXX (fs_write()). */
static void sweep(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;

    while (dir && (e = readdir(dir)) != NULL) {
        const char *dot = strrchr(e->d_name, '.');

        if (dot && strlen(dot) == 7 && strchr(e->d_name, '.') != e->d_name &&
            (strncmp(e->d_name, FETCH_BUNDLE ".", sizeof(FETCH_BUNDLE)) == 0 ||
             strncmp(e->d_name, FETCH_ORIGINS ".", sizeof(FETCH_ORIGINS)) == 0 ||
             strncmp(e->d_name, FETCH_REPORT ".", sizeof(FETCH_REPORT)) == 0 ||
             strstr(e->d_name, ".json.")))
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

static int lock(const char *folder, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" FETCH_LOCK, folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return error_sys(err, errno, path, "cannot be made");
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return error_add(err, folder, 0, NULL,
                         "another fetcher is at work here: \"systemctl reload p2pvpn-fetch\" makes "
                         "it look at once");
    }
    return fd;
}

/* --- what it tells -----------------------------------------------------------------------------
 */

struct teller {
    char *said;       /* the report that was written last, without its times */
    int64_t said_at;  /* CLOCK_MONOTONIC, ms */
    char *told;       /* see log_report() */
    bool told_frozen; /* that nothing is fresh any more */
};

static char *without_times(const struct fetch_report *r)
{
    struct fetch_report copy = *r;
    struct buf text = BUF_INIT;

    copy.fresh = copy.next = 0;
    copy.tries = 0;
    fetch_report_format(&copy, &text);
    return buf_steal(&text);
}

static void write_report(const struct fetch *f, struct teller *t)
{
    struct error_list err = ERROR_LIST_INIT;
    char *now = without_times(&f->report);

    if (t->said && strcmp(t->said, now) == 0 &&
        monotonic_ms() - t->said_at < WRITE_S * INT64_C(1000)) {
        free(now);
        return;
    }
    free(t->said);
    t->said = now;
    t->said_at = monotonic_ms();
    if (fetch_report_write(f->settings->fetch_dir, &f->report, &err) < 0)
        log_errors(LOG_LEVEL_ERROR, &err);
    error_clear(&err);
}

/* Takes what became of a round into the report, and says it once. */
static void tell(struct fetch *f, struct teller *t, enum tuf_code code, const struct tuf_error *e,
                 bool changed, int64_t now)
{
    struct fetch_report *r = &f->report;
    struct error_list err = ERROR_LIST_INIT;
    bool frozen;

    if (changed) {
        r->changed = now;
        log_say(LOG_LEVEL_NOTICE,
                "fetched what the repository has for gateway %s, version %" PRId64
                " of it, from %s",
                f->repository.gateway, r->version, r->mirror);
    }
    if (code == TUF_OK) {
        r->code[0] = r->text[0] = '\0';
        r->since = 0;
        r->tries = 0;
    } else {
        if (strcmp(r->code, tuf_code_name(code)) != 0 || r->since > now)
            r->since = now;
        snprintf(r->code, sizeof(r->code), "%s", tuf_code_name(code));
        snprintf(r->text, sizeof(r->text), "%s", e->text);
        r->tries++;
        error_add(&err, NULL, 0, NULL, "the repository is refused (%s): %s", r->code, r->text);
    }
    log_report(LOG_EVENT_REPOSITORY, &t->told, &err);
    error_clear(&err);
    frozen = r->expires && now >= r->expires;
    if (frozen && !t->told_frozen)
        log_event(LOG_EVENT_REPOSITORY, LOG_LEVEL_ERROR,
                  "the repository is frozen: what is known of it has expired, and nothing newer "
                  "comes; the gateway goes on with the bundle that it has");
    t->told_frozen = frozen;
}

/* --- between two rounds ------------------------------------------------------------------------
 */

/* True: somebody wants it to look now. */
static bool rest(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    sigset_t hangup, before;

    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    sigprocmask(SIG_BLOCK, &hangup, &before);
    if (!hurry && ms > 0)
        ppoll(NULL, 0, &left, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return hurry;
}

/* {"version": 5}; 0: not that. */
static int64_t parse_version(const struct buf *text)
{
    json_t *doc = json_loadb(buf_cstr(text), text->len, 0, NULL);
    int64_t version = json_integer_value(json_object_get(doc, "version"));

    json_decref(doc);
    return version;
}

enum news { NEWS, NO_NEWS, NO_CONTROLLER };

/* Asks the controller to answer as soon as there is a newer timestamp. */
static enum news ask_controller(struct fetch *f)
{
    _cleanup_free_ char *url = xasprintf("%s/v1/wait?version=%" PRId64 "&timeout=%d",
                                         f->repository.controller, f->report.version, WAIT_S);
    const struct tuf_curl_ask ask = {.url = url, .max = 1024, .seconds = ANSWER_S, .stop = &hurry};
    int64_t begin = monotonic_ms();
    struct tuf_curl_answer answer;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct tuf_error err;

    tuf_curl_deadline(f->curl, 0);
    if (tuf_curl_ask(f->curl, &ask, &answer, &text, &err) != TUF_OK)
        return hurry ? NO_NEWS : NO_CONTROLLER;
    if (answer.status == 200 && parse_version(&text) > f->report.version)
        return NEWS;
    /* One that answers at once, and nothing new, would be asked without end. */
    return monotonic_ms() - begin < HASTY_MS ? NO_CONTROLLER : NO_NEWS;
}

struct waiter {
    unsigned hasty; /* answers in a row that brought nothing */
    int64_t version;
    bool away; /* the controller does not answer, and that was said */
};

/* Until there is a reason for a round. */
static void wait_for_news(struct fetch *f, struct waiter *w, int64_t poll_ms)
{
    int64_t until = monotonic_ms() + ROUND_S * INT64_C(1000);
    enum news news = NO_NEWS;

    w->hasty = w->version == f->report.version ? w->hasty : 0;
    w->version = f->report.version;
    if (w->hasty) {
        int64_t ms = HASTY_MS << (w->hasty < 10 ? w->hasty : 10);

        rest(ms < poll_ms ? ms : poll_ms);
    }
    while (!hurry && news == NO_NEWS && monotonic_ms() < until)
        news = ask_controller(f);
    w->hasty += news == NEWS;
    if (news != NO_CONTROLLER) {
        w->away = false;
        return;
    }
    if (!w->away)
        log_say(LOG_LEVEL_WARNING,
                "%s does not answer; the repository is asked by itself, every %u s",
                f->repository.controller, f->settings->poll_time);
    w->away = true;
    rest(fetch_delay(0, poll_ms, chance()));
}

/* --- rounds ------------------------------------------------------------------------------------
 */

static void stay(struct fetch *f)
{
    int64_t poll_ms = (int64_t)f->settings->poll_time * 1000;
    struct teller teller = {NULL};
    struct waiter waiter = {0};
    unsigned failures = 0;

    for (;;) {
        bool controller, changed, unseen = hurry;
        int64_t now = time(NULL), delay;
        struct tuf_error err;
        enum tuf_code code;

        hurry = 0;
        code = fetch_round(f, now, unseen, &changed, &err);
        failures = code == TUF_OK ? 0 : failures + 1;
        controller = failures == 0 && f->repository.controller;
        delay = fetch_delay(failures, poll_ms, chance());
        f->report.next = now + (controller ? ROUND_S : delay / 1000);
        tell(f, &teller, code, &err, changed, now);
        write_report(f, &teller);
        malloc_trim(0); /* a bundle is large, and one comes seldom */
        if (controller)
            wait_for_news(f, &waiter, poll_ms);
        else
            rest(delay);
    }
}

static int look_once(struct fetch *f, struct error_list *err)
{
    struct teller teller = {NULL};
    int64_t now = time(NULL);
    struct tuf_error e;
    bool changed;
    enum tuf_code code = fetch_round(f, now, true, &changed, &e);

    f->report.next = 0;
    tell(f, &teller, code, &e, changed, now);
    write_report(f, &teller);
    free(teller.said);
    free(teller.told);
    if (code == TUF_OK)
        return 0;
    /* tell() has said the sentence. */
    return fetch_is_weather(code) || code == TUF_STORAGE
               ? error_sys(err, EIO, NULL, "nothing was fetched")
               : error_add(err, NULL, 0, NULL, "nothing was fetched: what is there stays");
}

static void prepare(struct fetch *f, bool once)
{
    struct error_list ignored = ERROR_LIST_INIT; /* the next one is written anew */
    const char *dir = f->settings->fetch_dir;
    struct fetch_report *r = &f->report;

    sweep(dir);
    sweep(f->metadata_dir);
    if (fetch_report_read(dir, r, &ignored) < 0 || strcmp(r->gateway, f->repository.gateway) != 0)
        *r = (struct fetch_report){0};
    error_clear(&ignored);
    r->pid = once ? 0 : getpid();
    r->start = 0;
    if (!once)
        process_start_time(r->pid, &r->start);
    snprintf(r->gateway, sizeof(r->gateway), "%s", f->repository.gateway);
}

static int run(struct fetch *f, bool once, struct error_list *err)
{
    struct sigaction hangup = {.sa_handler = on_hangup};
    struct tuf_error e;

    prepare(f, once);
    f->curl = tuf_curl_new(FETCH_SECONDS, &e);
    if (!f->curl)
        return error_sys(err, ELIBACC, NULL, "%s", e.text);
    tuf_curl_trust(f->curl, f->repository.ca_file, f->repository.pin);
    tuf_curl_proxy(f->curl, f->settings->proxy);
    if (once)
        return look_once(f, err);
    sigaction(SIGHUP, &hangup, NULL);
    log_say(LOG_LEVEL_INFO, "gateway %s takes its bundles from %s%s%s", f->repository.gateway,
            f->repository.mirrors[0], f->repository.controller ? ", told by " : "",
            f->repository.controller ? f->repository.controller : "");
    stay(f);
    return 0;
}

int fetch_run(const struct settings *s, bool once, struct error_list *err)
{
    struct fetch f = {
        .settings = s,
        .repository = REPOSITORY_INIT,
        .metadata_dir = xasprintf("%s/" FETCH_METADATA, s->fetch_dir),
        .bundle = xasprintf("%s/" FETCH_BUNDLE, s->fetch_dir),
        .origins = xasprintf("%s/" FETCH_ORIGINS, s->fetch_dir),
    };
    int r = repository_read(s, &f.repository, err), held = -1;

    umask(022);
    if (r == 0)
        r = become(s, err);
    if (r == 0)
        r = held = lock(s->fetch_dir, err);
    if (r >= 0)
        r = run(&f, once, err);
    if (held >= 0)
        close(held);
    tuf_curl_free(f.curl);
    repository_clear(&f.repository);
    buf_free(&f.timestamp);
    free(f.metadata_dir);
    free(f.bundle);
    free(f.origins);
    return r;
}
