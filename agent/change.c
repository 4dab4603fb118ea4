/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/change.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent/json_text.h"
#include "common/alloc.h"
#include "common/link_key.h"
#include "common/name.h"

#define MAX_NAMED 5
#define WHY_MAX 2000
#define TIME_MAX (INT64_C(1) << 53)

static const char *const state_names[] = {
    [CHANGE_NONE] = "none",
    [CHANGE_PENDING] = "pending",
    [CHANGE_CONFIRMED] = "confirmed",
    [CHANGE_ROLLED_BACK] = "rolled-back",
};

const char *change_state_name(enum change_state s)
{
    return state_names[s];
}

void change_add_session(struct change *c, const char *name)
{
    /* Room grows by doubling: it is full whenever the count is a power of two. */
    if ((c->n_sessions & (c->n_sessions - 1)) == 0)
        c->sessions =
            xreallocarray(c->sessions, c->n_sessions ? c->n_sessions * 2 : 1, sizeof(*c->sessions));
    c->sessions[c->n_sessions++] = xstrdup(name);
}

static const struct bundle_link *link_of(const struct bundle *b, const char *session)
{
    size_t len = strcspn(session, " ");

    for (size_t i = 0; i < b->n_links; i++)
        if (strlen(b->links[i].interface) == len &&
            strncmp(b->links[i].interface, session, len) == 0)
            return &b->links[i];
    return NULL;
}

bool change_session_counts(const struct bundle *now, const struct bundle *next, const char *session)
{
    const struct bundle_link *was = link_of(now, session), *is = link_of(next, session);

    return !was || !is ||
           (!link_key_replaced(now, was, next, is) && !is->peer_link_key == !was->peer_link_key);
}

void change_clear(struct change *c)
{
    for (size_t i = 0; i < c->n_sessions; i++)
        free(c->sessions[i]);
    free(c->sessions);
    free(c->why);
    *c = (struct change){0};
}

/* --- on disk -------------------------------------------------------------------------------- */

void change_format(const struct change *c, struct buf *ret)
{
    json_t *root = json_object(), *sessions = json_array();

    json_object_set_new(root, "state", json_string(state_names[c->state]));
    json_object_set_new(root, "revision", json_string(c->revision));
    json_object_set_new(root, "previous", json_string(c->previous));
    json_object_set_new(root, "refused", json_string(c->refused));
    json_object_set_new(root, "since", json_integer(c->since));
    json_object_set_new(root, "deadline", json_integer(c->deadline));
    json_object_set_new(root, "boot", json_string(c->boot));
    for (size_t i = 0; i < c->n_sessions; i++)
        json_array_append_new(sessions, json_string(c->sessions[i]));
    json_object_set_new(root, "sessions", sessions);
    json_object_set_new(root, "source", json_boolean(c->source));
    json_object_set_new(root, "reach", json_boolean(c->reach));
    if (c->why)
        json_object_set_new(root, "why", json_string(c->why));
    json_text_take(root, ret);
}

static bool text_of(const json_t *root, const char *key, size_t size, char *ret)
{
    const char *value = json_string_value(json_object_get(root, key));

    if (!value || strlen(value) >= size || !value_valid(value, strlen(value)))
        return false;
    memcpy(ret, value, strlen(value) + 1);
    return true;
}

/* A SHA-256 in hexadecimal, or "". */
static bool revision_of(const json_t *root, const char *key, char ret[DIGEST_TEXT_LEN + 1])
{
    if (!text_of(root, key, DIGEST_TEXT_LEN + 1, ret))
        return false;
    return !*ret ||
           (strlen(ret) == DIGEST_TEXT_LEN && strspn(ret, "0123456789abcdef") == DIGEST_TEXT_LEN);
}

static bool time_of(const json_t *root, const char *key, int64_t *ret)
{
    const json_t *value = json_object_get(root, key);

    *ret = json_integer_value(value);
    return json_is_integer(value) && *ret >= 0 && *ret <= TIME_MAX;
}

static bool state_of(const json_t *root, enum change_state *ret)
{
    const char *name = json_string_value(json_object_get(root, "state"));

    for (size_t i = 0; name && i < sizeof(state_names) / sizeof(state_names[0]); i++)
        if (strcmp(name, state_names[i]) == 0) {
            *ret = (enum change_state)i;
            return true;
        }
    return false;
}

static bool sessions_of(const json_t *root, struct change *ret)
{
    const json_t *list = json_object_get(root, "sessions");

    if (!json_is_array(list) || json_array_size(list) > CHANGE_MAX_SESSIONS)
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (!name || strlen(name) > BUNDLE_INTERFACE_SIZE + 1 || !value_valid(name, strlen(name)))
            return false;
        change_add_session(ret, name);
    }
    return true;
}

