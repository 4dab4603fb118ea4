/* SPDX-License-Identifier: Apache-2.0 */
#include "service/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"

#define BACKLOG 4096

static int open_one(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, off = 0;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

/* `where` is changed. */
static int open_name(char *where, struct error_list *err)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    _cleanup_free_ char *told = xstrdup(where);
    char *colon = strrchr(where, ':'), *host = where;
    struct addrinfo *found = NULL;
    int r;

    if (!colon || colon == where || !colon[1])
        return error_add(err, NULL, 0, NULL, "listen: '%s' is not of the form HOST:PORT", told);
    *colon = '\0';
    if (host[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        host++;
    }
    r = getaddrinfo(host, colon + 1, &hints, &found);
    if (r != 0)
        return error_add(err, NULL, 0, NULL, "listen: '%s': %s", told, gai_strerror(r));
    r = open_one(found);
    /* A machine without IPv6 has no [::]. */
    if (r == -EAFNOSUPPORT && strcmp(host, "::") == 0) {
        struct sockaddr_in any = {.sin_family = AF_INET,
                                  .sin_port = ((struct sockaddr_in6 *)found->ai_addr)->sin6_port};
        struct addrinfo four = {
            .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&any, .ai_addrlen = sizeof(any)};

        r = open_one(&four);
    }
    freeaddrinfo(found);
    return r < 0 ? error_sys(err, -r, NULL, "listen: cannot listen on %s", told) : r;
}

int listen_tcp(const char *where, int fds[static LISTEN_MAX], size_t *ret_n, struct error_list *err)
{
    _cleanup_free_ char *copy = xstrdup(where);
    char *rest = copy, *one;
    size_t n = 0;
    int r = 0;

    while (r == 0 && (one = strsep(&rest, ","))) {
        int fd = n == LISTEN_MAX
                     ? error_add(err, NULL, 0, NULL, "listen: more than %d places", LISTEN_MAX)
                     : open_name(one, err);

        if (fd < 0)
            r = fd;
        else
            fds[n++] = fd;
    }
    while (r < 0 && n > 0)
        close(fds[--n]);
    if (r == 0)
        *ret_n = n;
    return r;
}

int listen_local(const char *path, struct error_list *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    int fd;

    if (strlen(path) >= sizeof(address.sun_path))
        return error_add(err, path, 0, NULL, "the path of a socket has at most %zu bytes",
                         sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path));
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return error_add(err, path, 0, NULL, "there is something else than a socket; move it away");
    unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_sys(err, errno, path, "cannot make a socket");
    /* Nobody but us reaches it before its mode is right. */
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0660) < 0 ||
        listen(fd, 128) < 0) {
        int r = error_sys(err, errno, path, "cannot listen on the socket");

        close(fd);
        return r;
    }
    return fd;
}
