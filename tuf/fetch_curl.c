/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/fetch_curl.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/alloc.h"

#define LIBRARY "libcurl.so.4"
#define CONNECT_SECONDS 10
#define SLOW_SECONDS 15 /* with less than SLOW_BYTES in each of them */
#define SLOW_BYTES 100

/* What we use of the library, each as its header declares it. */
#define FUNCTIONS(X)       \
    X(curl_easy_cleanup)   \
    X(curl_easy_getinfo)   \
    X(curl_easy_init)      \
    X(curl_easy_perform)   \
    X(curl_easy_reset)     \
    X(curl_easy_setopt)    \
    X(curl_easy_strerror)  \
    X(curl_global_cleanup) \
    X(curl_global_init)    \
    X(curl_slist_append)   \
    X(curl_slist_free_all)

/* Its checks of types are macros by the same names. */
#undef curl_easy_getinfo
#undef curl_easy_setopt

#define MEMBER(f) __typeof__(&f) f;
#define NAME(f) #f,

struct library {
    FUNCTIONS(MEMBER)
};

static const char *const names[] = {FUNCTIONS(NAME)};

_Static_assert(sizeof(struct library) == sizeof(names) / sizeof(names[0]) * sizeof(void *),
               "each function has its name");

struct tuf_curl {
    struct library lib;
    CURL *easy;
    unsigned seconds;
    char *ca_file, *pin, *proxy, *cert_file, *key_file;
    bool strict;
    int64_t until; /* milliseconds of CLOCK_MONOTONIC; 0: no limit */
    char text[CURL_ERROR_SIZE];
};

/* One transfer. */
struct sink {
    struct buf *to;
    size_t max, headers;
    bool too_large;
    char *etag; /* of TUF_CURL_ETAG_MAX bytes and a NUL; NULL: not wanted */
    const volatile sig_atomic_t *stop;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what libcurl calls ------------------------------------------------------------------------
 */

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
    struct sink *s = ctx;

    if (size * n > s->max - s->to->len) {
        s->too_large = true;
        return 0; /* which ends the transfer */
    }
    buf_add(s->to, data, size * n);
    return size * n;
}

/* Only what may be sent back as it is. */
static void take_etag(struct sink *s, const char *line, size_t len)
{
    size_t n = 0;

    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
        len--;
    s->etag[0] = '\0';
    if (len > TUF_CURL_ETAG_MAX)
        return;
    while (n < len && line[n] > ' ' && line[n] <= '~')
        n++;
    if (n < len)
        return;
    memcpy(s->etag, line, len);
    s->etag[len] = '\0';
}

static size_t take_header(char *data, size_t size, size_t n, void *ctx)
{
    struct sink *s = ctx;
    size_t len = size * n;

    s->headers += len;
    if (s->headers > TUF_CURL_HEADERS_MAX) {
        s->too_large = true;
        return 0;
    }
    if (s->etag && len > 5 && strncasecmp(data, "etag:", 5) == 0)
        take_etag(s, data + 5, len - 5);
    return len;
}

static int look_up(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct sink *s = ctx;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return s->stop && *s->stop;
}

/* --- set up ------------------------------------------------------------------------------------
 */

static bool load(struct library *lib, struct tuf_error *err)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (!handle) {
        tuf_fail(err, TUF_NETWORK, "libcurl cannot be loaded (install the package libcurl4): %s",
                 dlerror());
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        void *f = dlsym(handle, names[i]);

        if (!f) {
            tuf_fail(err, TUF_NETWORK, LIBRARY " has no %s: it is too old", names[i]);
            return false;
        }
        memcpy((char *)lib + i * sizeof(f), &f, sizeof(f));
    }
    return true;
}

