/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetch report: what the fetcher says of itself, in FETCH_DIR/fetch.json, for `p2pvpn-agent
 * status`.
 *
 * It is written by a process without rights and read by root: so the reader takes it for a claim,
 * bounds everything in it, follows no link to it, and does nothing by it but tell.
 */
#ifndef P2PVPN_AGENT_FETCH_REPORT_H
#define P2PVPN_AGENT_FETCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/name.h"

#define FETCH_BUNDLE "bundle.tar"
#define FETCH_ORIGINS "origins"
#define FETCH_METADATA "metadata"
#define FETCH_REPORT "fetch.json"
#define FETCH_LOCK "lock"

#define FETCH_REPORT_MAX_BYTES 16384u
#define FETCH_CODE_MAX 24
#define FETCH_TEXT_MAX 400
#define FETCH_MIRROR_MAX 500

/* Times are seconds since 1970; 0: never, or not known. */
struct fetch_report {
    pid_t pid; /* 0: it was not to stay (--once) */
    unsigned long long start;
    char gateway[NAME_MAX_LEN + 1];
    int64_t fresh;   /* the bundle was what an unexpired repository says */
    int64_t changed; /* the bundle or the table of origins became another one */
    int64_t version; /* of the repository's timestamp */
    int64_t expires; /* when what is known of the repository can be trusted no more */
    char mirror[FETCH_MIRROR_MAX + 1]; /* that said so last */
    int64_t next;                      /* when it is asked again */
    char code[FETCH_CODE_MAX + 1];     /* of what was wrong last; "": nothing */
    char text[FETCH_TEXT_MAX + 1];     /* a sentence */
    int64_t since;                     /* it is wrong */
    unsigned tries;                    /* since then */
};

/* Pure. */
void fetch_report_format(const struct fetch_report *r, struct buf *ret);
/* -EINVAL with *err filled, *ret untouched. */
int fetch_report_parse(const char *data, size_t len, const char *file, struct fetch_report *ret,
                       struct error_list *err);

/* FETCH_DIR/fetch.json.  -ENOENT, and nothing is added to *err: there is none. */
int fetch_report_read(const char *fetch_dir, struct fetch_report *ret, struct error_list *err);
int fetch_report_write(const char *fetch_dir, const struct fetch_report *r, struct error_list *err);

/* The fetcher that wrote it still runs. */
bool fetch_report_alive(const struct fetch_report *r);

#endif
