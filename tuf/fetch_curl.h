/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching by libcurl, the one file that knows it: http, https and file, no redirect, no proxy that
 * was not named, no more bytes than asked for and no more time than allowed, whatever the server
 * does.  The same for asking a controller, by TLS 1.3 alone.  The library is loaded when it is
 * needed: programs that fetch nothing do not carry it.
 */
#ifndef P2PVPN_TUF_FETCH_CURL_H
#define P2PVPN_TUF_FETCH_CURL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "tuf/updater.h"

#define TUF_CURL_ETAG_MAX 128
#define TUF_CURL_HEADERS_MAX ((size_t)64 << 10) /* bytes of one answer's */

struct tuf_curl;

/* Loads the library now, for processes that are forked again and again and each use it: it is there
 * already for all of them.  False: it cannot be loaded, and tuf_curl_new() will say why. */
bool tuf_curl_preload(void);

/* seconds: for each file, from its request to its last byte. */
struct tuf_curl *tuf_curl_new(unsigned seconds, struct tuf_error *err);
struct tuf_curl *tuf_curl_free(struct tuf_curl *c); /* NULL ok; returns NULL */

/* Whom https trusts: the system's CAs; with ca_file those in it; with pin, "sha256//BASE64"
 * (several with ";"), servers with such a key and nobody else, whoever vouches for them. */
void tuf_curl_trust(struct tuf_curl *c, const char *ca_file, const char *pin);
void tuf_curl_proxy(struct tuf_curl *c, const char *url); /* NULL, as at first: none */
/* From now on https alone, and of it TLS 1.3 alone; with the certificate and the key in these PEM
 * files, if they are not NULL. */
void tuf_curl_strict(struct tuf_curl *c, const char *cert_file, const char *key_file);
/* Nothing goes on beyond this many seconds from now; 0: that is no limit any more. */
void tuf_curl_deadline(struct tuf_curl *c, unsigned seconds);

/* A tuf_fetch whose context is the tuf_curl. */
enum tuf_code tuf_curl_fetch(void *ctx, const char *url, size_t max, struct buf *ret,
                             struct tuf_error *err);

/* One question whose answer may be that there is nothing new.  200, 204 and 304 are TUF_OK. */
struct tuf_curl_ask {
    const char *url;
    const char *etag; /* of what is known already, sent if it is not empty; NULL: none */
    size_t max;
    unsigned seconds;                  /* 0: as for files; otherwise the answer may well be slow */
    const volatile sig_atomic_t *stop; /* is looked at now and then: TUF_TIMEOUT; NULL: nothing */
    const char *post;                  /* JSON that is sent; NULL: nothing is, a GET */
    const char *method;                /* of a request without a body; NULL: GET */
    bool any_status;                   /* the caller judges it, and the body comes with it */
};

struct tuf_curl_answer {
    long status;
    char etag[TUF_CURL_ETAG_MAX + 1]; /* "" if there is none that can be sent back */
    bool other_key; /* TUF_NETWORK, as the server has another key than those that are pinned */
};

enum tuf_code tuf_curl_ask(struct tuf_curl *c, const struct tuf_curl_ask *ask,
                           struct tuf_curl_answer *answer, struct buf *ret, struct tuf_error *err);

#endif
