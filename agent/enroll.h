/* SPDX-License-Identifier: Apache-2.0 */
/* Enroll: `p2pvpn-agent enroll`, both halves; the work is key.h's. */
#ifndef P2PVPN_AGENT_ENROLL_H
#define P2PVPN_AGENT_ENROLL_H

#include "agent/key.h"
#include "agent/settings.h"
#include "common/error.h"

/* Makes the keys that are wished, and writes the request to `file`; NULL: to standard output.
 * `gateway` NULL: the one that the keys are of. */
int enroll_request(const struct settings *s, const char *gateway, enum key_wish wish,
                   const char *file, struct error_list *err);

/* Installs the certificates of the answer.  A running agent notices by itself. */
int enroll_install(const struct settings *s, const char *answer, struct error_list *err);

#endif
