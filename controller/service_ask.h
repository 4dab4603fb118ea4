/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the controller (p2pvpn-controller(8)) on its local socket: one request, one answer.
 *
 * Whoever may open the socket is an operator to the controller, by the name of his user.
 */
#ifndef P2PVPN_CONTROLLER_SERVICE_ASK_H
#define P2PVPN_CONTROLLER_SERVICE_ASK_H

#include <jansson.h>

#include "common/error.h"

#define SERVICE_SOCKET "/run/p2pvpn-controller/socket"

/* `body` may be NULL.  0 and *ret, which the caller owns; -EINVAL: the controller says no, in *err;
 * another negative errno: it could not be asked. */
int service_ask(const char *socket_path, const char *method, const char *path, const json_t *body,
                json_t **ret, struct error_list *err);

#endif
