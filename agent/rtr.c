/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rtr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/rtr_session.h"
#include "agent/socket_owner.h"
#include "agent/supervise.h"
#include "common/alloc.h"

#define ROUTERS_MAX 8
#define PASSED_MAX 16
#define GUESTS_MAX 4         /* of them: of ordinary users, so that these cannot keep bgpd out */
#define GUEST_UID 1000       /* system accounts, as that of FRR, are below (Debian Policy, 9.2.2) */
#define FIRST_QUERY_MS 10000 /* from the connection to the first query */
#define STALL_MS 30000       /* for a router that does not read, or sends half a PDU */
#define TURN_BYTES (1u << 20) /* written to one router in one rtr_run(): others wait, too */
#define ACCEPT_PAUSE_MS 1000  /* when descriptors or memory run out */
#define LOG_PAUSE_MS 10000    /* between two complaints about routers */

struct router {
    int fd;
    bool guest;      /* of an ordinary user, or of an unknown one */
    uint32_t events; /* what epoll watches */
    int64_t moved;   /* when it connected, or a byte was last read or written */
    struct rtr_session session;
};

struct rtr {
    int epoll, listener;
    uint16_t port;
    struct rtr_cache cache;
    struct router *routers[ROUTERS_MAX];
    unsigned n_routers;
    unsigned tables, system_tables; /* sent whole to routers that are gone */
    int64_t accept_at;              /* when to look at the listener again; 0: it is watched */
    int64_t log_at;                 /* not before this */
};

/* --- routers -------------------------------------------------------------------------------- */

/* Local users can cause this, so it is not said more often than anybody wants to read. */
static void say(struct rtr *r, const char *what)
{
    int64_t now = monotonic_ms();

    if (now < r->log_at)
        return;
    r->log_at = now + LOG_PAUSE_MS;
    log_say(LOG_LEVEL_WARNING, "RTR: the router on 127.0.0.1 %s", what);
}

static void drop(struct rtr *r, struct router *c, const char *why)
{
    if (why)
        say(r, why);
    for (unsigned i = 0; i < r->n_routers; i++) {
        if (r->routers[i] == c) {
            r->routers[i] = r->routers[--r->n_routers];
            break;
        }
    }
    r->tables += c->session.tables;
    r->system_tables += c->guest ? 0 : c->session.tables;
    close(c->fd);
    rtr_session_clear(&c->session);
    free(c);
}

/* Unread input makes the kernel reset the connection, and the router may lose our last words. */
static void part(struct rtr *r, struct router *c)
{
    uint8_t rest[RTR_INPUT_MAX];

    shutdown(c->fd, SHUT_WR);
    recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT); /* or there was nothing, which is as well */
    drop(r, c, buf_cstr(&c->session.said));
}

static bool watch(struct rtr *r, struct router *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    int op = c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (c->events == events)
        return true;
    if (epoll_ctl(r->epoll, op, c->fd, &event) < 0) {
        drop(r, c, "cannot be watched");
        return false;
    }
    c->events = events;
    return true;
}

/* Writes what there is to write.  The router may be gone afterwards. */
static void pump(struct rtr *r, struct router *c)
{
    const uint8_t *data;
    size_t n, written = 0;

    while ((n = rtr_session_output(&c->session, &data)) > 0 && written < TURN_BYTES) {
        ssize_t w = send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (w < 0) {
            drop(r, c, NULL);
            return;
        }
        rtr_session_written(&c->session, (size_t)w);
        c->moved = monotonic_ms();
        written += (size_t)w;
    }
    if (n == 0 && c->session.over)
        part(r, c);
    else
        watch(r, c, n ? EPOLLOUT : EPOLLIN);
}

static void on_router(struct rtr *r, struct router *c, uint32_t events)
{
    uint8_t data[RTR_INPUT_MAX];
    size_t room = rtr_session_room(&c->session);
    ssize_t n;

    if (events & EPOLLIN && room) {
        n = recv(c->fd, data, room, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            drop(r, c, NULL);
            return;
        }
        if (n > 0) {
            c->moved = monotonic_ms();
            rtr_session_input(&c->session, data, (size_t)n);
        }
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        drop(r, c, NULL);
        return;
    }
    pump(r, c);
}

static bool is_guest(int fd)
{
    uid_t uid;

    return socket_owner(fd, &uid) < 0 || uid >= GUEST_UID;
}

static bool has_seat(const struct rtr *r, bool guest)
{
    unsigned guests = 0;

    for (unsigned i = 0; i < r->n_routers; i++)
        guests += r->routers[i]->guest;
    return r->n_routers < ROUTERS_MAX && !(guest && guests >= GUESTS_MAX);
}

static void on_listener(struct rtr *r)
{
    struct epoll_event none = {.data.ptr = NULL};
    struct router *c;
    bool guest;
    int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            epoll_ctl(r->epoll, EPOLL_CTL_MOD, r->listener, &none);
            r->accept_at = monotonic_ms() + ACCEPT_PAUSE_MS;
        }
        return;
    }
    guest = is_guest(fd);
    if (!has_seat(r, guest)) {
        say(r, "is one too many and was refused; see with `ss -tnp` who holds the others");
        close(fd);
        return;
    }
    c = xcalloc(1, sizeof(*c));
    c->fd = fd;
    c->guest = guest;
    c->moved = monotonic_ms();
    rtr_session_init(&c->session, &r->cache);
    r->routers[r->n_routers++] = c;
    watch(r, c, EPOLLIN);
}

/* When it is dropped unless a byte moves. */
static int64_t patience(const struct router *c)
{
    if (c->events & EPOLLOUT || c->session.in_len)
        return c->moved + STALL_MS;
    return c->session.version < 0 ? c->moved + FIRST_QUERY_MS : SUPERVISE_NEVER;
}

