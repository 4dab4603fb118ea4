/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and the audit log, for operators. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "common/digest.h"
#include "common/token.h"
#include "service/api_parts.h"
#include "service/body.h"

#define AUDIT_DEFAULT 100u
#define AUDIT_MAX 10000u

void api_token_create(struct api *api, const struct api_request *q, struct api_response *ret)
{
    _cleanup_body_ struct body b = {NULL, ""};
    char text[TOKEN_TEXT_LEN + 1], id[TOKEN_ID_TEXT_LEN + 1], detail[96];
    uint8_t hash[DIGEST_LEN];
    struct body_token want;
    int64_t now = time(NULL);
    struct token token;

    if (!body_token(&b, q->body, q->body_len, &want)) {
        api_error(ret, 422, "%s", b.why);
        return;
    }
    if (!api_may_issue(api, want.gateway, &want.generation, ret))
        return;
    if (RAND_bytes(token.id, sizeof(token.id)) != 1 ||
        RAND_priv_bytes(token.secret, sizeof(token.secret)) != 1) {
        api_error(ret, 503, "there is no randomness for a token");
        return;
    }
    memcpy(token.pin, api->pin, sizeof(token.pin));
    token_id_text(&token, id);
    token_format(&token, text);
    digest_sha256(token.secret, sizeof(token.secret), hash);
    OPENSSL_cleanse(token.secret, sizeof(token.secret));
    snprintf(detail, sizeof(detail), "%s, generation %u, %u seconds", id, want.generation,
             want.seconds);
    if (db_begin(api->db) < 0 ||
        db_token_put(api->db, &(struct db_token){.id = id,
                                                 .hash = hash,
                                                 .gateway = want.gateway,
                                                 .who = q->peer->name,
                                                 .generation = want.generation,
                                                 .created = now,
                                                 .expires = now + want.seconds}) < 0 ||
        api_note(api, q->peer, "token-create", want.gateway, detail) < 0 || db_commit(api->db) < 0)
        api_db_failed(api, ret);
    else
        api_json(ret, 200,
                 json_pack("{s:s, s:s, s:s, s:I, s:I}", "token", text, "id", id, "gateway",
                           want.gateway, "generation", (json_int_t)want.generation, "expires",
                           (json_int_t)(now + want.seconds)));
    OPENSSL_cleanse(text, sizeof(text));
    db_rollback(api->db);
}

static void add_token(void *data, const struct db_token *row)
{
    const char *state = row->revoked                 ? "revoked"
                        : row->used                  ? "used"
                        : row->expires <= time(NULL) ? "expired"
                                                     : "open";

    json_array_append_new(data,
                          json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:I}", "id", row->id, "gateway",
                                    row->gateway, "generation", (json_int_t)row->generation,
                                    "state", state, "by", row->who, "created",
                                    (json_int_t)row->created, "expires", (json_int_t)row->expires));
}

void api_token_list(struct api *api, const struct api_request *q, struct api_response *ret)
{
    json_t *list = json_array();

    (void)q;
    if (db_token_each(api->db, add_token, list) < 0) {
        json_decref(list);
        api_db_failed(api, ret);
        return;
    }
    api_json(ret, 200, json_pack("{s:o}", "tokens", list));
}

void api_token_revoke(struct api *api, const struct api_request *q, struct api_response *ret)
{
    unsigned n = 0;

    if (!name_valid(q->rest))
        api_error(ret, 404, "this is not the name of a gateway");
    else if (db_begin(api->db) < 0 || db_token_revoke(api->db, q->rest, time(NULL), &n) < 0 ||
             (n && api_note(api, q->peer, "token-revoke", q->rest, "") < 0) ||
             db_commit(api->db) < 0)
        api_db_failed(api, ret);
    else if (n == 0)
        api_error(ret, 404, "there is no token that '%s' could still use", q->rest);
    else
        api_json(ret, 200, json_pack("{s:i}", "revoked", (int)n));
    db_rollback(api->db);
}

static void add_audit(void *data, const struct db_audit *row)
{
    json_array_append_new(data,
                          json_pack("{s:I, s:s, s:s, s:s, s:s, s:s}", "at", (json_int_t)row->at,
                                    "who", row->who, "from", row->from, "what", row->what,
                                    "gateway", row->gateway, "detail", row->detail));
}

void api_audit_list(struct api *api, const struct api_request *q, struct api_response *ret)
{
    unsigned long long last = AUDIT_DEFAULT;
    json_t *list;

    if (!http_query_number(q->http->query, "last", AUDIT_MAX, &last)) {
        api_error(ret, 400, "last is not a number from 0 to %u", AUDIT_MAX);
        return;
    }
    list = json_array();
    if (db_audit_each(api->db, (unsigned)last, add_audit, list) < 0) {
        json_decref(list);
        api_db_failed(api, ret);
        return;
    }
    api_json(ret, 200, json_pack("{s:o}", "audit", list));
}
