/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observe: what is there now, as plan.h wants to know it.
 *
 * Interfaces with their settings come from the kernel in one answer, processes from the supervisor,
 * the machine's settings from /proc/sys: the least work, for this is done every few seconds.
 * Whether FRR has what the bundle says is not looked at here (that takes long): the caller sets it,
 * and guard.h what it sees of the firewall.
 */
#ifndef P2PVPN_AGENT_OBSERVE_H
#define P2PVPN_AGENT_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/netlink.h"
#include "agent/started.h"
#include "common/error.h"

struct supervisor;

struct observed_process {
    char interface[LINK_NAME_SIZE];
    char digest[STARTED_LEN + 1];
};

struct observed_setting {
    char *name; /* sysctl.h */
    long value; /* never SYSCTL_ABSENT */
};

enum firewall_there { FIREWALL_NONE, FIREWALL_FOREIGN, FIREWALL_OURS };

struct observed {
    struct link_table links;
    struct observed_process *processes; /* by interface name */
    size_t n_processes;
    struct observed_setting *settings; /* of the machine, by name */
    size_t n_settings;
    bool frr_in_force; /* FRR holds exactly what the bundle says */
    enum firewall_there firewall;
    char firewall_digest[DIGEST_TEXT_LEN + 1]; /* that ours claims */
    bool firewall_changed;                     /* ours, but somebody changed it */
};

#define OBSERVED_INIT                                                      \
    {                                                                      \
        LINK_TABLE_INIT, NULL, 0, NULL, 0, false, FIREWALL_NONE, "", false \
    }

/* `same_addresses`: nothing was heard of links since the last time (LINKS_SAME_ADDRESSES). */
int observe(struct netlink *nl, const struct supervisor *sv, bool same_addresses,
            struct observed *ret, struct error_list *err);
void observed_clear(struct observed *o);

/* Builds an observation by hand, for tests; observed_sort() when all is added. */
void observed_add_process(struct observed *o, const char *interface, const char *digest);
void observed_add_setting(struct observed *o, const char *name, long value);
void observed_sort(struct observed *o);

/* SYSCTL_ABSENT: there is no such setting. */
long observed_value(const struct observed *o, const char *name);
/* NULL: this link has no process. */
const char *observed_digest(const struct observed *o, const char *interface);

#endif
