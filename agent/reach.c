/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reach.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"

/* Cuts a copy of the target into two; NULL: it is none. */
static char *cut(const char *target, const char **host, const char **port)
{
    char *text = xstrdup(target), *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    long number;

    *host = text;
    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        text[len - 1] = '\0';
        *host = text + 1;
    } else if (len == 0 || text[0] == '[' || memchr(text, ':', len)) {
        free(text);
        return NULL;
    }
    *colon = '\0';
    *port = colon + 1;
    number = strtol(*port, NULL, 10);
    if (strspn(*port, "0123456789") != strlen(*port) || number < 1 || number > 65535) {
        free(text);
        return NULL;
    }
    return text;
}

int reach_check(const char *target, struct error_list *err)
{
    const char *host, *port;
    _cleanup_free_ char *text = cut(target, &host, &port);

    return text ? 0
                : error_add(err, NULL, 0, NULL,
                            "'%s' is no HOST:PORT that could be reached: write 192.0.2.1:443, "
                            "[2001:db8::1]:443 or name.example:443",
                            target);
}

static bool connects(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);
    bool good = false;

    if (fd < 0)
        return false;
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        good = true;
    else if (errno == EINPROGRESS && poll(&ready, 1, REACH_TIMEOUT_MS) == 1)
        good = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
    close(fd);
    return good;
}

bool reach_answers(const char *target)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const char *host, *port;
    _cleanup_free_ char *text = cut(target, &host, &port);
    struct addrinfo *list = NULL;
    bool good = false;

    if (!text || getaddrinfo(host, port, &hints, &list) != 0)
        return false;
    for (const struct addrinfo *a = list; a && !good; a = a->ai_next)
        good = connects(a);
    freeaddrinfo(list);
    return good;
}
