/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/reader_unit.h"
#include "agent/sandbox.h"
#include "agent/supervise.h"
#include "common/fs.h"

#define IN_FD 3  /* in the child, behind the standard ones: the file ... */
#define OUT_FD 4 /* ... and the pipe */

/* --- the process ---------------------------------------------------------------------------- */

/* What is asked of it; a reader unit hears it in one byte. */
enum what { READ_FOLDER = 1, READ_ARCHIVE, READ_ORIGINS };

struct request {
    enum what what;
    const char *path; /* of the source, for messages */
    uid_t uid;
    gid_t gid;
};

/* The file in memory: mapped, so that an archive costs none. */
struct content {
    const char *data;
    size_t len;
};

static int map(int fd, const char *path, size_t max, struct content *ret, struct error_list *err)
{
    struct stat st;
    void *at;

    if (fstat(fd, &st) < 0)
        return error_sys(err, errno, path, "cannot read the file");
    if (!S_ISREG(st.st_mode))
        return error_add(err, path, 0, NULL, "this is no file; put one in its place");
    if ((size_t)st.st_size > max)
        return error_add(err, path, 0, NULL, "a file of more than %zu bytes is none of ours", max);
    *ret = (struct content){"", 0};
    if (st.st_size == 0)
        return 0;
    at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return error_sys(err, errno, path, "cannot read the file");
    *ret = (struct content){at, (size_t)st.st_size};
    return 0;
}

static int answer_bundle(const struct request *q, const struct content *c, struct buf *answer,
                         struct error_list *err)
{
    _cleanup_free_ char *name = xasprintf("%s/" BUNDLE_FILE, q->path);
    uint64_t *places = NULL;
    struct bundle *b = NULL;
    int r;

    r = q->what == READ_ARCHIVE ? bundle_parse_archive(c->data, c->len, q->path, &b, &places, err)
                                : bundle_parse(c->data, c->len, name, &b, err);
    if (r == 0)
        wire_bundle(b, places, answer);
    return r; /* what is left in memory ends with the process */
}

static int answer_origins(const struct request *q, const struct content *c, struct buf *answer,
                          struct error_list *err)
{
    struct origins *o = NULL;
    int r = origins_parse(c->data, c->len, q->path, &o, err);

    if (r == 0)
        wire_origins(o, answer);
    return r;
}

static void read_and_answer(const void *arg, int in, int out)
{
    const struct request *q = arg;
    const struct sandbox sandbox = {.uid = q->uid,
                                    .gid = q->gid,
                                    .data = 256u << 20,
                                    .mapped = 1024u << 20,
                                    .seconds = READER_MS / 1000};
    size_t max = q->what == READ_ARCHIVE   ? BUNDLE_ARCHIVE_MAX_BYTES
                 : q->what == READ_ORIGINS ? ORIGINS_MAX_BYTES
                                           : BUNDLE_MAX_BYTES;
    struct error_list err = ERROR_LIST_INIT;
    struct buf answer = BUF_INIT;
    struct content c;
    int r;

    bundle_prepare();
    r = map(in, q->path, max, &c, &err);
    if (r == 0)
        r = sandbox_enter(&sandbox, &err);
    /* From here on nothing is trusted, and nothing is left that could be abused. */
    if (r == 0)
        r = q->what == READ_ORIGINS ? answer_origins(q, &c, &answer, &err)
                                    : answer_bundle(q, &c, &answer, &err);
    if (r < 0)
        wire_refused(r, &err, &answer);
    fs_write_fd(out, answer.data, answer.len);
}

/* --- the root side -------------------------------------------------------------------------- */

static void begin_child(int in, int out)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t nothing;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&nothing);
    sigprocmask(SIG_SETMASK, &nothing, NULL);
    signal(SIGPIPE, SIG_DFL);
    /* Above what they become, so that neither is written over. */
    in = fcntl(in, F_DUPFD_CLOEXEC, OUT_FD + 1);
    out = fcntl(out, F_DUPFD_CLOEXEC, OUT_FD + 1);
    if (null < 0 || in < 0 || out < 0)
        _exit(1);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    dup2(in, IN_FD);
    dup2(out, OUT_FD);
    close_range(OUT_FD + 1, ~0u, 0);
}

