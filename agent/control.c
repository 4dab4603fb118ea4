/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/supervise.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "common/name.h"

#define ANSWER_MAX (1u << 20)
#define ASK_PATIENCE_S 30

struct client {
    int fd; /* -1: free */
    char line[CONTROL_LINE_MAX];
    size_t len;
    struct buf answer; /* once the line is whole */
    size_t sent;
    int64_t until;
};

struct control {
    char *path;
    const struct control_verb *verbs;
    void *arg;
    int epoll, listener;
    struct client clients[CONTROL_CLIENTS_MAX];
};

/* --- what is said --------------------------------------------------------------------------- */

static void say_errors(const struct error_list *err, struct buf *ret)
{
    buf_str(ret, "error ");
    for (size_t i = 0; i < err->n; i++)
        buf_printf(ret, "%s\n", err->items[i].message);
    if (err->n == 0)
        buf_str(ret, "it failed\n");
}

void control_answer(const struct control_verb *verbs, void *arg, const char *line, size_t len,
                    struct buf *ret)
{
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf said = BUF_INIT;
    _cleanup_free_ char *text = xcalloc(1, len + 1);
    const struct control_verb *v = verbs;
    char *word;
    int r;

    memcpy(text, line, len);
    word = strchr(text, ' ');
    if (word)
        *word++ = '\0';
    while (v->name && strcmp(v->name, text) != 0)
        v++;
    if (strlen(text) + (word ? strlen(word) + 1 : 0) != len || !v->name ||
        (word != NULL) != v->word || (word && !name_valid(word))) {
        buf_str(ret, "error this agent does not know that command: is it of another version than "
                     "the one that runs?\n");
        return;
    }
    r = v->run(arg, word, &said, &err);
    if (r < 0)
        say_errors(&err, ret);
    else
        buf_printf(ret, "ok %s\n", buf_cstr(&said));
    error_clear(&err);
}

/* --- the agent's side ----------------------------------------------------------------------- */

static int address_of(const char *path, struct sockaddr_un *ret, struct error_list *err)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(ret->sun_path))
        return error_add(err, NULL, 0, NULL,
                         "the path %s is too long for a socket: choose a shorter --run-dir", path);
    memcpy(ret->sun_path, path, strlen(path) + 1);
    return 0;
}

static int listen_at(const char *path, struct error_list *err)
{
    struct sockaddr_un address;
    mode_t before;
    int r = address_of(path, &address, err), fd;

    if (r < 0)
        return r;
    if (unlink(path) < 0 && errno != ENOENT)
        return error_sys(err, errno, path, "cannot remove the socket of an earlier agent");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    before = umask(0177);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, CONTROL_CLIENTS_MAX) < 0) {
        r = error_sys(err, errno, path, "cannot open the socket for commands");
        if (fd >= 0)
            close(fd);
        fd = r;
    }
    umask(before);
    return fd;
}

int control_new(const struct settings *s, const struct control_verb *verbs, void *arg,
                struct control **ret, struct error_list *err)
{
    struct control *c = xcalloc(1, sizeof(*c));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    c->path = xasprintf("%s/" CONTROL_SOCKET, s->run_dir);
    c->verbs = verbs;
    c->arg = arg;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        c->clients[i].fd = -1;
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->listener = listen_at(c->path, err);
    if (c->listener >= 0 &&
        (c->epoll < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->listener, &event) < 0)) {
        error_sys(err, errno, c->path, "cannot wait for commands");
        close(c->listener);
        c->listener = -EIO;
    }
    if (c->listener < 0) {
        int r = c->listener;

        control_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

static void drop(struct client *cl)
{
    close(cl->fd); /* leaves the epoll set with it */
    buf_free(&cl->answer);
    *cl = (struct client){.fd = -1};
}

struct control *control_free(struct control *c)
{
    if (!c)
        return NULL;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (c->clients[i].fd >= 0)
            drop(&c->clients[i]);
    if (c->listener >= 0) {
        close(c->listener);
        unlink(c->path);
    }
    if (c->epoll >= 0)
        close(c->epoll);
    free(c->path);
    free(c);
    return NULL;
}

static bool is_root(int fd)
{
    struct ucred who;
    socklen_t len = sizeof(who);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == 0;
}

static void accept_one(struct control *c)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct client *cl = c->clients;

    if (fd < 0)
        return;
    while (cl < c->clients + CONTROL_CLIENTS_MAX && cl->fd >= 0)
        cl++;
    event.data.ptr = cl;
    if (cl == c->clients + CONTROL_CLIENTS_MAX || !is_root(fd) ||
        epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        close(fd);
        return;
    }
    *cl = (struct client){.fd = fd, .until = monotonic_ms() + CONTROL_PATIENCE_MS};
}

