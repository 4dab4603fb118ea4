/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/service_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/fs.h"

#define ANSWER_MAX (64u << 20)
#define SECONDS 30

static int connect_to(const char *path, struct error_list *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = SECONDS};
    int fd, r;

    if (strlen(path) >= sizeof(address.sun_path))
        return error_add(err, path, 0, NULL, "this is too long for the path of a socket");
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_sys(err, errno, path, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    r = error_sys(err, errno, path,
                  "cannot reach the controller (does p2pvpn-controller run here, and may this user "
                  "open its socket?)");
    close(fd);
    return r;
}

/* "HTTP/1.1 200 OK\r\n...\r\n\r\nBODY", of a server of ours that closes behind it. */
static int read_answer(const char *path, struct buf *answer, json_t **ret, struct error_list *err)
{
    const char *text = buf_cstr(answer), *body = strstr(text, "\r\n\r\n"), *sentence;
    int status = 0;
    json_t *json;

    if (sscanf(text, "HTTP/1.1 %3d ", &status) != 1 || !body)
        return error_sys(err, EPROTO, path, "what answers there is no p2pvpn-controller");
    json = json_loads(body + 4, 0, NULL);
    if (!json)
        return error_sys(err, EPROTO, path, "the controller's answer is damaged");
    if (status == 200) {
        *ret = json;
        return 0;
    }
    sentence = json_string_value(json_object_get(json, "error"));
    error_add(err, NULL, 0, NULL, "%s", sentence ? sentence : "the controller refuses");
    json_decref(json);
    return status == 503 ? -EAGAIN : -EINVAL;
}

int service_ask(const char *socket_path, const char *method, const char *path, const json_t *body,
                json_t **ret, struct error_list *err)
{
    const char *where = socket_path ? socket_path : SERVICE_SOCKET;
    char *dump = body ? json_dumps(body, JSON_COMPACT) : xstrdup("");
    _cleanup_buf_ struct buf request = BUF_INIT, answer = BUF_INIT;
    int fd = connect_to(where, err), r;

    if (fd < 0) {
        free(dump);
        return fd;
    }
    buf_printf(&request,
               "%s %s HTTP/1.1\r\nHost: controller\r\nConnection: close\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               method, path, strlen(dump), dump);
    free(dump);
    r = fs_write_fd(fd, request.data, request.len);
    if (r == 0)
        r = fs_read_fd(fd, ANSWER_MAX, &answer);
    close(fd);
    if (r < 0)
        return error_sys(err, -r, where, "the controller does not answer");
    return read_answer(where, &answer, ret, err);
}
