/* SPDX-License-Identifier: Apache-2.0 */
/* The endpoints that have a file of their own, and what they share; for api*.c alone. */
#ifndef P2PVPN_SERVICE_API_PARTS_H
#define P2PVPN_SERVICE_API_PARTS_H

#include <jansson.h>

#include "service/api.h"
#include "service/db.h"

/* api_enroll.c */
void api_enroll(struct api *api, const struct api_request *q, struct api_response *ret);
void api_enroll_ask(struct api *api, const struct api_request *q, struct api_response *ret);
void api_renew(struct api *api, const struct api_request *q, struct api_response *ret);
void api_requests(struct api *api, const struct api_request *q, struct api_response *ret);
void api_decide(struct api *api, const struct api_request *q, struct api_response *ret);

/* api_token.c */
void api_token_create(struct api *api, const struct api_request *q, struct api_response *ret);
void api_token_list(struct api *api, const struct api_request *q, struct api_response *ret);
void api_token_revoke(struct api *api, const struct api_request *q, struct api_response *ret);
void api_audit_list(struct api *api, const struct api_request *q, struct api_response *ret);

/* api_fleet.c */
void api_report(struct api *api, const struct api_request *q, struct api_response *ret);
void api_fleet(struct api *api, const struct api_request *q, struct api_response *ret);
void api_gateway(struct api *api, const struct api_request *q, struct api_response *ret);
void api_gateway_revoke(struct api *api, const struct api_request *q, struct api_response *ret);
void api_metrics(struct api *api, const struct api_request *q, struct api_response *ret);

/* api_keys.c */
void api_keys(struct api *api, const struct api_request *q, struct api_response *ret);
void api_keys_refuse(struct api *api, const struct api_request *q, struct api_response *ret);
/* True: this generation of the gateway is not revoked; else *ret is set. */
bool api_may(struct api *api, const struct peer *peer, struct api_response *ret);
/* True: a certificate of this generation may be issued; else *ret is set.  0 becomes the one that
 * the gateway has, or the lowest that is not refused. */
bool api_may_issue(struct api *api, const char *gateway, uint32_t *generation,
                   struct api_response *ret);

/* The object is the body; it is taken. */
void api_json(struct api_response *ret, int status, json_t *object);
/* 503 and what the database says. */
void api_db_failed(const struct api *api, struct api_response *ret);
/* Into the audit log, within a transaction. */
int api_note(const struct api *api, const struct peer *peer, const char *what, const char *gateway,
             const char *detail);

#endif
