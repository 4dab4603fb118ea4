/* SPDX-License-Identifier: Apache-2.0 */
/* Enroll: `p2pvpn-agent enroll`, by files or over the controller; the work is key.h's and
 * contact.h's. */
#ifndef P2PVPN_AGENT_ENROLL_H
#define P2PVPN_AGENT_ENROLL_H

#include "agent/key.h"
#include "agent/settings.h"
#include "common/error.h"

#define ENROLL_WAIT_MAX_S (7u * 86400u) /* the controller forgets a request then */

/* Makes the keys that are wished, and writes the request to `file`; NULL: to standard output.
 * `gateway` NULL: the one that the keys are of. */
int enroll_request(const struct settings *s, const char *gateway, enum key_wish wish,
                   const char *file, struct error_list *err);

/* Installs the certificates of the answer.  A running agent notices by itself. */
int enroll_install(const struct settings *s, const char *answer, struct error_list *err);

/* The same with what a controller has answered to a renewal, which brings no other root of a
 * repository: that would be said, and the certificate alone is installed. */
int enroll_install_renewal(const struct settings *s, const struct buf *answer,
                           struct error_list *err);

struct enroll_order {
    const char *gateway; /* NULL: the one that the keys are of */
    enum key_wish wish;
    const char *token, *token_file; /* one at most; "-": standard input; none: it is approved */
    unsigned wait;                  /* seconds for that; 0: it only asks whether it was */
};

/* All of it over the controller of the settings, which is noted as the gateway's. */
int enroll_at_controller(const struct settings *s, const struct enroll_order *order,
                         struct error_list *err);

#endif
