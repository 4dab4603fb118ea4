/* SPDX-License-Identifier: Apache-2.0 */
#include "service/route.h"

#include <stdio.h>
#include <string.h>

#include "service/body.h"

const struct route routes[] = {
    {"GET", "/metadata/{name}", ENDPOINT_METADATA, PEER_ANYBODY, 0},
    {"GET", "/targets/{name}", ENDPOINT_TARGET, PEER_ANYBODY, 0},
    {"GET", "/v1/wait", ENDPOINT_WAIT, PEER_ANYBODY, 0},
    {"GET", "/v1/health", ENDPOINT_HEALTH, PEER_ANYBODY, 0},
    {"GET", "/metrics", ENDPOINT_METRICS, PEER_ANYBODY, 0},
    {"POST", "/v1/enroll", ENDPOINT_ENROLL, PEER_ANYBODY, BODY_ENROLL_MAX},
    {"GET", "/v1/enroll/{id}", ENDPOINT_ENROLL_ASK, PEER_ANYBODY, 0},
    {"POST", "/v1/renew", ENDPOINT_RENEW, PEER_GATEWAY, BODY_ENROLL_MAX},
    {"POST", "/v1/report", ENDPOINT_REPORT, PEER_GATEWAY, BODY_REPORT_MAX},
    {"GET", "/v1/fleet", ENDPOINT_FLEET, PEER_OPERATOR, 0},
    {"GET", "/v1/gateways/{name}", ENDPOINT_GATEWAY, PEER_OPERATOR, 0},
    {"DELETE", "/v1/gateways/{name}", ENDPOINT_GATEWAY_REVOKE, PEER_OPERATOR, 0},
    {"GET", "/v1/keys", ENDPOINT_KEYS, PEER_OPERATOR, 0},
    {"POST", "/v1/keys", ENDPOINT_KEYS_REFUSE, PEER_OPERATOR, BODY_SMALL_MAX},
    {"POST", "/v1/tokens", ENDPOINT_TOKEN_CREATE, PEER_OPERATOR, BODY_SMALL_MAX},
    {"GET", "/v1/tokens", ENDPOINT_TOKEN_LIST, PEER_OPERATOR, 0},
    {"DELETE", "/v1/tokens/{gateway}", ENDPOINT_TOKEN_REVOKE, PEER_OPERATOR, 0},
    {"GET", "/v1/requests", ENDPOINT_REQUESTS, PEER_OPERATOR, 0},
    {"POST", "/v1/requests/{id}", ENDPOINT_DECIDE, PEER_OPERATOR, 2 * BODY_ANSWER_MAX},
    {"GET", "/v1/audit", ENDPOINT_AUDIT, PEER_OPERATOR, 0},
};
const size_t n_routes = sizeof(routes) / sizeof(routes[0]);

static const char *const method_names[] = {"GET", "POST", "DELETE"};

/* What is behind the fixed part, or NULL. */
static const char *match(const struct route *r, const char *path)
{
    const char *brace = strchr(r->path, '{');
    size_t n = brace ? (size_t)(brace - r->path) : strlen(r->path);

    if (strncmp(path, r->path, n) != 0)
        return NULL;
    if (brace ? path[n] == '\0' : path[n] != '\0')
        return NULL;
    return path + n;
}

int route_find(enum http_method method, const char *path, const struct route **ret,
               const char **rest)
{
    int status = 404;

    for (size_t i = 0; i < n_routes; i++) {
        const char *behind = match(&routes[i], path);

        if (!behind)
            continue;
        if (strcmp(routes[i].method, method_names[method]) == 0) {
            *ret = &routes[i];
            *rest = behind;
            return 0;
        }
        status = 405;
    }
    return status;
}

int route_allows(const struct route *route, const struct peer *peer)
{
    if (route->who == PEER_ANYBODY || route->who == peer->kind)
        return 0;
    return peer->kind == PEER_ANYBODY ? 401 : 403;
}

bool operator_named(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == n && strncmp(at, name, n) == 0)
            return true;
    return !list;
}

void peer_from_common_name(const char *common_name, struct peer *ret)
{
    const char *dot = strrchr(common_name, '.');
    size_t n = dot ? (size_t)(dot - common_name) : 0;
    uint64_t generation = 0;
    const char *p;

    ret->kind = PEER_ANYBODY;
    ret->name[0] = '\0';
    if (n == 0 || n > NAME_MAX_LEN)
        return;
    snprintf(ret->name, sizeof(ret->name), "%.*s", (int)n, common_name);
    if (!name_valid(ret->name)) {
        ret->name[0] = '\0';
        return;
    }
    if (strcmp(dot, ".operator") == 0) {
        ret->kind = PEER_OPERATOR;
        return;
    }
    p = dot + 2;
    if (dot[1] == 'g' && *p >= '1' && *p <= '9')
        for (; *p >= '0' && *p <= '9' && generation <= UINT32_MAX; p++)
            generation = generation * 10 + (uint64_t)(*p - '0');
    if (generation > 0 && generation <= UINT32_MAX && !*p) {
        ret->kind = PEER_GATEWAY;
        ret->generation = (uint32_t)generation;
    } else {
        ret->name[0] = '\0';
    }
}
