/* SPDX-License-Identifier: Apache-2.0 */
/* Enrolment and renewal: requests become certificates, at once or when somebody has approved. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "common/alloc.h"
#include "common/digest.h"
#include "common/token.h"
#include "service/address.h"
#include "service/api_parts.h"
#include "service/body.h"
#include "service/signing.h"

#define PENDING_MAX 256u            /* requests of those who have no token */
#define PENDING_FROM_MAX 16u        /* of them of one address: the others are for others */
#define PENDING_BY_TOKEN 256u       /* more of those who have one, whom nobody else keeps out */
#define BY_TOKEN "request-by-token" /* in the audit log */
#define PENDING_SECONDS (7 * 86400)
#define ID_LEN 32
#define REFUSED_PACE 10    /* seconds from one row of the audit log about it to the next */
#define REFUSED_ROWS 10000 /* that are kept */
#define RENEW_ROWS 50000   /* of the audit log about renewals, of all gateways */

static void refuse(struct api_response *ret, int status, struct error_list *err)
{
    api_error(ret, status, "%s", err->n ? err->items[0].message : "the request is wrong");
    error_clear(err);
}

/* 422 for what the gateway sent, 503 for what went wrong here. */
static int status_of(int r)
{
    return r == -EINVAL ? 422 : 503;
}

static bool look(struct api *api, const char *pem, struct signing_request *ret,
                 struct api_response *response)
{
    struct error_list err = ERROR_LIST_INIT;
    int r = signing_look(api->settings, pem, ret, &err);

    if (r < 0) {
        for (size_t i = 0; i < err.n; i++) {
            /* The path is of this machine. */
            free(err.items[i].file);
            err.items[i].file = NULL;
        }
        refuse(response, status_of(r), &err);
    }
    return r == 0;
}

/* Signs, and puts into the transaction who has what. */
static int sign(struct api *api, const struct peer *peer, const char *pem,
                const struct signing_request *who, uint32_t generation, const char *how,
                struct buf *answer, struct api_response *ret)
{
    struct error_list err = ERROR_LIST_INIT;
    int64_t now = time(NULL);
    char detail[160];
    int r;

    if (!api_may_issue(api, who->gateway, &generation, ret))
        return -EINVAL;
    r = signing_answer(&api->signing, api->settings, api->pin, pem, generation, answer, &err);
    if (r < 0) {
        refuse(ret, r == -EINVAL ? 409 : 503, &err);
        return r;
    }
    snprintf(detail, sizeof(detail), "generation %u, key %.64s", generation, who->fingerprint);
    r = db_gateway_put(api->db, &(struct db_gateway){.name = who->gateway,
                                                     .generation = generation,
                                                     .fingerprint = who->fingerprint,
                                                     .link_key = who->link_key,
                                                     .issued = now});
    if (r == 0)
        r = api_note(api, peer, how, who->gateway, detail);
    if (r < 0)
        api_db_failed(api, ret);
    return r;
}

static void answer_with(struct api_response *ret, const char *answer)
{
    api_json(ret, 200, json_pack("{s:s}", "answer", answer));
}

/* --- by approval -------------------------------------------------------------------------------
 */

/* One request has one id, however often it is sent. */
static void id_of(const char *pem, char ret[static ID_LEN + 1])
{
    char digest[DIGEST_TEXT_LEN + 1];

    digest_sha256_text(pem, strlen(pem), digest);
    snprintf(ret, ID_LEN + 1, "%.*s", ID_LEN, digest);
}

static bool id_valid(const char *id)
{
    return strlen(id) == ID_LEN && strspn(id, "0123456789abcdef") == ID_LEN;
}

static void pending(struct api_response *ret, const char *id)
{
    api_json(ret, 202, json_pack("{s:s}", "id", id));
}

struct neighbours {
    const char *from;
    unsigned n;
};

static void count_neighbour(void *data, const struct db_request *row)
{
    struct neighbours *all = data;

    all->n += strcmp(row->state, "pending") == 0 && address_same(row->from, all->from);
}

/* Whether one more request may wait, of so many; NULL: it may.  Else why not. */
static const char *no_room(struct api *api, const struct peer *peer, bool token, unsigned waiting)
{
    struct neighbours all = {.from = peer->from};

    if (waiting >= PENDING_MAX + (token ? PENDING_BY_TOKEN : 0))
        return "too many requests wait for approval; an operator must decide first";
    if (token || db_request_each(api->db, count_neighbour, &all) < 0 || all.n < PENDING_FROM_MAX)
        return NULL;
    return "too many requests of this address wait for approval; an operator must decide first, or "
           "give you a token";
}

