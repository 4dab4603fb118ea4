/* SPDX-License-Identifier: Apache-2.0 */
#include "service/server.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/notify.h"
#include "service/conn.h"
#include "service/copies.h"
#include "service/db.h"
#include "service/listen.h"
#include "service/log.h"
#include "service/refresh.h"
#include "service/static.h"
#include "service/trust.h"

#define ACCEPT_TURNS 64
#define TICK_SECONDS 1
#define LOOK_TICKS 5 /* at the repository, should inotify have missed something */
#define END_SECONDS 5
#define SPARE_FILES 64 /* descriptors beside connections and the files they are sent */

struct server {
    const struct controller_settings *settings;
    struct controller_settings own; /* with what this process may have */
    struct event_base *base;
    struct tls *tls;
    struct api api;
    struct conns conns;
    struct notify notify;
    struct event *listeners[LISTEN_MAX + 1];
    int fds[LISTEN_MAX + 1];
    size_t n;
    struct event *term, *interrupt, *tick, *watch;
    int inotify, lock;
    unsigned ticks, ending;
    bool trouble; /* with the database, as the log says */
    struct copies copies;
    struct refresh refresh;
    struct trust trust;
};

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- what happens ------------------------------------------------------------------------------
 */

static void on_accept(int fd, short what, void *data)
{
    struct server *s = data;

    (void)what;
    for (int i = 0; i < ACCEPT_TURNS; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        int new = accept4(fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (new < 0)
            return;
        conns_add(&s->conns, new,
                  address.ss_family == AF_UNIX ? NULL : (struct sockaddr *)&address);
    }
}

static void look(struct server *s)
{
    int64_t version = static_version(s->settings->repository);

    if (version == s->api.version || version == 0)
        return;
    if (version < s->api.version)
        say(SAY_WARNING, "the repository went back from version %" PRId64 " to %" PRId64,
            s->api.version, version);
    s->api.version = version;
    refresh_published(&s->refresh, s->settings, time(NULL));
    conns_published(&s->conns);
}

/* The folder may be made or replaced while we run. */
static void watch(struct server *s)
{
    _cleanup_free_ char *metadata = xasprintf("%s/metadata", s->settings->repository);

    if (s->inotify >= 0)
        inotify_add_watch(s->inotify, metadata, IN_MOVED_TO | IN_CLOSE_WRITE);
}

static void on_inotify(int fd, short what, void *data)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

    (void)what;
    while (read(fd, events, sizeof(events)) > 0)
        continue;
    look(data);
}

/* What fails is told once, and once more when it does not any longer. */
static void look_at_db(struct server *s)
{
    if (db_in_trouble(s->api.db))
        db_check(s->api.db);
    if (db_in_trouble(s->api.db) == s->trouble)
        return;
    s->trouble = !s->trouble;
    if (s->trouble)
        say(SAY_WARNING, "nothing can be changed, the repository is served: %s", db_why(s->api.db));
    else
        say(SAY_NOTICE, "the controller's database can be written again");
}

static void on_tick(int fd, short what, void *data)
{
    struct server *s = data;

    (void)fd;
    (void)what;
    if (s->ending && (conns_count(&s->conns) == 0 || ++s->ending > END_SECONDS)) {
        event_base_loopbreak(s->base);
        return;
    }
    notify_run(&s->notify, now_ms());
    copies_run(&s->copies, s->api.db, time(NULL), now_ms());
    look_at_db(s);
    refresh_run(&s->refresh, s->settings, time(NULL));
    s->api.expires = s->refresh.expires;
    trust_run(&s->trust, s->tls);
    if (++s->ticks % LOOK_TICKS == 0) {
        watch(s);
        look(s);
    }
}

static void on_signal(int fd, short what, void *data)
{
    struct server *s = data;

    (void)fd;
    (void)what;
    if (s->ending++)
        return;
    notify_status(&s->notify, "ending");
    for (size_t i = 0; i < s->n; i++)
        event_del(s->listeners[i]);
    conns_shut(&s->conns);
    if (conns_count(&s->conns) == 0)
        event_base_loopbreak(s->base);
}

/* --- beginning and end -------------------------------------------------------------------------
 */

char *server_certificate(const struct controller_settings *settings)
{
    return settings->certificate ? xstrdup(settings->certificate)
                                 : xasprintf("%s/tls.crt", settings->state);
}

static int open_tls(struct server *s, struct error_list *err)
{
    _cleanup_free_ char *cert = server_certificate(s->settings);
    _cleanup_free_ char *key =
        s->settings->key ? xstrdup(s->settings->key) : xasprintf("%s/tls.key", s->settings->state);
    int r = s->settings->certificate ? 0 : tls_make_identity(cert, key, err);

    if (r == 0)
        r = tls_pin(cert, s->api.pin, err);
    if (r == 0)
        r = tls_open(cert, key, &s->tls, err);
    s->api.trust = &s->trust;
    return r < 0 ? r : trust_open(&s->trust, s->settings, s->tls, err);
}

