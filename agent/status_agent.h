/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status of the agent: whether it runs, what it complains of and has repaired, how long the
 * gateway's certificate is good.
 */
#ifndef P2PVPN_AGENT_STATUS_AGENT_H
#define P2PVPN_AGENT_STATUS_AGENT_H

#include "agent/status.h"

#define STATUS_CERTIFICATE_DAYS 30 /* left, from when on it is a problem */

/* Fills s->agent. */
void status_agent_collect(const struct status_query *q, struct status *s);
void status_agent_clear(struct status_agent *a);

/* Adds what is wrong with it to s->problems.  Pure. */
void status_agent_judge(struct status *s);

/* Whole days from now; negative: it is over. */
int64_t status_certificate_days(const struct status *s);

#endif
