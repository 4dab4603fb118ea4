/* SPDX-License-Identifier: Apache-2.0 */
/* The RTR cache on real sockets, driven as the agent's loop does. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/rtr.h"
#include "agent/supervise.h"
#include "tests/unit/rtr_client.h"
#include "tests/unit/unit.h"

#define PATIENCE_MS 20000

static struct rtr *rtr;
static struct error_list err;

/* The clock of the cache (tests/unit/meson.build wraps it) stands, but when a test puts it forward.
 */
static int64_t now;
int64_t __real_monotonic_ms(void);
int64_t __wrap_monotonic_ms(void);

int64_t __wrap_monotonic_ms(void)
{
    return now;
}

struct peer {
    int fd;
    struct rtr_client client;
};

static void setup(void)
{
    ck_assert_int_eq(rtr_new(0, &rtr, &err), 0);
}

static void teardown(void)
{
    rtr = rtr_free(rtr);
    error_clear(&err);
}

/* One turn of the loop: waits until the cache has something to do, but not for long. */
static void turn(void)
{
    struct pollfd ready = {.fd = rtr_fd(rtr), .events = POLLIN};

    poll(&ready, 1, 5);
    rtr_run(rtr);
}

static struct peer connected(int version)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(rtr_port(rtr))};
    struct peer p = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert(connect(p.fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS);
    rtr_client_init(&p.client, version);
    return p;
}

static void gone(struct peer *p)
{
    close(p->fd);
    rtr_client_clear(&p->client);
}

static void ask(struct peer *p, bool all)
{
    _cleanup_buf_ struct buf query = BUF_INIT;

    (all ? rtr_client_reset_query : rtr_client_serial_query)(&p->client, &query);
    ck_assert_int_eq(send(p->fd, query.data, query.len, MSG_NOSIGNAL), (ssize_t)query.len);
}

