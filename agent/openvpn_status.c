/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/openvpn_status.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"

#define QUESTIONS "state\nstatus\nlog all\n"
#define ANSWERS 3
#define MAX_ANSWER (1u << 20)
#define CIPHER_MARK "Data Channel: cipher '"

/* Copies a field; a control byte becomes '?', because this is shown on a terminal. */
static void copy(char *ret, size_t size, const char *from, size_t len)
{
    size_t n = 0;

    for (; n < len && n + 1 < size; n++)
        ret[n] = (unsigned char)from[n] < 0x20 || from[n] == 0x7f ? '?' : from[n];
    ret[n] = '\0';
}

/* The next comma-separated field of [*p, end). */
static size_t field(const char **p, const char *end, const char **ret)
{
    const char *comma = memchr(*p, ',', (size_t)(end - *p));
    size_t len = (size_t)((comma ? comma : end) - *p);

    *ret = *p;
    *p = comma ? comma + 1 : end;
    return len;
}

static uint64_t digits(const char *s, const char *end)
{
    uint64_t n = 0;

    while (s < end && *s >= '0' && *s <= '9' && n < UINT64_MAX / 10 - 1)
        n = n * 10 + (uint64_t)(*s++ - '0');
    return n;
}

/* "1795391115,CONNECTED,SUCCESS,TUN-ADDRESS,REMOTE,PORT,..." */
static void parse_state(const char *p, const char *end, struct openvpn_status *ret)
{
    const char *f, *start = p;
    char address[48], port[6];
    size_t n = field(&p, end, &f);

    if (n == 0 || p == start)
        return;
    ret->since = (int64_t)digits(f, f + n);
    n = field(&p, end, &f);
    copy(ret->state, sizeof(ret->state), f, n);
    ret->connected = strcmp(ret->state, "CONNECTED") == 0;
    n = field(&p, end, &f);
    copy(ret->reason, sizeof(ret->reason), f, n);
    if (strcmp(ret->reason, "SUCCESS") == 0)
        ret->reason[0] = '\0';
    field(&p, end, &f);
    n = field(&p, end, &f);
    copy(address, sizeof(address), f, n);
    n = field(&p, end, &f);
    copy(port, sizeof(port), f, n);
    if (*address)
        snprintf(ret->remote, sizeof(ret->remote), strchr(address, ':') ? "[%s]:%s" : "%s:%s",
                 address, port);
}

static void parse_counter(const char *p, const char *end, struct openvpn_status *ret)
{
    static const char in[] = "TUN/TAP write bytes,", out[] = "TUN/TAP read bytes,";
    size_t len = (size_t)(end - p);

    /* What OpenVPN writes to the tun came in through the tunnel. */
    if (len > sizeof(in) && memcmp(p, in, sizeof(in) - 1) == 0)
        ret->bytes_in = digits(p + sizeof(in) - 1, end);
    else if (len > sizeof(out) && memcmp(p, out, sizeof(out) - 1) == 0)
        ret->bytes_out = digits(p + sizeof(out) - 1, end);
}

bool openvpn_status_cipher(const char *log, size_t len, char *ret, size_t size)
{
    const char *at = log, *end = log + len, *found = NULL;

    while (at && at < end) {
        at = memmem(at, (size_t)(end - at), CIPHER_MARK, strlen(CIPHER_MARK));
        if (at)
            found = at += strlen(CIPHER_MARK);
    }
    if (found)
        at = memchr(found, '\'', (size_t)(end - found));
    if (!found || !at || memchr(found, '\n', (size_t)(at - found)))
        return false;
    copy(ret, size, found, (size_t)(at - found));
    return true;
}

/* Behind the last occurrence of a text; NULL: it does not occur. */
static const char *behind_last(const char *from, const char *end, const char *text)
{
    const char *found = NULL, *at = from;

    while (at < end && (at = memmem(at, (size_t)(end - at), text, strlen(text))))
        found = at += strlen(text);
    return found;
}