static void nothing(void *data, const struct db_request *row)
{
    (void)data;
    (void)row;
}

/* Within a transaction, which it ends. */
static void queue(struct api *api, const struct peer *peer, const char *pem,
                  const struct signing_request *who, const char *how, struct api_response *ret)
{
    bool token = strcmp(how, BY_TOKEN) == 0;
    int64_t now = time(NULL);
    char id[ID_LEN + 1];
    const char *why = NULL;
    unsigned waiting = 0;
    int r = db_request_prune(api->db, now - PENDING_SECONDS, &waiting);

    id_of(pem, id);
    if (r == 0)
        r = db_request_get(api->db, id, nothing, NULL);
    if (r == -ENOENT && (why = no_room(api, peer, token, waiting))) {
        db_rollback(api->db);
        api_error(ret, 503, "%s", why);
        return;
    }
    if (r == -ENOENT) {
        r = db_request_put(api->db, &(struct db_request){.id = id,
                                                         .gateway = who->gateway,
                                                         .fingerprint = who->fingerprint,
                                                         .pem = pem,
                                                         .from = peer->from,
                                                         .at = now});
        if (r == 0)
            r = api_note(api, peer, how, who->gateway, id);
    }
    if (r == 0)
        r = db_commit(api->db);
    if (r < 0)
        api_db_failed(api, ret);
    else
        pending(ret, id);
}

struct found_request {
    char *gateway, *fingerprint, *pem, *answer;
    char state[16];
};

static void find(void *data, const struct db_request *row)
{
    struct found_request *f = data;

    f->gateway = xstrdup(row->gateway);
    f->fingerprint = xstrdup(row->fingerprint);
    f->pem = xstrdup(row->pem);
    f->answer = xstrdup(row->answer);
    snprintf(f->state, sizeof(f->state), "%s", row->state);
}

static void found_clear(struct found_request *f)
{
    free(f->gateway);
    free(f->fingerprint);
    free(f->pem);
    free(f->answer);
}

void api_enroll_ask(struct api *api, const struct api_request *q, struct api_response *ret)
{
    struct found_request f = {NULL, NULL, NULL, NULL, ""};
    int r = id_valid(q->rest) ? db_request_get(api->db, q->rest, find, &f) : -ENOENT;

    if (r == -ENOENT)
        api_error(ret, 404, "there is no such request; send it again");
    else if (r < 0)
        api_db_failed(api, ret);
    else if (strcmp(f.state, "approved") == 0)
        answer_with(ret, f.answer);
    else if (strcmp(f.state, "refused") == 0)
        api_error(ret, 403, "an operator has refused the request");
    else
        pending(ret, q->rest);
    found_clear(&f);
}

static void add_request(void *data, const struct db_request *row)
{
    json_array_append_new(data, json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "id", row->id,
                                          "gateway", row->gateway, "fingerprint", row->fingerprint,
                                          "from", row->from, "at", (json_int_t)row->at, "state",
                                          row->state, "request", row->pem));
}

void api_requests(struct api *api, const struct api_request *q, struct api_response *ret)
{
    json_t *list = json_array();

    (void)q;
    if (db_request_each(api->db, add_request, list) < 0) {
        json_decref(list);
        api_db_failed(api, ret);
        return;
    }
    api_json(ret, 200, json_pack("{s:o}", "requests", list));
}

/* Within a transaction, which the caller ends: 0, or *ret is set. */
static int decide(struct api *api, const struct api_request *q, const struct body_decision *d,
                  const struct found_request *f, struct api_response *ret)
{
    _cleanup_buf_ struct buf answer = BUF_INIT;
    struct signing_request who;
    int r = 0;

    if (!d->approve) {
        r = db_request_decide(api->db, q->rest, "refused", "");
        if (r == 0)
            r = api_note(api, q->peer, "refuse", f->gateway, q->rest);
    } else if (d->answer) {
        if (!strstr(d->answer, "-----BEGIN CERTIFICATE-----")) {
            api_error(ret, 422, "answer holds no certificate");
            return -EINVAL;
        }
        buf_str(&answer, d->answer);
        r = api_note(api, q->peer, "approve", f->gateway, q->rest);
    } else if (!api->settings->ca) {
        api_error(ret, 422,
                  "the authority is not on this machine: sign the request where it is, "
                  "and send its answer with the decision");
        return -EINVAL;
    } else {
        if (!look(api, f->pem, &who, ret))
            return -EINVAL;
        r = sign(api, q->peer, f->pem, &who, d->generation, "approve", &answer, ret);
        if (r < 0)
            return r;
    }
    if (r == 0 && d->approve)
        r = db_request_decide(api->db, q->rest, "approved", buf_cstr(&answer));
    if (r < 0)
        api_db_failed(api, ret);
    return r;
}