bool tuf_curl_preload(void)
{
    struct tuf_error ignored;
    struct library lib;

    return load(&lib, &ignored) && lib.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

struct tuf_curl *tuf_curl_new(unsigned seconds, struct tuf_error *err)
{
    struct tuf_curl *c = xcalloc(1, sizeof(*c));

    c->seconds = seconds;
    if (!load(&c->lib, err)) {
        free(c);
        return NULL;
    }
    if (c->lib.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        c->easy = c->lib.curl_easy_init();
    if (!c->easy) {
        tuf_fail(err, TUF_NETWORK, "libcurl does not start");
        free(c);
        return NULL;
    }
    return c;
}

struct tuf_curl *tuf_curl_free(struct tuf_curl *c)
{
    if (c) {
        c->lib.curl_easy_cleanup(c->easy);
        c->lib.curl_global_cleanup();
        free(c->ca_file);
        free(c->pin);
        free(c->proxy);
        free(c->cert_file);
        free(c->key_file);
        free(c);
    }
    return NULL;
}

static void set_text(char **place, const char *text)
{
    free(*place);
    *place = text ? xstrdup(text) : NULL;
}

void tuf_curl_trust(struct tuf_curl *c, const char *ca_file, const char *pin)
{
    set_text(&c->ca_file, ca_file);
    set_text(&c->pin, pin);
}

void tuf_curl_proxy(struct tuf_curl *c, const char *url)
{
    set_text(&c->proxy, url);
}

void tuf_curl_strict(struct tuf_curl *c, const char *cert_file, const char *key_file)
{
    c->strict = true;
    set_text(&c->cert_file, cert_file);
    set_text(&c->key_file, key_file);
}

void tuf_curl_deadline(struct tuf_curl *c, unsigned seconds)
{
    c->until = seconds ? now_ms() + (int64_t)seconds * 1000 : 0;
}

/* A key that is pinned says who it is; then no CA has to. */
static bool set_trust(const struct tuf_curl *c)
{
    const struct library *l = &c->lib;

    if (c->pin)
        return l->curl_easy_setopt(c->easy, CURLOPT_PINNEDPUBLICKEY, c->pin) == CURLE_OK &&
               l->curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
               l->curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK;
    if (c->ca_file)
        return l->curl_easy_setopt(c->easy, CURLOPT_CAINFO, c->ca_file) == CURLE_OK &&
               l->curl_easy_setopt(c->easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    return true;
}

static bool set_tls(const struct tuf_curl *c)
{
    const struct library *l = &c->lib;
    long least = c->strict ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2;
    bool good = l->curl_easy_setopt(c->easy, CURLOPT_SSLVERSION, least) == CURLE_OK &&
                l->curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR,
                                    c->strict ? "https" : "http,https,file") == CURLE_OK;

    if (good && c->cert_file)
        good = l->curl_easy_setopt(c->easy, CURLOPT_SSLCERT, c->cert_file) == CURLE_OK &&
               l->curl_easy_setopt(c->easy, CURLOPT_SSLKEY, c->key_file) == CURLE_OK;
    return good && set_trust(c);
}

/* The headers are *headers, which the caller frees in any case. */
static bool set_request(const struct tuf_curl *c, const struct tuf_curl_ask *ask,
                        struct curl_slist **headers)
{
    const struct library *l = &c->lib;
    bool good = true;

    if (ask->etag && *ask->etag) {
        _cleanup_free_ char *line = xasprintf("If-None-Match: %s", ask->etag);

        *headers = l->curl_slist_append(*headers, line);
    }
    if (ask->post) {
        *headers = l->curl_slist_append(*headers, "Content-Type: application/json");
        *headers = l->curl_slist_append(*headers, "Expect:"); /* nothing is asked beforehand */
        good = l->curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, ask->post) == CURLE_OK &&
               l->curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                   (curl_off_t)strlen(ask->post)) == CURLE_OK;
    }
    if (ask->method)
        good = l->curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, ask->method) == CURLE_OK;
    return good && l->curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, *headers) == CURLE_OK;
}

static bool set_limits(const struct tuf_curl *c, long ms, bool may_be_slow)
{
    const struct library *l = &c->lib;
    long connect = ms < CONNECT_SECONDS * 1000L ? ms : CONNECT_SECONDS * 1000L;

    return l->curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK &&
           l->curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, connect) == CURLE_OK &&
           l->curl_easy_setopt(c->easy, CURLOPT_LOW_SPEED_LIMIT,
                               may_be_slow ? 0L : (long)SLOW_BYTES) == CURLE_OK &&
           l->curl_easy_setopt(c->easy, CURLOPT_LOW_SPEED_TIME, (long)SLOW_SECONDS) == CURLE_OK;
}

static bool set_options(struct tuf_curl *c, const char *url, struct sink *s)
{
    const struct library *l = &c->lib;
    CURL *e = c->easy;

    return l->curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_PROXY, c->proxy ? c->proxy : "") == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_USERAGENT, "p2pvpn") == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->text) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_WRITEDATA, s) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_HEADERDATA, s) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, look_up) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_XFERINFODATA, s) == CURLE_OK &&
           l->curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L) == CURLE_OK && set_tls(c);
}

