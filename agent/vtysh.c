/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/vtysh.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "agent/vty.h"
#include "agent/worker.h"
#include "common/alloc.h"
#include "common/command.h"
#include "common/frr_config.h"

#define SHOW_TIMEOUT_MS 10000
#define LOAD_TIMEOUT_MS 60000
#define LOAD_LINE_MS 20 /* more for each line: route-maps of FRR 8.4 take ever longer */
#define PROBE_TIMEOUT_MS 5000
#define SYNC_LOOK_MS 500
#define SYNC_LOOKS 20
#define LINE_MAX_BYTES 1000
#define MAX_ARGUMENTS 12
#define KINDS 64 /* of texts, remembered */

/* What the program can do, and which file that was: another one is asked again. */
struct ability {
    dev_t device;
    ino_t inode; /* 0: nobody has asked */
    struct timespec modified;
    bool in_order_known, in_order; /* FRR 9.0 and newer: --no-fork, a file by one process */
    uint64_t kinds[KINDS];         /* vtysh_kind() what it took */
    unsigned n_kinds;              /* that were ever remembered; the last ones are there */
};

static struct ability *remembered; /* NULL: nobody is to remember */

const char *const vtysh_daemons[] = {"zebra", "bgpd", "bfdd", NULL};

static bool namespace_valid(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= 48 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

int vtysh_open(struct vtysh *ret, const char *frr_namespace, struct error_list *err)
{
    if (frr_namespace && !namespace_valid(frr_namespace))
        return error_add(err, NULL, 0, NULL,
                         "\"%s\" is no name of an FRR namespace: give what follows -N of vtysh, "
                         "letters, digits, - and _",
                         frr_namespace);
    if (access(VTYSH_PROGRAM, X_OK) < 0) {
        error_add(err, NULL, 0, NULL,
                  "FRR is not installed (there is no %s): install the package frr, and set "
                  "bgpd=yes and bfdd=yes in /etc/frr/daemons",
                  VTYSH_PROGRAM);
        return -ENOENT;
    }
    *ret = (struct vtysh){.frr_namespace = frr_namespace, .timeout_ms = LOAD_TIMEOUT_MS};
    return 0;
}

/* --- signs of life ------------------------------------------------------------------------------
 */

char *vtysh_socket(const struct vtysh *v, const char *daemon)
{
    return xasprintf("%s/%s%s%s.vty", VTYSH_RUN_DIR, v->frr_namespace ? v->frr_namespace : "",
                     v->frr_namespace ? "/" : "", daemon);
}

/* The daemon's own protocol: a command and a NUL; the answer ends with three NULs and a status
 * byte.  0, or -ETIMEDOUT or the errno of connect(). */
static int probe(const char *path)
{
    struct timeval limit = {.tv_sec = PROBE_TIMEOUT_MS / 1000};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct pollfd p = {.events = POLLIN};
    int r = 0;

    if (strlen(path) >= sizeof(a.sun_path))
        return -ENAMETOOLONG;
    strcpy(a.sun_path, path);
    p.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p.fd < 0)
        return -errno;
    setsockopt(p.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* also of connect() */
    if (connect(p.fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        r = errno == EAGAIN ? -ETIMEDOUT : -errno;
    else if (send(p.fd, "enable", sizeof("enable"), MSG_NOSIGNAL) < 0)
        r = -errno;
    else if (poll(&p, 1, PROBE_TIMEOUT_MS) <= 0)
        r = -ETIMEDOUT;
    close(p.fd);
    return r;
}

int vtysh_daemon_alive(const struct vtysh *v, const char *daemon, struct error_list *err)
{
    _cleanup_free_ char *path = vtysh_socket(v, daemon);
    const char *in = v->frr_namespace ? " of FRR namespace " : "";
    const char *name = v->frr_namespace ? v->frr_namespace : "";
    int r = probe(path);

    if (r == 0)
        return 0;
    if (r == -ENOENT || r == -ECONNREFUSED)
        error_add(err, NULL, 0, NULL,
                  "FRR's %s%s%s does not run (%s at %s): %s%s%s\"systemctl restart frr\"", daemon,
                  in, name, r == -ENOENT ? "nothing is" : "nobody listens", path,
                  strcmp(daemon, "zebra") == 0 ? "" : "set ",
                  strcmp(daemon, "zebra") == 0 ? "" : daemon,
                  strcmp(daemon, "zebra") == 0 ? "" : "=yes in /etc/frr/daemons, then ");
    else if (r == -ETIMEDOUT)
        error_add(err, NULL, 0, NULL,
                  "FRR's %s%s%s runs but has not answered for %d s: look at \"journalctl -u frr\", "
                  "and restart it if it stays so",
                  daemon, in, name, PROBE_TIMEOUT_MS / 1000);
    else
        error_sys(err, -r, path,
                  "cannot talk to FRR's %s (the agent runs as root or in group frrvty)", daemon);
    return -ENOTCONN;
}

int vtysh_alive(const struct vtysh *v, struct error_list *err)
{
    int r = 0;

    for (size_t i = 0; vtysh_daemons[i]; i++)
        if (vtysh_daemon_alive(v, vtysh_daemons[i], err) < 0)
            r = -ENOTCONN;
    return r;
}

uint64_t vtysh_incarnation(const struct vtysh *v)
{
    uint64_t sum = 14695981039346656037u; /* FNV-1a over inode and creation of the sockets */

    for (size_t i = 0; vtysh_daemons[i]; i++) {
        _cleanup_free_ char *path = vtysh_socket(v, vtysh_daemons[i]);
        struct stat st;

        if (stat(path, &st) < 0)
            return 0;
        sum = (sum ^ (uint64_t)st.st_ino) * 1099511628211u;
        sum = (sum ^ (uint64_t)st.st_ctim.tv_sec) * 1099511628211u;
        sum = (sum ^ (uint64_t)st.st_ctim.tv_nsec) * 1099511628211u;
    }
    return sum ? sum : 1;
}

/* --- runs ---------------------------------------------------------------------------------------
 */

/* Lines of vtysh's output that say that something is wrong. */
static void find_complaints(const struct buf *output, struct buf *ret)
{
    const char *p = buf_cstr(output);

    while (*p) {
        size_t n = strcspn(p, "\n");

        /* vtysh.conf is optional, and vtysh says on every start that it is not there. */
        if ((*p == '%' || strncmp(p, "line ", 5) == 0 || strncmp(p, "Exiting", 7) == 0) &&
            !(n > 35 && strncmp(p, "% Can't open configuration file ", 32) == 0)) {
            buf_add(ret, p, n);
            buf_char(ret, '\n');
        }
        p += n + (p[n] == '\n');
    }
}

static int run(const struct vtysh *v, const char *const *arguments, const char *input,
               unsigned timeout_ms, struct command_result *r, struct error_list *err)
{
    const char *argv[MAX_ARGUMENTS + 4] = {VTYSH_PROGRAM};
    struct command c = {.argv = argv,
                        .input = input,
                        .input_len = input ? strlen(input) : 0,
                        .timeout_ms = timeout_ms};
    size_t n = 1;
    int failed;

    if (v->frr_namespace) {
        argv[n++] = "-N";
        argv[n++] = v->frr_namespace;
    }
    for (size_t i = 0; i < MAX_ARGUMENTS && arguments[i]; i++)
        argv[n++] = arguments[i];
    failed = command_run(&c, r, err);
    if (failed == 0 && r->timed_out) {
        /* Which daemon is it?  That one has a sentence of its own. */
        if (vtysh_alive(v, err) == 0)
            error_add(err, NULL, 0, NULL,
                      "vtysh did not end within %u s though every FRR daemon answers: look at "
                      "\"journalctl -u frr\" for what keeps it busy",
                      timeout_ms / 1000);
        failed = -ETIMEDOUT;
    } else if (failed == 0 && r->signal) {
        error_add(err, NULL, 0, NULL, "vtysh was ended by signal %d: try again", r->signal);
        failed = -EIO;
    } else if (failed == 0 && r->truncated) {
        error_add(err, NULL, 0, NULL, "vtysh printed more than can be kept: something is wrong");
        failed = -EFBIG;
    }
    return failed;
}

/* What is to be said when a daemon did not answer a question as it should. */
static int unanswered(const struct vtysh *v, const char *daemon, const char *question, int r,
                      struct error_list *err)
{
    if (vtysh_daemon_alive(v, daemon, err) < 0)
        return r == -ETIMEDOUT ? r : -ENOTCONN;
    error_add(err, NULL, 0, NULL,
              "FRR's %s does not tell %s (%s): look at \"journalctl -u frr\", and restart it if it "
              "stays so",
              daemon, question, strerror(-r));
    return r == -ETIMEDOUT ? r : -EIO;
}

int vtysh_show(const struct vtysh *v, const char *daemon, const char *command, struct buf *ret,
               struct error_list *err)
{
    _cleanup_free_ char *path = vtysh_socket(v, daemon);
    int r = vty_show(path, command, SHOW_TIMEOUT_MS, ret);

    return r == 0 ? 0 : unanswered(v, daemon, command, r, err);
}

int vtysh_running_config(const struct vtysh *v, const char *daemon, struct buf *ret,
                         struct error_list *err)
{
    _cleanup_free_ char *path = vtysh_socket(v, daemon);
    int r = vty_running_config(path, SHOW_TIMEOUT_MS, ret);

    if (r == 0)
        return 0;
    return unanswered(v, daemon, "its configuration", r, err);
}

int vtysh_has_module(const struct vtysh *v, const char *daemon, const char *module, bool *ret,
                     struct error_list *err)
{
    _cleanup_buf_ struct buf modules = BUF_INIT;
    int r = vtysh_show(v, daemon, "show modules", &modules, err);
    const char *rest = buf_cstr(&modules), *line;
    size_t n = strlen(module);
    bool found = false;
    int len;

    if (r < 0)
        return r;
    while (text_line(&rest, &line, &len)) /* "bgpd_rpki    0.3.6    Enable RPKI support for FRR." */
        found |= (size_t)len > n && strncmp(line, module, n) == 0 && line[n] == ' ';
    *ret = found;
    return 0;
}

int vtysh_rpki_synchronized(const struct vtysh *v, bool *ret, struct error_list *err)
{
    _cleanup_buf_ struct buf answer = BUF_INIT;
    int r = vtysh_show(v, "bgpd", "show rpki cache-connection", &answer, err);

    if (r == 0)
        *ret = strstr(buf_cstr(&answer), "Connected to group") != NULL;
    return r;
}

/* bgpd takes a first table into use up to three seconds after it has it. */
int vtysh_rpki_wait(const struct vtysh *v, struct error_list *err)
{
    const struct timespec pause = {.tv_nsec = SYNC_LOOK_MS * 1000000L};
    bool synchronized = false;

    for (int i = 0; i < SYNC_LOOKS; i++) {
        int r = vtysh_rpki_synchronized(v, &synchronized, err);

        if (r < 0 || synchronized)
            return r;
        nanosleep(&pause, NULL);
    }
    return -ETIMEDOUT;
}

static int check_lengths(const char *text, struct error_list *err)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");

        if (n > LINE_MAX_BYTES)
            return error_add(err, NULL, 0, NULL,
                             "a configuration line of %zu bytes is not given to vtysh, which hangs "
                             "on long ones (limit %d): \"%.60s...\"",
                             n, LINE_MAX_BYTES, p);
        p += n + (p[n] == '\n');
    }
    return 0;
}

int vtysh_remember(struct error_list *err)
{
    if (!remembered)
        remembered = worker_share(sizeof(*remembered), err);
    return remembered ? 0 : -ENOMEM;
}

void vtysh_forget(void)
{
    if (remembered)
        *remembered = (struct ability){0};
}

/* What is known of the program that is there now, perhaps nothing yet; in `own` where nobody is to
 * remember. */
static struct ability *ability(struct ability *own)
{
    struct ability *known = remembered ? remembered : own;
    struct stat st = {0};

    if (stat(VTYSH_PROGRAM, &st) < 0 || known->inode != st.st_ino || known->device != st.st_dev ||
        known->modified.tv_sec != st.st_mtim.tv_sec ||
        known->modified.tv_nsec != st.st_mtim.tv_nsec)
        *known = (struct ability){.device = st.st_dev, .inode = st.st_ino, .modified = st.st_mtim};
    return known;
}

/* Its help says it, which costs a start of the program. */
static int can_load_in_order(const struct vtysh *v, bool *ret, struct error_list *err)
{
    static const char *const arguments[] = {"--help", NULL};
    struct command_result r = COMMAND_RESULT_INIT;
    struct ability own = {0}, *known = ability(&own);
    int failed = known->in_order_known ? 0 : run(v, arguments, NULL, SHOW_TIMEOUT_MS, &r, err);

    if (failed == 0 && !known->in_order_known) {
        known->in_order = strstr(buf_cstr(&r.output), "--no-fork") != NULL;
        known->in_order_known = r.status == 0;
    }
    *ret = failed == 0 && known->in_order;
    command_result_clear(&r);
    return failed;
}

/* A number, an address, a prefix, a community, or a name of ours: no keyword is one. */
static bool is_argument(const char *word, size_t len)
{
    _cleanup_free_ char *copy = xstrndup(word, len);

    return (*word >= '0' && *word <= '9') || memchr(word, ':', len) || frr_own_name(copy);
}

uint64_t vtysh_kind(const char *text)
{
    uint64_t kind = VTY_DIGEST_START, line, before = 0;
    size_t len;

    for (const char *p = text; *p; p += *p == '\n') {
        line = VTY_DIGEST_START;
        for (; *p && *p != '\n'; p += len) {
            len = strcspn(p, " \n");
            len = len ? len : 1; /* a space */
            line = is_argument(p, len) ? vty_digest(line, "#", 1) : vty_digest(line, p, len);
        }
        if (line != before)
            kind = vty_digest(kind, (const char *)&line, sizeof(line));
        before = line;
    }
    return kind;
}

static bool is_known(const struct ability *a, uint64_t kind)
{
    for (unsigned i = 0; i < a->n_kinds && i < KINDS; i++)
        if (a->kinds[i] == kind)
            return true;
    return false;
}

int vtysh_check(const struct vtysh *v, const char *text, struct error_list *err)
{
    static const char *const arguments[] = {"-C", "-f", "/proc/self/fd/0", NULL};
    struct command_result r = COMMAND_RESULT_INIT;
    struct buf complaints = BUF_INIT;
    struct ability own = {0}, *known = ability(&own);
    uint64_t kind = vtysh_kind(text);
    const char *rest, *line;
    int failed = check_lengths(text, err), len;

    if (failed == 0 && is_known(known, kind))
        return 0;
    if (failed == 0)
        failed = run(v, arguments, text, SHOW_TIMEOUT_MS * 3, &r, err);
    if (failed == 0 && r.status != 0) {
        find_complaints(&r.errors, &complaints);
        find_complaints(&r.output, &complaints);
        rest = buf_cstr(&complaints);
        while (text_line(&rest, &line, &len))
            error_add(err, NULL, 0, NULL,
                      "this FRR does not know a configuration line (%.*s): install the version "
                      "that the gateway guide names",
                      len, line);
        failed = complaints.len ? -EINVAL
                                : error_add(err, NULL, 0, NULL,
                                            "vtysh refuses the configuration without saying why "
                                            "(exit status %d)",
                                            r.status);
    }
    if (failed == 0)
        known->kinds[known->n_kinds++ % KINDS] = kind;
    command_result_clear(&r);
    buf_free(&complaints);
    return failed;
}

int vtysh_load(const struct vtysh *v, const char *text, struct buf *complaints,
               struct error_list *err)
{
    static const char *const plain[] = {"-f", "/proc/self/fd/0", NULL};
    static const char *const in_order[] = {"--no-fork", "-f", "/proc/self/fd/0", NULL};
    struct command_result r = COMMAND_RESULT_INIT;
    int failed = check_lengths(text, err);
    unsigned lines = 0;
    bool ordered = false;

    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    if (failed == 0)
        failed = can_load_in_order(v, &ordered, err);
    if (failed == 0)
        failed =
            run(v, ordered ? in_order : plain, text, v->timeout_ms + lines * LOAD_LINE_MS, &r, err);
    if (failed == 0) {
        find_complaints(&r.errors, complaints);
        find_complaints(&r.output, complaints);
    }
    command_result_clear(&r);
    return failed;
}
