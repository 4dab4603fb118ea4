/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/worker.h"
#include "tests/unit/unit.h"

static struct worker w = WORKER_INIT;
static struct error_list err;

static void teardown(void)
{
    worker_kill(&w);
    error_clear(&err);
}

static int collect(void)
{
    struct pollfd ready = {.events = POLLIN};
    int r = 12345;

    do {
        ready.fd = w.fd;
        ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    } while (!worker_collect(&w, &r, &err));
    ck_assert_int_eq(w.pid, 0);
    return r;
}

static int answer(void *arg, struct error_list *e)
{
    (void)e;
    return *(int *)arg;
}

static int complain(void *arg, struct error_list *e)
{
    for (int i = 0; i < *(int *)arg; i++) {
        error_add(e, "a.conf", i % 2 ? 7 : 0, i % 2 ? "/a" : NULL, "trouble %d", i);
        error_sys(e, ENODEV, NULL, "no file");
    }
    return -EINVAL;
}

static int die(void *arg, struct error_list *e)
{
    (void)arg;
    (void)e;
    raise(SIGKILL);
    return 0;
}

START_TEST(test_to_its_end)
{
    int n = 3;

    ck_assert_int_eq(worker_do(answer, &n, &err), 3);
    ck_assert_uint_eq(err.n, 0);
    ck_assert_int_eq(worker_do(complain, &n, &err), -EINVAL);
    ck_assert_uint_eq(err.n, 6);
    ck_assert(unit_says(&err, "trouble 2"));
    error_clear(&err);
    ck_assert_int_eq(worker_do(die, NULL, &err), -ECHILD);
}
END_TEST

/* 0: of these descriptors none is open, and what is gets lost in a program that is started. */
static int look_at_descriptors(void *arg, struct error_list *e)
{
    (void)e;
    for (const int *fd = arg; *fd >= 0; fd++)
        if (fcntl(*fd, F_GETFD) >= 0)
            return 1;
    return fcntl(3, F_GETFD) == FD_CLOEXEC ? 0 : 2;
}

static int hang(void *arg, struct error_list *e)
{
    (void)arg;
    (void)e;
    pause();
    return 0;
}

START_TEST(test_no_descriptor_is_inherited)
{
    int fds[] = {fcntl(0, F_DUPFD, 10), fcntl(0, F_DUPFD, 10), fcntl(0, F_DUPFD, 100), -1};

    ck_assert_int_eq(worker_start(&w, look_at_descriptors, fds, &err), 0);
    ck_assert_int_eq(collect(), 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}
END_TEST

/* Whether somebody else may have the lock. */
static bool lock_is_free(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool is = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

    close(fd);
    return is;
}

START_TEST(test_a_lock_is_held_to_its_end)
{
    char path[] = "/tmp/p2pvpn-lock.XXXXXX";
    int lock = mkostemp(path, O_CLOEXEC);

    ck_assert_int_ge(lock, 0);
    ck_assert_int_eq(flock(lock, LOCK_EX), 0);
    ck_assert_int_eq(worker_start_locked(&w, hang, NULL, lock, &err), 0);
    close(lock);
    ck_assert(!lock_is_free(path));
    worker_kill(&w);
    ck_assert(lock_is_free(path));
    unlink(path);
}
END_TEST

START_TEST(test_result)
{
    static const int results[] = {0, 1, -EIO};

    for (int i = 0; i < 3; i++) {
        int value = results[i];

        ck_assert_int_eq(worker_start(&w, answer, &value, &err), 0);
        ck_assert_int_eq(collect(), value);
        ck_assert_uint_eq(err.n, 0);
    }
}
END_TEST

START_TEST(test_errors_come_back)
{
    int n = 1000; /* more than a pipe holds at once */

    ck_assert_int_eq(worker_start(&w, complain, &n, &err), 0);
    ck_assert_int_eq(collect(), -EINVAL);
    ck_assert_uint_eq(err.n, 2000);
    ck_assert_str_eq(err.items[0].file, "a.conf");
    ck_assert_uint_eq(err.items[0].line, 0);
    ck_assert_ptr_null(err.items[0].path);
    ck_assert_str_eq(err.items[1998].message, "trouble 999");
    ck_assert_uint_eq(err.items[1998].line, 7);
    ck_assert_str_eq(err.items[1998].path, "/a");
    ck_assert_ptr_null(err.items[1999].file);
    ck_assert_str_eq(err.items[1999].message, "no file: No such device");
}
END_TEST

START_TEST(test_death_is_noticed)
{
    ck_assert_int_eq(worker_start(&w, die, NULL, &err), 0);
    ck_assert_int_eq(collect(), -ECHILD);
    ck_assert_uint_eq(err.n, 1);
}
END_TEST

START_TEST(test_kill)
{
    pid_t pid;

    ck_assert_int_eq(worker_start(&w, hang, NULL, &err), 0);
    pid = w.pid;
    worker_kill(&w);
    ck_assert_int_eq(kill(pid, 0), -1);
    ck_assert_int_eq(w.fd, -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("worker");
    TCase *t = unit_case(s, "worker", NULL, teardown);

    tcase_add_test(t, test_to_its_end);
    tcase_add_test(t, test_result);
    tcase_add_test(t, test_a_lock_is_held_to_its_end);
    tcase_add_test(t, test_no_descriptor_is_inherited);
    tcase_add_test(t, test_errors_come_back);
    tcase_add_test(t, test_death_is_noticed);
    tcase_add_test(t, test_kill);
    return unit_run(s);
}
