/* SPDX-License-Identifier: Apache-2.0 */
/* The process that reads bundles: what it may, what becomes of one that is somebody else's. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/reader.h"
#include "agent/reader_unit.h"
#include "agent/sandbox.h"
#include "agent/supervise.h"
#include "common/fs.h"
#include "common/tar.h"
#include "tests/unit/unit.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
#define SANITIZED 1 /* which needs address space without end */
#endif
#define STRANGER 1 /* "daemon", when root runs the tests */

static struct error_list err;
static struct settings settings;
static struct wire_answer answer = WIRE_ANSWER_INIT;
static char dir[UNIT_FOLDER_SIZE];
static char *source, *folder; /* where the bundle is; the folder that it comes from */

static void setup(void)
{
    const char *root = getenv("P2PVPN_SOURCE_ROOT");

    settings.reader_uid = geteuid() ? geteuid() : STRANGER;
    settings.reader_gid = geteuid() ? getegid() : STRANGER;
    unit_folder(dir);
    folder = xasprintf("%s/tests/golden/ipv6-only/expected/lab", root ? root : ".");
    source = xstrdup(folder);
}

static void teardown(void)
{
    struct error_list ignored = ERROR_LIST_INIT;

    fs_remove_tree(dir, &ignored);
    error_clear(&ignored);
    error_clear(&err);
    wire_answer_clear(&answer);
    free(source);
    free(folder);
}

static int load(struct bundle **b)
{
    return reader_load(&settings, source, b, &err);
}

/* --- what it is for ------------------------------------------------------------------------- */

static void ck_is_read(void)
{
    _cleanup_buf_ struct buf expected = BUF_INIT, text = BUF_INIT;
    struct bundle *b = NULL, *plain = NULL;

    ck_assert_int_eq(load(&b), 0);
    ck_assert_int_eq(bundle_load(folder, &plain, &err), 0);
    bundle_format(plain, &expected);
    bundle_format(b, &text);
    ck_assert_str_eq(buf_cstr(&text), buf_cstr(&expected));
    bundle_free(plain);
    bundle_free(b);
}

START_TEST(a_folder_is_read)
{
    ck_is_read();
}
END_TEST

/* The same files as an archive. */
static void make_archive(struct buf *ret)
{
    struct bundle_source *s = NULL;

    ck_assert_int_eq(bundle_open(folder, &s, &err), 0);
    tar_add(ret, BUNDLE_FILE, bundle_opened_text(s)->data, bundle_opened_text(s)->len);
    for (size_t i = 0; i < bundle_opened(s)->n_files; i++) {
        _cleanup_buf_ struct buf data = BUF_INIT;
        const struct bundle_file *file = &bundle_opened(s)->files[i];

        ck_assert_int_eq(bundle_read_file(s, file, &data, &err), 0);
        tar_add(ret, file->path, buf_cstr(&data), data.len);
    }
    tar_end(ret);
    bundle_close(s);
}

static void put_archive(const struct buf *archive)
{
    free(source);
    source = xasprintf("%s/lab.tar", dir);
    ck_assert_int_eq(fs_write(source, archive->data, archive->len, 0600, &err), 0);
}

START_TEST(an_archive_is_read)
{
    _cleanup_buf_ struct buf archive = BUF_INIT, data = BUF_INIT, again = BUF_INIT;
    struct bundle_source *s = NULL, *plain = NULL;

    make_archive(&archive);
    put_archive(&archive);
    ck_is_read();
    /* File by file it is what the folder has. */
    ck_assert_int_eq(reader_bundle(&settings, source, &s, &err), 0);
    ck_assert_int_eq(bundle_open(folder, &plain, &err), 0);
    for (size_t i = 0; i < bundle_opened(s)->n_files; i++) {
        buf_reset(&data);
        buf_reset(&again);
        ck_assert_int_eq(bundle_read_file(s, &bundle_opened(s)->files[i], &data, &err), 0);
        ck_assert_int_eq(bundle_read_file(plain, &bundle_opened(plain)->files[i], &again, &err), 0);
        ck_assert_str_eq(buf_cstr(&data), buf_cstr(&again));
    }
    bundle_close(plain);
    bundle_close(s);
}
END_TEST

START_TEST(a_table_is_read)
{
    _cleanup_free_ char *table = xasprintf("%s/../@mesh/origins", folder);
    struct origins *o = NULL;

    ck_assert_int_eq(reader_origins(&settings, table, &o, &err), 0);
    ck_assert_str_eq(o->mesh, "six");
    origins_free(o);
    free(table);
    table = xasprintf("%s/bundle.json", folder);
    o = NULL;
    ck_assert_int_eq(reader_origins(&settings, table, &o, &err), -EINVAL);
    ck_assert(unit_says(&err, "this is no table of origins"));
    ck_assert_ptr_null(o);
}
END_TEST

