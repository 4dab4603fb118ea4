/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status of the controller: what the reporter says of itself (report_note.h), and whether that is a
 * reason to look.  The mesh does not depend on the controller; but an operator would look at an old
 * picture of this gateway, and its certificate is renewed there.
 */
#ifndef P2PVPN_AGENT_STATUS_CONTROLLER_H
#define P2PVPN_AGENT_STATUS_CONTROLLER_H

#include "agent/status.h"

#define STATUS_CONTROLLER_AWAY_S 900 /* that it cannot be told before that is a problem */

/* Fills s->controller. */
void status_controller_collect(const struct status_query *q, struct status *s);
void status_controller_clear(struct status_controller *c);

/* Adds what is wrong with it to s->problems.  Pure. */
void status_controller_judge(struct status *s);

#endif
