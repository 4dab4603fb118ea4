/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys gateways were enrolled with here, for the operator's file; and which of them he
 * refuses. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "service/api_parts.h"
#include "service/body.h"

struct standing {
    uint32_t generation, least;
    bool out;
};

static void take_standing(void *data, const struct db_gateway *row)
{
    *(struct standing *)data =
        (struct standing){.generation = row->generation, .least = row->least, .out = row->out};
}

/* False: *response is set. */
static bool get_standing(struct api *api, const char *gateway, struct standing *ret,
                         struct api_response *response)
{
    int r = db_gateway_get(api->db, gateway, take_standing, ret);

    if (r == 0 || r == -ENOENT)
        return true;
    api_db_failed(api, response);
    return false;
}

bool api_may(struct api *api, const struct peer *peer, struct api_response *ret)
{
    struct standing is = {.least = 1};

    if (!get_standing(api, peer->name, &is, ret))
        return false;
    if (peer->generation >= is.least && !is.out)
        return true;
    api_error(ret, 403, "generation %u of this gateway was revoked; enroll it again with a new key",
              peer->generation);
    return false;
}

bool api_may_issue(struct api *api, const char *gateway, uint32_t *generation,
                   struct api_response *ret)
{
    struct standing is = {.least = 1};
    uint32_t lowest;

    if (!get_standing(api, gateway, &is, ret))
        return false;
    lowest = is.generation > is.least ? is.generation : is.least;
    if (*generation == 0)
        *generation = lowest;
    if (is.out)
        api_error(ret, 409,
                  "gateway '%s' was revoked; if it is to come back, with new keys, run 'p2pvpn-ctl "
                  "rekey' and 'p2pvpn-ctl sync' first",
                  gateway);
    else if (*generation < lowest)
        api_error(ret, 409,
                  "the keys of generation %u of gateway '%s' were given up; its generation is %u "
                  "now",
                  *generation, gateway, lowest);
    else
        return true;
    return false;
}

static void add_keys(void *data, const struct db_gateway *row)
{
    json_t *o = json_pack("{s:s, s:I, s:b}", "gateway", row->name, "least-generation",
                          (json_int_t)row->least, "revoked", (int)row->out);

    if (o && row->issued) {
        json_object_set_new(o, "generation", json_integer(row->generation));
        json_object_set_new(o, "fingerprint", json_string(row->fingerprint));
        if (*row->link_key)
            json_object_set_new(o, "link-key", json_string(row->link_key));
    }
    json_array_append_new(data, o);
}

void api_keys(struct api *api, const struct api_request *q, struct api_response *ret)
{
    json_t *list = json_array();

    (void)q;
    if (db_gateway_each(api->db, add_keys, list) < 0) {
        json_decref(list);
        api_db_failed(api, ret);
        return;
    }
    api_json(ret, 200, json_pack("{s:o}", "gateways", list));
}

/* Generations are refused for good; that a gateway is out altogether can be taken back. */
void api_keys_refuse(struct api *api, const struct api_request *q, struct api_response *ret)
{
    _cleanup_body_ struct body b = {NULL, ""};
    struct body_refusal want;
    struct standing is = {.least = 1};
    char detail[64];
    unsigned n;

    if (!body_refusal(&b, q->body, q->body_len, &want)) {
        api_error(ret, 422, "%s", b.why);
        return;
    }
    snprintf(detail, sizeof(detail), "below generation %u%s", want.least,
             want.revoked ? ", and all others" : "");
    if (db_begin(api->db) < 0 ||
        db_gateway_refuse(api->db, want.gateway, want.least, want.revoked) < 0 ||
        (want.revoked && db_token_revoke(api->db, want.gateway, time(NULL), &n) < 0) ||
        api_note(api, q->peer, "refuse-keys", want.gateway, detail) < 0)
        api_db_failed(api, ret);
    else if (!get_standing(api, want.gateway, &is, ret))
        ; /* *ret says it */
    else if (db_commit(api->db) < 0)
        api_db_failed(api, ret);
    else
        api_json(ret, 200,
                 json_pack("{s:I, s:b}", "least-generation", (json_int_t)is.least, "revoked",
                           (int)is.out));
    db_rollback(api->db);
}
