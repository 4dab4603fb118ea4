/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report: what the controller is told, which is what `status` says, and how the certificate is
 * renewed in time, or when the controller says so, because another authority comes.  Once, or by a
 * process that stays (reporter.h).
 *
 * A gateway without a controller has nobody to tell.  A gateway without a bundle, or with one that
 * cannot be read, says just that.
 */
#ifndef P2PVPN_AGENT_REPORT_H
#define P2PVPN_AGENT_REPORT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/settings.h"
#include "common/buf.h"
#include "common/error.h"

#define REPORT_RENEW_S (INT64_C(120) * 86400) /* before the certificate ends; of 398 days */
#define REPORT_RENEW_SPREAD_S 86400           /* later for some: each at its own time of this day */
#define REPORT_RETRY_S 3600                   /* between two tries to renew it */

/* `report --once`.  renew: now, however long it is still valid. */
int report_once(const struct settings *s, bool renew, struct error_list *err);

/* The reporter's jobs; the argument is its settings.  The first returns the gateway's phase
 * (report_when.h), with REPORT_PROBLEMS if it told of some and REPORT_WANTED if the controller
 * wants the certificate renewed, or REPORT_TO_NOBODY when no controller is known or it has no
 * certificate yet; the second 0 when there is nothing to do, or one of the others. */
#define REPORT_TO_NOBODY INT_MAX
#define REPORT_PROBLEMS (1 << 20)
#define REPORT_WANTED (1 << 21)
#define REPORT_RENEWED 1
#define REPORT_RENEW_LATER 2 /* it failed before; see REPORT_RETRY_S */
int report_tell_job(void *settings, struct error_list *err);
int report_renew_job(void *settings, struct error_list *err);

/* Whether a certificate is to be renewed.  Gateways that were enrolled together do not all restart
 * their links in the same minute, 278 days later: `phase` is report_phase() (report_when.h).  One
 * that is good for as long as the authority is not: the next one would not be for longer.  Pure.
 */
struct report_renewal {
    int64_t expires;   /* seconds since 1970; 0: not known */
    int64_t authority; /* the same of the authority that issued it */
    uint32_t phase;
    bool wanted;   /* by the controller: now */
    int64_t tried; /* last; 0: not, or the controller wanted it and has it */
};
bool report_renewal_due(const struct report_renewal *at, int64_t now);

/* The same status in few bytes: of links and sessions what the controller counts.  Pure.  What is
 * no JSON object stays as it is. */
void report_shorten(struct buf *json);

#endif