void api_decide(struct api *api, const struct api_request *q, struct api_response *ret)
{
    _cleanup_body_ struct body b = {NULL, ""};
    struct found_request f = {NULL, NULL, NULL, NULL, ""};
    struct body_decision d;
    int r;

    if (!body_decision(&b, q->body, q->body_len, &d)) {
        api_error(ret, 422, "%s", b.why);
        return;
    }
    if (db_begin(api->db) < 0) {
        api_db_failed(api, ret);
        return;
    }
    r = id_valid(q->rest) ? db_request_get(api->db, q->rest, find, &f) : -ENOENT;
    if (r == -ENOENT)
        api_error(ret, 404, "there is no such request");
    else if (r < 0)
        api_db_failed(api, ret);
    else if (strcmp(f.state, "pending") != 0) {
        api_error(ret, 409, "this was decided already: %s", f.state);
        r = -EINVAL;
    } else {
        r = decide(api, q, &d, &f, ret);
    }
    if (r < 0)
        db_rollback(api->db);
    else if (db_commit(api->db) < 0)
        api_db_failed(api, ret);
    else
        api_json(ret, 200, json_pack("{s:s}", "state", d.approve ? "approved" : "refused"));
    found_clear(&f);
}

/* --- by token ----------------------------------------------------------------------------------
 */

struct found_token {
    bool matches;
    const uint8_t *hash; /* of the secret that was sent */
    char gateway[NAME_MAX_LEN + 1], fingerprint[DIGEST_TEXT_LEN + 1];
    uint32_t generation;
    int64_t expires, used, revoked;
    char *answer;
};

static void find_token(void *data, const struct db_token *row)
{
    struct found_token *t = data;

    t->matches = CRYPTO_memcmp(row->hash, t->hash, DIGEST_LEN) == 0;
    snprintf(t->gateway, sizeof(t->gateway), "%s", row->gateway);
    snprintf(t->fingerprint, sizeof(t->fingerprint), "%s", row->fingerprint);
    t->generation = row->generation;
    t->expires = row->expires;
    t->used = row->used;
    t->revoked = row->revoked;
    t->answer = xstrdup(row->answer);
}

/* NULL: it lets this request pass, for the first time or again.  Only who has the secret is told
 * more than that the token is not good. */
static const char *judge(const struct found_token *t, const struct signing_request *who)
{
    if (!t->matches)
        return "this token is not known here";
    if (strcmp(t->gateway, who->gateway) != 0)
        return "this token is for another gateway";
    if (t->used && strcmp(t->fingerprint, who->fingerprint) != 0)
        return "this token was used already, with another key";
    if (t->revoked)
        return "this token was revoked";
    if (t->expires <= time(NULL))
        return "this token has expired; ask the operator for another";
    return NULL;
}

/* 0, and the transaction is ended. */
static int note_refused(struct api *api, const struct peer *peer, const char *gateway, bool known,
                        const char *why)
{
    struct api_refusals *r = &api->refusals[known];
    char detail[160];
    struct timespec now;

    api->counters.refused_tokens++;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec < r->next) {
        r->unsaid++;
        db_rollback(api->db);
        return 0;
    }
    snprintf(detail, sizeof(detail), r->unsaid ? "%s; and %llu others before" : "%s", why,
             (unsigned long long)r->unsaid);
    if (api_note(api, peer, "enroll-refused", gateway, detail) < 0 ||
        db_audit_keep(api->db, "enroll-refused", REFUSED_ROWS) < 0 || db_commit(api->db) < 0)
        return -EIO;
    *r = (struct api_refusals){.next = now.tv_sec + REFUSED_PACE};
    return 0;
}

