/* SPDX-License-Identifier: Apache-2.0 */
/* Reach: whether a TCP server answers.  Blocks; for workers. */
#ifndef P2PVPN_AGENT_REACH_H
#define P2PVPN_AGENT_REACH_H

#include <stdbool.h>

#include "common/error.h"

#define REACH_TIMEOUT_MS 3000

/* "HOST:PORT", "[ADDRESS]:PORT": -EINVAL when it is not. */
int reach_check(const char *target, struct error_list *err);
/* Whether a connection comes about in time; names are looked up. */
bool reach_answers(const char *target);

#endif
