/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report, when: the next moment to tell the controller.  Pure: it is told what happens and when,
 * and draws no chance by itself.
 *
 * When nothing happens a gateway reports every half a minute, always at its own second, which comes
 * from its name.  A change is told within a second; what changes while a report is under way, or
 * too soon after one, leads to another one, so that the last state is always told.  Who has told
 * of problems tells again soon, and then ever later: most are those of a change that is not
 * everywhere yet, and nothing here changes when it is.  A controller
 * that cannot be told is tried ever more rarely; what changes meanwhile is a reason to try again,
 * but not more often than the half minute.
 *
 * Times are milliseconds of CLOCK_MONOTONIC, where they are not said to be others.
 */
#ifndef P2PVPN_AGENT_REPORT_WHEN_H
#define P2PVPN_AGENT_REPORT_WHEN_H

#include <stdint.h>

#define REPORT_EVERY_MS 30000
#define REPORT_GAP_MS 1000   /* at least, from the beginning of one report to that of the next */
#define REPORT_UNWELL_MS 500 /* the same after the first that told of problems; then doubled */
#define REPORT_SETTLE_MS 100 /* after a change, for what changes with it */
#define REPORT_SPREAD_MS 400 /* more, by name: one publication changes all gateways at once */
#define REPORT_RETRY_FIRST_MS 5000
#define REPORT_RETRY_MAX_MS 300000

enum report_result { REPORT_TOLD, REPORT_TOLD_PROBLEMS, REPORT_NOBODY, REPORT_FAILED };

struct report_when {
    uint32_t phase;    /* report_phase() of its name; 0 as long as that is not known */
    unsigned failures; /* in a row */
    unsigned unwell;   /* reports of problems in a row, since the last change */
    int64_t begun;     /* the last report */
    int64_t gap;       /* at least, until the next begins */
    int64_t next;      /* when nothing happens */
    int64_t wish;      /* one is wanted then, or as soon after it as may be; REPORT_NO_WISH */
};

#define REPORT_NO_WISH INT64_MAX

/* Of this gateway within REPORT_EVERY_MS. */
uint32_t report_phase(const char *gateway);

/* The first report is due now. */
void report_when_start(struct report_when *w, int64_t now);

/* What is told has changed. */
void report_when_changed(struct report_when *w, int64_t now);

/* Somebody wants it now, or what made it fail may be another: forget the failures. */
void report_when_hurry(struct report_when *w, int64_t now);

/* A report begins, and ends.  `wall`: milliseconds since 1970; `random`: any number. */
void report_when_begin(struct report_when *w, int64_t now);
void report_when_end(struct report_when *w, enum report_result result, int64_t now, int64_t wall,
                     uint32_t random);

/* When the next one is to begin, if none is under way. */
int64_t report_when_due(const struct report_when *w);

#endif
