/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket owner: which user is at the other end of a TCP connection within this machine.
 *
 * A Unix socket says so by itself; for TCP the kernel is asked by sock_diag(7), about this one
 * connection only.  Needs no privilege.
 */
#ifndef P2PVPN_AGENT_SOCKET_OWNER_H
#define P2PVPN_AGENT_SOCKET_OWNER_H

#include <sys/types.h>

/* 0 and *ret set, or a negative errno: not an IPv4 connection, the other end is closed or
 * elsewhere, the kernel does not answer. */
int socket_owner(int fd, uid_t *ret);

#endif
