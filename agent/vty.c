/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/vty.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/supervise.h" /* monotonic_ms() */

#define WARNING 1              /* CMD_WARNING of lib/command.h */
#define MARK 3                 /* NULs before the status */
#define ANSWER_MAX (64u << 20) /* bytes */

/* Powers of an odd number, modulo 2^64.  A text's digest is that of its bytes as a polynomial,
 * which depends on the bytes alone and not on the portions they came in; eight at a time, for their
 * multiplications do not wait for each other. */
#define M1 11400714819323198485u
#define M2 (M1 * M1)
#define M3 (M2 * M1)
#define M4 (M2 * M2)
#define M5 (M4 * M1)
#define M6 (M4 * M2)
#define M7 (M4 * M3)
#define M8 (M4 * M4)

uint64_t vty_digest(uint64_t digest, const char *data, size_t len)
{
    const uint8_t *p = (const uint8_t *)data;

    for (; len >= 8; len -= 8, p += 8)
        digest = digest * M8 + ((p[0] * M7 + p[1] * M6) + (p[2] * M5 + p[3] * M4)) +
                 ((p[4] * M3 + p[5] * M2) + (p[6] * M1 + p[7]));
    for (; len; len--, p++)
        digest = digest * M1 + *p;
    return digest;
}

static void text(struct vty_answer *a, const char *data, size_t len)
{
    if (a->before)
        return;
    a->digest = vty_digest(a->digest, data, len);
    if (a->keep && len)
        buf_add(a->keep, data, len);
}

bool vty_take(struct vty_answer *a, const char *data, size_t len)
{
    while (len && !a->done) {
        const char *zero = memchr(data, '\0', len);
        size_t n = zero ? (size_t)(zero - data) : len;

        if (a->zeros == MARK) {
            a->status = (uint8_t)*data++;
            a->done = a->before == 0 || a->status != 0;
            a->before -= a->done ? 0 : 1;
            a->zeros = 0;
            len--;
        } else if (n == 0) {
            a->zeros++;
            data++;
            len--;
        } else {
            a->zeros = 0; /* a NUL in a text means nothing */
            text(a, data, n);
            data += n;
            len -= n;
        }
    }
    return a->done;
}

int vty_connect(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd, e;

    if (strlen(path) >= sizeof(to.sun_path))
        return -ENAMETOOLONG;
    strcpy(to.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    e = errno == EAGAIN ? ETIMEDOUT : errno; /* nobody has accepted for long */
    close(fd);
    return -e;
}

bool vty_send(int fd, const char *commands, size_t len)
{
    return send(fd, commands, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* One command and its whole answer; its status may be `most`. */
static int ask(int fd, const char *command, int64_t until, uint8_t most, struct buf *keep)
{
    struct vty_answer answer = VTY_ANSWER(keep, 0);
    char data[16384];

    if (!vty_send(fd, command, strlen(command) + 1))
        return -EIO;
    while (!answer.done) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = until - monotonic_ms();
        ssize_t n;

        if (left <= 0 || poll(&ready, 1, (int)left) == 0)
            return -ETIMEDOUT;
        n = recv(fd, data, sizeof(data), 0);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return -EIO;
        vty_take(&answer, data, (size_t)n);
        if (keep && keep->len > ANSWER_MAX)
            return -EFBIG;
    }
    return answer.status <= most ? 0 : -EIO;
}

static int ask_at(const char *path, const char *command, unsigned timeout_ms, uint8_t most,
                  struct buf *ret)
{
    int64_t until = monotonic_ms() + timeout_ms;
    int fd = vty_connect(path), r;

    if (fd < 0)
        return fd;
    r = ask(fd, VTY_ENABLE, until, 0, NULL);
    if (r == 0)
        r = ask(fd, command, until, most, ret);
    close(fd);
    return r;
}

int vty_running_config(const char *path, unsigned timeout_ms, struct buf *ret)
{
    return ask_at(path, VTY_RUNNING_CONFIG, timeout_ms, 0, ret);
}

int vty_show(const char *path, const char *command, unsigned timeout_ms, struct buf *ret)
{
    return ask_at(path, command, timeout_ms, WARNING, ret);
}