static void send_rest(struct control *c, struct client *cl)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = cl};
    ssize_t n = send(cl->fd, cl->answer.data + cl->sent, cl->answer.len - cl->sent, MSG_NOSIGNAL);

    if (n < 0 && errno == EAGAIN)
        n = 0;
    if (n < 0) {
        drop(cl);
        return;
    }
    cl->sent += (size_t)n;
    if (cl->sent == cl->answer.len)
        drop(cl);
    else
        epoll_ctl(c->epoll, EPOLL_CTL_MOD, cl->fd, &event);
}

static void receive(struct control *c, struct client *cl)
{
    ssize_t n = recv(cl->fd, cl->line + cl->len, sizeof(cl->line) - cl->len, 0);
    char *end;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(cl);
        return;
    }
    cl->len += (size_t)n;
    end = memchr(cl->line, '\n', cl->len);
    if (end)
        control_answer(c->verbs, c->arg, cl->line, (size_t)(end - cl->line), &cl->answer);
    else if (cl->len == sizeof(cl->line))
        buf_str(&cl->answer, "error the command is too long\n");
    if (cl->answer.len)
        send_rest(c, cl);
}

int control_fd(const struct control *c)
{
    return c->epoll;
}

int64_t control_deadline(const struct control *c)
{
    int64_t next = SUPERVISE_NEVER;

    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (c->clients[i].fd >= 0 && c->clients[i].until < next)
            next = c->clients[i].until;
    return next;
}

void control_run(struct control *c)
{
    struct epoll_event events[CONTROL_CLIENTS_MAX + 1];
    int n = epoll_wait(c->epoll, events, CONTROL_CLIENTS_MAX + 1, 0);
    int64_t now = monotonic_ms();

    for (int i = 0; i < n; i++) {
        struct client *cl = events[i].data.ptr;

        if (events[i].data.ptr == c)
            accept_one(c);
        else if (cl->answer.len)
            send_rest(c, cl);
        else
            receive(c, cl);
    }
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (c->clients[i].fd >= 0 && c->clients[i].until <= now)
            drop(&c->clients[i]);
}

/* --- the client's side ---------------------------------------------------------------------- */

static int connect_to(const char *path, struct error_list *err)
{
    struct timeval patience = {.tv_sec = ASK_PATIENCE_S};
    struct sockaddr_un address;
    int r = address_of(path, &address, err), fd;

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        r = error_sys(err, errno, path,
                      "no agent listens here: start it (systemctl start p2pvpn-agent), or name its "
                      "--run-dir");
        if (fd >= 0)
            close(fd);
        return r;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return fd;
}

/* "ok TEXT\n" or "error TEXT\nTEXT\n". */
static int understand(const char *answer, struct buf *said, struct error_list *err)
{
    const char *rest = answer, *line;
    int len;

    if (strncmp(answer, "ok ", 3) == 0) {
        buf_str(said, answer + 3);
        if (said->len && said->data[said->len - 1] == '\n')
            said->data[--said->len] = '\0';
        return 0;
    }
    if (strncmp(answer, "error ", 6) != 0) {
        error_add(err, NULL, 0, NULL,
                  "the agent has not answered: see what it logs (journalctl -u p2pvpn-agent)");
        return -EIO;
    }
    for (rest += 6; text_line(&rest, &line, &len);)
        error_add(err, NULL, 0, NULL, "%.*s", len, line);
    return -EINVAL;
}

int control_ask(const struct settings *s, const char *verb, const char *word, struct buf *said,
                struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" CONTROL_SOCKET, s->run_dir);
    _cleanup_free_ char *line = word ? xasprintf("%s %s\n", verb, word) : xasprintf("%s\n", verb);
    _cleanup_buf_ struct buf answer = BUF_INIT;
    int fd = connect_to(path, err), r;

    if (fd < 0)
        return fd;
    r = send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) ? 0 : -EPIPE;
    if (r == 0)
        r = fs_read_fd(fd, ANSWER_MAX, &answer);
    close(fd);
    return r < 0 ? error_sys(err, -r, path, "the agent has not answered")
                 : understand(buf_cstr(&answer), said, err);
}
