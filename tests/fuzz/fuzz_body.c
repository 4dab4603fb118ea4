/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests: what is taken is in range, what is not has a sentence, and a report that was
 * kept says the same when it is read again.  The first byte chooses the kind. */
#include <stdlib.h>
#include <string.h>

#include "common/name.h"
#include "common/token.h"
#include "service/body.h"
#include "tests/fuzz/fuzz.h"

static void try_report(const char *text, size_t size, struct body *b)
{
    struct buf keep = BUF_INIT, twice = BUF_INIT;
    struct report report, again;
    struct body other = {NULL, ""};

    if (body_report(b, text, size, "perth", &report, &keep)) {
        if (!body_report(&other, keep.data, keep.len, "perth", &again, &twice) ||
            memcmp(&report.links, &again.links, 5 * sizeof(unsigned)) != 0 ||
            strcmp(report.revision, again.revision) != 0 || report.links_up > report.links ||
            report.sessions_up > report.sessions)
            abort();
        body_clear(&other);
    } else if (!*b->why) {
        abort();
    }
    buf_free(&keep);
    buf_free(&twice);
}

static bool try(char kind, const char *text, size_t size, struct body *b)
{
    struct body_enroll enroll;
    struct body_token token;
    struct body_decision decision;
    struct body_refusal refusal;
    const char *request;
    struct token parsed;
    char again[TOKEN_TEXT_LEN + 1];

    switch (kind) {
    case 'e':
        if (!body_enroll(b, text, size, &enroll))
            return false;
        if (enroll.token && token_parse(enroll.token, &parsed)) {
            token_format(&parsed, again);
            if (strcmp(again, enroll.token) != 0)
                abort();
        }
        return strlen(enroll.request) <= BODY_REQUEST_MAX;
    case 'n':
        return body_renew(b, text, size, &request);
    case 't':
        if (!body_token(b, text, size, &token))
            return false;
        if (token.seconds == 0 || token.seconds > BODY_TOKEN_MAX)
            abort();
        return true;
    case 'k':
        if (!body_refusal(b, text, size, &refusal))
            return false;
        if (refusal.least == 0 || !name_valid(refusal.gateway))
            abort();
        return true;
    default:
        return body_decision(b, text, size, &decision);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct body b = {NULL, ""};

    if (size == 0)
        return 0;
    if (*data == 'r')
        try_report((const char *)data + 1, size - 1, &b);
    else if (!try((char)*data, (const char *)data + 1, size - 1, &b) && !*b.why)
        abort();
    body_clear(&b);
    return 0;
}