/* Within a transaction, which it ends. */
static void with_token(struct api *api, const struct api_request *q, const struct body_enroll *e,
                       const struct signing_request *who, struct api_response *ret)
{
    _cleanup_buf_ struct buf answer = BUF_INIT;
    char id[TOKEN_ID_TEXT_LEN + 1];
    uint8_t hash[DIGEST_LEN];
    struct found_token t = {.hash = hash};
    struct token token;
    const char *why = NULL;
    int r = -ENOENT;

    if (token_parse(e->token, &token)) {
        token_id_text(&token, id);
        digest_sha256(token.secret, sizeof(token.secret), hash);
        r = db_token_get(api->db, id, find_token, &t);
    }
    if (r == 0 || r == -ENOENT)
        why = judge(&t, who);
    if (why) {
        api_error(ret, 403, "%s", why);
        r = note_refused(api, q->peer, who->gateway, t.matches, why);
    } else if (r < 0) {
        api_db_failed(api, ret);
    } else if (t.used && *t.answer) {
        if (api_may_issue(api, t.gateway, &t.generation, ret))
            answer_with(ret, t.answer); /* the first answer was lost on its way */
        r = -EALREADY;
    } else if (!api->settings->ca) {
        r = t.used ? 0 : db_token_use(api->db, id, time(NULL), who->fingerprint, "");
        if (r == 0)
            queue(api, q->peer, e->request, who, BY_TOKEN, ret);
        else
            api_db_failed(api, ret);
    } else {
        r = sign(api, q->peer, e->request, who, t.generation, "enroll", &answer, ret);
        if (r == 0 &&
            ((r = db_token_use(api->db, id, time(NULL), who->fingerprint, buf_cstr(&answer))) < 0 ||
             (r = db_commit(api->db)) < 0))
            api_db_failed(api, ret);
        if (r == 0)
            answer_with(ret, buf_cstr(&answer));
    }
    if (r < 0)
        db_rollback(api->db);
    free(t.answer);
}

void api_enroll(struct api *api, const struct api_request *q, struct api_response *ret)
{
    _cleanup_body_ struct body b = {NULL, ""};
    struct signing_request who;
    struct body_enroll e;

    if (!body_enroll(&b, q->body, q->body_len, &e))
        api_error(ret, 422, "%s", b.why);
    else if (!look(api, e.request, &who, ret))
        return;
    else if (db_begin(api->db) < 0)
        api_db_failed(api, ret);
    else if (e.token)
        with_token(api, q, &e, &who, ret);
    else
        queue(api, q->peer, e.request, &who, "request", ret);
    db_rollback(api->db);
}

void api_renew(struct api *api, const struct api_request *q, struct api_response *ret)
{
    _cleanup_body_ struct body b = {NULL, ""};
    _cleanup_buf_ struct buf answer = BUF_INIT;
    struct signing_request who;
    const char *pem;

    if (!api_may(api, q->peer, ret))
        return;
    if (!renewals_may(&api->renewals, q->peer->name, time(NULL))) {
        api_error(ret, 503,
                  "this gateway has had %d certificates within an hour, and gets no more for now: "
                  "renew it later, and revoke it if nobody knows why it asks for so many",
                  RENEWALS_MOST);
        return;
    }
    if (!body_renew(&b, q->body, q->body_len, &pem)) {
        api_error(ret, 422, "%s", b.why);
        return;
    }
    if (!look(api, pem, &who, ret))
        return;
    if (strcmp(who.gateway, q->peer->name) != 0 ||
        strcmp(who.fingerprint, q->peer->fingerprint) != 0) {
        api_error(ret, 403,
                  "a certificate is renewed for the gateway and the key that it is of; "
                  "another key is enrolled with a token");
        return;
    }
    if (!api->settings->ca) {
        api_error(ret, 503,
                  "the authority is not on this machine: renew with request and answer "
                  "files");
        return;
    }
    if (db_begin(api->db) < 0)
        api_db_failed(api, ret);
    else if (sign(api, q->peer, pem, &who, q->peer->generation, "renew", &answer, ret) == 0) {
        if (db_audit_keep(api->db, "renew", RENEW_ROWS) < 0 || db_commit(api->db) < 0) {
            api_db_failed(api, ret);
        } else {
            renewals_made(&api->renewals, q->peer->name, time(NULL));
            answer_with(ret, buf_cstr(&answer));
        }
    }
    db_rollback(api->db);
}
