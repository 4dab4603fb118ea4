/* SPDX-License-Identifier: Apache-2.0 */
/* usage: fleet PORT CA-FILE AGENTS SEEN [site]     each waits for what follows SEEN, then fetches
 *        fleet PORT CA-FILE AGENTS /CA-DIR [site]  each reports once, certified by this CA
 *        fleet PORT - BAD 0                        silent, slow, oversized, garbage connections
 *
 * Simulated agents of p2pvpn-controller on 127.0.0.1, from addresses of their own (site: all from
 * one), in one thread.  Prints "waiting" when all wait, or have their certificates; then, when all
 * have the timestamp and their bundle (/targets/gateways/N.tar), or an answer to their report,
 * "done FAILED NANOSECONDS": how many did not, and when the last did, by CLOCK_MONOTONIC. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#define PER_ADDRESS 50
#define AT_ONCE (site ? 20 : 200) /* handshakes under way */

enum step {
    STEP_CONNECT,
    STEP_WAIT,
    STEP_TIMESTAMP,
    STEP_BUNDLE,
    STEP_REPORT,
    STEP_DONE,
    STEP_FAILED
};

struct agent {
    int fd, number;
    SSL *ssl;
    enum step step;
    char head[1024];
    size_t head_len;
    long left; /* of the body; -1: the head is not whole */
};

static int port, epoll, seen, n_waiting, n_over, n_failed, n_begun, n_agents;
static bool site;
static SSL_CTX *ctx;
static X509 **certs; /* of those that report; all have one key */
static EVP_PKEY *key;

static void die(const char *what)
{
    perror(what);
    exit(3);
}

static int open_socket(int number, int net)
{
    struct sockaddr_in me = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, from;

    from = site ? 1 : number / PER_ADDRESS + 1;
    if (fd < 0)
        die("socket");
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    me.sin_addr.s_addr = htonl(0x7f000000u | (unsigned)net << 16 | (unsigned)from);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((unsigned short)port);
    if (bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0)
        die("bind");
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
        die("connect");
    return fd;
}

static void want(struct agent *a, int events, bool first)
{
    struct epoll_event e = {.events = (unsigned)events, .data.ptr = a};

    if (epoll_ctl(epoll, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, a->fd, &e) < 0)
        die("epoll_ctl");
}

static void begin(struct agent *a)
{
    a->number = n_begun++;
    a->fd = open_socket(a->number, 1);
    a->ssl = SSL_new(ctx);
    SSL_set_fd(a->ssl, a->fd);
    if (certs && (SSL_use_certificate(a->ssl, certs[a->number]) != 1 ||
                  SSL_use_PrivateKey(a->ssl, key) != 1))
        die("certificate");
    SSL_set_connect_state(a->ssl);
    want(a, EPOLLOUT, true);
}

static void over(struct agent *a, enum step step)
{
    if (a->step == STEP_CONNECT)
        n_waiting++;
    a->step = step;
    n_failed += step == STEP_FAILED;
    n_over++;
    SSL_free(a->ssl);
    close(a->fd);
}

/* What an agent with twelve links says of them: 4 KiB. */
static int report(int number, char *text, size_t size)
{
    char body[8192];
    int n = snprintf(body, sizeof(body),
                     "{\"gateway\":\"sim-%d\",\"mesh\":\"bench\",\"revision\":\"%064x\","
                     "\"healthy\":true,\"problems\":[],\"agent\":{\"drained\":false},"
                     "\"certificate\":{\"expires\":2000000000,\"days\":300},\"links\":[",
                     number, (unsigned)number);

    for (int i = 0; i < 12; i++)
        n += snprintf(body + n, sizeof(body) - (size_t)n,
                      "%s{\"interface\":\"pv%d\",\"peer\":\"sim-%d\",\"state\":\"up\","
                      "\"since\":%d,\"bytes-in\":%d,\"bytes-out\":%d,\"remote\":"
                      "\"203.0.113.%d:1194\"}",
                      i ? "," : "", i, i, 1700000000 + number, number * 7919, number * 104729, i);
    n += snprintf(body + n, sizeof(body) - (size_t)n, "],\"sessions\":[");
    for (int i = 0; i < 24; i++)
        n += snprintf(body + n, sizeof(body) - (size_t)n,
                      "%s{\"neighbor\":\"172.19.%d.%d\",\"bgp\":\"Established\",\"bfd\":\"up\","
                      "\"received\":%d,\"sent\":%d}",
                      i ? "," : "", i, number % 250, number % 97, number % 89);
    n += snprintf(body + n, sizeof(body) - (size_t)n, "]}");
    return snprintf(text, size,
                    "POST /v1/report HTTP/1.1\r\nHost: controller\r\nContent-Length: %d\r\n\r\n%s",
                    n, body);
}

