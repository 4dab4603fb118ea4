/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reporter: `p2pvpn-agent report` that stays: tells the controller when report_when.h says so, and
 * has the certificate looked at after that.
 *
 * It waits for RUN/agent.json to change, and for what says whether there is a controller and who
 * this gateway is: STATE/controller.conf, STATE/repository.json, KEYS/gateway.crt.  As long as one
 * of those is missing it is quiet.  Whatever is slow or large, everything but waiting, is done by
 * workers (worker.h), which read all of that anew: so it does not grow.  What they share is the
 * library that was there when it began: after an update of libcurl or OpenSSL restart it, as
 * everything that uses them.
 * What became of it is in RUN/controller.json (report_note.h); that the controller cannot be told
 * is said once, and when it is over.
 *
 * SIGHUP: tell now.  SIGTERM, SIGINT: end, and with it what is under way.
 */
#ifndef P2PVPN_AGENT_REPORTER_H
#define P2PVPN_AGENT_REPORTER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/report_note.h"
#include "agent/report_when.h"
#include "agent/settings.h"
#include "agent/worker.h"
#include "common/error.h"

#define REPORTER_JOB_MS 100000 /* a worker that takes longer is ended */

/* In a worker; `settings` is what it says.  report_tell() and report_renew() (report.h). */
typedef int reporter_job(void *settings, struct error_list *err);

struct reporter {
    const struct settings *settings;
    reporter_job *tell, *renew;
    struct report_when when;
    struct report_note note;
    struct worker worker;
    bool renews;            /* that is what the worker does */
    int64_t worker_until;   /* CLOCK_MONOTONIC, ms */
    int64_t renewal_at;     /* the same: not sooner, if nobody says so */
    bool known;             /* it was told once, and that was said */
    bool away, not_renewed; /* was said */
    int inotify, lock;
};

/* -EINVAL: another one is at work here.  Close it in any case. */
int reporter_open(struct reporter *r, const struct settings *s, reporter_job *tell,
                  reporter_job *renew, struct error_list *err);
/* Waits for one thing to happen, and answers it.  The signals of *during are let through while it
 * waits, and end that. */
void reporter_step(struct reporter *r, const sigset_t *during);
void reporter_close(struct reporter *r);

/* Until it is told to end. */
int reporter_run(const struct settings *s, struct error_list *err);

#endif