/* Requests on their way to the authority when an earlier run was killed. */
static void clean(const struct controller_settings *settings)
{
    _cleanup_free_ char *pattern = xasprintf("%s/request-??????", settings->state);
    glob_t found;

    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        unlink(found.gl_pathv[i]);
    globfree(&found);
}

static int open_db(struct server *s, struct error_list *err)
{
    struct error_list notes = ERROR_LIST_INIT;
    int r = db_open(s->settings->state, &s->api.db, &notes, err);

    say_errors(SAY_WARNING, &notes);
    if (r == 0)
        clean(s->settings);
    return r;
}

/* As many connections as there are descriptors for: each may have one file beside it. */
static void fit_files(struct server *s)
{
    struct rlimit limit;
    rlim_t most;

    s->own = *s->settings;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    most = limit.rlim_cur > 4 * SPARE_FILES ? limit.rlim_cur - SPARE_FILES : limit.rlim_cur / 2;
    if (s->own.max_connections > most) {
        say(SAY_WARNING,
            "max-connections is %u, but this process may open %llu files: at most %llu connections "
            "(LimitNOFILE= of the unit)",
            s->own.max_connections, (unsigned long long)limit.rlim_cur, (unsigned long long)most);
        s->own.max_connections = (unsigned)most;
    }
    s->settings = &s->own;
    s->api.settings = &s->own;
}

/* One controller for one state. */
static int take_state(struct server *s, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/lock", s->settings->state);
    int r = fs_mkdirs(s->settings->state, 0700, err);

    if (r < 0)
        return r;
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        return error_sys(err, errno, path, "cannot open the file");
    if (flock(s->lock, LOCK_EX | LOCK_NB) < 0)
        return error_add(err, s->settings->state, 0, NULL,
                         "another p2pvpn-controller has this state; stop it, or name another with "
                         "state");
    return 0;
}

static int open_sockets(struct server *s, struct error_list *err)
{
    size_t n = 0;
    int r = listen_tcp(s->settings->listen, s->fds, &n, err);

    if (r < 0)
        return r;
    s->n = n;
    r = listen_local(s->settings->socket, err);
    if (r < 0)
        return r;
    s->fds[s->n++] = r;
    for (size_t i = 0; i < s->n; i++) {
        s->listeners[i] = event_new(s->base, s->fds[i], EV_READ | EV_PERSIST, on_accept, s);
        event_add(s->listeners[i], NULL);
    }
    return 0;
}

static void open_events(struct server *s)
{
    const struct timeval second = {.tv_sec = TICK_SECONDS};

    s->term = evsignal_new(s->base, SIGTERM, on_signal, s);
    s->interrupt = evsignal_new(s->base, SIGINT, on_signal, s);
    s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
    s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    s->watch = event_new(s->base, s->inotify, EV_READ | EV_PERSIST, on_inotify, s);
    evsignal_add(s->term, NULL);
    evsignal_add(s->interrupt, NULL);
    event_add(s->tick, &second);
    if (s->inotify >= 0)
        event_add(s->watch, NULL);
    watch(s);
}

static void close_all(struct server *s)
{
    if (s->base) {
        struct event *events[] = {s->term, s->interrupt, s->tick, s->watch};

        conns_clear(&s->conns);
        for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
            if (events[i])
                event_free(events[i]);
        for (size_t i = 0; i < s->n; i++)
            if (s->listeners[i])
                event_free(s->listeners[i]);
        event_base_free(s->base);
    }
    for (size_t i = 0; i < s->n; i++)
        close(s->fds[i]);
    if (s->inotify >= 0)
        close(s->inotify);
    if (s->lock >= 0)
        close(s->lock);
    s->tls = tls_close(s->tls);
    trust_close(&s->trust);
    s->api.db = db_close(s->api.db);
    reports_clear(&s->api.reports);
    renewals_clear(&s->api.renewals);
    wanted_clear(&s->api.wanted);
    signing_clear(&s->api.signing);
    refresh_clear(&s->refresh);
    notify_close(&s->notify);
}

int server_run(const struct controller_settings *settings, struct error_list *err)
{
    struct server s = {.settings = settings, .inotify = -1, .lock = -1};
    int r;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write that fails is an answer of 503 */
    notify_open(&s.notify);
    fit_files(&s);
    umask(0077);
    r = take_state(&s, err);
    if (r == 0)
        r = open_tls(&s, err);
    if (r == 0)
        r = open_db(&s, err);
    if (r == 0 && !(s.base = event_base_new()))
        r = error_sys(err, ENOMEM, NULL, "cannot begin the event loop");
    if (r == 0) {
        struct error_list said = ERROR_LIST_INIT; /* in the log by now */

        signing_ready(&s.api.signing, settings, &said);
        error_clear(&said);
        s.api.version = static_version(settings->repository);
        conns_init(&s.conns, s.base, s.tls, &s.api);
        open_events(&s);
        r = open_sockets(&s, err);
    }
    if (r == 0) {
        notify_ready(&s.notify);
        notify_status(&s.notify, "serving");
        say(SAY_INFO, "serving %s on %s", settings->repository, settings->listen);
        event_base_dispatch(s.base);
        say(SAY_INFO, "ended");
    }
    close_all(&s);
    return r;
}
