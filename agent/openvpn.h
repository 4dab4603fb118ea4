/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenVPN: starts the process of one link, as a user that can do nothing else.
 *
 * The process runs as the link user with every capability gone (also from the bounding and ambient
 * sets), PR_SET_NO_NEW_PRIVS, a session of its own, no core file, and its output appended to
 * RUN/pvN.log.  It outlives the agent on purpose; supervise.h watches and adopts.
 *
 * The new process executes nothing before its identity file is written: an agent killed in between
 * leaves neither a link without a process nor a process that no agent knows.
 */
#ifndef P2PVPN_AGENT_OPENVPN_H
#define P2PVPN_AGENT_OPENVPN_H

#include <sys/types.h>

#include "agent/identity.h"
#include "agent/settings.h"
#include "common/error.h"

#define OPENVPN_PROGRAM "/usr/sbin/openvpn"
#define OPENVPN_LOG_MAX (256 << 10) /* bytes; then the log begins anew */

/* Starts the link's process and fills *ret with its identity; id->digest is given by the caller.
 * config is the absolute path of its configuration. */
int openvpn_start(const struct settings *s, const char *interface, const char *config,
                  struct identity *ret, struct error_list *err);

/* Empties the log if it has grown beyond OPENVPN_LOG_MAX.  The process appends: it needs no word.
 */
void openvpn_bound_log(const struct settings *s, const char *interface);

/* Removes the log of a link that is gone. */
void openvpn_remove_log(const struct settings *s, const char *interface);

/* The last line it printed, on the heap; "" if there is none. */
char *openvpn_last_words(const struct settings *s, const char *interface);

#endif
