/* SPDX-License-Identifier: Apache-2.0 */
#include "service/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <event2/event_struct.h>

#include "common/alloc.h"

/* Seconds. */
#define TIME_HANDSHAKE 10 /* from accept() to the first request's head */
#define TIME_REQUEST 10   /* from a request's first byte to its last */
#define TIME_IDLE 30      /* between two requests */
#define TIME_WRITE 60     /* a response */
#define TIME_LINGER 2     /* until the other side has heard why it is closed */
#define RECORD_MAX (5 + 16384)
#define PIECE 16384u /* of TLS; what one turn reads or writes */
#define TURNS 8      /* pieces of one connection, then come the others */
#define LINGER_MAX (4u << 20)

enum state { STATE_NEW, STATE_HANDSHAKE, STATE_REQUEST, STATE_WAIT, STATE_WRITE, STATE_LINGER };

struct conn {
    struct conns *all;
    struct address *address; /* NULL: local */
    TAILQ_ENTRY(conn) entry;
    enum conn_place place;
    enum state state;
    int fd;
    struct tls_conn *tls;
    struct event io, timer;
    struct peer *peer; /* once it is known */
    struct buf in;     /* what was read and is not yet answered */
    struct buf out;    /* the response's head and body */
    size_t out_done;
    int file; /* the response's file, or -1 */
    int64_t file_at, file_size, seen;
    size_t lingered;
    int peeked; /* bytes of the first record that were there */
    int status;
    bool keep_alive, begun;
    char from[ADDRESS_TEXT_SIZE];
};

/* Also where the one at hand leaves the list. */
#define EACH(c, list, next) \
    for ((c) = TAILQ_FIRST(list); (c) && ((next) = TAILQ_NEXT(c, entry), true); (c) = (next))

/* One connection at a time reads or writes. */
static char piece[PIECE];

static void on_io(int fd, short what, void *data);
static void do_handshake(struct conn *c);
static void on_time(int fd, short what, void *data);

/* --- life --------------------------------------------------------------------------------------
 */

void conns_init(struct conns *all, struct event_base *base, struct tls *tls, struct api *api)
{
    *all = (struct conns){.base = base, .tls = tls, .api = api};
    for (int i = 0; i < CONN_PLACES; i++)
        TAILQ_INIT(&all->lists[i]);
}

unsigned conns_count(const struct conns *all)
{
    unsigned n = 0;

    for (int i = 0; i < CONN_PLACES; i++)
        n += all->counts[i];
    return n;
}

static void put(struct conn *c, enum conn_place place)
{
    struct conns *all = c->all;

    TAILQ_REMOVE(&all->lists[c->place], c, entry);
    all->counts[c->place]--;
    c->place = place;
    TAILQ_INSERT_TAIL(&all->lists[place], c, entry);
    all->counts[place]++;
    all->api->counters.waiting = all->counts[CONN_WAITING];
}

static void close_conn(struct conn *c)
{
    struct conns *all = c->all;

    event_del(&c->io);
    event_del(&c->timer);
    TAILQ_REMOVE(&all->lists[c->place], c, entry);
    all->counts[c->place]--;
    all->api->counters.waiting = all->counts[CONN_WAITING];
    c->address = address_leave(&all->addresses, c->address);
    if (c->tls)
        tls_free(c->tls);
    if (c->file >= 0)
        close(c->file);
    close(c->fd);
    buf_free(&c->in);
    buf_free(&c->out);
    free(c->peer);
    free(c);
    all->api->counters.connections = conns_count(all);
}

static void arm(struct conn *c, short what)
{
    event_del(&c->io);
    event_assign(&c->io, c->all->base, c->fd, what, on_io, c);
    event_add(&c->io, NULL);
}

static void within(struct conn *c, unsigned seconds)
{
    struct timeval tv = {.tv_sec = (time_t)seconds};

    evtimer_add(&c->timer, &tv);
}

static void evict(struct conns *all, enum conn_place place)
{
    all->api->counters.evicted++;
    close_conn(TAILQ_FIRST(&all->lists[place]));
}

/* Room for one more, at the cost of those who have shown least.  False: all of them are at work. */
static bool make_room(struct conns *all)
{
    if (conns_count(all) < all->api->settings->max_connections)
        return true;
    for (enum conn_place place = CONN_SILENT; place <= CONN_IDLE; place++)
        if (all->counts[place]) {
            evict(all, place);
            return true;
        }
    return false;
}

/* The kernel says who is at the other end of a local socket. */
static struct peer *local_peer(int fd)
{
    struct peer *peer = xcalloc(1, sizeof(*peer));
    struct ucred who = {.uid = (uid_t)-1};
    socklen_t len = sizeof(who);
    struct passwd *user;

