/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of the fetcher: fetch.c waits and tells, fetch_round.c looks once.
 *
 * A round asks the mirrors in order, beginning with the one that answered last, and stores what is
 * trusted.  It knows by itself when one small request is enough.
 */
#ifndef P2PVPN_AGENT_FETCH_PARTS_H
#define P2PVPN_AGENT_FETCH_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/fetch_report.h"
#include "agent/repository.h"
#include "tuf/error.h"
#include "tuf/fetch_curl.h"

#define FETCH_SECONDS 60         /* for a file */
#define FETCH_MIRROR_SECONDS 300 /* for all that one mirror is asked in a round */
#define FETCH_FULL_SECONDS 3600  /* after which nothing is taken for unchanged unseen */
#define FETCH_BUNDLE_MAX ((size_t)64 << 20)
#define FETCH_CLOCK_SLACK 3600 /* seconds that the clock may have gone back */

struct fetch {
    const struct settings *settings;
    struct repository repository;
    struct tuf_curl *curl;
    char *metadata_dir, *bundle, *origins; /* paths */
    struct fetch_report report;
    size_t mirror; /* the first to be asked */

    /* After a round in which all was good: what must still be so for the next to be short. */
    struct buf timestamp;             /* the bytes of timestamp.json; empty: a full round is due */
    char etag[TUF_CURL_ETAG_MAX + 1]; /* of them */
    int64_t full_at;                  /* CLOCK_MONOTONIC, in seconds */
};

/* FETCH_DIR/metadata hangs on the root that the gateway was given.  What is there stays if it
 * belongs to the same repository: it says what must not be rolled back. */
enum tuf_code fetch_anchor(struct fetch *f, struct tuf_error *err);

/* One look, at the time `now` (seconds since 1970).  Fills in the report what it found; *changed:
 * there is another bundle or table.  `unseen`: do not take it for unchanged because its timestamp
 * is. */
enum tuf_code fetch_round(struct fetch *f, int64_t now, bool unseen, bool *changed,
                          struct tuf_error *err);

/* Of codes that are about the way to the repository, not about what it says. */
bool fetch_is_weather(enum tuf_code code);

#endif
