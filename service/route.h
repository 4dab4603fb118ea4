/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: which endpoint a method and a path mean, and who may use it: one table.  Pure.
 *
 * docs/openapi.yaml says the same for others; a test compares.
 */
#ifndef P2PVPN_SERVICE_ROUTE_H
#define P2PVPN_SERVICE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/name.h"
#include "service/http.h"

enum endpoint {
    ENDPOINT_METADATA,
    ENDPOINT_TARGET,
    ENDPOINT_WAIT,
    ENDPOINT_HEALTH,
    ENDPOINT_METRICS,
    ENDPOINT_ENROLL,
    ENDPOINT_ENROLL_ASK,
    ENDPOINT_RENEW,
    ENDPOINT_REPORT,
    ENDPOINT_FLEET,
    ENDPOINT_GATEWAY,
    ENDPOINT_GATEWAY_REVOKE,
    ENDPOINT_KEYS,
    ENDPOINT_KEYS_REFUSE,
    ENDPOINT_TOKEN_CREATE,
    ENDPOINT_TOKEN_LIST,
    ENDPOINT_TOKEN_REVOKE,
    ENDPOINT_REQUESTS,
    ENDPOINT_DECIDE,
    ENDPOINT_AUDIT,
};

/* Who asks: the certificate, checked by TLS, or the local socket's credentials say so. */
enum peer_kind {
    PEER_ANYBODY,
    PEER_GATEWAY,  /* CN NAME.gN */
    PEER_OPERATOR, /* CN NAME.operator, or a user of this machine */
};

struct peer {
    enum peer_kind kind;
    char name[NAME_MAX_LEN + 1];
    uint32_t generation;  /* of a gateway */
    char from[64];        /* address, or "local"; for the audit log */
    char fingerprint[65]; /* SHA-256 of the certificate's public key, hexadecimal; "": none */
};

struct route {
    const char *method, *path; /* "{name}" at its end stands for what is left */
    enum endpoint endpoint;
    enum peer_kind who;
    size_t body_max; /* 0: it has no body */
};
extern const struct route routes[];
extern const size_t n_routes;

/* 0, *ret and *rest, which points into path; else 404 or 405. */
int route_find(enum http_method method, const char *path, const struct route **ret,
               const char **rest);

/* 0; 401: a certificate is needed; 403: not this one. */
int route_allows(const struct route *route, const struct peer *peer);

/* `list`: names with commas; NULL: everybody's. */
bool operator_named(const char *list, const char *name);

/* The kind, name and generation that a certificate's common name says. */
void peer_from_common_name(const char *common_name, struct peer *ret);

#endif
