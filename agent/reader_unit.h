/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader unit: the reader (reader.h) as a service of systemd's, p2pvpn-reader@.service, for an
 * agent that may not change its user.
 *
 * systemd listens on READER_SOCKET, which only root may open, and starts one reader for each
 * connection, as the reader's user and with nothing that its unit does not give it.  The agent
 * sends one request: which of the three it is, the path for messages, and the open file's
 * descriptor.  What comes back is the same message as from a reader that the agent started.
 */
#ifndef P2PVPN_AGENT_READER_UNIT_H
#define P2PVPN_AGENT_READER_UNIT_H

#include <stdbool.h>
#include <stddef.h>

#define READER_SOCKET "/run/p2pvpn/reader.sock"
#define READER_PATH_MAX 4000u

/* Whether this process may become the reader's user by itself. */
bool reader_may_change_user(void);

/* The agent's side: a connection to a new reader, with the request sent; or a negative errno.  A
 * path that is longer than READER_PATH_MAX loses its end. */
int reader_unit_ask(const char *socket_path, unsigned char what, const char *path, int file);

/* The reader's side: takes the request from the connection.  0 and *ret_file open, or -errno. */
int reader_unit_take(int connection, unsigned char *ret_what,
                     char ret_path[static READER_PATH_MAX + 1], int *ret_file);

#endif