/* The socket takes each request whole. */
static void ask(struct agent *a, enum step step)
{
    char text[8192];
    int n;

    if (step == STEP_REPORT)
        n = report(a->number, text, sizeof(text));
    else if (step == STEP_WAIT)
        n = snprintf(text, sizeof(text), "GET /v1/wait?version=%d&timeout=300 HTTP/1.1\r\n", seen);
    else if (step == STEP_TIMESTAMP)
        n = snprintf(text, sizeof(text), "GET /metadata/timestamp.json HTTP/1.1\r\n");
    else
        n = snprintf(text, sizeof(text), "GET /targets/gateways/%d.tar HTTP/1.1\r\n", a->number);
    if (step != STEP_REPORT)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "Host: controller\r\n\r\n");
    if (a->step == STEP_CONNECT)
        n_waiting++;
    a->step = step;
    a->left = -1;
    a->head_len = 0;
    if (SSL_write(a->ssl, text, n) != n)
        over(a, STEP_FAILED);
    else
        want(a, EPOLLIN, false);
}

/* What came of a response; true: it is whole. */
static bool take(struct agent *a, const char *data, size_t n)
{
    char *end, *length;

    if (a->left >= 0) {
        a->left -= (long)n;
        return a->left <= 0;
    }
    if (n > sizeof(a->head) - 1 - a->head_len)
        n = sizeof(a->head) - 1 - a->head_len; /* the rest is body, and counted below */
    memcpy(a->head + a->head_len, data, n);
    a->head_len += n;
    a->head[a->head_len] = '\0';
    end = strstr(a->head, "\r\n\r\n");
    if (!end)
        return false;
    if (strncmp(a->head, "HTTP/1.1 204 ", 13) == 0)
        return true;
    length = strstr(a->head, "Content-Length: ");
    if (strncmp(a->head, "HTTP/1.1 200 ", 13) != 0 || !length)
        return a->left = -2, true;
    a->left = strtol(length + 16, NULL, 10) - (long)(a->head_len - (size_t)(end + 4 - a->head));
    return a->left <= 0;
}

static void on_read(struct agent *a)
{
    char piece[16384];
    int n;

    for (;;) {
        size_t used;

        n = SSL_read(a->ssl, piece, sizeof(piece));
        if (n <= 0)
            break;
        used = a->left == -1 ? sizeof(a->head) - 1 - a->head_len : (size_t)n;
        if (used > (size_t)n)
            used = (size_t)n;
        if (!take(a, piece, used) &&
            (used == (size_t)n || !take(a, piece + used, (size_t)n - used)))
            continue;
        if (a->left == -2)
            over(a, STEP_FAILED);
        else if (a->step == STEP_BUNDLE || a->step == STEP_REPORT)
            over(a, STEP_DONE);
        else
            ask(a, a->step + 1);
        return;
    }
    if (SSL_get_error(a->ssl, n) != SSL_ERROR_WANT_READ)
        over(a, STEP_FAILED);
}

static void on_event(struct agent *a)
{
    int r;

    if (a->step != STEP_CONNECT) {
        on_read(a);
        return;
    }
    r = SSL_do_handshake(a->ssl);
    if (r == 1)
        ask(a, certs ? STEP_REPORT : STEP_WAIT);
    else if (SSL_get_error(a->ssl, r) == SSL_ERROR_WANT_READ)
        want(a, EPOLLIN, false);
    else if (SSL_get_error(a->ssl, r) == SSL_ERROR_WANT_WRITE)
        want(a, EPOLLOUT, false);
    else
        over(a, STEP_FAILED);
}

