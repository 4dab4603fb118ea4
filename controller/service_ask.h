/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the controller (p2pvpn-controller(8)): one request, one answer; on its local socket, or
 * from elsewhere by TLS 1.3 with an operator's certificate.
 *
 * Whoever may open the socket is an operator to the controller, by the name of his user.
 */
#ifndef P2PVPN_CONTROLLER_SERVICE_ASK_H
#define P2PVPN_CONTROLLER_SERVICE_ASK_H

#include <jansson.h>

#include "common/error.h"

#define SERVICE_SOCKET "/run/p2pvpn-controller/socket"

struct service {
    const char *socket;      /* NULL: SERVICE_SOCKET */
    const char *url;         /* "https://HOST:PORT"; NULL: the socket */
    const char *certificate; /* the operator's, with its key, in PEM; nobody else may read it */
    const char *pin;         /* "sha256//BASE64", of the controller's key; NULL: the system's CAs */
};

/* `body` may be NULL.  0 and *ret, which the caller owns; -EINVAL: the controller says no, in *err;
 * another negative errno: it could not be asked. */
int service_ask(const struct service *s, const char *method, const char *path, const json_t *body,
                json_t **ret, struct error_list *err);

#endif
