/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of p2pvpn-controller: run, check, pin.  Everything else stands in its settings
 * file (settings.h).
 */
#ifndef P2PVPN_SERVICE_CLI_H
#define P2PVPN_SERVICE_CLI_H

/* Returns the exit code (common/error.h). */
int service_main(int argc, char **argv);

#endif
