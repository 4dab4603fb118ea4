/* SPDX-License-Identifier: Apache-2.0 */
/* frr_config_validate(): which lines a gateway's own configuration may hold. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/frr_config.h"
#include "common/name.h"

static bool begins(const char *text, const char *const *with)
{
    for (; *with; with++)
        if (strncmp(text, *with, strlen(*with)) == 0)
            return true;
    return false;
}

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* What may stand behind "neighbor X ": a value, or one of the switches.  Anything else FRR would
 * refuse, or understand as something that the comparison does not. */
static bool neighbor_line(const struct frr_line *l)
{
    static const char *const switches[] = {
        "activate",
        "addpath-tx-all-paths",
        "allowas-in",
        "as-override",
        "bfd",
        "bfd check-control-plane-failure",
        "disable-connected-check",
        "dont-capability-negotiate",
        "enforce-first-as",
        "next-hop-self",
        "passive",
        "peer-group",
        "remove-private-AS",
        "shutdown",
        "soft-reconfiguration inbound",
        "strict-capability-match",
    };
    static const char *const sending[] = {"send-community", "send-community extended",
                                          "send-community large"};
    const char *rest = l->text + frr_head_len(l);
    bool off = strncmp(l->text, "no ", 3) == 0;

    if (*rest++ != ' ')
        return false;
    if (l->valued) {
        size_t len = strlen(rest);
        bool filter = strncmp(rest, "route-map ", 10) == 0 ||
                      strncmp(rest, "prefix-list ", 12) == 0 ||
                      strncmp(rest, "filter-list ", 12) == 0;

        return !off && (!filter || strcmp(rest + len - 3, " in") == 0 ||
                        strcmp(rest + len - 4, " out") == 0);
    }
    /* Sending communities is the default, so only its "no" is ever shown. */
    for (size_t i = 0; off && i < sizeof(sending) / sizeof(sending[0]); i++)
        if (strcmp(rest, sending[i]) == 0)
            return true;
    for (size_t i = 0; !off && i < sizeof(switches) / sizeof(switches[0]); i++)
        if (strcmp(rest, switches[i]) == 0)
            return true;
    return !off && strncmp(rest, "capability ", 11) == 0;
}

/* What takes it away is what it says.  FRR does not show it either. */
static bool is_profile_default(const struct frr_line *l)
{
    _cleanup_buf_ struct buf inverse = BUF_INIT;

    frr_inverse(l, &inverse);
    return strcmp(buf_cstr(&inverse), l->text) == 0;
}

/* Whether this kind of line may stand in a gateway's configuration at all. */
static bool in_dialect(const struct frr_line *l)
{
    static const char *const route_map[] = {"match ",    "set ",         "call ",
                                            "on-match ", "description ", NULL};
    static const char *const values[] = {"bgp ", "network ", "maximum-paths ", "timers bgp ", NULL};
    static const char *const off[] = {"no bgp default ipv4-unicast", "no bgp network import-check",
                                      "no bgp ebgp-requires-policy", NULL};
    /* FRR does not show what is its default, so the comparison would never end. */
    static const char *const defaults[] = {"bgp default ipv4-unicast", "bgp network import-check",
                                           "bgp ebgp-requires-policy", NULL};
    static const char *const rpki[] = {"rpki retry_interval ", "rpki polling_period ",
                                       "rpki expire_interval ", NULL};
    static const char *const profile[] = {"detect-multiplier ",
                                          "transmit-interval ",
                                          "receive-interval ",
                                          "minimum-ttl ",
                                          "passive-mode",
                                          "echo-mode",
                                          NULL};

    if (l->malformed)
        return false;
    switch (l->kind) {
    case FRR_FOREIGN:
        return false;
    case FRR_ROUTE_MAP_LINE:
        return begins(l->text, route_map);
    case FRR_PROFILE_LINE:
        return begins(l->text, profile) && !is_profile_default(l);
    case FRR_ROUTER_LINE:
        if (strncmp(l->text, "no ", 3) == 0)
            return is_one_of(l->text, off);
        return (l->valued ? begins(l->text, values) : strncmp(l->text, "bgp ", 4) == 0) &&
               !is_one_of(l->text, defaults);
    case FRR_RPKI_LINE:
        return strcmp(l->text, FRR_RPKI_CACHE) == 0 || begins(l->text, rpki);
    case FRR_NEIGHBOR:
        return neighbor_line(l);
    default:
        return true;
    }
}