/* Only root can read it, and still it is read. */
START_TEST(a_folder_that_is_closed_to_the_reader)
{
    _cleanup_buf_ struct buf archive = BUF_INIT;

    make_archive(&archive);
    put_archive(&archive);
    ck_assert_int_eq(chmod(dir, 0700), 0);
    ck_is_read();
}
END_TEST

/* What a unit does: it takes one connection, and answers what a reader of our own answers. */
static int listen_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(a.sun_path, path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    return fd;
}

static void serve_one(int listener)
{
    int connection = accept(listener, NULL, NULL);

    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(STRANGER, STRANGER, STRANGER) < 0 ||
                           setresuid(STRANGER, STRANGER, STRANGER) < 0))
        _exit(2);
    _exit(reader_serve(connection) < 0);
}

static int ask_server(int listener, const char *path, unsigned char what, int file,
                      struct buf *said)
{
    char part[4096];
    int status, fd;
    pid_t pid = fork();
    ssize_t n;

    if (pid == 0)
        serve_one(listener);
    fd = reader_unit_ask(path, what, folder, file);
    ck_assert_int_ge(fd, 0);
    while ((n = read(fd, part, sizeof(part))) > 0)
        buf_add(said, part, (size_t)n);
    close(fd);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(a_unit_answers_the_same)
{
    _cleanup_free_ char *path = xasprintf("%s/reader.sock", dir);
    _cleanup_free_ char *text = xasprintf("%s/bundle.json", folder);
    _cleanup_buf_ struct buf said = BUF_INIT, expected = BUF_INIT, found = BUF_INIT;
    int listener = listen_at(path), file = open(text, O_RDONLY | O_CLOEXEC);
    struct bundle *plain = NULL;

    ck_assert_int_eq(ask_server(listener, path, 1, file, &said), 0);
    ck_assert_int_eq(wire_read(buf_cstr(&said), said.len, folder, &answer, &err), 0);
    ck_assert_int_eq(answer.verb, WIRE_BUNDLE);
    ck_assert_int_eq(bundle_load(folder, &plain, &err), 0);
    bundle_format(plain, &expected);
    bundle_format(answer.bundle, &found);
    ck_assert_str_eq(buf_cstr(&found), buf_cstr(&expected));
    bundle_free(plain);
    wire_answer_clear(&answer);
    answer = (struct wire_answer)WIRE_ANSWER_INIT;

    /* As a table of origins it is none. */
    buf_reset(&said);
    ck_assert_int_eq(ask_server(listener, path, 3, file, &said), 0);
    ck_assert_int_eq(wire_read(buf_cstr(&said), said.len, folder, &answer, &err), 0);
    ck_assert_int_eq(answer.verb, WIRE_REFUSED);

    /* What is no question gets no answer. */
    buf_reset(&said);
    ck_assert_int_eq(ask_server(listener, path, 0, file, &said), 1);
    ck_assert_uint_eq(said.len, 0);
    close(file);
    close(listener);
}
END_TEST

START_TEST(a_request_without_a_file_is_none)
{
    char path[READER_PATH_MAX + 1];
    unsigned char what;
    int ends[2], file;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(write(ends[0], "\001/x", 3), 3);
    ck_assert_int_eq(reader_unit_take(ends[1], &what, path, &file), -EPROTO);
    close(ends[0]);
    ck_assert_int_eq(reader_unit_take(ends[1], &what, path, &file), -EPROTO);
    close(ends[1]);
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
    struct bundle *b = NULL;
    _cleanup_buf_ struct buf text = BUF_INIT;
    _cleanup_free_ char *file = xasprintf("%s/bundle.json", dir);

    free(source);
    source = xstrdup(dir);
    ck_assert_int_eq(load(&b), -EINVAL);
    ck_assert(unit_says(&err, "the file is missing"));
    buf_str(&text, "{\"p2pvpn-bundle:bundle\": {\"format\": 9}}");
    ck_assert_int_eq(fs_write(file, text.data, text.len, 0644, &err), 0);
    ck_assert_int_eq(load(&b), -EINVAL);
    ck_assert(unit_says(&err, "format 9"));
    ck_assert_str_eq(err.items[1].file, file);
    ck_assert_ptr_null(b);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(symlink("/etc/passwd", file), 0);
    ck_assert_int_eq(load(&b), -EINVAL);
    ck_assert(unit_says(&err, "regular files only"));
    free(source);
    source = xasprintf("%s/nothing", dir);
    ck_assert_int_eq(load(&b), -EINVAL);
    ck_assert(unit_says(&err, "there is no bundle here"));
}
END_TEST

/* Text that a JSON parser would want gigabytes for, or a stack without end. */
START_TEST(text_that_eats_memory)
{
    struct bundle *b = NULL;
    _cleanup_buf_ struct buf text = BUF_INIT;
    _cleanup_free_ char *file = xasprintf("%s/bundle.json", dir);

    free(source);
    source = xstrdup(dir);
    buf_char(&text, '[');
    while (text.len < BUNDLE_MAX_BYTES - 8)
        buf_str(&text, "{},");
    buf_str(&text, "{}]");
    ck_assert_int_eq(fs_write(file, text.data, text.len, 0644, &err), 0);
    ck_assert_int_lt(load(&b), 0);
    ck_assert_uint_gt(err.n, 0);
    memset(text.data, '[', text.len);
    ck_assert_int_eq(fs_write(file, text.data, text.len, 0644, &err), 0);
    ck_assert_int_lt(load(&b), 0);
    ck_assert_int_eq(truncate(file, (off_t)BUNDLE_MAX_BYTES + 1), 0);
    ck_assert_int_eq(load(&b), -EINVAL);
    ck_assert(unit_says(&err, "none of ours"));
    ck_assert_ptr_null(b);
}
END_TEST

/* A sparse file of zeros costs nothing to make and nothing to refuse. */
START_TEST(archives_of_zeros)
{
    struct bundle *b = NULL;
    int64_t began = monotonic_ms();
    struct rusage before, after;
    int fd;

    free(source);
    source = xasprintf("%s/zeros.tar", dir);
    fd = open(source, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    getrusage(RUSAGE_SELF, &before);
    for (off_t size = 64 << 20; size <= (off_t)1 << 40; size <<= 7) {
        ck_assert_int_eq(ftruncate(fd, size), 0);
        ck_assert_int_eq(load(&b), -EINVAL);
    }
    getrusage(RUSAGE_SELF, &after);
    ck_assert_int_lt(monotonic_ms() - began, 5000);
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 8 << 10);
    ck_assert(unit_says(&err, "none of ours"));
    close(fd);
}
END_TEST

/* --- what it may ---------------------------------------------------------------------------- */

static bool enter(struct error_list *why)
{
    const struct sandbox box = {settings.reader_uid, settings.reader_gid, 64u << 20, 1u << 30, 5};

    bundle_prepare();
    return sandbox_enter(&box, why) == 0;
}

static void say(int out, const struct error_list *what)
{
    struct buf b = BUF_INIT;

    wire_refused(-EINVAL, what, &b);
    fs_write_fd(out, b.data, b.len);
    buf_free(&b);
}

/* The lines of its /proc/self/status, each as a problem. */
static void tell_status(const void *arg, int in, int out)
{
    struct error_list what = ERROR_LIST_INIT;
    struct buf text = BUF_INIT;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const char *rest, *line;
    int len;

    (void)arg;
    (void)in;
    if (enter(&what)) {
        fs_read_fd(fd, 1 << 16, &text);
        for (rest = buf_cstr(&text); text_line(&rest, &line, &len);)
            if (what.n < 64 && len > 4 && memcmp(line, "Groups", 6) != 0 &&
                (strchr("UGNCS", line[0]) != NULL))
                error_add(&what, NULL, 0, NULL, "%.*s", len, line);
    }
    say(out, &what);
}

START_TEST(it_has_no_rights)
{
    _cleanup_free_ char *uid =
        xasprintf("Uid:\\x09%u\\x09%u\\x09%u\\x09%u", settings.reader_uid, settings.reader_uid,
                  settings.reader_uid, settings.reader_uid);
    _cleanup_free_ char *gid =
        xasprintf("Gid:\\x09%u\\x09%u\\x09%u\\x09%u", settings.reader_gid, settings.reader_gid,
                  settings.reader_gid, settings.reader_gid);

    ck_assert_int_eq(reader_run(tell_status, NULL, 0, 5000, "it", &answer, &err), 0);
    ck_assert(unit_says(&answer.refused, uid));
    ck_assert(unit_says(&answer.refused, gid));
    ck_assert(unit_says(&answer.refused, "CapEff:\\x090000000000000000"));
    ck_assert(unit_says(&answer.refused, "CapPrm:\\x090000000000000000"));
    ck_assert(unit_says(&answer.refused, "CapInh:\\x090000000000000000"));
    ck_assert(unit_says(&answer.refused, "CapAmb:\\x090000000000000000"));
    ck_assert(unit_says(&answer.refused, "NoNewPrivs:\\x091"));
    ck_assert(unit_says(&answer.refused, "Seccomp:\\x092"));
    if (geteuid() == 0)
        ck_assert(unit_says(&answer.refused, "CapBnd:\\x090000000000000000"));
}
END_TEST

static void act_open(void)
{
    open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void act_create(void)
{
    open("/tmp/p2pvpn-reader-was-here", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static void act_unlink(void)
{
    unlink("/tmp/p2pvpn-reader-was-here");
}

static void act_socket(void)
{
    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void act_fork(void)
{
    if (fork() == 0)
        _exit(0);
}

static void act_exec(void)
{
    char program[] = "/bin/true", *argv[] = {program, NULL};

    execv(argv[0], argv);
}

static void act_kill(void)
{
    kill(getppid(), 0);
}

static void act_become_root(void)
{
    if (setuid(0) < 0)
        return;
}

static void act_code(void)
{
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void act_more_code(void)
{
    void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect(at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static void act_dup(void)
{
    if (dup(1) < 0)
        return;
}

static void act_limits(void)
{
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

    setrlimit(RLIMIT_NOFILE, &all);
}

static void act_ptrace(void)
{
    syscall(SYS_ptrace, 16, getppid(), NULL, NULL);
}

static void (*const acts[])(void) = {
    act_open, act_create,      act_unlink, act_socket,    act_fork,   act_exec,   act_kill,
    act_code, act_become_root, act_dup,    act_more_code, act_limits, act_ptrace,
};

static void do_act(const void *arg, int in, int out)
{
    struct error_list what = ERROR_LIST_INIT;

    (void)in;
    if (enter(&what)) {
        (*(void (*const *)(void))arg)();
        error_add(&what, NULL, 0, NULL, "it lived");
    }
    say(out, &what);
}

START_TEST(it_dies_of_what_it_may_not)
{
    ck_assert_int_eq(reader_run(do_act, &acts[_i], 0, 5000, "it", &answer, &err), -EPROTO);
    ck_assert(unit_says(&err, "wanted more than a reader may"));
    ck_assert_int_ne(access("/tmp/p2pvpn-reader-was-here", F_OK), 0);
}
END_TEST

#ifndef SANITIZED
static void eat(const void *arg, int in, int out)
{
    struct error_list what = ERROR_LIST_INIT;

    (void)arg;
    (void)in;
    if (enter(&what))
        for (int i = 0; i < 128; i++)
            memset(xmalloc(1 << 20), 1, 1 << 20);
    error_add(&what, NULL, 0, NULL, "it lived");
    say(out, &what);
}

START_TEST(it_has_little_memory)
{
    ck_assert_int_eq(reader_run(eat, NULL, 0, 5000, "it", &answer, &err), -EPROTO);
    ck_assert(unit_says(&err, "failed with exit status 3"));
}
END_TEST
#endif

/* --- one that is somebody else's ------------------------------------------------------------ */

static struct buf good_answer(void)
{
    struct error_list no = ERROR_LIST_INIT;
    struct buf b = BUF_INIT;

    error_add(&no, NULL, 0, NULL, "no");
    wire_refused(-EINVAL, &no, &b);
    error_clear(&no);
    return b;
}

static void hang(const void *arg, int in, int out)
{
    (void)arg;
    (void)in;
    (void)out;
    for (;;)
        pause();
}

static void drip(const void *arg, int in, int out)
{
    (void)arg;
    (void)in;
    signal(SIGTERM, SIG_IGN);
    for (;;) {
        fs_write_fd(out, "p", 1);
        usleep(2000);
    }
}

static void flood(const void *arg, int in, int out)
{
    static char much[65536];

    (void)arg;
    (void)in;
    while (fs_write_fd(out, much, sizeof(much)) == 0)
        continue;
}

static void answer_and_hang(const void *arg, int in, int out)
{
    struct buf b = good_answer();

    fs_write_fd(out, b.data, b.len);
    hang(arg, in, out);
}

static void answer_twice(const void *arg, int in, int out)
{
    struct buf b = good_answer();

    (void)arg;
    (void)in;
    fs_write_fd(out, b.data, b.len);
    fs_write_fd(out, b.data, b.len);
}

static void say_rubbish(const void *arg, int in, int out)
{
    unsigned n = 7;

    (void)arg;
    (void)in;
    for (int i = 0; i < 10000; i++) {
        n = n * 1103515245u + 12345u;
        fs_write_fd(out, &n, sizeof(n));
    }
}

static void say_nothing(const void *arg, int in, int out)
{
    (void)arg;
    (void)in;
    (void)out;
}

static void crash(const void *arg, int in, int out)
{
    struct buf b = good_answer();

    (void)arg;
    (void)in;
    fs_write_fd(out, b.data, b.len);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void end_badly(const void *arg, int in, int out)
{
    struct buf b = good_answer();

    (void)arg;
    (void)in;
    fs_write_fd(out, b.data, b.len);
    _exit(9);
}

static const struct {
    void (*child)(const void *arg, int in, int out);
    int result;
    const char *says;
} hostile[] = {
    {hang, -ETIMEDOUT, "did not end in time"},
    {drip, -ETIMEDOUT, "did not end in time"},
    {answer_and_hang, -ETIMEDOUT, "did not end in time"},
    {flood, -EFBIG, "said more than it may"},
    {answer_twice, -EPROTO, "no answer that can be believed"},
    {say_rubbish, -EPROTO, "no answer that can be believed"},
    {say_nothing, -EPROTO, "no answer that can be believed"},
    {crash, -EPROTO, "was killed by signal 11"},
    {end_badly, -EPROTO, "exit status 9"},
};

START_TEST(a_hostile_one_is_killed)
{
    int64_t began = monotonic_ms();

    /* Only who is to run out of it gets little time: the machine may be busy. */
    unsigned patience = hostile[_i].result == -ETIMEDOUT ? 300 : 30000;

    ck_assert_int_eq(reader_run(hostile[_i].child, NULL, 0, patience, "it", &answer, &err),
                     hostile[_i].result);
    ck_assert(unit_says(&err, hostile[_i].says));
    ck_assert_int_lt(monotonic_ms() - began, 3000);
    ck_assert_int_eq(answer.verb, 0);
    ck_assert_int_eq(wait(NULL), -1); /* nothing is left of it */
}
END_TEST

/* It has said all it had to, and stays: it is not waited for. */
static void answer_and_stay(const void *arg, int in, int out)
{
    struct buf b = good_answer();

    fs_write_fd(out, b.data, b.len);
    close(out);
    hang(arg, in, out);
}

START_TEST(one_that_does_not_end)
{
    ck_assert_int_eq(reader_run(answer_and_stay, NULL, 0, 5000, "it", &answer, &err), 0);
    ck_assert_int_eq(answer.verb, WIRE_REFUSED);
    ck_assert_int_eq(wait(NULL), -1); /* and nothing is left of it */
}
END_TEST

static void tell_descriptors(const void *arg, int in, int out)
{
    struct error_list what = ERROR_LIST_INIT;

    (void)arg;
    for (int fd = 0; fd < 64; fd++)
        if (fd > 2 && fd != in && fd != out && fcntl(fd, F_GETFD) >= 0)
            error_add(&what, NULL, 0, NULL, "%d is open", fd);
    error_add(&what, NULL, 0, NULL, "that is all");
    say(out, &what);
}

START_TEST(it_has_two_descriptors)
{
    ck_assert_int_eq(reader_run(tell_descriptors, NULL, 0, 5000, "it", &answer, &err), 0);
    ck_assert_uint_eq(answer.refused.n, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reader");
    TCase *t = unit_case(s, "reads", setup, teardown);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_folder_is_read);
    tcase_add_test(t, an_archive_is_read);
    tcase_add_test(t, a_table_is_read);
    tcase_add_test(t, a_folder_that_is_closed_to_the_reader);
    tcase_add_test(t, a_unit_answers_the_same);
    tcase_add_test(t, a_request_without_a_file_is_none);
    tcase_add_test(t, what_is_wrong_is_told);
    tcase_add_test(t, text_that_eats_memory);
    tcase_add_test(t, archives_of_zeros);
    t = unit_case(s, "may", setup, teardown);
    tcase_add_test(t, it_has_no_rights);
    tcase_add_test(t, it_has_two_descriptors);
    tcase_add_loop_test(t, it_dies_of_what_it_may_not, 0, (int)(sizeof(acts) / sizeof(acts[0])));
#ifndef SANITIZED
    tcase_add_test(t, it_has_little_memory);
#endif
    t = unit_case(s, "hostile", setup, teardown);
    tcase_add_loop_test(t, a_hostile_one_is_killed, 0, (int)(sizeof(hostile) / sizeof(hostile[0])));
    tcase_add_test(t, one_that_does_not_end);
    return unit_run(s);
}
