/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reader_unit.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SEND_S 5 /* until systemd has room for one more reader */

bool reader_may_change_user(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
    uint32_t needed = 1u << CAP_SETUID | 1u << CAP_SETGID;

    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & needed) == needed;
}

/* --- the agent's side ----------------------------------------------------------------------- */

static int send_request(int connection, unsigned char what, const char *path, int file)
{
    struct iovec parts[] = {{&what, 1}, {(void *)(uintptr_t)path, strnlen(path, READER_PATH_MAX)}};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } rights = {.space = {0}};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = rights.space,
                             .msg_controllen = sizeof(rights.space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    ssize_t n;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(file));
    memcpy(CMSG_DATA(c), &file, sizeof(file));
    n = sendmsg(connection, &message, MSG_NOSIGNAL);
    if (n < 0)
        return -errno;
    return (size_t)n == 1 + parts[1].iov_len && shutdown(connection, SHUT_WR) == 0 ? 0 : -EIO;
}

int reader_unit_ask(const char *socket_path, unsigned char what, const char *path, int file)
{
    const struct timeval patience = {.tv_sec = SEND_S};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd, r = 0;

    if (strlen(socket_path) >= sizeof(to.sun_path))
        return -ENAMETOOLONG;
    strcpy(to.sun_path, socket_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        r = -errno;
    if (r == 0)
        r = send_request(fd, what, path, file);
    if (r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* --- the reader's side ---------------------------------------------------------------------- */

/* One descriptor, or none: what comes with more is closed by whoever ends. */
static int passed_file(struct msghdr *message)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    int fd;

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(fd)) || message->msg_flags & MSG_CTRUNC)
        return -EPROTO;
    memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

int reader_unit_take(int connection, unsigned char *ret_what,
                     char ret_path[static READER_PATH_MAX + 1], int *ret_file)
{
    struct ucred who;
    socklen_t size = sizeof(who);
    struct iovec parts[] = {{ret_what, 1}, {ret_path, READER_PATH_MAX}};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } rights = {.space = {0}};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = rights.space,
                             .msg_controllen = sizeof(rights.space)};
    ssize_t n;
    int file;

    /* Nobody else can open the socket; and nobody else is answered. */
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        return -errno;
    if (who.uid != 0 && who.uid != geteuid())
        return -EPERM;
    do
        n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    file = passed_file(&message);
    if (n < 1 || file < 0)
        return -EPROTO;
    ret_path[n - 1] = '\0';
    *ret_file = file;
    return 0;
}
