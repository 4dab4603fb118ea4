/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link unit: what is agreed with p2pvpn-link@.service, and what systemd's words mean.  Pure.
 *
 * The unit of link pvN is p2pvpn-link@pvN.service.  It starts OpenVPN with RUN/link/pvN.conf, a
 * copy of the configuration in force when the agent last had it started: so systemd may start it
 * again at any hour, also while the agent puts another bundle in the place of this one, and gets
 * what was started before.  The first line of the copy holds the digest of what it is part of.  It
 * is written only while the link has no process, so it is true of every process that runs, whatever
 * became of the agent meanwhile.
 */
#ifndef P2PVPN_AGENT_LINK_UNIT_H
#define P2PVPN_AGENT_LINK_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/link_table.h" /* LINK_NAME_SIZE */
#include "agent/started.h"
#include "common/buf.h"

#define LINK_UNIT_PATTERN "p2pvpn-link@*.service"
#define LINK_UNIT_FILE "p2pvpn-link@.service"
#define LINK_UNIT_NAME_SIZE (LINK_NAME_SIZE + 24)

/* Whether this is a name that our interfaces have: pv7, pv7-2. */
bool link_name_valid(const char *name);

void link_unit_name(const char *interface, char ret[static LINK_UNIT_NAME_SIZE]);
/* The other way round; false: this is no unit of a link. */
bool link_unit_interface(const char *unit, char ret[static LINK_NAME_SIZE]);

/* Whether the text of /proc/PID/cgroup says that the process is of the link's unit. */
bool link_unit_in_cgroup(const char *text, const char *interface);

enum unit_life {
    UNIT_RESTS,   /* stopped, failed or never heard of: nothing happens unless it is started */
    UNIT_RUNS,    /* pid is its process */
    UNIT_CHANGES, /* about to become one of the two: ask again */
};

/* From systemd's ActiveState and SubState, and the MainPID. */
enum unit_life link_unit_life(const char *active, const char *sub, pid_t pid);

void link_unit_config(const char *digest, const char *config, size_t len, struct buf *ret);
/* The digest out of such a text; false: it has none. */
bool link_unit_config_digest(const char *text, char ret[static STARTED_LEN + 1]);

#endif