/* Reads to the end of what it says; -ETIMEDOUT, -EFBIG: the reader does not keep to its limits. */
static int drain(int fd, int64_t deadline, struct buf *ret)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - monotonic_ms();
        ssize_t n;

        if (left <= 0)
            return -ETIMEDOUT;
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return -errno;
        if (!p.revents)
            continue;
        buf_reserve(ret, 65536);
        n = read(fd, ret->data + ret->len, 65536);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        ret->len += (size_t)n;
        if (ret->len > WIRE_MAX_BYTES)
            return -EFBIG;
    }
}

static char *describe_end(int status)
{
    if (WIFEXITED(status))
        return xasprintf("failed with exit status %d", WEXITSTATUS(status));
    if (WTERMSIG(status) == SIGSYS)
        return xstrdup("wanted more than a reader may and was killed");
    return xasprintf("was killed by signal %d", WTERMSIG(status));
}

static int judge(int r, int status, const struct buf *said, const char *name,
                 struct wire_answer *ret, struct error_list *err)
{
    static const char reason[] = "the process that read this %s; nothing was changed: get the file "
                                 "anew, and if that does not help, report it";

    if (r == -ETIMEDOUT)
        return error_add(err, name, 0, NULL, reason, "did not end in time and was killed"), r;
    if (r == -EFBIG)
        return error_add(err, name, 0, NULL, reason, "said more than it may and was killed"), r;
    if (r < 0)
        return error_sys(err, -r, name, "cannot hear what the process that reads this says");
    /* Killed after its last word, it may have been by us. */
    if (WIFEXITED(status) ? WEXITSTATUS(status) != 0
                          : WTERMSIG(status) != SIGKILL || said->len == 0) {
        _cleanup_free_ char *how = describe_end(status);

        error_add(err, name, 0, NULL, reason, how);
        return -EPROTO;
    }
    return wire_read(buf_cstr(said), said->len, name, ret, err);
}

int reader_run(void (*child)(const void *arg, int in, int out), const void *arg, int in,
               unsigned timeout_ms, const char *name, struct wire_answer *ret,
               struct error_list *err)
{
    _cleanup_buf_ struct buf said = BUF_INIT;
    int ends[2], r, status = 0;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, errno, NULL, "cannot start the process that reads %s", name);
    pid = fork();
    if (pid == 0) {
        begin_child(in, ends[1]);
        child(arg, IN_FD, OUT_FD);
        _exit(0);
    }
    r = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_sys(err, r, NULL, "cannot start the process that reads %s", name);
    }
    r = drain(ends[0], monotonic_ms() + timeout_ms, &said);
    close(ends[0]);
    kill(pid, SIGKILL); /* what it had to say is said; it need not be trusted to end by itself */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return judge(r, status, &said, name, ret, err);
}

/* The same by a unit of systemd's.  How it ended is not heard; what it said must be whole. */
static int ask_unit(const struct request *q, int in, struct wire_answer *ret,
                    struct error_list *err)
{
    _cleanup_buf_ struct buf said = BUF_INIT;
    int64_t deadline = monotonic_ms() + READER_MS;
    int fd = reader_unit_ask(READER_SOCKET, (unsigned char)q->what, q->path, in), r;

    if (fd < 0)
        return error_sys(err, -fd, READER_SOCKET,
                         "cannot reach the reader of bundles: run 'systemctl start "
                         "p2pvpn-reader.socket'");
    r = drain(fd, deadline, &said);
    close(fd); /* it has nobody to speak to any more; its unit limits its time */
    if (r == -ECONNRESET || (r == 0 && said.len == 0)) {
        error_add(err, q->path, 0, NULL,
                  "the process that reads this ended without an answer; nothing was changed: "
                  "'journalctl -u \"p2pvpn-reader@*\"' may say why; get the file anew");
        return -EPROTO;
    }
    return judge(r, 0, &said, q->path, ret, err);
}