    peer->kind = PEER_OPERATOR;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
    user = getpwuid(who.uid);
    if (user && name_valid(user->pw_name))
        snprintf(peer->name, sizeof(peer->name), "%s", user->pw_name);
    else
        snprintf(peer->name, sizeof(peer->name), "uid-%u", who.uid);
    snprintf(peer->from, sizeof(peer->from), "local");
    return peer;
}

void conns_add(struct conns *all, int fd, const struct sockaddr *address)
{
    struct address *from = NULL;
    struct conn *c;
    int on = 1;

    if (address &&
        !(from = address_enter(&all->addresses, address, all->api->settings->max_per_address))) {
        all->api->counters.refused++;
        close(fd);
        return;
    }
    if (address && !make_room(all)) {
        all->api->counters.refused++;
        address_leave(&all->addresses, from);
        close(fd);
        return;
    }
    c = xcalloc(1, sizeof(*c));
    c->all = all;
    c->fd = fd;
    c->file = -1;
    c->address = from;
    c->place = CONN_SILENT;
    TAILQ_INSERT_TAIL(&all->lists[CONN_SILENT], c, entry);
    all->counts[CONN_SILENT]++;
    all->api->counters.accepted++;
    all->api->counters.connections = conns_count(all);
    evtimer_assign(&c->timer, all->base, on_time, c);
    event_assign(&c->io, all->base, fd, EV_READ, on_io, c);
    if (address) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        address_text(address, c->from);
        c->state = STATE_NEW;
    } else {
        c->peer = local_peer(fd);
        c->state = STATE_REQUEST;
        put(c, CONN_UNPROVEN);
    }
    within(c, TIME_HANDSHAKE);
    arm(c, EV_READ);
}

/* --- bytes -------------------------------------------------------------------------------------
 */

static enum tls_result read_some(struct conn *c, size_t *ret)
{
    ssize_t n;

    if (c->tls)
        return tls_read(c->tls, piece, sizeof(piece), ret);
    n = read(c->fd, piece, sizeof(piece));
    *ret = n > 0 ? (size_t)n : 0;
    return n > 0                                          ? TLS_DONE
           : n < 0 && (errno == EAGAIN || errno == EINTR) ? TLS_WANT_READ
                                                          : TLS_OVER;
}

static enum tls_result write_some(struct conn *c, const void *data, size_t len, size_t *ret)
{
    ssize_t n;

    if (c->tls)
        return tls_write(c->tls, data, len, ret);
    n = send(c->fd, data, len, MSG_NOSIGNAL);
    *ret = n > 0 ? (size_t)n : 0;
    return n > 0                                          ? TLS_DONE
           : n < 0 && (errno == EAGAIN || errno == EINTR) ? TLS_WANT_WRITE
                                                          : TLS_OVER;
}

