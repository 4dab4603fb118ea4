/* SPDX-License-Identifier: Apache-2.0 */
#include "service/body.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/name.h"

static bool refuse(struct body *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(struct body *b, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(b->why, sizeof(b->why), format, ap);
    va_end(ap);
    return false;
}

void body_clear(struct body *b)
{
    json_decref(b->root);
    b->root = NULL;
}

static bool read_object(struct body *b, const char *text, size_t len)
{
    json_error_t error;

    b->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (!b->root)
        return refuse(b, "the body is no JSON (RFC 8259), line %d", error.line);
    return json_is_object((json_t *)b->root) || refuse(b, "the body is no JSON object");
}

/* Nothing but these keys. */
static bool only(struct body *b, const char *const *keys, size_t n)
{
    const char *key;
    json_t *value;

    json_object_foreach(b->root, key, value)
    {
        size_t i = 0;

        (void)value;
        while (i < n && strcmp(keys[i], key) != 0)
            i++;
        if (i == n)
            return refuse(b, "nothing is known of '%.40s'", name_valid(key) ? key : "?");
    }
    return true;
}

/* A text of 1 to max bytes.  A missing one is NULL if that may be. */
static bool text_of(struct body *b, const char *key, size_t max, bool may_miss, const char **ret)
{
    json_t *value = json_object_get(b->root, key);

    *ret = json_string_value(value);
    if (!value && may_miss)
        return true;
    if (!*ret || json_string_length(value) == 0 || json_string_length(value) > max)
        return refuse(b, "%s is not a text of 1 to %zu bytes", key, max);
    return true;
}

static bool number_of(struct body *b, const char *key, json_int_t min, json_int_t max,
                      json_int_t *ret)
{
    json_t *value = json_object_get(b->root, key);

    if (!value)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return refuse(b, "%s is not a number from %lld to %lld", key, (long long)min,
                      (long long)max);
    *ret = json_integer_value(value);
    return true;
}

/* PEM is printable ASCII in lines. */
static bool pem_of(struct body *b, const char *key, size_t max, bool may_miss, const char **ret)
{
    if (!text_of(b, key, max, may_miss, ret))
        return false;
    for (const char *p = *ret; p && *p; p++)
        if ((*p < ' ' || *p > '~') && *p != '\n' && *p != '\r')
            return refuse(b, "%s is not in PEM form", key);
    return true;
}

bool body_enroll(struct body *b, const char *text, size_t len, struct body_enroll *ret)
{
    static const char *const keys[] = {"token", "request"};

    return read_object(b, text, len) && only(b, keys, 2) &&
           text_of(b, "token", 256, true, &ret->token) &&
           pem_of(b, "request", BODY_REQUEST_MAX, false, &ret->request);
}

bool body_renew(struct body *b, const char *text, size_t len, const char **ret_request)
{
    static const char *const keys[] = {"request"};

    return read_object(b, text, len) && only(b, keys, 1) &&
           pem_of(b, "request", BODY_REQUEST_MAX, false, ret_request);
}

bool body_token(struct body *b, const char *text, size_t len, struct body_token *ret)
{
    static const char *const keys[] = {"gateway", "generation", "seconds"};
    json_int_t generation = 0, seconds = BODY_TOKEN_SECONDS;

    if (!read_object(b, text, len) || !only(b, keys, 3) ||
        !text_of(b, "gateway", NAME_MAX_LEN, false, &ret->gateway) ||
        !number_of(b, "generation", 1, UINT32_MAX, &generation) ||
        !number_of(b, "seconds", 1, BODY_TOKEN_MAX, &seconds))
        return false;
    if (!name_valid(ret->gateway))
        return refuse(b, "gateway is not the name of a gateway");
    ret->generation = (uint32_t)generation;
    ret->seconds = (unsigned)seconds;
    return true;
}

bool body_decision(struct body *b, const char *text, size_t len, struct body_decision *ret)
{
    static const char *const keys[] = {"decision", "generation", "answer"};
    json_int_t generation = 0;
    const char *decision;

    if (!read_object(b, text, len) || !only(b, keys, 3) ||
        !text_of(b, "decision", 16, false, &decision) ||
        !number_of(b, "generation", 1, UINT32_MAX, &generation) ||
        !pem_of(b, "answer", BODY_ANSWER_MAX, true, &ret->answer))
        return false;
    ret->approve = strcmp(decision, "approve") == 0;
    ret->generation = (uint32_t)generation;
    return ret->approve || strcmp(decision, "refuse") == 0 ||
           refuse(b, "decision is neither approve nor refuse");
}

bool body_refusal(struct body *b, const char *text, size_t len, struct body_refusal *ret)
{
    static const char *const keys[] = {"gateway", "least-generation", "revoked"};
    json_int_t least = 0;
    json_t *revoked;

    if (!read_object(b, text, len) || !only(b, keys, 3) ||
        !text_of(b, "gateway", NAME_MAX_LEN, false, &ret->gateway) ||
        !number_of(b, "least-generation", 1, UINT32_MAX, &least))
        return false;
    if (!name_valid(ret->gateway))
        return refuse(b, "gateway is not the name of a gateway");
    if (least == 0)
        return refuse(b, "least-generation is missing");
    revoked = json_object_get(b->root, "revoked");
    if (!json_is_boolean(revoked))
        return refuse(b, "revoked is neither true nor false");
    ret->least = (uint32_t)least;
    ret->revoked = json_is_true(revoked);
    return true;
}

/* How many rows there are, and how many of them have this value. */
static bool count_rows(struct body *b, const char *list, const char *key, const char *good,
                       unsigned *ret, unsigned *ret_good)
{
    json_t *rows = json_object_get(b->root, list), *row;
    size_t i;

    *ret = *ret_good = 0;
    if (!rows)
        return true;
    if (!json_is_array(rows) || json_array_size(rows) > BODY_ROWS_MAX)
        return refuse(b, "%s is not a list of at most %u", list, BODY_ROWS_MAX);
    json_array_foreach(rows, i, row)
    {
        const char *value = json_string_value(json_object_get(row, key));

        if (!json_is_object(row))
            return refuse(b, "%s has something else than objects in it", list);
        ++*ret;
        *ret_good += value && strcmp(value, good) == 0;
    }
    return true;
}

static bool revision_of(struct body *b, char ret[static 65])
{
    const char *revision = json_string_value(json_object_get(b->root, "revision"));

    ret[0] = '\0';
    if (!json_object_get(b->root, "revision"))
        return true;
    if (!revision || strlen(revision) > 64 ||
        strspn(revision, "0123456789abcdef") != strlen(revision))
        return refuse(b, "revision is not the hexadecimal number of a bundle");
    memcpy(ret, revision, strlen(revision) + 1);
    return true;
}

/* True or false; absent is false. */
static bool flag_of(struct body *b, const json_t *object, const char *key, bool *ret)
{
    const json_t *value = json_object_get(object, key);

    if (value && !json_is_boolean(value))
        return refuse(b, "%s is neither true nor false", key);
    *ret = json_is_true(value);
    return true;
}

static bool problems_of(struct body *b, unsigned *ret)
{
    json_t *problems = json_object_get(b->root, "problems"), *one;
    size_t i;

    if (problems && (!json_is_array(problems) || json_array_size(problems) > BODY_ROWS_MAX))
        return refuse(b, "problems is not a list of at most %u", BODY_ROWS_MAX);
    json_array_foreach(problems, i, one)
    {
        if (!json_is_string(one))
            return refuse(b, "problems has something else than texts in it");
    }
    *ret = (unsigned)json_array_size(problems);
    return true;
}

/* As one text with blanks in between. */
static bool authorities_of(struct body *b, char ret[static BODY_AUTHORITIES_MAX + 1])
{
    json_t *list = json_object_get(json_object_get(b->root, "certificate"), "authorities"), *row;
    size_t i, at = 0;

    ret[0] = '\0';
    if (list && (!json_is_array(list) || json_array_size(list) > 4))
        return refuse(b, "certificate/authorities is not a list of at most 4");
    json_array_foreach(list, i, row)
    {
        const char *text = json_string_value(row);

        if (!text || strlen(text) != DIGEST_TEXT_LEN ||
            strspn(text, "0123456789abcdef") != DIGEST_TEXT_LEN)
            return refuse(b, "certificate/authorities has something else than digests in it");
        at += (size_t)sprintf(ret + at, "%s%s", i ? " " : "", text);
    }
    return true;
}

bool body_report(struct body *b, const char *text, size_t len, const char *gateway,
                 struct report *ret, struct buf *keep)
{
    const json_t *agent, *certificate, *expires;
    const char *name;
    char *dump;

    *ret = (struct report){.healthy = false};
    if (!read_object(b, text, len) || !text_of(b, "gateway", NAME_MAX_LEN, false, &name))
        return false;
    if (strcmp(name, gateway) != 0)
        return refuse(b, "this is a report of another gateway than the certificate is of");
    agent = json_object_get(b->root, "agent");
    certificate = json_object_get(b->root, "certificate");
    if ((agent && !json_is_object(agent)) || (certificate && !json_is_object(certificate)))
        return refuse(b, "%s is no object",
                      agent && !json_is_object(agent) ? "agent" : "certificate");
    expires = json_object_get(certificate, "expires");
    if (expires && (!json_is_integer(expires) || json_integer_value(expires) < 0 ||
                    json_integer_value(expires) > INT64_C(253402300799)))
        return refuse(b, "certificate/expires is no time");
    if (!revision_of(b, ret->revision) || !authorities_of(b, ret->authorities) ||
        !problems_of(b, &ret->problems) || !flag_of(b, b->root, "healthy", &ret->healthy) ||
        !flag_of(b, agent, "drained", &ret->drained) ||
        !count_rows(b, "links", "state", "up", &ret->links, &ret->links_up) ||
        !count_rows(b, "sessions", "bgp", "Established", &ret->sessions, &ret->sessions_up))
        return false;
    ret->certificate_expires = json_integer_value(expires);
    dump = json_dumps(b->root, JSON_COMPACT);
    if (!dump)
        return refuse(b, "the report cannot be kept");
    buf_str(keep, dump);
    free(dump);
    return true;
}