/* --- a transfer --------------------------------------------------------------------------------
 */

/* 0: not HTTP, and the transfer says all. */
static enum tuf_code check_status(long status, bool nothing_new, const char *url,
                                  struct tuf_error *err)
{
    if (status == 0 || status == 200 || (nothing_new && (status == 204 || status == 304)))
        return TUF_OK;
    if (status == 404 || status == 403 || status == 410)
        return tuf_fail(err, TUF_NOT_FOUND, "the mirror does not have %.200s", url);
    return tuf_fail(err, TUF_NETWORK, "the mirror answers %ld for %.200s", status, url);
}

/* What the library's code means for us; `ms` is the time that there was. */
static enum tuf_code judge(const struct tuf_curl *c, CURLcode code, const struct sink *s,
                           const struct tuf_curl_ask *ask, long ms, long status,
                           struct tuf_error *err)
{
    enum tuf_code r;

    if (status == 0 && code == CURLE_FILE_COULDNT_READ_FILE)
        return tuf_fail(err, TUF_NOT_FOUND, "there is no %.200s", ask->url);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return tuf_fail(err, TUF_TIMEOUT, "%.200s took too long: %s", ask->url,
                        ms < 1000 ? "less than a second was left" : c->text);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return tuf_fail(err, TUF_TIMEOUT, "%.200s is not waited for any more", ask->url);
    if (s->headers > TUF_CURL_HEADERS_MAX)
        return tuf_fail(err, TUF_TOO_LARGE, "the head of the answer for %.200s has no end",
                        ask->url);
    if (!ask->any_status &&
        (r = check_status(status, ask->etag || ask->seconds, ask->url, err)) != TUF_OK)
        return r;
    if (s->too_large)
        return tuf_fail(err, TUF_TOO_LARGE, "%.200s is larger than %zu bytes", ask->url, ask->max);
    if (code != CURLE_OK)
        return tuf_fail(err, TUF_NETWORK, "%.150s: %.150s", ask->url,
                        c->text[0] ? c->text : c->lib.curl_easy_strerror(code));
    return TUF_OK;
}

static long time_left(const struct tuf_curl *c, unsigned seconds)
{
    int64_t ms = (int64_t)(seconds ? seconds : c->seconds) * 1000, left;

    if (c->until && (left = c->until - now_ms()) < ms)
        ms = left;
    return (long)ms;
}

enum tuf_code tuf_curl_ask(struct tuf_curl *c, const struct tuf_curl_ask *ask,
                           struct tuf_curl_answer *answer, struct buf *ret, struct tuf_error *err)
{
    size_t before = ret->len;
    struct sink s = {.to = ret, .max = before + ask->max, .etag = answer->etag, .stop = ask->stop};
    struct curl_slist *headers = NULL;
    long ms = time_left(c, ask->seconds);
    CURLcode code;
    enum tuf_code r;
    bool good;

    *answer = (struct tuf_curl_answer){0};
    if (ms <= 0)
        return tuf_fail(err, TUF_TIMEOUT, "there was no time left for %.200s", ask->url);
    c->lib.curl_easy_reset(c->easy); /* keeps the connection */
    c->text[0] = '\0';
    good = set_options(c, ask->url, &s) && set_limits(c, ms, ask->seconds != 0) &&
           set_request(c, ask, &headers);
    if (!good) {
        c->lib.curl_slist_free_all(headers);
        return tuf_fail(err, TUF_NETWORK, "libcurl refuses %.200s", ask->url);
    }
    code = c->lib.curl_easy_perform(c->easy);
    c->lib.curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    answer->other_key = code == CURLE_SSL_PINNEDPUBKEYNOTMATCH;
    c->lib.curl_slist_free_all(headers);
    r = judge(c, code, &s, ask, ms, answer->status, err);
    if (r != TUF_OK && ret->data) {
        ret->len = before;
        ret->data[before] = '\0';
    }
    return r;
}

enum tuf_code tuf_curl_fetch(void *ctx, const char *url, size_t max, struct buf *ret,
                             struct tuf_error *err)
{
    const struct tuf_curl_ask ask = {.url = url, .max = max};
    struct tuf_curl_answer answer = {.status = 0};

    return tuf_curl_ask(ctx, &ask, &answer, ret, err);
}
