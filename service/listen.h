/* SPDX-License-Identifier: Apache-2.0 */
/* Listen: the sockets that the controller is asked on. */
#ifndef P2PVPN_SERVICE_LISTEN_H
#define P2PVPN_SERVICE_LISTEN_H

#include <stddef.h>

#include "common/error.h"

#define LISTEN_MAX 8

/* "HOST:PORT,[ADDRESS]:PORT": opens all, or none (-EINVAL or what the system says). */
int listen_tcp(const char *where, int fds[static LISTEN_MAX], size_t *ret_n,
               struct error_list *err);

/* 0660, of the service's group; what an earlier run left there is replaced.  The socket or a
 * negative errno. */
int listen_local(const char *path, struct error_list *err);

#endif
