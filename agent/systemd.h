/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Systemd: starts and stops units of links over D-Bus, and says what they do.
 *
 * The only file that sees libsystemd, which is loaded when it is first used: that is in a worker
 * that ends (units.h), so that the resident agent has none of it in its memory.
 *
 * It speaks on the system bus, or, where there is none, on the socket that systemctl uses.
 */
#ifndef P2PVPN_AGENT_SYSTEMD_H
#define P2PVPN_AGENT_SYSTEMD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/link_unit.h"
#include "common/error.h"

struct settings;

enum unit_act { UNIT_START, UNIT_STOP };

struct unit_request {
    char interface[LINK_NAME_SIZE];
    enum unit_act act;
};

struct unit_state {
    char interface[LINK_NAME_SIZE];
    enum unit_life life;
    pid_t pid; /* of UNIT_RUNS */
};

/* Whether systemd is this machine's manager, has our unit installed, and the unit's fixed paths and
 * user are those of these settings. */
bool systemd_has_links(const struct settings *s);

/*
 * Carries out the requests, waits a few seconds at most for what was started, and then tells of all
 * units of links that systemd knows: at most max of them, *ret_n many.  A start is a restart, also
 * of a unit that systemd has given up.  Requests that systemd refuses are in *err, with 0: the
 * states tell the rest.  Blocks.
 */
int systemd_links(const struct unit_request *requests, size_t n, struct unit_state *states,
                  size_t max, size_t *ret_n, struct error_list *err);

#endif
