/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching by libcurl, the one file that knows it: http, https and file, no redirect, no more bytes
 * than asked for and no more time than allowed, whatever the server does.
 */
#ifndef P2PVPN_TUF_FETCH_CURL_H
#define P2PVPN_TUF_FETCH_CURL_H

#include "tuf/updater.h"

struct tuf_curl;

/* seconds: for each file, from its request to its last byte. */
struct tuf_curl *tuf_curl_new(unsigned seconds, struct tuf_error *err);
struct tuf_curl *tuf_curl_free(struct tuf_curl *c); /* NULL ok; returns NULL */

/* A tuf_fetch whose context is the tuf_curl. */
enum tuf_code tuf_curl_fetch(void *ctx, const char *url, size_t max, struct buf *ret,
                             struct tuf_error *err);

#endif