/* A string set that remembers a line per string. */
struct entry {
    const char *key;
    const struct frr_line *line;
    UT_hash_handle hh;
};

/* The line that had the key already, or NULL after adding this one. */
static const struct frr_line *set_add(struct arena *a, struct entry **set, const char *key,
                                      const struct frr_line *line)
{
    struct entry *e;

    HASH_FIND_STR(*set, key, e);
    if (e)
        return e->line;
    e = arena_alloc(a, 1, sizeof(*e));
    e->key = key;
    e->line = line;
    HASH_ADD_KEYPTR(hh, *set, e->key, strlen(e->key), e);
    return NULL;
}

/* The neighbors that are peer-groups of ours, then those that are members of one. */
static void find_members(const struct frr_config *c, struct arena *a, struct entry **set)
{
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < c->n; i++) {
            const struct frr_line *l = c->lines[i];
            struct entry *group = NULL;
            bool defines;

            if (l->kind != FRR_NEIGHBOR || l->parent->kind != FRR_ROUTER)
                continue;
            defines =
                frr_own_name(l->object) && strcmp(l->text + frr_head_len(l), " peer-group") == 0;
            if (round == 1 && l->group)
                HASH_FIND_STR(*set, l->group, group);
            if (round == 0 ? defines : group != NULL)
                set_add(a, set, l->object, l);
        }
}

static void validate_line(const struct frr_line *l, const char *file, struct error_list *err)
{
    size_t len = strlen(l->text);

    if (len > FRR_LINE_MAX)
        error_add(err, file, l->number, NULL,
                  "the line has %zu bytes, and vtysh takes %d: shorten the description or split "
                  "the list",
                  len, FRR_LINE_MAX);
    else if (!value_valid(l->text, len))
        error_add(err, file, l->number, NULL,
                  "the line holds a control character, a quote or a backslash, so it is not given "
                  "to FRR: take that out of the template and compile the mesh again");
    else if (!in_dialect(l))
        error_add(err, file, l->number, NULL,
                  "\"%s\" is no line that a mesh may set on this router: take it out of the "
                  "template, and configure it by hand in vtysh",
                  l->text);
    else if (l->object && l->kind != FRR_NEIGHBOR && !frr_own_name(l->object))
        error_add(err, file, l->number, NULL,
                  "the object \"%s\" is not named %s...: rename it in the template, because other "
                  "names belong to this router's operator",
                  l->object, FRR_OWN_NAME);
}

int frr_config_validate(const struct frr_config *c, const char *file, struct error_list *err)
{
    struct entry *members = NULL, *keys = NULL, *e;
    const struct frr_line *router = NULL, *first;
    struct arena a = ARENA_INIT;
    size_t before = err->n;

    find_members(c, &a, &members);
    for (size_t i = 0; i < c->n; i++) {
        const struct frr_line *l = c->lines[i];

        validate_line(l, file, err);
        first = set_add(&a, &keys, l->key, l);
        if (!first && l->content)
            first = set_add(&a, &keys, l->content, l);
        if (first && first != l)
            error_add(err, file, l->number, NULL,
                      "\"%s\" sets again what line %u has set, and FRR keeps one of them: take one "
                      "out of the template",
                      l->text, first->number);
        e = NULL;
        if (l->kind == FRR_NEIGHBOR)
            HASH_FIND_STR(members, l->object, e);
        if (l->kind == FRR_NEIGHBOR && !e)
            error_add(err, file, l->number, NULL,
                      "neighbor %s is in no peer-group named %s... of this file: add \"neighbor %s "
                      "peer-group %s...\" to the template",
                      l->object, FRR_OWN_NAME, l->object, FRR_OWN_NAME);
        if (l->kind == FRR_ROUTER && router)
            error_add(err, file, l->number, NULL,
                      "\"%s\" is the second BGP instance after \"%s\": one gateway has one AS "
                      "number",
                      l->text, router->text);
        else if (l->kind == FRR_ROUTER)
            router = l;
    }
    HASH_CLEAR(hh, members);
    HASH_CLEAR(hh, keys);
    arena_free(&a);
    return err->n > before ? -EINVAL : 0;
}
