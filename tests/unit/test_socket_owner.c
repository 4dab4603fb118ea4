/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/socket_owner.h"
#include "tests/unit/unit.h"

#define NOBODY 65534

static int listener, near, far;
static struct sockaddr_in address;

static void setup(void)
{
    socklen_t len = sizeof(address);

    address = (struct sockaddr_in){.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &len);
    near = -1;
    far = socket(AF_INET, SOCK_STREAM, 0);
}

static void teardown(void)
{
    close(listener);
    close(near);
    close(far);
}

static void meet(void)
{
    ck_assert_int_eq(connect(far, (struct sockaddr *)&address, sizeof(address)), 0);
    near = accept(listener, NULL, NULL);
    ck_assert_int_ge(near, 0);
}

START_TEST(test_own)
{
    uid_t uid = 12345;

    meet();
    ck_assert_int_eq(socket_owner(near, &uid), 0);
    ck_assert_uint_eq(uid, getuid());
    uid = 12345;
    ck_assert_int_eq(socket_owner(far, &uid), 0);
    ck_assert_uint_eq(uid, getuid());
}
END_TEST

START_TEST(test_somebody_else)
{
    uid_t uid = 12345;
    pid_t child;

    if (getuid() != 0)
        return; /* only root can be somebody else; the other cases run */
    child = fork();
    if (child == 0) {
        int fd = setuid(NOBODY) == 0 ? socket(AF_INET, SOCK_STREAM, 0) : -1;

        connect(fd, (struct sockaddr *)&address, sizeof(address));
        for (;;)
            pause();
    }
    near = accept(listener, NULL, NULL);
    ck_assert_int_eq(socket_owner(near, &uid), 0);
    ck_assert_uint_eq(uid, NOBODY);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}
END_TEST

START_TEST(test_no_owner)
{
    uid_t uid = 12345;

    ck_assert_int_lt(socket_owner(far, &uid), 0);
    ck_assert_int_lt(socket_owner(-1, &uid), 0);
    ck_assert_int_lt(socket_owner(STDERR_FILENO, &uid), 0);
    ck_assert_uint_eq(uid, 12345);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("socket_owner");
    TCase *t = unit_case(s, "socket_owner", setup, teardown);

    tcase_add_test(t, test_own);
    tcase_add_test(t, test_somebody_else);
    tcase_add_test(t, test_no_owner);
    return unit_run(s);
}
