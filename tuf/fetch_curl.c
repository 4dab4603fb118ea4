/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/fetch_curl.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "common/alloc.h"

#define CONNECT_SECONDS 10

struct tuf_curl {
    CURL *easy;
    unsigned seconds;
    char text[CURL_ERROR_SIZE];
};

struct sink {
    struct buf *to;
    size_t max;
    bool too_large;
};

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

struct tuf_curl *tuf_curl_new(unsigned seconds, struct tuf_error *err)
{
    struct tuf_curl *c = xcalloc(1, sizeof(*c));

    c->seconds = seconds;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        c->easy = curl_easy_init();
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
        curl_easy_cleanup(c->easy);
        curl_global_cleanup();
        free(c);
    }
    return NULL;
}

static bool set_options(struct tuf_curl *c, const char *url, struct sink *s)
{
    long connect = c->seconds < CONNECT_SECONDS ? (long)c->seconds : CONNECT_SECONDS;

    curl_easy_reset(c->easy); /* keeps the connection */
    c->text[0] = '\0';
    return curl_easy_setopt(c->easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https,file") == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_TIMEOUT, (long)c->seconds) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT, connect) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "p2pvpn") == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->text) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, s) == CURLE_OK;
}

/* 0: not HTTP, and the transfer says all. */
static enum tuf_code check_status(long status, const char *url, struct tuf_error *err)
{
    if (status == 0 || status == 200)
        return TUF_OK;
    if (status == 404 || status == 403 || status == 410)
        return tuf_fail(err, TUF_NOT_FOUND, "the mirror does not have %.200s", url);
    return tuf_fail(err, TUF_NETWORK, "the mirror answers %ld for %.200s", status, url);
}

enum tuf_code tuf_curl_fetch(void *ctx, const char *url, size_t max, struct buf *ret,
                             struct tuf_error *err)
{
    struct tuf_curl *c = ctx;
    size_t before = ret->len;
    struct sink s = {.to = ret, .max = before + max};
    long status = 0;
    CURLcode code;
    enum tuf_code r = TUF_OK;

    if (!set_options(c, url, &s))
        return tuf_fail(err, TUF_NETWORK, "libcurl refuses %.200s", url);
    code = curl_easy_perform(c->easy);
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 0 && code == CURLE_FILE_COULDNT_READ_FILE)
        r = tuf_fail(err, TUF_NOT_FOUND, "there is no %.200s", url);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        r = tuf_fail(err, TUF_TIMEOUT, "%.200s took more than %u s", url, c->seconds);
    else if ((r = check_status(status, url, err)) == TUF_OK && s.too_large)
        r = tuf_fail(err, TUF_TOO_LARGE, "%.200s is larger than %zu bytes", url, max);
    else if (r == TUF_OK && code != CURLE_OK)
        r = tuf_fail(err, TUF_NETWORK, "%.150s: %.150s", url,
                     c->text[0] ? c->text : curl_easy_strerror(code));
    if (r != TUF_OK) {
        ret->len = before;
        if (ret->data)
            ret->data[before] = '\0';
    }
    return r;
}
