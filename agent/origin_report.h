/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Origin report: what the running agent serves to bgpd, written for `p2pvpn-agent status`.
 *
 * RUN/origins.json is written anew by the agent (origin_cache.h) whenever something in it changes.
 * The reader trusts it no further than its process: without that, nobody serves anything.
 */
#ifndef P2PVPN_AGENT_ORIGIN_REPORT_H
#define P2PVPN_AGENT_ORIGIN_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/rtr.h"
#include "common/buf.h"
#include "common/error.h"

#define ORIGIN_REPORT_FILE "origins.json"
#define ORIGIN_REPORT_MAX_BYTES 65536u

struct origin_report {
    pid_t pid; /* of the agent */
    unsigned long long start;
    struct rtr_status rtr;
    struct error_list problems; /* with the file or with serving it; only the messages */
};

#define ORIGIN_REPORT_INIT          \
    {                               \
        .problems = ERROR_LIST_INIT \
    }

/* Pure. */
void origin_report_format(const struct origin_report *r, struct buf *ret);
/* -EINVAL with *err filled, *ret untouched.  Free what is in *ret with origin_report_clear(). */
int origin_report_parse(const char *data, size_t len, const char *file, struct origin_report *ret,
                        struct error_list *err);
void origin_report_clear(struct origin_report *r);

/* The agent that wrote it still runs. */
bool origin_report_alive(const struct origin_report *r);

#endif
