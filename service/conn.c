/* SPDX-License-Identifier: Apache-2.0 */
#include "service/conn_parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/alloc.h"

#define RECORD_MAX (5 + 16384)

/* Also where the one at hand leaves the list. */
#define EACH(c, list, next) \
    for ((c) = TAILQ_FIRST(list); (c) && ((next) = TAILQ_NEXT(c, entry), true); (c) = (next))

static void on_io(int fd, short what, void *data);
static void on_time(int fd, short what, void *data);
static void on_commit(int fd, short what, void *data);

/* --- life --------------------------------------------------------------------------------------
 */

void conns_init(struct conns *all, struct event_base *base, struct tls *tls, struct api *api)
{
    *all = (struct conns){.base = base, .tls = tls, .api = api};
    for (int i = 0; i < CONN_PLACES; i++)
        TAILQ_INIT(&all->lists[i]);
    all->commit = evtimer_new(base, on_commit, all);
}

unsigned conns_count(const struct conns *all)
{
    unsigned n = 0;

    for (int i = 0; i < CONN_PLACES; i++)
        n += all->counts[i];
    return n;
}

void conn_put(struct conn *c, enum conn_place place)
{
    struct conns *all = c->all;

    TAILQ_REMOVE(&all->lists[c->place], c, entry);
    all->counts[c->place]--;
    c->place = place;
    TAILQ_INSERT_TAIL(&all->lists[place], c, entry);
    all->counts[place]++;
    all->api->counters.waiting = all->counts[CONN_WAITING];
}

void conn_close(struct conn *c)
{
    struct conns *all = c->all;

    event_del(&c->io);
    event_del(&c->timer);
    TAILQ_REMOVE(&all->lists[c->place], c, entry);
    all->counts[c->place]--;
    all->api->counters.waiting = all->counts[CONN_WAITING];
    address_leave(&all->addresses, &c->seat);
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

void conn_arm(struct conn *c, short what)
{
    event_del(&c->io);
    event_assign(&c->io, c->all->base, c->fd, what, on_io, c);
    event_add(&c->io, NULL);
}

void conn_within(struct conn *c, unsigned seconds)
{
    struct timeval tv = {.tv_sec = (time_t)seconds};

    evtimer_add(&c->timer, &tv);
}

static void evict(struct conns *all, enum conn_place place)
{
    all->api->counters.evicted++;
    conn_close(TAILQ_FIRST(&all->lists[place]));
}

/* The oldest in this place that has shown no certificate; false: there is none. */
static bool evict_anybody(struct conns *all, enum conn_place place)
{
    struct conn *c = TAILQ_FIRST(&all->lists[place]);

    while (c && c->peer && c->peer->kind != PEER_ANYBODY)
        c = TAILQ_NEXT(c, entry);
    if (!c)
        return false;
    all->api->counters.evicted++;
    conn_close(c);
    return true;
}

/* Room for one more, at the cost of those who have shown least: who comes may have a certificate.
 * Who waits without one asks again, and is as well off with a mirror.  False: all others are at
 * work. */
static bool make_room(struct conns *all)
{
    if (conns_count(all) < all->api->settings->max_connections)
        return true;
    for (enum conn_place place = CONN_SILENT; place <= CONN_IDLE; place++)
        if (all->counts[place]) {
            evict(all, place);
            return true;
        }
    return evict_anybody(all, CONN_WAITING) || evict_anybody(all, CONN_BUSY);
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
    struct address_seat seat = {NULL, NULL, false};
    struct conn *c;
    int on = 1;

    if (address &&
        !address_enter(&all->addresses, &seat, address, all->api->settings->max_per_address)) {
        all->api->counters.refused++;
        close(fd);
        return;
    }
    if (address && !make_room(all)) {
        all->api->counters.refused++;
        address_leave(&all->addresses, &seat);
        close(fd);
        return;
    }
    c = xcalloc(1, sizeof(*c));
    c->all = all;
    c->fd = fd;
    c->file = -1;
    c->seat = seat;
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
        conn_put(c, CONN_UNPROVEN);
    }
    conn_within(c, TIME_HANDSHAKE);
    conn_arm(c, EV_READ);
}

bool conn_again(struct conn *c, enum tls_result r)
{
    if (r != TLS_WANT_READ && r != TLS_WANT_WRITE)
        return false;
    conn_arm(c, r == TLS_WANT_READ ? EV_READ : EV_WRITE);
    return true;
}