bool openvpn_status_refusal(const char *log, size_t len, char *ret, size_t size)
{
    static const char *const marks[] = {"VERIFY ERROR: ", "VERIFY X509NAME ERROR: "};
    const char *end = log + len, *up = behind_last(log, end, CIPHER_MARK), *found = NULL, *stop;

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const char *at = behind_last(up ? up : log, end, marks[i]);

        if (at && (!found || at > found))
            found = at;
    }
    if (!found)
        return false;
    if (strncmp(found, "depth=", 6) == 0 && (stop = memmem(found, (size_t)(end - found), ", ", 2)))
        found = stop + 2;
    stop = memchr(found, '\n', (size_t)(end - found));
    if (!stop)
        stop = end;
    if ((up = memmem(found, (size_t)(stop - found), ", serial=", 9)))
        stop = up;
    copy(ret, size, found, (size_t)(stop - found));
    return true;
}

int openvpn_status_parse(const char *text, size_t len, struct openvpn_status *ret)
{
    const char *p = text, *end = text + len;
    unsigned answer = 0;

    *ret = (struct openvpn_status){.connected = false};
    while (p < end && answer < ANSWERS - 1) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;

        if (stop > p && stop[-1] == '\r')
            stop--;
        /* Lines that begin with '>' come at any time and answer nothing. */
        if (stop - p == 3 && memcmp(p, "END", 3) == 0)
            answer++;
        else if (answer == 0 && stop > p && *p >= '0' && *p <= '9')
            parse_state(p, stop, ret);
        else if (answer == 1)
            parse_counter(p, stop, ret);
        p = nl ? nl + 1 : end;
    }
    openvpn_status_cipher(p, (size_t)(end - p), ret->cipher, sizeof(ret->cipher));
    return *ret->state ? 0 : -EINVAL;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned count_ends(const struct buf *b)
{
    unsigned n = 0;

    for (const char *p = buf_cstr(b); p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
        n += strncmp(p, "END\r", 4) == 0 || strncmp(p, "END\n", 4) == 0;
    return n;
}

/* Writes the questions and collects the answers; 0 or a negative errno. */
static int exchange(int fd, int64_t deadline, struct buf *ret)
{
    const char *question = QUESTIONS;
    size_t left = strlen(question);

    while (count_ends(ret) < ANSWERS) {
        struct pollfd p = {.fd = fd, .events = (short)(POLLIN | (left ? POLLOUT : 0))};
        int64_t wait = deadline - now_ms();
        ssize_t n;

        if (wait <= 0 || poll(&p, 1, (int)wait) == 0)
            return -ETIMEDOUT;
        if (p.revents & POLLOUT) {
            n = send(fd, question, left, MSG_NOSIGNAL);
            if (n > 0) {
                question += n;
                left -= (size_t)n;
            }
        }
        if (!(p.revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        buf_reserve(ret, 4096);
        n = recv(fd, ret->data + ret->len, 4096, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return -ECONNRESET;
        if (n > 0)
            ret->len += (size_t)n;
        ret->data[ret->len] = '\0';
        if (ret->len > MAX_ANSWER)
            return -EMSGSIZE;
    }
    return 0;
}

int openvpn_status_read(const char *socket_path, unsigned timeout_ms, struct openvpn_status *ret,
                        struct error_list *err)
{
    int64_t deadline = now_ms() + timeout_ms;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct buf text = BUF_INIT;
    int fd, r = 0;

    if (strlen(socket_path) >= sizeof(a.sun_path))
        return error_sys(err, ENAMETOOLONG, socket_path, "no socket can have this path");
    strcpy(a.sun_path, socket_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_sys(err, errno, NULL, "cannot open a socket");
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        r = errno == EAGAIN ? -ETIMEDOUT : -errno;
    if (r == 0)
        r = exchange(fd, deadline, &text);
    close(fd);
    if (r == 0)
        r = openvpn_status_parse(buf_cstr(&text), text.len, ret);
    buf_free(&text);
    if (r == -ENOENT || r == -ECONNREFUSED)
        error_add(err, NULL, 0, NULL, "its OpenVPN process does not run");
    else if (r == -ETIMEDOUT || r == -EINVAL || r == -ECONNRESET)
        error_add(err, NULL, 0, NULL, "its OpenVPN process does not answer");
    else if (r < 0)
        error_sys(err, -r, socket_path, "cannot ask its OpenVPN process");
    return r;
}