/* --- for the outside ------------------------------------------------------------------------ */

/* Whether fd listens at exactly this address. */
static bool listens_at(int fd, const struct sockaddr_in *at)
{
    struct sockaddr_in a = {0};
    socklen_t len = sizeof(a), size = sizeof(int);
    int listens = 0;

    return getsockname(fd, (struct sockaddr *)&a, &len) == 0 && len == sizeof(a) &&
           a.sin_family == AF_INET && a.sin_port == at->sin_port &&
           a.sin_addr.s_addr == at->sin_addr.s_addr &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/* A copy of the socket that systemd has opened for us (sd_listen_fds(3)), which stays for the next
 * time; -1: there is none. */
static int passed_listener(const struct sockaddr_in *at)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    long n = count ? strtol(count, NULL, 10) : 0;

    if (!pid || strtol(pid, NULL, 10) != getpid())
        return -1;
    for (int fd = 3; fd < 3 + n && n <= PASSED_MAX; fd++)
        if (listens_at(fd, at) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
            fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
            return fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return -1;
}

static int own_listener(const struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, e;

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 && listen(fd, ROUTERS_MAX) == 0)
        return fd;
    e = errno;
    if (fd >= 0)
        close(fd);
    return -e;
}

static int open_listener(struct rtr *r, uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    socklen_t len = sizeof(a);

    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll < 0)
        return -errno;
    r->listener = passed_listener(&a);
    if (r->listener < 0)
        r->listener = own_listener(&a);
    if (r->listener < 0)
        return r->listener;
    if (getsockname(r->listener, (struct sockaddr *)&a, &len) < 0 ||
        epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->listener, &event) < 0)
        return -errno;
    r->port = ntohs(a.sin_port);
    return 0;
}

int rtr_new(uint16_t port, struct rtr **ret, struct error_list *err)
{
    struct rtr *r = xcalloc(1, sizeof(*r));
    int e;

    r->epoll = r->listener = -1;
    rtr_cache_init(&r->cache, 0);
    e = open_listener(r, port);
    if (e == -EADDRINUSE)
        error_add(err, NULL, 0, NULL,
                  "cannot serve RTR: another program listens on 127.0.0.1 port %u; stop it (`ss "
                  "-ltnp` shows it)",
                  port);
    else if (e == -EACCES)
        error_sys(err, -e, NULL,
                  "cannot serve RTR: this service gets 127.0.0.1 port %u from p2pvpn-rtr.socket, "
                  "which does not run ('systemctl status p2pvpn-rtr.socket' says why)",
                  port);
    else if (e < 0)
        error_sys(err, -e, NULL, "cannot serve RTR on 127.0.0.1 port %u", port);
    if (e < 0) {
        rtr_free(r);
        return e;
    }
    *ret = r;
    return 0;
}

struct rtr *rtr_free(struct rtr *r)
{
    if (!r)
        return NULL;
    while (r->n_routers)
        drop(r, r->routers[0], NULL);
    rtr_cache_clear(&r->cache);
    if (r->listener >= 0)
        close(r->listener);
    if (r->epoll >= 0)
        close(r->epoll);
    free(r);
    return NULL;
}

uint16_t rtr_port(const struct rtr *r)
{
    return r->port;
}

bool rtr_set(struct rtr *r, struct origins *table)
{
    if (!rtr_cache_set(&r->cache, table))
        return false;
    for (unsigned i = r->n_routers; i-- > 0;) { /* pump() may move the last one into this place */
        rtr_session_notify(&r->routers[i]->session);
        pump(r, r->routers[i]);
    }
    return true;
}

const struct origins *rtr_table(const struct rtr *r)
{
    return r->cache.table ? r->cache.table->origins : NULL;
}

int rtr_fd(const struct rtr *r)
{
    return r->epoll;
}

int64_t rtr_deadline(const struct rtr *r)
{
    int64_t next = r->accept_at ? r->accept_at : SUPERVISE_NEVER;

    for (unsigned i = 0; i < r->n_routers; i++) {
        int64_t at = patience(r->routers[i]);

        next = at < next ? at : next;
    }
    return next;
}

void rtr_run(struct rtr *r)
{
    struct epoll_event events[ROUTERS_MAX + 1], listen_on = {.events = EPOLLIN, .data.ptr = NULL};
    int n = epoll_wait(r->epoll, events, ROUTERS_MAX + 1, 0);
    int64_t now;

    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr)
            on_router(r, events[i].data.ptr, events[i].events);
        else
            on_listener(r);
    }
    now = monotonic_ms();
    for (unsigned i = r->n_routers; i-- > 0;)
        if (patience(r->routers[i]) <= now)
            drop(r, r->routers[i], "was silent for too long and was disconnected");
    if (r->accept_at && r->accept_at <= now) {
        r->accept_at = 0;
        epoll_ctl(r->epoll, EPOLL_CTL_MOD, r->listener, &listen_on);
    }
}

struct rtr_status rtr_status(const struct rtr *r)
{
    const struct origins *o = rtr_table(r);
    struct rtr_status s = {
        .serial = r->cache.serial,
        .prefixes = o ? o->n : 0,
        .pairs = r->cache.pairs,
        .routers = r->n_routers,
        .tables = r->tables,
        .system_tables = r->system_tables,
    };

    for (unsigned i = 0; i < r->n_routers; i++) {
        const struct rtr_session *session = &r->routers[i]->session;

        bool system = !r->routers[i]->guest;
        bool up_to_date = o && session->synced && session->serial == s.serial;

        s.tables += session->tables;
        s.up_to_date += up_to_date;
        s.system_routers += system;
        s.system_up_to_date += system && up_to_date;
        s.system_tables += system ? session->tables : 0;
    }
    return s;
}