/* --- its beginning -----------------------------------------------------------------------------
 */

static void do_handshake(struct conn *c);

/* Wakes us when there is so much to read. */
static void await_bytes(struct conn *c, int n)
{
    setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
    conn_arm(c, EV_READ);
}

/* Silent until the first record of TLS is there, which begins as each does: 22, 3, x, length. */
static void do_new(struct conn *c)
{
    unsigned char head[5];
    ssize_t n = recv(c->fd, head, sizeof(head), MSG_PEEK);
    int there = 0, wanted = sizeof(head);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        conn_arm(c, EV_READ);
        return;
    }
    if (n == (ssize_t)sizeof(head))
        wanted += head[3] << 8 | head[4];
    /* Woken without more than before: nothing more comes. */
    if (n <= 0 || head[0] != 22 || (n > 1 && head[1] != 3) || wanted > RECORD_MAX ||
        ioctl(c->fd, FIONREAD, &there) < 0 || there <= c->peeked) {
        c->all->api->counters.failed_handshakes++;
        conn_close(c);
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
    conn_put(c, CONN_UNPROVEN);
    c->tls = tls_accept(c->all->tls, c->fd);
    c->state = STATE_HANDSHAKE;
    do_handshake(c);
}

/* Whoever has a certificate is counted by that: a site has one address, but many gateways. */
static bool prove(struct conn *c)
{
    char name[NAME_MAX_LEN + sizeof(".operator")];
    bool gateway = c->peer->kind == PEER_GATEWAY;

    if (c->peer->kind == PEER_ANYBODY)
        return true;
    snprintf(name, sizeof(name), "%s%s", c->peer->name, gateway ? "" : ".operator");
    if (address_prove(&c->all->addresses, &c->seat, name, gateway))
        return true;
    c->all->api->counters.refused++;
    conn_close(c);
    return false;
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
        if (!prove(c))
            return;
        c->state = STATE_REQUEST;
        conn_arm(c, EV_READ);
    } else if (!conn_again(c, r)) {
        c->all->api->counters.failed_handshakes++;
        conn_close(c);
    }
}

/* --- what happens ------------------------------------------------------------------------------
 */

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
        conn_request(c);
        break;
    case STATE_COMMIT: /* nothing is heard until that is done */
        break;
    case STATE_WAIT:
        conn_wait(c);
        break;
    case STATE_WRITE:
        conn_write(c);
        break;
    case STATE_LINGER:
        conn_linger(c);
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
        conn_answer(c, &response);
        return;
    }
    if (c->state != STATE_LINGER && !(c->state == STATE_REQUEST && !c->begun && c->peer))
        c->all->api->counters.timed_out++;
    if (c->state == STATE_REQUEST && c->begun)
        conn_refuse(c, 408, "the request did not come in time");
    else
        conn_close(c);
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
        conn_answer(c, &response);
    }
}

void conns_commit(struct conns *all)
{
    struct conn *c, *next;
    int r;

    if (all->counts[CONN_COMMITTING] == 0 && all->api->reports.n == 0)
        return;
    event_del(all->commit);
    r = api_commit(all->api);
    EACH(c, &all->lists[CONN_COMMITTING], next)
    {
        struct api_response response = API_RESPONSE_INIT;

        response.renew = c->renew;
        api_committed(all->api, r, &response);
        conn_answer(c, &response);
    }
}

static void on_commit(int fd, short what, void *data)
{
    (void)fd;
    (void)what;
    conns_commit(data);
}

void conns_shut(struct conns *all)
{
    struct conn *c, *next;

    all->closing = true;
    conns_commit(all);
    EACH(c, &all->lists[CONN_WAITING], next)
    {
        struct api_response response = API_RESPONSE_INIT;

        api_error(&response, 503, "the controller ends; come again");
        conn_answer(c, &response);
    }
    EACH(c, &all->lists[CONN_IDLE], next)
    conn_close(c);
    EACH(c, &all->lists[CONN_UNPROVEN], next)
    conn_close(c);
}

void conns_clear(struct conns *all)
{
    struct conn *c, *next;

    for (int i = 0; i < CONN_PLACES; i++)
        EACH(c, &all->lists[i], next)
    conn_close(c);
    if (all->commit)
        event_free(all->commit);
    all->commit = NULL;
    address_clear(&all->addresses);
}