static void run_agents(void)
{
    struct agent *agents = calloc((size_t)n_agents, sizeof(*agents));
    struct epoll_event events[256];
    struct timespec now;
    bool told = certs != NULL;

    if (told) {
        printf("waiting\n");
        fflush(stdout);
    }
    while (n_over < n_agents) {
        while (n_begun < n_agents && n_begun - (certs ? n_over : n_waiting) < AT_ONCE)
            begin(&agents[n_begun]);
        if (!told && n_waiting == n_agents) {
            printf("waiting\n");
            fflush(stdout);
            told = true;
        }
        for (int i = 0, n = epoll_wait(epoll, events, 256, 1000); i < n; i++)
            on_event(events[i].data.ptr);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("done %d %lld\n", n_failed, (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    free(agents);
}

/* --- certificates ------------------------------------------------------------------------------
 */

static FILE *open_in(const char *dir, const char *name)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "r");
    if (!f)
        die(path);
    return f;
}

static void make_certificates(const char *dir)
{
    FILE *cert = open_in(dir, "ca.crt"), *secret = open_in(dir, "ca.key");
    X509 *ca = PEM_read_X509(cert, NULL, NULL, NULL);
    EVP_PKEY *ca_key = PEM_read_PrivateKey(secret, NULL, NULL, NULL);

    key = EVP_EC_gen("P-256");
    certs = calloc((size_t)n_agents, sizeof(*certs));
    if (!ca || !ca_key || !key || !certs)
        die("the authority");
    for (int i = 0; i < n_agents; i++) {
        X509_NAME *name = X509_NAME_new();
        char text[64];

        snprintf(text, sizeof(text), "sim-%d.g1", i);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (unsigned char *)text, -1, -1, 0);
        certs[i] = X509_new();
        X509_set_version(certs[i], X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(certs[i]), i + 1);
        X509_set_subject_name(certs[i], name);
        X509_set_issuer_name(certs[i], X509_get_subject_name(ca));
        X509_gmtime_adj(X509_getm_notBefore(certs[i]), -3600);
        X509_gmtime_adj(X509_getm_notAfter(certs[i]), 86400);
        X509_set_pubkey(certs[i], key);
        if (X509_sign(certs[i], ca_key, EVP_sha256()) <= 0)
            die("X509_sign");
        X509_NAME_free(name);
    }
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    fclose(cert);
    fclose(secret);
}

/* --- those that nobody wants -------------------------------------------------------------------
 */

static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

static void misbehave(int fd, int number)
{
    static char garbage[4096];
    ssize_t n = 0;

    memset(garbage, 'A' + number % 26, sizeof(garbage));
    if (number % 4 == 1) /* the beginning of a handshake, and no more */
        n = send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL);
    else if (number % 4 == 2)
        n = send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL);
    else if (number % 4 == 3) /* a record of TLS as large as there is, never whole */
        n = send(fd, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc", 9, MSG_NOSIGNAL);
    (void)n;
}

static void run_bad(void)
{
    struct agent *all = calloc((size_t)n_agents, sizeof(*all));
    struct epoll_event events[256];

    for (int i = 0; i < n_agents; i++) {
        all[i] = (struct agent){.fd = open_socket(i, 2), .number = i};
        want(&all[i], EPOLLOUT, true);
    }
    printf("waiting\n");
    fflush(stdout);
    for (;;) {
        for (int i = 0, n = epoll_wait(epoll, events, 256, 1000); i < n; i++) {
            struct agent *a = events[i].data.ptr;
            char ignored[4096];

            if (a->step == STEP_CONNECT) {
                a->step = STEP_WAIT;
                misbehave(a->fd, a->number);
                want(a, EPOLLIN, false);
            } else if (recv(a->fd, ignored, sizeof(ignored), 0) <= 0) {
                close(a->fd); /* and again */
                *a = (struct agent){.fd = open_socket(a->number, 2), .number = a->number};
                want(a, EPOLLOUT, true);
            }
        }
        usleep(20000); /* 12,800 a second are enough */
    }
}

int main(int argc, char **argv)
{
    struct rlimit limit;

    if (argc != 5 && !(argc == 6 && strcmp(argv[5], "site") == 0))
        return 2;
    site = argc == 6;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    port = atoi(argv[1]);
    n_agents = atoi(argv[3]);
    seen = atoi(argv[4]);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (strcmp(argv[2], "-") == 0) {
        run_bad();
        return 0;
    }
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_file(ctx, argv[2]) != 1)
        return 3;
    if (*argv[4] == '/')
        make_certificates(argv[4]);
    run_agents();
    return n_failed != 0;
}
