/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching over HTTP from a server on loopback that is slow, endless, broken or not there. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "tests/unit/unit.h"
#include "tuf/fetch_curl.h"

#define CAP 1000

static int listener;
static unsigned port;
static pthread_t server;

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return;
}

/* Until the client hangs up. */
static void endless(int fd, unsigned pause_us)
{
    say(fd, "HTTP/1.1 200 OK\r\n\r\n");
    while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
        if (pause_us)
            usleep(pause_us);
}

static void answer(int fd, const char *path)
{
    if (strcmp(path, "/good") == 0)
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    else if (strcmp(path, "/a/../b%2Fc") == 0)
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nas is");
    else if (strcmp(path, "/short") == 0)
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
    else if (strcmp(path, "/endless") == 0)
        endless(fd, 0);
    else if (strcmp(path, "/drip") == 0)
        endless(fd, 100000);
    else if (strcmp(path, "/error") == 0)
        say(fd, "HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nhello");
    else if (strcmp(path, "/moved") == 0)
        say(fd, "HTTP/1.1 302 Go\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/garbage") == 0)
        say(fd, "what?\r\n\r\n");
    else
        say(fd, "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nhello");
}

static void *serve(void *ctx)
{
    int fd;

    (void)ctx;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        char request[2000] = "", path[500] = "";
        ssize_t n = recv(fd, request, sizeof(request) - 1, 0);

        if (n > 0 && sscanf(request, "GET %499s", path) == 1)
            answer(fd, path);
        close(fd);
    }
    return NULL;
}

static void setup(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(listen(listener, 16), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    port = ntohs(at.sin_port);
    ck_assert_int_eq(pthread_create(&server, NULL, serve, NULL), 0);
    setenv("no_proxy", "*", 1);
}

static void teardown(void)
{
    shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
    close(listener);
}

/* What comes of a path, within `seconds`; *ret has what was there before and what came. */
static enum tuf_code get(const char *path, unsigned seconds, struct buf *ret)
{
    struct tuf_error err = {.text = ""};
    struct tuf_curl *c = tuf_curl_new(seconds, &err);
    _cleanup_free_ char *url =
        path[0] == '/' ? xasprintf("http://127.0.0.1:%u%s", port, path) : xstrdup(path);
    enum tuf_code r;

    ck_assert_ptr_nonnull(c);
    buf_str(ret, "before");
    r = tuf_curl_fetch(c, url, CAP, ret, &err);
    ck_assert_int_eq(r != TUF_OK, err.text[0] != '\0');
    if (r != TUF_OK)
        ck_assert_str_eq(buf_cstr(ret), "before");
    tuf_curl_free(c);
    return r;
}

static void gets(const char *path, enum tuf_code code)
{
    _cleanup_buf_ struct buf data = BUF_INIT;

    ck_assert_msg(get(path, 30, &data) == code, "%s", path);
}

START_TEST(test_answers)
{
    _cleanup_buf_ struct buf data = BUF_INIT;

    ck_assert_int_eq(get("/good", 30, &data), TUF_OK);
    ck_assert_str_eq(buf_cstr(&data), "beforehello");
    gets("/a/../b%2Fc", TUF_OK);
    gets("/missing", TUF_NOT_FOUND);
    gets("/error", TUF_NETWORK);
    gets("/moved", TUF_NETWORK);
    gets("/garbage", TUF_NETWORK);
    gets("/short", TUF_NETWORK);
    gets("/endless", TUF_TOO_LARGE);
    gets("ftp://127.0.0.1/", TUF_NETWORK);
    gets("no address at all", TUF_NETWORK);
}
END_TEST

START_TEST(test_slow_drip)
{
    _cleanup_buf_ struct buf data = BUF_INIT;

    time_t start = time(NULL);

    ck_assert_int_eq(get("/drip", 1, &data), TUF_TIMEOUT);
    ck_assert_int_lt(time(NULL) - start, 15); /* one, and a busy machine */
}
END_TEST

/* A port that is taken, so that nobody else comes to listen there. */
START_TEST(test_nobody_listens)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    _cleanup_buf_ struct buf data = BUF_INIT;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    port = ntohs(at.sin_port);
    ck_assert_int_eq(get("/good", 30, &data), TUF_NETWORK);
    close(fd);
}
END_TEST

START_TEST(test_files)
{
    char folder[UNIT_FOLDER_SIZE];
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf data = BUF_INIT;

    unit_folder(folder);
    {
        _cleanup_free_ char *path = xasprintf("%s/a", folder);
        _cleanup_free_ char *url = xasprintf("file://%s", path);
        _cleanup_free_ char *other = xasprintf("file://%s/b", folder);

        ck_assert_int_eq(fs_write(path, "hello", 5, 0600, &err), 0);
        ck_assert_int_eq(get(url, 30, &data), TUF_OK);
        ck_assert_str_eq(buf_cstr(&data), "beforehello");
        gets(other, TUF_NOT_FOUND);
    }
    fs_remove_tree(folder, &err);
    error_clear(&err);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tuf_fetch");
    TCase *t = unit_case(s, "tuf_fetch", setup, teardown);

    tcase_add_test(t, test_answers);
    tcase_add_test(t, test_slow_drip);
    tcase_add_test(t, test_nobody_listens);
    tcase_add_test(t, test_files);
    return unit_run(s);
}
