/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/service_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/fs.h"
#include "tuf/fetch_curl.h"

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

static int take(int status, const char *body, const char *where, json_t **ret,
                struct error_list *err)
{
    json_t *json = json_loads(body, 0, NULL);
    const char *sentence;

    if (!json)
        return error_sys(err, EPROTO, where, "the controller's answer is damaged");
    if (status == 200) {
        *ret = json;
        return 0;
    }
    sentence = json_string_value(json_object_get(json, "error"));
    error_add(err, NULL, 0, NULL, "%s", sentence ? sentence : "the controller refuses");
    json_decref(json);
    return status == 503 ? -EAGAIN : -EINVAL;
}

/* "HTTP/1.1 200 OK\r\n...\r\n\r\nBODY", of a server of ours that closes behind it. */
static int read_answer(const char *path, struct buf *answer, json_t **ret, struct error_list *err)
{
    const char *text = buf_cstr(answer), *body = strstr(text, "\r\n\r\n");
    int status = 0;

    if (sscanf(text, "HTTP/1.1 %3d ", &status) != 1 || !body)
        return error_sys(err, EPROTO, path, "what answers there is no p2pvpn-controller");
    return take(status, body + 4, path, ret, err);
}

static int ask_socket(const char *where, const char *method, const char *path, const char *body,
                      json_t **ret, struct error_list *err)
{
    _cleanup_buf_ struct buf request = BUF_INIT, answer = BUF_INIT;
    int fd = connect_to(where, err), r;

    if (fd < 0)
        return fd;
    buf_printf(&request,
               "%s %s HTTP/1.1\r\nHost: controller\r\nConnection: close\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               method, path, strlen(body), body);
    r = fs_write_fd(fd, request.data, request.len);
    if (r == 0)
        r = fs_read_fd(fd, ANSWER_MAX, &answer);
    close(fd);
    if (r < 0)
        return error_sys(err, -r, where, "the controller does not answer");
    return read_answer(where, &answer, ret, err);
}

/* --- from elsewhere ----------------------------------------------------------------------------
 */

static int check(const struct service *s, struct error_list *err)
{
    static const char https[] = "https://";
    struct stat st;

    if (strncmp(s->url, https, strlen(https)) != 0 || !s->url[strlen(https)] ||
        strpbrk(s->url, "\"'\\<>{}|^`?#@ "))
        return error_add(err, NULL, 0, NULL,
                         "'%.100s' cannot be the address of a controller: give https://HOST:PORT",
                         s->url);
    if (s->pin && (strlen(s->pin) != 52 || strncmp(s->pin, "sha256//", 8) != 0))
        return error_add(err, NULL, 0, NULL,
                         "'%.100s' cannot be the key of a controller: give sha256//BASE64, as "
                         "'p2pvpn-controller pin' prints it",
                         s->pin);
    if (stat(s->certificate, &st) < 0)
        return error_sys(err, errno, s->certificate, "cannot read the operator's certificate");
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return error_add(err, s->certificate, 0, NULL,
                         "others may read the operator's key: make its mode 0600, and have another "
                         "one made if somebody has read it");
    return 0;
}

static int ask_url(const struct service *s, const char *method, const char *path, const char *body,
                   json_t **ret, struct error_list *err)
{
    size_t n = strlen(s->url);
    _cleanup_free_ char *url = NULL;
    _cleanup_buf_ struct buf said = BUF_INIT;
    struct tuf_curl_answer head = {0};
    struct tuf_error e;
    struct tuf_curl *curl;
    enum tuf_code code;
    int r = check(s, err);

    if (r < 0)
        return r;
    while (n > 0 && s->url[n - 1] == '/')
        n--;
    url = xasprintf("%.*s%s", (int)n, s->url, path);
    curl = tuf_curl_new(SECONDS, &e);
    if (!curl)
        return error_sys(err, ELIBACC, NULL, "%s", e.text);
    tuf_curl_trust(curl, NULL, s->pin);
    tuf_curl_strict(curl, s->certificate, s->certificate);
    code = tuf_curl_ask(curl,
                        &(struct tuf_curl_ask){.url = url,
                                               .max = ANSWER_MAX,
                                               .post = *body ? body : NULL,
                                               .method = *body ? NULL : method,
                                               .any_status = true},
                        &head, &said, &e);
    tuf_curl_free(curl);
    if (code == TUF_OK)
        return take((int)head.status, buf_cstr(&said), s->url, ret, err);
    if (head.other_key)
        error_add(err, s->url, 0, NULL,
                  "it has another key than the one that is pinned, and was told nothing");
    else
        error_add(err, NULL, 0, NULL, "the controller cannot be asked: %s", e.text);
    return -EIO;
}

int service_ask(const struct service *s, const char *method, const char *path, const json_t *body,
                json_t **ret, struct error_list *err)
{
    char *dump = body ? json_dumps(body, JSON_COMPACT) : xstrdup("");
    int r = s->url
                ? ask_url(s, method, path, dump, ret, err)
                : ask_socket(s->socket ? s->socket : SERVICE_SOCKET, method, path, dump, ret, err);

    free(dump);
    return r;
}
