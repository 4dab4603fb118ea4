/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 (RFC 9112), as much of it as agents and operators need, and strictly.  Pure.
 *
 * Of our own because libevent's evhttp bounds neither the whole time that a request may take nor
 * the number of connections, and accepts more than one way to say where a body ends.  Here a
 * request has one Host, at most one Content-Length, no Transfer-Encoding and no Expect; lines end
 * with CRLF; a target is a path and a query of plain characters, and nothing in it is decoded.
 */
#ifndef P2PVPN_SERVICE_HTTP_H
#define P2PVPN_SERVICE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

#define HTTP_HEAD_MAX 8192u
#define HTTP_TARGET_MAX 512u

enum http_method { HTTP_GET, HTTP_POST, HTTP_DELETE };

struct http_request {
    enum http_method method;
    char path[HTTP_TARGET_MAX + 1];
    char query[HTTP_TARGET_MAX + 1]; /* behind the "?"; "": none */
    size_t body_len;                 /* Content-Length */
    bool keep_alive;
};

/* How long the head is that the bytes begin with; 0: it is not all there yet; or the negative of
 * the status that answers it: 400, 405, 414, 417, 431, 501, 505. */
int http_parse(const char *data, size_t len, struct http_request *ret);

/* Of a query "a=1&b=2": the number of a key, from 0 to max.  False: it is there and is none; a key
 * that is missing leaves *ret as it is. */
bool http_query_number(const char *query, const char *key, unsigned long long max,
                       unsigned long long *ret);

/* A response's head; no type: no body and no Content-Length but that of 0. */
void http_head(int status, const char *type, size_t body_len, bool keep_alive, struct buf *ret);
const char *http_reason(int status);

#endif
