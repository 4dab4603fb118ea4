/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies: what a request's JSON may say, field by field: an unknown key, a wrong type, a value out
 * of range and anything behind the object are refused with a sentence.  Pure.
 *
 * Texts point into the body, which body_clear() frees.
 */
#ifndef P2PVPN_SERVICE_BODY_H
#define P2PVPN_SERVICE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/digest.h"

#define BODY_ENROLL_MAX 16384u
#define BODY_REQUEST_MAX 8192u /* of a PEM request */
#define BODY_ANSWER_MAX 65536u
#define BODY_REPORT_MAX (1u << 20)
#define BODY_SMALL_MAX 1024u
#define BODY_ROWS_MAX 20000u                             /* links or sessions of a report */
#define BODY_AUTHORITIES_MAX (4 * (DIGEST_TEXT_LEN + 1)) /* bytes of their digests */
#define BODY_TOKEN_SECONDS 86400u /* that a token is good for, unless another time is wanted */
#define BODY_TOKEN_MAX (30u * 86400u)

struct body {
    void *root; /* json_t */
    char why[200];
};
void body_clear(struct body *b);
#define _cleanup_body_ __attribute__((cleanup(body_clear)))

/* All: true, or b->why is set. */

struct body_enroll {
    const char *token; /* NULL: none, somebody shall approve */
    const char *request;
};
bool body_enroll(struct body *b, const char *text, size_t len, struct body_enroll *ret);

/* {"request": PEM} */
bool body_renew(struct body *b, const char *text, size_t len, const char **ret_request);

struct body_token {
    const char *gateway;
    uint32_t generation; /* 0: the one that it may have */
    unsigned seconds;
};
bool body_token(struct body *b, const char *text, size_t len, struct body_token *ret);

/* {"decision": "approve" or "refuse", "generation": 2, "answer": what an authority elsewhere said}
 */
struct body_decision {
    bool approve;
    uint32_t generation; /* 0: the one that it may have */
    const char *answer;  /* NULL: none */
};
bool body_decision(struct body *b, const char *text, size_t len, struct body_decision *ret);

/* {"gateway": "perth", "least-generation": 2, "revoked": false} */
struct body_refusal {
    const char *gateway;
    uint32_t least;
    bool revoked;
};
bool body_refusal(struct body *b, const char *text, size_t len, struct body_refusal *ret);

/* What `p2pvpn-agent status --json` prints: what the fleet's table needs of it. */
struct report {
    char revision[65]; /* lower-case hexadecimal; "": none is in force */
    bool healthy, drained;
    unsigned links, links_up, sessions, sessions_up, problems;
    int64_t certificate_expires; /* 0: not known */
    /* Of its certificate, as the agent's key_authorities() says it; "": not known. */
    char authorities[BODY_AUTHORITIES_MAX + 1];
};
/* Also what is kept of it: the same, without blanks. */
bool body_report(struct body *b, const char *text, size_t len, const char *gateway,
                 struct report *ret, struct buf *keep);

#endif
