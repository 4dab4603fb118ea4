/* SPDX-License-Identifier: Apache-2.0 */
/* Command line of p2pvpn-agent: verbs, options, exit codes (common/error.h). */
#ifndef P2PVPN_AGENT_CLI_H
#define P2PVPN_AGENT_CLI_H

int agent_main(int argc, char **argv);

#endif
