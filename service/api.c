/* SPDX-License-Identifier: Apache-2.0 */
#include "service/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "service/api_parts.h"
#include "service/static.h"

static const char as_json[] = "application/json";

void api_error(struct api_response *ret, int status, const char *format, ...)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    va_list ap;

    va_start(ap, format);
    buf_vprintf(&text, format, ap);
    va_end(ap);
    ret->status = status;
    ret->type = as_json;
    buf_reset(&ret->body);
    buf_str(&ret->body, "{\"error\":");
    buf_json(&ret->body, buf_cstr(&text));
    buf_str(&ret->body, "}\n");
}

void api_published(const struct api *api, struct api_response *ret)
{
    ret->status = 200;
    ret->type = as_json;
    ret->wait = 0;
    buf_printf(&ret->body, "{\"version\":%" PRId64 "}\n", api->version);
}

static void serve_file(struct api *api, const char *folder, const char *name,
                       struct api_response *ret)
{
    int fd = static_open(api->settings->repository, folder, name, &ret->size);

    if (fd == -ENOENT)
        api_error(ret, 404, "there is no such file in the repository");
    else if (fd < 0)
        api_error(ret, 503, "the repository cannot be read: %s", strerror(-fd));
    if (fd < 0)
        return;
    ret->status = 200;
    ret->type = strcmp(folder, "metadata") == 0 ? as_json : "application/octet-stream";
    ret->fd = fd;
}

static void handle_wait(struct api *api, const struct api_request *request,
                        struct api_response *ret)
{
    unsigned long long version = 0, timeout = API_WAIT_DEFAULT;

    if (!http_query_number(request->http->query, "version", API_VERSION_MAX, &version))
        api_error(ret, 400, "version is not a number that a timestamp can have");
    else if (!http_query_number(request->http->query, "timeout", API_WAIT_MAX, &timeout))
        api_error(ret, 400, "timeout is not a number of seconds from 0 to %u", API_WAIT_MAX);
    else if (api->version > (int64_t)version)
        api_published(api, ret);
    else if (timeout == 0)
        ret->status = 204;
    else {
        ret->wait = (unsigned)timeout;
        ret->seen = (int64_t)version;
    }
}

static void handle_health(struct api *api, struct api_response *ret)
{
    if (db_check(api->db) < 0) {
        api_db_failed(api, ret);
        return;
    }
    ret->status = 200;
    ret->type = as_json;
    buf_printf(&ret->body, "{\"status\":\"ok\",\"version\":%" PRId64 "}\n", api->version);
}

/* --- for the other files -----------------------------------------------------------------------
 */

void api_json(struct api_response *ret, int status, json_t *object)
{
    char *dump = json_dumps(object, JSON_COMPACT);

    json_decref(object);
    if (!dump) {
        api_error(ret, 500, "the answer cannot be written");
        return;
    }
    ret->status = status;
    ret->type = as_json;
    buf_reset(&ret->body);
    buf_str(&ret->body, dump);
    buf_char(&ret->body, '\n');
    free(dump);
}

void api_db_failed(const struct api *api, struct api_response *ret)
{
    api_error(ret, 503, "%s", db_why(api->db));
}

int api_note(const struct api *api, const struct peer *peer, const char *what, const char *gateway,
             const char *detail)
{
    return db_audit(api->db, &(struct db_audit){.at = time(NULL),
                                                .who = *peer->name ? peer->name : "-",
                                                .from = peer->from,
                                                .what = what,
                                                .gateway = gateway,
                                                .detail = detail});
}

static void metadata(struct api *api, const struct api_request *q, struct api_response *ret)
{
    serve_file(api, "metadata", q->rest, ret);
}

static void target(struct api *api, const struct api_request *q, struct api_response *ret)
{
    serve_file(api, "targets", q->rest, ret);
}

static void health(struct api *api, const struct api_request *q, struct api_response *ret)
{
    (void)q;
    handle_health(api, ret);
}

void api_handle(struct api *api, const struct api_request *request, struct api_response *ret)
{
    static void (*const handlers[])(struct api *, const struct api_request *,
                                    struct api_response *) = {
        [ENDPOINT_METADATA] = metadata,
        [ENDPOINT_TARGET] = target,
        [ENDPOINT_WAIT] = handle_wait,
        [ENDPOINT_HEALTH] = health,
        [ENDPOINT_METRICS] = api_metrics,
        [ENDPOINT_ENROLL] = api_enroll,
        [ENDPOINT_ENROLL_ASK] = api_enroll_ask,
        [ENDPOINT_RENEW] = api_renew,
        [ENDPOINT_REPORT] = api_report,
        [ENDPOINT_FLEET] = api_fleet,
        [ENDPOINT_GATEWAY] = api_gateway,
        [ENDPOINT_GATEWAY_REVOKE] = api_gateway_revoke,
        [ENDPOINT_KEYS] = api_keys,
        [ENDPOINT_KEYS_REFUSE] = api_keys_refuse,
        [ENDPOINT_TOKEN_CREATE] = api_token_create,
        [ENDPOINT_TOKEN_LIST] = api_token_list,
        [ENDPOINT_TOKEN_REVOKE] = api_token_revoke,
        [ENDPOINT_REQUESTS] = api_requests,
        [ENDPOINT_DECIDE] = api_decide,
        [ENDPOINT_AUDIT] = api_audit_list,
    };

    handlers[request->route->endpoint](api, request, ret);
}
