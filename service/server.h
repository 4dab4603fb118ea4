/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server: the event loop of the controller, from the sockets to SIGTERM.
 *
 * One thread.  It watches REPO/metadata for a new timestamp.json, tells systemd that it is ready
 * and alive, and ends within five seconds of SIGTERM or SIGINT, with every request that was begun
 * answered if its client takes the answer.
 */
#ifndef P2PVPN_SERVICE_SERVER_H
#define P2PVPN_SERVICE_SERVER_H

#include "common/error.h"
#include "service/settings.h"

/* Returns when it was told to end: 0, or why it could not begin. */
int server_run(const struct controller_settings *settings, struct error_list *err);

/* The certificate that it has: named by the settings, or in the state folder. */
char *server_certificate(const struct controller_settings *settings);

#endif