static bool why_of(const json_t *root, struct change *ret)
{
    const json_t *why = json_object_get(root, "why");

    if (!why)
        return true;
    if (!json_is_string(why) || json_string_length(why) > 2 * WHY_MAX)
        return false;
    ret->why = xstrdup(json_string_value(why));
    return true;
}

int change_parse(const char *data, size_t len, const char *file, struct change *ret,
                 struct error_list *err)
{
    json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *source = json_object_get(root, "source"), *reach = json_object_get(root, "reach");
    struct change c = {0};
    bool good = state_of(root, &c.state) && revision_of(root, "revision", c.revision) &&
                revision_of(root, "previous", c.previous) &&
                revision_of(root, "refused", c.refused) && time_of(root, "since", &c.since) &&
                time_of(root, "deadline", &c.deadline) &&
                text_of(root, "boot", sizeof(c.boot), c.boot) && json_is_boolean(source) &&
                json_is_boolean(reach) && sessions_of(root, &c) && why_of(root, &c);

    c.source = json_is_true(source);
    c.reach = json_is_true(reach);
    json_decref(root);
    if (good && (c.state == CHANGE_NONE || c.revision[0]) &&
        (c.state != CHANGE_PENDING || c.previous[0])) {
        *ret = c;
        return 0;
    }
    change_clear(&c);
    return error_add(err, file, 0, NULL,
                     "the record of the last change is damaged: move it away; the bundle in force "
                     "then stays, and 'rollback' has nothing to go back to");
}

/* --- deciding ------------------------------------------------------------------------------- */

static bool is_among(const char *name, char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* "pv7 4": whether the bundle has such a link with such an address; *peer is its gateway. */
static bool is_wanted(const struct bundle *b, const char *session, const char **peer)
{
    size_t len = strcspn(session, " ");
    uint8_t family = session[len] && session[len + 1] == '6' ? FAMILY_IPV6 : FAMILY_IPV4;

    for (size_t i = 0; i < b->n_links; i++) {
        const struct bundle_link *l = &b->links[i];

        if (strlen(l->interface) != len || strncmp(l->interface, session, len) != 0)
            continue;
        *peer = l->peer;
        for (size_t k = 0; k < l->n_addresses; k++)
            if (l->addresses[k].family == family)
                return true;
    }
    return false;
}

/* Appends the sessions that are missing; false: there are some. */
static bool all_up(const struct change *c, const struct change_facts *f, struct buf *why)
{
    size_t missing = 0;

    for (size_t i = 0; i < c->n_sessions; i++) {
        const char *peer = "", *name = c->sessions[i];

        if (!is_wanted(f->want, name, &peer) || is_among(name, f->up, f->n_up))
            continue;
        if (missing++ < MAX_NAMED)
            buf_printf(why, "%s the BGP session to %s over %.*s", missing > 1 ? "," : "", peer,
                       (int)strcspn(name, " "), name);
    }
    if (missing > MAX_NAMED)
        buf_printf(why, " and %zu more", missing - MAX_NAMED);
    if (missing)
        buf_printf(why, " %s up before and %s not come back", missing > 1 ? "were" : "was",
                   missing > 1 ? "have" : "has");
    return missing == 0;
}

static bool all_well(const struct change *c, const struct change_facts *f, struct buf *why)
{
    if (!f->applied) {
        buf_str(why, " not everything could be applied yet");
        return false;
    }
    if (c->n_sessions && !f->known) {
        buf_str(why, " it could not be found out which BGP sessions are up: FRR does not answer");
        return false;
    }
    if (!all_up(c, f, why))
        return false;
    if (c->reach && !f->reach) {
        buf_str(why, " the address that must be reachable (reach) does not answer any more");
        return false;
    }
    if (c->source && !f->source) {
        buf_str(why, " the place that bundles come from is not there any more");
        return false;
    }
    return true;
}

enum change_verdict change_decide(const struct change *c, const struct change_facts *f,
                                  struct buf *why)
{
    _cleanup_buf_ struct buf missing = BUF_INIT;

    if (f->failed) {
        buf_str(why, f->failed);
        return CHANGE_ROLL_BACK;
    }
    if (all_well(c, f, &missing))
        return CHANGE_GOOD;
    buf_str(why, buf_cstr(&missing) + 1); /* without the blank that it begins with */
    return f->now >= c->deadline ? CHANGE_ROLL_BACK : CHANGE_WAIT;
}
