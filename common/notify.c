/* SPDX-License-Identifier: Apache-2.0 */
#include "common/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"

/* A socket by path, or by an abstract name, which is written with "@". */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int fd;

    if ((path[0] != '/' && path[0] != '@') || len >= sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void notify_open(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC"),
               *pid = getenv("WATCHDOG_PID");

    *n = (struct notify){.fd = path ? connect_to(path) : -1};
    /* Twice as often as it is wanted: one late sign is no death. */
    if (n->fd >= 0 && usec && (!pid || strtol(pid, NULL, 10) == (long)getpid()))
        n->every = strtoll(usec, NULL, 10) / 2000;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    free(n->status);
    *n = (struct notify){.fd = -1};
}

/* A lost word is no reason for anything: the next sign of life comes soon. */
static void tell(const struct notify *n, const char *text)
{
    if (n->fd >= 0)
        send(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void notify_ready(struct notify *n)
{
    if (!n->ready)
        tell(n, "READY=1");
    n->ready = true;
}

void notify_reloading(struct notify *n)
{
    if (n->ready)
        tell(n, "RELOADING=1");
    n->ready = false;
}

void notify_status(struct notify *n, const char *status)
{
    _cleanup_free_ char *line = NULL;

    if (n->fd < 0 || (n->status && strcmp(n->status, status) == 0))
        return;
    free(n->status);
    n->status = xstrdup(status);
    line = xasprintf("STATUS=%.*s", (int)strcspn(status, "\n"), status);
    tell(n, line);
}

int64_t notify_deadline(const struct notify *n)
{
    return n->every > 0 ? n->at : INT64_MAX;
}

void notify_run(struct notify *n, int64_t now)
{
    if (n->every <= 0 || now < n->at)
        return;
    tell(n, "WATCHDOG=1");
    n->at = now + n->every;
}
