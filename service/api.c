/* SPDX-License-Identifier: Apache-2.0 */
#include "service/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/alloc.h"
#include "service/static.h"

static const char json_type[] = "application/json";

void api_error(struct api_response *ret, int status, const char *format, ...)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    va_list ap;

    va_start(ap, format);
    buf_vprintf(&text, format, ap);
    va_end(ap);
    ret->status = status;
    ret->type = json_type;
    buf_reset(&ret->body);
    buf_str(&ret->body, "{\"error\":");
    buf_json(&ret->body, buf_cstr(&text));
    buf_str(&ret->body, "}\n");
}

void api_published(const struct api *api, struct api_response *ret)
{
    ret->status = 200;
    ret->type = json_type;
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
    ret->type = strcmp(folder, "metadata") == 0 ? json_type : "application/octet-stream";
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
    ret->status = 200;
    ret->type = json_type;
    buf_printf(&ret->body, "{\"status\":\"ok\",\"version\":%" PRId64 "}\n", api->version);
}

void api_handle(struct api *api, const struct api_request *request, struct api_response *ret)
{
    switch (request->route->endpoint) {
    case ENDPOINT_METADATA:
        serve_file(api, "metadata", request->rest, ret);
        break;
    case ENDPOINT_TARGET:
        serve_file(api, "targets", request->rest, ret);
        break;
    case ENDPOINT_WAIT:
        handle_wait(api, request, ret);
        break;
    case ENDPOINT_HEALTH:
        handle_health(api, ret);
        break;
    }
}