static int ask(const struct request *q, int in, struct wire_answer *ret, struct error_list *err)
{
    if (geteuid() == 0 && !reader_may_change_user())
        return ask_unit(q, in, ret, err);
    return reader_run(read_and_answer, q, in, READER_MS, q->path, ret, err);
}

int reader_serve(int connection)
{
    static char path[READER_PATH_MAX + 1];
    struct request q = {.path = path, .uid = getuid(), .gid = getgid()};
    unsigned char what;
    int in;

    if (reader_unit_take(connection, &what, path, &in) < 0 || what < READ_FOLDER ||
        what > READ_ORIGINS)
        return -EPROTO;
    q.what = (enum what)what;
    begin_child(in, connection);
    read_and_answer(&q, IN_FD, OUT_FD);
    return 0;
}

static int refused(const struct wire_answer *a, struct error_list *err)
{
    struct error_list said = a->refused;

    error_take(err, &said);
    return a->result;
}

/* An answer to something else than was asked. */
static int off_topic(const char *name, struct error_list *err)
{
    error_add(err, name, 0, NULL,
              "the process that read this gave an answer to another question, so it cannot be "
              "believed; nothing was changed: get the file anew");
    return -EPROTO;
}

int reader_bundle(const struct settings *s, const char *path, struct bundle_source **ret,
                  struct error_list *err)
{
    struct request q = {.path = path, .uid = s->reader_uid, .gid = s->reader_gid};
    struct wire_answer a = WIRE_ANSWER_INIT;
    int fd, in = -1, r;
    bool folder;

    r = bundle_open_path(path, &folder, &fd, err);
    if (r < 0)
        return r;
    q.what = folder ? READ_FOLDER : READ_ARCHIVE;
    if (folder)
        r = bundle_open_text(fd, path, &in, err);
    if (r == 0)
        r = ask(&q, folder ? in : fd, &a, err);
    if (in >= 0)
        close(in);
    if (r == 0 && a.verb == WIRE_BUNDLE && folder == !a.places) {
        r = bundle_adopt(path, fd, a.bundle, a.places, ret, err);
        fd = -1;
        a = (struct wire_answer)WIRE_ANSWER_INIT;
    } else if (r == 0 && a.verb == WIRE_REFUSED) {
        r = refused(&a, err);
        a.refused = (struct error_list)ERROR_LIST_INIT;
    } else if (r == 0) {
        r = off_topic(path, err);
    }
    if (fd >= 0)
        close(fd);
    wire_answer_clear(&a);
    return r;
}

int reader_load(const struct settings *s, const char *path, struct bundle **ret,
                struct error_list *err)
{
    struct bundle_source *source = NULL;
    int r = reader_bundle(s, path, &source, err);

    if (r == 0)
        *ret = bundle_take(source);
    return r;
}

int reader_origins(const struct settings *s, const char *path, struct origins **ret,
                   struct error_list *err)
{
    const struct request q = {
        .what = READ_ORIGINS, .path = path, .uid = s->reader_uid, .gid = s->reader_gid};
    struct wire_answer a = WIRE_ANSWER_INIT;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r;

    if (fd < 0)
        return error_sys(err, errno, path, "cannot read the file");
    r = ask(&q, fd, &a, err);
    close(fd);
    if (r == 0 && a.verb == WIRE_ORIGINS) {
        *ret = a.origins;
        a.origins = NULL;
    } else if (r == 0 && a.verb == WIRE_REFUSED) {
        r = refused(&a, err);
        a.refused = (struct error_list)ERROR_LIST_INIT;
    } else if (r == 0) {
        r = off_topic(path, err);
    }
    wire_answer_clear(&a);
    return r;
}
