/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/vtysh_json.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

/* 0: *ret is a new reference, or NULL where FRR had nothing to say. */
static int load(const char *text, const char *command, json_t **ret, struct error_list *err)
{
    json_error_t e;

    *ret = NULL;
    text += strspn(text, " \t\r\n");
    if (*text != '{' && *text != '[')
        return 0;
    *ret = json_loads(text, 0, &e);
    if (*ret)
        return 0;
    return error_add(
        err, NULL, 0, NULL,
        "FRR's answer to \"%s\" is not the JSON it begins as (line %d: %s): try again, "
        "and look whether this FRR's version is one the gateway guide names",
        command, e.line, e.text);
}

static uint64_t number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_integer(v))
        return json_integer_value(v) < 0 ? 0 : (uint64_t)json_integer_value(v);
    if (json_is_string(v) && isdigit((unsigned char)*json_string_value(v)))
        return strtoull(json_string_value(v), NULL, 10);
    return 0;
}

static void text_of(const json_t *object, const char *key, char *ret, size_t size)
{
    const char *s = json_string_value(json_object_get(object, key));
    size_t n = 0;

    for (; s && s[n] && n + 1 < size; n++)
        ret[n] = (unsigned char)s[n] < 0x20 || s[n] == 0x7f ? '?' : s[n];
    ret[n] = '\0';
}

/* An address: a key such as "10.0.0.1"; false for an interface name or anything else. */
static bool address_of(const char *s, struct prefix *ret)
{
    return s && !strchr(s, '/') && prefix_parse(s, ret);
}

static void add_summary(json_t *family, uint8_t number_of_family, struct bgp_sessions *ret)
{
    json_t *peers = json_object_get(family, "peers"), *p;
    const char *key;

    if (number(family, "as"))
        ret->asn = (uint32_t)number(family, "as");
    json_object_foreach(peers, key, p)
    {
        struct bgp_session s = {.family = number_of_family};

        if (!address_of(key, &s.address))
            continue;
        text_of(p, "state", s.state, sizeof(s.state));
        s.established = strcmp(s.state, "Established") == 0;
        s.asn = (uint32_t)number(p, "remoteAs");
        s.up_ms = number(p, "peerUptimeMsec");
        s.received = (uint32_t)number(p, "pfxRcd");
        s.sent = (uint32_t)number(p, "pfxSnt");
        s.established_times = (uint32_t)number(p, "connectionsEstablished");
        s.dropped_times = (uint32_t)number(p, "connectionsDropped");
        ret->items = xreallocarray(ret->items, ret->n + 1, sizeof(s));
        ret->items[ret->n++] = s;
    }
}

int vtysh_json_bgp_summary(const char *text, struct bgp_sessions *ret, struct error_list *err)
{
    json_t *root;
    int r = load(text, "show bgp summary json", &root, err);

    *ret = (struct bgp_sessions){NULL, 0, 0};
    add_summary(json_object_get(root, "ipv4Unicast"), FAMILY_IPV4, ret);
    add_summary(json_object_get(root, "ipv6Unicast"), FAMILY_IPV6, ret);
    json_decref(root);
    return r;
}

int vtysh_json_bfd_peers(const char *text, struct bfd_sessions *ret, struct error_list *err)
{
    json_t *root, *p;
    size_t i;
    int r = load(text, "show bfd peers json", &root, err);

    *ret = (struct bfd_sessions){NULL, 0};
    json_array_foreach(root, i, p)
    {
        struct bfd_session s = {.up = false};

        if (!address_of(json_string_value(json_object_get(p, "peer")), &s.address))
            continue;
        text_of(p, "status", s.status, sizeof(s.status));
        text_of(p, "diagnostic", s.diagnostic, sizeof(s.diagnostic));
        s.up = strcmp(s.status, "up") == 0;
        s.seconds = number(p, s.up ? "uptime" : "downtime");
        ret->items = xreallocarray(ret->items, ret->n + 1, sizeof(s));
        ret->items[ret->n++] = s;
    }
    json_decref(root);
    return r;
}

static int by_prefix(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

int vtysh_json_routes(const char *text, struct route_set *ret, struct error_list *err)
{
    json_t *root, *entries, *e;
    const char *key;
    size_t i;
    int r = load(text, "show route bgp json", &root, err);

    json_object_foreach(root, key, entries)
    {
        bool in_use = false;
        struct prefix p;

        json_array_foreach(entries, i, e)
        {
            in_use |= json_is_true(json_object_get(e, "selected")) &&
                      json_is_true(json_object_get(e, "installed"));
        }
        if (!in_use || !strchr(key, '/') || !prefix_parse(key, &p))
            continue;
        ret->items = xreallocarray(ret->items, ret->n + 1, sizeof(p));
        ret->items[ret->n++] = p;
    }
    if (ret->n > 0)
        qsort(ret->items, ret->n, sizeof(*ret->items), by_prefix);
    json_decref(root);
    return r;
}

const struct bgp_session *bgp_sessions_find(const struct bgp_sessions *s, const struct prefix *a,
                                            uint8_t family)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].family == family && prefix_compare(&s->items[i].address, a) == 0)
            return &s->items[i];
    return NULL;
}

const struct bfd_session *bfd_sessions_find(const struct bfd_sessions *s, const struct prefix *a)
{
    for (size_t i = 0; i < s->n; i++)
        if (prefix_compare(&s->items[i].address, a) == 0)
            return &s->items[i];
    return NULL;
}

bool route_set_has(const struct route_set *s, const struct prefix *p)
{
    return s->n > 0 && bsearch(p, s->items, s->n, sizeof(*p), by_prefix);
}

void bgp_sessions_free(struct bgp_sessions *s)
{
    free(s->items);
    *s = (struct bgp_sessions){NULL, 0, 0};
}

void bfd_sessions_free(struct bfd_sessions *s)
{
    free(s->items);
    *s = (struct bfd_sessions){NULL, 0};
}

void route_set_free(struct route_set *s)
{
    free(s->items);
    *s = (struct route_set){NULL, 0};
}