/* True: wait for the socket; the event is armed. */
static bool again(struct conn *c, enum tls_result r)
{
    if (r != TLS_WANT_READ && r != TLS_WANT_WRITE)
        return false;
    arm(c, r == TLS_WANT_READ ? EV_READ : EV_WRITE);
    return true;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static void answer(struct conn *c, struct api_response *response)
{
    uint64_t *answered = c->all->api->counters.answered;

    c->out_done = 0;
    c->status = response->status;
    c->file = response->fd;
    c->file_at = 0;
    c->file_size = response->fd >= 0 ? response->size : 0;
    if (c->all->closing)
        c->keep_alive = false;
    http_head(response->status, response->type,
              response->fd >= 0 ? (size_t)response->size : response->body.len, c->keep_alive,
              &c->out);
    buf_add(&c->out, response->body.data, response->body.len);
    buf_free(&response->body);
    answered[response->status / 100 < 6 ? response->status / 100 : 0]++;
    c->state = STATE_WRITE;
    put(c, CONN_BUSY);
    within(c, TIME_WRITE);
    arm(c, EV_WRITE);
}

/* An answer after which the connection ends, as what follows cannot be understood. */
static void refuse(struct conn *c, int status, const char *sentence)
{
    struct api_response response = API_RESPONSE_INIT;

    c->all->api->counters.bad_requests++;
    api_error(&response, status, "%s", sentence);
    c->keep_alive = false;
    answer(c, &response);
}

static void wait_for(struct conn *c, const struct api_response *response)
{
    c->state = STATE_WAIT;
    c->seen = response->seen;
    buf_free(&c->in);
    put(c, CONN_WAITING);
    within(c, response->wait);
    arm(c, EV_READ);
}

static void handle(struct conn *c, const struct http_request *http, const char *body)
{
    struct api_response response = API_RESPONSE_INIT;
    struct api_request request = {
        .http = http, .peer = c->peer, .body = body, .body_len = http->body_len};
    int status = route_find(http->method, http->path, &request.route, &request.rest);

    c->keep_alive = http->keep_alive;
    if (status)
        api_error(&response, status,
                  status == 405 ? "this is not done with this method" : "there is nothing here");
    else if ((status = route_allows(request.route, c->peer)))
        api_error(&response, status,
                  status == 401 ? "this needs a certificate of the mesh's authority"
                                : "this is not for who this certificate is of");
    else
        api_handle(c->all->api, &request, &response);
    if (response.wait)
        wait_for(c, &response);
    else
        answer(c, &response);
}

static size_t body_max(const struct http_request *http, const struct peer *peer)
{
    const struct route *route;
    const char *rest;

    return route_find(http->method, http->path, &route, &rest) == 0 &&
                   route_allows(route, peer) == 0
               ? route->body_max
               : 0;
}

/* What is in c->in: answered, or there is more to come.  True: the connection has gone on. */
static bool process(struct conn *c)
{
    struct http_request http;
    int head = c->in.len ? http_parse(c->in.data, c->in.len, &http) : 0;
    size_t whole;

    if (head < 0) {
        refuse(c, -head, http_reason(-head));
        return true;
    }
    if (head == 0)
        return false;
    if (http.body_len > body_max(&http, c->peer)) {
        if (body_max(&http, c->peer)) {
            refuse(c, 413, "the body is larger than anything that belongs here");
        } else {
            http.keep_alive = false; /* what the request says is answered, the body is not read */
            http.body_len = 0;
            handle(c, &http, "");
        }
        return true;
    }
    whole = (size_t)head + http.body_len;
    if (c->in.len < whole)
        return false;
    handle(c, &http, c->in.data + head);
    if (c->state != STATE_WAIT) {
        memmove(c->in.data, c->in.data + whole, c->in.len - whole);
        c->in.len -= whole;
    }
    return true;
}

static void next_request(struct conn *c)
{
    c->state = STATE_REQUEST;
    c->begun = c->in.len > 0;
    buf_free(&c->out);
    if (c->in.len == 0)
        buf_free(&c->in);
    put(c, CONN_IDLE);
    within(c, c->begun ? TIME_REQUEST : TIME_IDLE);
    if (!c->begun || !process(c))
        arm(c, EV_READ);
}

/* --- what happens in each state ----------------------------------------------------------------
 */

/* Wakes us when there is so much to read. */
static void await_bytes(struct conn *c, int n)
{
    setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
    arm(c, EV_READ);
}

/* Silent until the first record of TLS is there, which begins as each does: 22, 3, x, length. */
static void do_new(struct conn *c)
{
    unsigned char head[5];
    ssize_t n = recv(c->fd, head, sizeof(head), MSG_PEEK);
    int there = 0, wanted = sizeof(head);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        arm(c, EV_READ);
        return;
    }
    if (n == (ssize_t)sizeof(head))
        wanted += head[3] << 8 | head[4];
    /* Woken without more than before: nothing more comes. */
    if (n <= 0 || head[0] != 22 || (n > 1 && head[1] != 3) || wanted > RECORD_MAX ||
        ioctl(c->fd, FIONREAD, &there) < 0 || there <= c->peeked) {
        c->all->api->counters.failed_handshakes++;
        close_conn(c);
        return;
    }
    c->peeked = there;
    if (there < wanted || n < (ssize_t)sizeof(head)) {
        await_bytes(c, wanted);
        return;
    }
    if (c->all->counts[CONN_UNPROVEN] >= c->all->api->settings->max_unproven)
        evict(c->all, CONN_UNPROVEN);
    await_bytes(c, 1);
    put(c, CONN_UNPROVEN);
    c->tls = tls_accept(c->all->tls, c->fd);
    c->state = STATE_HANDSHAKE;
    do_handshake(c);
}

static void do_handshake(struct conn *c)
{
    enum tls_result r;

    r = c->tls ? tls_handshake(c->tls) : TLS_OVER;
    if (r == TLS_DONE) {
        c->peer = xcalloc(1, sizeof(*c->peer));
        tls_peer(c->tls, c->peer);
        if (c->peer->kind == PEER_OPERATOR &&
            !operator_named(c->all->api->settings->operators, c->peer->name))
            c->peer->kind = PEER_ANYBODY;
        snprintf(c->peer->from, sizeof(c->peer->from), "%s", c->from);
        c->state = STATE_REQUEST;
        arm(c, EV_READ);
    } else if (!again(c, r)) {
        c->all->api->counters.failed_handshakes++;
        close_conn(c);
    }
}

