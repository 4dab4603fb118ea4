/* SPDX-License-Identifier: Apache-2.0 */
#include "service/conn_parts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PIECE 16384u /* of TLS; what one turn reads or writes */
#define TURNS 8      /* pieces of one connection, then come the others */
#define LINGER_MAX (4u << 20)

/* One connection at a time reads or writes. */
static char piece[PIECE];

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

/* --- answers -----------------------------------------------------------------------------------
 */

void conn_answer(struct conn *c, struct api_response *response)
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
    conn_put(c, CONN_BUSY);
    conn_within(c, TIME_WRITE);
    conn_arm(c, EV_WRITE);
}

void conn_refuse(struct conn *c, int status, const char *sentence)
{
    struct api_response response = API_RESPONSE_INIT;

    c->all->api->counters.bad_requests++;
    api_error(&response, status, "%s", sentence);
    c->keep_alive = false;
    conn_answer(c, &response);
}

static void wait_for(struct conn *c, const struct api_response *response)
{
    c->state = STATE_WAIT;
    c->seen = response->seen;
    buf_free(&c->in);
    conn_put(c, CONN_WAITING);
    conn_within(c, response->wait);
    conn_arm(c, EV_READ);
}

/* Many come at once: they are written together, and answered when that is done. */
static void commit_soon(struct conn *c)
{
    struct conns *all = c->all;
    const struct timeval soon = {.tv_usec = REPORTS_MS * 1000};

    c->state = STATE_COMMIT;
    event_del(&c->io);
    conn_put(c, CONN_COMMITTING);
    conn_within(c, TIME_WRITE);
    if (all->counts[CONN_COMMITTING] == 1)
        evtimer_add(all->commit, &soon);
    if (reports_full(&all->api->reports))
        event_active(all->commit, EV_TIMEOUT, 1);
}

static void handle(struct conn *c, const struct http_request *http, const char *body)
{
    struct api_response response = API_RESPONSE_INIT;
    struct api_request request = {
        .http = http, .peer = c->peer, .body = body, .body_len = http->body_len};
    int status = route_find(http->method, http->path, &request.route, &request.rest);

    if (!address_ask(&c->seat, c->all->api->settings->max_per_address)) {
        c->all->api->counters.refused++;
        api_error(&response, 503, "too many of this address ask without a certificate");
        c->keep_alive = false;
        conn_answer(c, &response);
        return;
    }
    c->keep_alive = http->keep_alive;
    if (status)
        api_error(&response, status,
                  status == 405 ? "this is not done with this method" : "there is nothing here");
    else if ((status = route_allows(request.route, c->peer)))
        api_error(&response, status,
                  status == 401 ? "this needs a certificate of the mesh's authority"
                                : "this is not for who this certificate is of");
    else {
        /* What came before is written before. */
        if (http->method != HTTP_GET &&
            (request.route->endpoint != ENDPOINT_REPORT || reports_full(&c->all->api->reports)))
            conns_commit(c->all);
        api_handle(c->all->api, &request, &response);
    }
    c->renew = response.renew;
    if (response.commit)
        commit_soon(c);
    else if (response.wait)
        wait_for(c, &response);
    else
        conn_answer(c, &response);
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
        conn_refuse(c, -head, http_reason(-head));
        return true;
    }
    if (head == 0)
        return false;
    if (http.body_len > body_max(&http, c->peer)) {
        if (body_max(&http, c->peer)) {
            conn_refuse(c, 413, "the body is larger than anything that belongs here");
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
    conn_put(c, CONN_IDLE);
    conn_within(c, c->begun ? TIME_REQUEST : TIME_IDLE);
    if (!c->begun || !process(c))
        conn_arm(c, EV_READ);
}

/* --- what happens in each state ----------------------------------------------------------------
 */

void conn_request(struct conn *c)
{
    for (int i = 0; i < TURNS; i++) {
        size_t n = 0;
        enum tls_result r = read_some(c, &n);

        if (conn_again(c, r))
            return;
        if (r != TLS_DONE) {
            conn_close(c);
            return;
        }
        if (!c->begun && c->place == CONN_IDLE)
            conn_within(c, TIME_REQUEST);
        c->begun = true;
        buf_add(&c->in, piece, n);
        if (process(c))
            return;
    }
    conn_arm(c, EV_READ); /* OpenSSL keeps nothing back: a piece holds a whole record */
}

/* Whoever waits has nothing to say. */
void conn_wait(struct conn *c)
{
    size_t n = 0;
    enum tls_result r = read_some(c, &n);

    if (!conn_again(c, r))
        conn_close(c);
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
    conn_within(c, TIME_LINGER);
    conn_arm(c, EV_READ);
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

void conn_write(struct conn *c)
{
    for (int i = 0; i < TURNS; i++) {
        const char *data;
        size_t len, n = 0;
        enum tls_result r;

        if (next_piece(c, &data, &len) < 0) {
            conn_close(c);
            return;
        }
        if (len == 0) {
            finished(c);
            return;
        }
        r = write_some(c, data, len, &n);
        if (conn_again(c, r))
            return;
        if (r != TLS_DONE) {
            conn_close(c);
            return;
        }
        if (data == piece)
            c->file_at += (int64_t)n;
        else
            c->out_done += n;
    }
    conn_arm(c, EV_WRITE);
}

void conn_linger(struct conn *c)
{
    ssize_t n = read(c->fd, piece, sizeof(piece));

    c->lingered += n > 0 ? (size_t)n : 0;
    if ((n < 0 && errno == EAGAIN) || (n > 0 && c->lingered < LINGER_MAX))
        conn_arm(c, EV_READ);
    else
        conn_close(c);
}
