/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report: `p2pvpn-agent report`, which a timer starts: it tells the controller what `status` says,
 * and has the certificate renewed in time.
 *
 * A gateway without a controller has nobody to tell.  A gateway without a bundle, or with one that
 * cannot be read, says just that.
 */
#ifndef P2PVPN_AGENT_REPORT_H
#define P2PVPN_AGENT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/settings.h"
#include "common/buf.h"
#include "common/error.h"

#define REPORT_RENEW_S (INT64_C(120) * 86400) /* before the certificate ends; of 398 days */
#define REPORT_RETRY_S 3600                   /* between two tries to renew it */

/* renew: now, however long it is still valid. */
int report_run(const struct settings *s, bool renew, struct error_list *err);

/* Whether a certificate that ends at `expires` (0: not known) is to be renewed, the last try being
 * at `tried` (0: none).  Pure. */
bool report_renewal_due(int64_t expires, int64_t tried, int64_t now);

/* The same status in few bytes: of links and sessions what the controller counts.  Pure.  What is
 * no JSON object stays as it is. */
void report_shorten(struct buf *json);

#endif
