/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status of the repository: what the fetcher says of itself (fetch_report.h), and whether that is a
 * reason to look.  A repository that is frozen or lies stops no packet; but nothing that an
 * operator publishes would come here, nor would the news that a gateway was cut off.
 */
#ifndef P2PVPN_AGENT_STATUS_REPOSITORY_H
#define P2PVPN_AGENT_STATUS_REPOSITORY_H

#include "agent/status.h"

#define STATUS_REPOSITORY_AWAY_S 900 /* that it cannot be reached before that is a problem */

/* Fills s->repository; with `light` nothing else. */
void status_repository_collect(const struct status_query *q, struct status *s);

/* Adds what is wrong with it to s->problems.  Pure. */
void status_repository_judge(struct status *s);

/* What is known of it has expired.  Pure. */
bool status_repository_frozen(const struct status *s);

#endif