static void do_request(struct conn *c)
{
    for (int i = 0; i < TURNS; i++) {
        size_t n = 0;
        enum tls_result r = read_some(c, &n);

        if (again(c, r))
            return;
        if (r != TLS_DONE) {
            close_conn(c);
            return;
        }
        if (!c->begun && c->place == CONN_IDLE)
            within(c, TIME_REQUEST);
        c->begun = true;
        buf_add(&c->in, piece, n);
        if (process(c))
            return;
    }
    arm(c, EV_READ); /* OpenSSL keeps nothing back: a piece holds a whole record */
}

/* Whoever waits has nothing to say. */
static void do_wait(struct conn *c)
{
    size_t n = 0;
    enum tls_result r = read_some(c, &n);

    if (!again(c, r))
        close_conn(c);
}

static void finished(struct conn *c)
{
    if (c->file >= 0)
        close(c->file);
    c->file = -1;
    if (c->keep_alive && !c->all->closing) {
        next_request(c);
        return;
    }
    if (c->tls)
        tls_bye(c->tls);
    shutdown(c->fd, SHUT_WR);
    c->state = STATE_LINGER;
    within(c, TIME_LINGER);
    arm(c, EV_READ);
}

/* The next bytes of the response; *len 0: there are none. -1: its file is not what it was. */
static int next_piece(struct conn *c, const char **data, size_t *len)
{
    ssize_t n;

    *data = c->out.data + c->out_done;
    *len = c->out.len - c->out_done;
    if (*len > 0 || c->file_at >= c->file_size)
        return 0;
    n = pread(c->file, piece,
              c->file_size - c->file_at < PIECE ? (size_t)(c->file_size - c->file_at) : PIECE,
              c->file_at);
    *data = piece;
    *len = n > 0 ? (size_t)n : 0;
    return n > 0 ? 0 : -1;
}

static void do_write(struct conn *c)
{
    for (int i = 0; i < TURNS; i++) {
        const char *data;
        size_t len, n = 0;
        enum tls_result r;

        if (next_piece(c, &data, &len) < 0) {
            close_conn(c);
            return;
        }
        if (len == 0) {
            finished(c);
            return;
        }
        r = write_some(c, data, len, &n);
        if (again(c, r))
            return;
        if (r != TLS_DONE) {
            close_conn(c);
            return;
        }
        if (data == piece)
            c->file_at += (int64_t)n;
        else
            c->out_done += n;
    }
    arm(c, EV_WRITE);
}

static void do_linger(struct conn *c)
{
    ssize_t n = read(c->fd, piece, sizeof(piece));

    c->lingered += n > 0 ? (size_t)n : 0;
    if ((n < 0 && errno == EAGAIN) || (n > 0 && c->lingered < LINGER_MAX))
        arm(c, EV_READ);
    else
        close_conn(c);
}

static void on_io(int fd, short what, void *data)
{
    struct conn *c = data;

    (void)fd;
    (void)what;
    switch (c->state) {
    case STATE_NEW:
        do_new(c);
        break;
    case STATE_HANDSHAKE:
        do_handshake(c);
        break;
    case STATE_REQUEST:
        do_request(c);
        break;
    case STATE_WAIT:
        do_wait(c);
        break;
    case STATE_WRITE:
        do_write(c);
        break;
    case STATE_LINGER:
        do_linger(c);
        break;
    }
}

static void on_time(int fd, short what, void *data)
{
    struct conn *c = data;
    struct api_response response = API_RESPONSE_INIT;

    (void)fd;
    (void)what;
    if (c->state == STATE_WAIT) {
        response.status = 204;
        answer(c, &response);
        return;
    }
    if (c->state != STATE_LINGER && !(c->state == STATE_REQUEST && !c->begun && c->peer))
        c->all->api->counters.timed_out++;
    if (c->state == STATE_REQUEST && c->begun)
        refuse(c, 408, "the request did not come in time");
    else
        close_conn(c);
}

/* --- everybody ---------------------------------------------------------------------------------
 */

void conns_published(struct conns *all)
{
    struct conn *c, *next;

    EACH(c, &all->lists[CONN_WAITING], next)
    {
        struct api_response response = API_RESPONSE_INIT;

        if (all->api->version <= c->seen)
            continue;
        api_published(all->api, &response);
        answer(c, &response);
    }
}

void conns_shut(struct conns *all)
{
    struct conn *c, *next;

    all->closing = true;
    EACH(c, &all->lists[CONN_WAITING], next)
    {
        struct api_response response = API_RESPONSE_INIT;

        api_error(&response, 503, "the controller ends; come again");
        answer(c, &response);
    }
    EACH(c, &all->lists[CONN_IDLE], next)
    close_conn(c);
    EACH(c, &all->lists[CONN_UNPROVEN], next)
    close_conn(c);
}

void conns_clear(struct conns *all)
{
    struct conn *c, *next;

    for (int i = 0; i < CONN_PLACES; i++)
        EACH(c, &all->lists[i], next)
    close_conn(c);
}