/* Takes what has come; false: the cache has closed the connection. */
static bool take(struct peer *p)
{
    char data[65536];
    ssize_t n;

    while ((n = recv(p->fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
        rtr_client_take(&p->client, data, (size_t)n);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

#define until(condition)                                                            \
    for (int64_t limit = __real_monotonic_ms() + PATIENCE_MS; !(condition); turn()) \
    ck_assert_msg(__real_monotonic_ms() < limit, "in vain: %s", #condition)

static bool is_complete(struct peer *p, unsigned responses)
{
    ck_assert(take(p));
    return p->client.responses == responses;
}

START_TEST(test_many_routers)
{
    struct peer peers[4];

    ck_assert(rtr_set(rtr, rtr_client_table(50000, 7)));
    for (int i = 0; i < 4; i++) {
        peers[i] = connected(i % 2);
        ask(&peers[i], true);
    }
    for (int i = 0; i < 4; i++)
        until(is_complete(&peers[i], 1));
    ck_assert(rtr_set(rtr, rtr_client_table(50000, 9)));
    for (int i = 0; i < 4; i++) {
        until(is_complete(&peers[i], 1) && peers[i].client.notifies == 1);
        ask(&peers[i], false);
    }
    for (int i = 0; i < 4; i++) {
        until(is_complete(&peers[i], 2));
        ck_assert(rtr_client_has(&peers[i].client, rtr_table(rtr)));
        ck_assert_uint_eq(peers[i].client.resets, 0);
    }
    ck_assert_uint_eq(rtr_status(rtr).routers, 4);
    ck_assert_uint_eq(rtr_status(rtr).up_to_date, 4);
    ck_assert_uint_eq(rtr_status(rtr).tables, 4);
    ck_assert_uint_eq(rtr_status(rtr).system_routers, getuid() < 1000 ? 4 : 0);
    ck_assert_uint_eq(rtr_status(rtr).system_up_to_date, getuid() < 1000 ? 4 : 0);
    ck_assert_uint_eq(rtr_status(rtr).system_tables, getuid() < 1000 ? 4 : 0);
    ck_assert(rtr_set(rtr, rtr_client_table(10, 2)));
    ck_assert_uint_eq(rtr_status(rtr).up_to_date, 0);
    for (int i = 0; i < 4; i++)
        gone(&peers[i]);
    until(rtr_status(rtr).routers == 0);
    ck_assert_uint_eq(rtr_status(rtr).tables, 4);
    ck_assert_int_eq(rtr_deadline(rtr), SUPERVISE_NEVER);
}
END_TEST

START_TEST(test_loop_sleeps)
{
    struct pollfd ready = {.events = POLLIN};
    struct peer p = connected(1);

    rtr_set(rtr, rtr_client_table(10, 2));
    ask(&p, true);
    until(is_complete(&p, 1));
    turn();
    ready.fd = rtr_fd(rtr);
    ck_assert_int_eq(poll(&ready, 1, 0), 0);
    ck_assert_int_eq(rtr_deadline(rtr), SUPERVISE_NEVER);
    gone(&p);
}
END_TEST

START_TEST(test_one_too_many)
{
    int most = getuid() < 1000 ? 8 : 4; /* an ordinary user runs the tests */
    struct peer peers[9];

    rtr_set(rtr, rtr_client_table(10, 2));
    for (int i = 0; i < most; i++) {
        peers[i] = connected(1);
        ask(&peers[i], true);
        until(is_complete(&peers[i], 1));
    }
    peers[most] = connected(1);
    until(!take(&peers[most]));
    ck_assert_uint_eq(rtr_status(rtr).routers, most);
    gone(&peers[0]);
    until(rtr_status(rtr).routers == (unsigned)most - 1);
    gone(&peers[most]);
    peers[most] = connected(1);
    ask(&peers[most], true);
    until(is_complete(&peers[most], 1));
    for (int i = 1; i <= most; i++)
        gone(&peers[i]);
}
END_TEST

/* An ordinary user who connects again and again leaves room for bgpd. */
START_TEST(test_ordinary_user)
{
    struct peer p;
    pid_t child;

    if (getuid() != 0)
        return; /* only root can become somebody else; the other cases run */
    rtr_set(rtr, rtr_client_table(10, 2));
    child = fork();
    if (child == 0) {
        if (setuid(65534) < 0)
            _exit(1);
        for (int i = 0; i < 20; i++)
            connected(1);
        for (;;)
            pause();
    }
    until(rtr_status(rtr).routers == 4);
    for (int i = 0; i < 50; i++)
        turn();
    ck_assert_uint_eq(rtr_status(rtr).routers, 4);
    ck_assert_uint_eq(rtr_status(rtr).system_routers, 0);
    p = connected(1);
    ask(&p, true);
    until(is_complete(&p, 1));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    gone(&p);
}
END_TEST

/* Puts the clock to just before the deadline, when nothing happens, then to the deadline. */
static void dropped_at_deadline(int64_t patience)
{
    unsigned routers = rtr_status(rtr).routers;

    ck_assert_int_eq(rtr_deadline(rtr), now + patience);
    now += patience - 1;
    rtr_run(rtr);
    ck_assert_uint_eq(rtr_status(rtr).routers, routers);
    now++;
    rtr_run(rtr);
    ck_assert_uint_eq(rtr_status(rtr).routers, routers - 1);
}

START_TEST(test_never_asks)
{
    struct peer p = connected(1);

    until(rtr_status(rtr).routers == 1);
    dropped_at_deadline(10000);
    gone(&p);
}
END_TEST

START_TEST(test_half_a_query)
{
    struct peer p = connected(1);

    rtr_set(rtr, rtr_client_table(10, 2));
    ask(&p, true);
    until(is_complete(&p, 1));
    turn();
    ck_assert_int_eq(rtr_deadline(rtr), SUPERVISE_NEVER); /* it may be silent for ever */
    ck_assert_int_eq(send(p.fd, "\1\2", 2, 0), 2);
    until(rtr_deadline(rtr) != SUPERVISE_NEVER);
    dropped_at_deadline(30000);
    gone(&p);
}
END_TEST

/* One that does not read holds up nobody else, and is dropped. */
START_TEST(test_never_reads)
{
    struct peer slow = connected(1), other;
    int small = 4096;

    setsockopt(slow.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    rtr_set(rtr, rtr_client_table(200000, 1000000));
    for (int i = 0; i < 5; i++)
        ask(&slow, true); /* 48 MB that nobody reads */
    until(rtr_status(rtr).routers == 1 && rtr_deadline(rtr) != SUPERVISE_NEVER);
    other = connected(1);
    ask(&other, true);
    until(is_complete(&other, 1));
    for (int i = 0; i < 10; i++)
        turn();
    dropped_at_deadline(30000);
    until(is_complete(&other, 1));
    gone(&slow);
    gone(&other);
}
END_TEST

START_TEST(test_last_words)
{
    struct peer p = connected(1);

    ck_assert_int_eq(send(p.fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    until(!take(&p));
    ck_assert_int_eq(p.client.error, 4);
    gone(&p);
}
END_TEST

START_TEST(test_port_taken)
{
    struct rtr *other = NULL;

    ck_assert_int_eq(rtr_new(rtr_port(rtr), &other, &err), -EADDRINUSE);
    ck_assert(unit_says(&err, "another program listens on 127.0.0.1 port"));
    ck_assert_ptr_null(other);
}
END_TEST

/* Of the service: systemd has the port and passes it, as LISTEN_FDS says. */
START_TEST(test_port_passed)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0), found = -1;
    struct rtr *other = NULL;
    char pid[32];

    ck_assert_int_lt(fd, 3 + 16);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv("LISTEN_FDS", "16", 1);

    /* What was passed to somebody else is not ours. */
    setenv("LISTEN_PID", "1", 1);
    ck_assert_int_eq(rtr_new(ntohs(at.sin_port), &other, &err), -EADDRINUSE);
    error_clear(&err);

    setenv("LISTEN_PID", pid, 1);
    for (int i = 0; i < 2; i++) { /* it stays open for the next time */
        ck_assert_int_eq(rtr_new(ntohs(at.sin_port), &other, &err), 0);
        ck_assert_uint_eq(rtr_port(other), ntohs(at.sin_port));
        found = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(found, (struct sockaddr *)&at, sizeof(at)), 0);
        rtr_run(other);
        ck_assert_uint_eq(rtr_status(other).routers, 1);
        close(found);
        other = rtr_free(other);
    }
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    close(fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rtr");
    TCase *t = unit_case(s, "rtr", setup, teardown);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_many_routers);
    tcase_add_test(t, test_loop_sleeps);
    tcase_add_test(t, test_one_too_many);
    tcase_add_test(t, test_ordinary_user);
    tcase_add_test(t, test_never_asks);
    tcase_add_test(t, test_half_a_query);
    tcase_add_test(t, test_never_reads);
    tcase_add_test(t, test_last_words);
    tcase_add_test(t, test_port_taken);
    tcase_add_test(t, test_port_passed);
    return unit_run(s);
}
