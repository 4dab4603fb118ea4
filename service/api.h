/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: what an endpoint answers.  Knows nothing of sockets: a request is what HTTP and TLS made of
 * it, a response is bytes, an open file, or the wish to be asked again when something is published.
 */
#ifndef P2PVPN_SERVICE_API_H
#define P2PVPN_SERVICE_API_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "service/http.h"
#include "service/renewals.h"
#include "service/reports.h"
#include "service/route.h"
#include "service/settings.h"
#include "service/signing.h"
#include "service/wanted.h"

#define API_WAIT_MAX 300u
#define API_WAIT_DEFAULT 55u
#define API_VERSION_MAX ((unsigned long long)INT64_MAX / 16)

/* What the sockets' side counts; read by /metrics. */
struct api_counters {
    uint64_t connections, waiting; /* now */
    uint64_t accepted, refused, evicted, timed_out, failed_handshakes, bad_requests;
    uint64_t refused_tokens;
    uint64_t answered[6]; /* by the first digit of the status */
};

struct db;
struct trust;

/* Anybody can be refused, as often as he likes: the audit log has a row of it now and then. */
struct api_refusals {
    int64_t next;    /* not earlier, in monotonic seconds */
    uint64_t unsaid; /* since the last row */
};

struct api {
    const struct controller_settings *settings;
    struct db *db;
    unsigned char pin[32]; /* SHA-256 of this controller's public key */
    int64_t version;       /* of the timestamp that is published */
    int64_t expires;       /* refresh.h; 0: not known */
    struct api_counters counters;
    struct wanted wanted;
    struct reports reports; /* not yet written */
    struct signing signing;
    const struct trust *trust;
    struct api_refusals refusals[2]; /* of tokens that nobody knows here; of others */
    struct renewals renewals;
};

struct api_request {
    const struct http_request *http;
    const struct route *route;
    const char *rest; /* of the path, behind the route's */
    const struct peer *peer;
    const char *body;
    size_t body_len;
};

struct api_response {
    int status;
    const char *type;
    struct buf body;
    int fd;        /* the body is this file; -1: none */
    int64_t size;  /* of it */
    unsigned wait; /* seconds until 204, if nothing newer than `seen` is published */
    int64_t seen;
    bool renew;  /* of a report: its gateway is to renew */
    bool commit; /* what it is was left to api_commit() */
};

#define API_RESPONSE_INIT                            \
    {                                                \
        0, NULL, BUF_INIT, -1, 0, 0, 0, false, false \
    }

void api_handle(struct api *api, const struct api_request *request, struct api_response *ret);

/* Writes what was left to be written together; and what each is answered who waits for it, with
 * what that has returned. */
int api_commit(struct api *api);
void api_committed(const struct api *api, int r, struct api_response *ret);

/* {"error": "..."}: a sentence that says what to do. */
void api_error(struct api_response *ret, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What a waiting request is answered when there is something. */
void api_published(const struct api *api, struct api_response *ret);

#endif
