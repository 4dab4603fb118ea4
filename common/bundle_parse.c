/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of bundle.json trusts nothing: what it reads came from outside.  Here is what JSON
 * makes necessary: the members, their types, one spelling for each address; then bundle_check.c
 * looks at the values, prints the whole again, and wants the revision that the file claims.
 */
#include "common/bundle.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/bundle_check.h"
#include "common/name.h"

struct reader {
    struct bundle_checker check;
    struct bundle *b;
};

#define complain(r, ...) bundle_complain(&(r)->check, __VA_ARGS__)

/* --- objects, and their members -----------------------------------------------------------------
 */

static bool known(const char *key, const char *const *members)
{
    for (; *members; members++)
        if (strcmp(key, *members) == 0)
            return true;
    return false;
}

/* An object with these members and no others; which of them must be there the getters say. */
static bool check_object(struct reader *r, json_t *object, const char *const *members)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object)) {
        complain(r, NULL, "an object is needed here; compile the mesh again");
        return false;
    }
    json_object_foreach(object, key, value) if (!known(key, members))
        complain(r, name_valid(key) ? key : NULL,
                 "format %d has no such member; fetch or compile the bundle again", BUNDLE_FORMAT);
    return true;
}

/* Never NULL: "" after a complaint.  Lives as long as the JSON value. */
static const char *get_string(struct reader *r, json_t *object, const char *member)
{
    json_t *value = json_object_get(object, member);

    if (json_is_string(value))
        return json_string_value(value);
    complain(r, member, "%s; compile the mesh again",
             value ? "a string is needed here" : "the member is missing");
    return "";
}

static uint32_t get_number(struct reader *r, json_t *object, const char *member, uint32_t max)
{
    json_t *value = json_object_get(object, member);
    json_int_t n;

    if (!json_is_integer(value)) {
        complain(r, member, "%s; compile the mesh again",
                 value ? "a whole number is needed here" : "the member is missing");
        return 0;
    }
    n = json_integer_value(value);
    if (n < 0 || n > (json_int_t)max) {
        complain(r, member, "the number must be between 0 and %" PRIu32, max);
        return 0;
    }
    return (uint32_t)n;
}

/* Absent: false, which is never written. */
static bool get_flag(struct reader *r, json_t *object, const char *member)
{
    json_t *value = json_object_get(object, member);

    if (value && !json_is_true(value))
        complain(r, member, "it can only be true, or absent");
    return value != NULL;
}

static json_t *get_array(struct reader *r, json_t *object, const char *member, size_t max)
{
    json_t *value = json_object_get(object, member);

    if (!json_is_array(value)) {
        complain(r, member, "%s; compile the mesh again",
                 value ? "a list is needed here" : "the member is missing");
        return NULL;
    }
    if (json_array_size(value) > max) {
        complain(r, member, "the list must have at most %zu entries, not %zu", max,
                 json_array_size(value));
        return NULL;
    }
    return value;
}

/* A string that lives as long as the bundle. */
static const char *keep_string(struct reader *r, json_t *object, const char *member)
{
    return arena_strdup(&r->b->arena, get_string(r, object, member));
}

static void get_digest(struct reader *r, json_t *object, const char *member,
                       char ret[static DIGEST_TEXT_LEN + 1])
{
    const char *text = get_string(r, object, member);

    if (strlen(text) == DIGEST_TEXT_LEN)
        memcpy(ret, text, DIGEST_TEXT_LEN + 1); /* else it stays empty, which is none */
}

/* --- addresses
 * ------------------------------------------------------------------------------------ */

/* Text that is exactly what we would print: one spelling each, so that duplicates cannot hide. */
static bool read_prefix(const char *text, bool with_length, struct prefix *ret)
{
    char again[PREFIX_TEXT_MAX];

    if (!text || !prefix_parse(text, ret))
        return false;
    return strcmp(text,
                  with_length ? prefix_format(ret, again) : prefix_format_address(ret, again)) == 0;
}

static struct prefix *get_prefixes(struct reader *r, json_t *object, const char *member,
                                   bool with_length, size_t max, size_t *n_ret)
{
    json_t *list = get_array(r, object, member, max);
    struct prefix *ret;

    if (!list)
        return NULL;
    ret = arena_alloc(&r->b->arena, json_array_size(list), sizeof(*ret));
    *n_ret = json_array_size(list);
    for (size_t i = 0; i < *n_ret; i++)
        if (!read_prefix(json_string_value(json_array_get(list, i)), with_length, &ret[i]))
            complain(r, member, "entry %zu is no %s in canonical form", i + 1,
                     with_length ? "prefix" : "address");
    return ret;
}

static void get_addresses(struct reader *r, json_t *object, struct bundle_link *link)
{
    size_t n = 0;

    link->addresses =
        get_prefixes(r, object, "address", true, BUNDLE_MAX_ADDRESSES, &link->n_addresses);
    link->peer_addresses = get_prefixes(r, object, "peer-address", false, BUNDLE_MAX_ADDRESSES, &n);
    if (link->addresses && link->peer_addresses && n != link->n_addresses)
        complain(r, "peer-address", "there must be as many as there are of 'address'");
}

/* --- lists
 * ---------------------------------------------------------------------------------------- */

/* The first one is never written. */
static void get_tunnel(struct reader *r, json_t *object, struct bundle_link *link)
{
    bool first = !json_object_get(object, "tunnel");

    link->tunnel = first ? 1 : get_number(r, object, "tunnel", UINT16_MAX);
    if (!first && (link->tunnel < 2 || link->tunnel > BUNDLE_MAX_TUNNELS))
        complain(r, "tunnel", "the number must be between 2 and %u", BUNDLE_MAX_TUNNELS);
}

/* The first generation is never written. */
static void get_peer_key(struct reader *r, json_t *object, struct bundle_link *link)
{
    static const char member[] = "peer-generation";
    bool first = !json_object_get(object, member);

    link->peer_generation = first ? 1 : get_number(r, object, member, UINT32_MAX);
    if (!first && link->peer_generation < 2)
        complain(r, member, "the number must be at least 2, or absent");
    if (json_object_get(object, "peer-link-key"))
        link->peer_link_key = keep_string(r, object, "peer-link-key");
}

static void get_link(struct reader *r, json_t *object, struct bundle_link *link)
{
    static const char *const members[] = {"interface",
                                          "alias",
                                          "tunnel",
                                          "peer",
                                          "peer-number",
                                          "peer-asn",
                                          "peer-generation",
                                          "peer-link-key",
                                          "transit",
                                          "peer-prefix",
                                          "role",
                                          "address",
                                          "peer-address",
                                          "local-port",
                                          "remote-host",
                                          "remote-port",
                                          "mtu",
                                          "queue-length",
                                          "config",
                                          NULL};
    const char *role;

    if (!check_object(r, object, members))
        return;
    link->interface = keep_string(r, object, "interface");
    link->alias = keep_string(r, object, "alias");
    get_tunnel(r, object, link);
    link->peer = keep_string(r, object, "peer");
    link->peer_number = get_number(r, object, "peer-number", UINT16_MAX);
    link->peer_asn = get_number(r, object, "peer-asn", UINT32_MAX);
    get_peer_key(r, object, link);
    link->transit = get_flag(r, object, "transit");
    link->peer_prefixes =
        get_prefixes(r, object, "peer-prefix", true, BUNDLE_MAX_PREFIXES, &link->n_peer_prefixes);
    role = get_string(r, object, "role");
    if (strcmp(role, "server") != 0 && strcmp(role, "client") != 0)
        complain(r, "role", "it must be 'server' or 'client'");
    link->role = strcmp(role, "server") == 0 ? LINK_ROLE_SERVER : LINK_ROLE_CLIENT;
    get_addresses(r, object, link);
    link->local_port = (uint16_t)get_number(r, object, "local-port", UINT16_MAX);
    if (json_object_get(object, "remote-host"))
        link->remote_host = keep_string(r, object, "remote-host");
    if (link->remote_host || json_object_get(object, "remote-port"))
        link->remote_port = (uint16_t)get_number(r, object, "remote-port", UINT16_MAX);
    if (!link->remote_host && json_object_get(object, "remote-port"))
        complain(r, "remote-port", "there is no 'remote-host' that it could belong to");
    link->mtu = (uint16_t)get_number(r, object, "mtu", UINT16_MAX);
    link->queue_length = get_number(r, object, "queue-length", UINT32_MAX);
    link->config = keep_string(r, object, "config");
}

static void get_file(struct reader *r, json_t *object, struct bundle_file *file)
{
    static const char *const members[] = {"path", "sha256", "size", NULL};

    if (!check_object(r, object, members))
        return;
    file->path = keep_string(r, object, "path");
    get_digest(r, object, "sha256", file->sha256);
    file->size = get_number(r, object, "size", UINT32_MAX);
}

/* Goes to entry i of a list below the object in hand; leave() with what it returned. */
static size_t enter(struct reader *r, const char *list, size_t i)
{
    size_t outer = strlen(r->check.path);

    snprintf(r->check.path + outer, sizeof(r->check.path) - outer, "/%s[%zu]", list, i + 1);
    return outer;
}

static void leave(struct reader *r, size_t outer)
{
    r->check.path[outer] = '\0';
}

static void get_links(struct reader *r, json_t *root)
{
    json_t *list = get_array(r, root, "link", UINT16_MAX);

    if (!list)
        return;
    r->b->n_links = json_array_size(list);
    r->b->links = arena_alloc(&r->b->arena, r->b->n_links, sizeof(*r->b->links));
    for (size_t i = 0; i < r->b->n_links && r->check.errors < BUNDLE_MAX_ERRORS; i++) {
        size_t outer = enter(r, "link", i);

        get_link(r, json_array_get(list, i), &r->b->links[i]);
        leave(r, outer);
    }
}

static void get_files(struct reader *r, json_t *root)
{
    json_t *list = get_array(r, root, "file", BUNDLE_MAX_FILES);

    if (!list)
        return;
    r->b->n_files = json_array_size(list);
    r->b->files = arena_alloc(&r->b->arena, r->b->n_files, sizeof(*r->b->files));
    for (size_t i = 0; i < r->b->n_files && r->check.errors < BUNDLE_MAX_ERRORS; i++) {
        size_t outer = enter(r, "file", i);

        get_file(r, json_array_get(list, i), &r->b->files[i]);
        leave(r, outer);
    }
}

/* --- the whole
 * ------------------------------------------------------------------------------------ */

/* Absent in every bundle of a mesh that checks by lists, also in those of older compilers. */
static void get_origin_check(struct reader *r, json_t *root)
{
    static const char member[] = "origin-check";

    if (!json_object_get(root, member))
        return;
    r->b->origin_check = BUNDLE_ORIGINS_BY_CACHE;
    if (strcmp(get_string(r, root, member), BUNDLE_ORIGIN_CHECK_CACHE) != 0)
        complain(r, member,
                 "this way to check origins is not known here; install the version that "
                 "compiled the mesh");
}

static void get_bundle(struct reader *r, json_t *root)
{
    static const char *const members[] = {"format",
                                          "mesh",
                                          "gateway",
                                          "revision",
                                          "number",
                                          "asn",
                                          "router-id",
                                          "generation",
                                          "link-key",
                                          "origin-check",
                                          "manage-wan-firewall",
                                          "lan",
                                          "mesh-prefix",
                                          "link-prefix",
                                          "link",
                                          "file",
                                          NULL};
    static const char *const lan_members[] = {"name", "shared", "prefix", NULL};
    struct bundle *b = r->b;
    struct prefix router_id;
    json_t *lan;
    uint32_t format;

    snprintf(r->check.path, sizeof(r->check.path), "/p2pvpn-bundle:bundle");
    /* Before all else: another format may look quite different. */
    format = get_number(r, root, "format", UINT16_MAX);
    if (format != BUNDLE_FORMAT && format != BUNDLE_FORMAT_OLD) {
        if (r->check.errors == 0)
            complain(r, "format",
                     "the bundle has format %" PRIu32 " and this program knows formats %d and %d "
                     "only; install the version that compiled the mesh",
                     format, BUNDLE_FORMAT_OLD, BUNDLE_FORMAT);
        return;
    }
    check_object(r, root, members);
    b->mesh = keep_string(r, root, "mesh");
    b->gateway = keep_string(r, root, "gateway");
    get_digest(r, root, "revision", b->revision);
    b->number = get_number(r, root, "number", UINT16_MAX);
    b->asn = get_number(r, root, "asn", UINT32_MAX);
    if (!read_prefix(get_string(r, root, "router-id"), false, &router_id) ||
        router_id.family != FAMILY_IPV4)
        complain(r, "router-id", "an IPv4 address is needed here");
    else
        b->router_id = (uint32_t)router_id.addr[0] << 24 | (uint32_t)router_id.addr[1] << 16 |
                       (uint32_t)router_id.addr[2] << 8 | router_id.addr[3];
    b->generation = get_number(r, root, "generation", UINT32_MAX);
    if (json_object_get(root, "link-key"))
        b->link_key = keep_string(r, root, "link-key");
    b->mesh_prefixes =
        get_prefixes(r, root, "mesh-prefix", true, BUNDLE_MAX_PREFIXES, &b->n_mesh_prefixes);
    b->link_prefixes =
        get_prefixes(r, root, "link-prefix", true, BUNDLE_MAX_PREFIXES, &b->n_link_prefixes);
    b->manage_wan_firewall = get_flag(r, root, "manage-wan-firewall");
    get_origin_check(r, root);
    get_files(r, root);
    get_links(r, root);
    lan = json_object_get(root, "lan");
    snprintf(r->check.path, sizeof(r->check.path), "/p2pvpn-bundle:bundle/lan");
    if (check_object(r, lan, lan_members)) {
        b->lan = keep_string(r, lan, "name");
        b->lan_shared = get_flag(r, lan, "shared");
        b->lan_prefixes =
            get_prefixes(r, lan, "prefix", true, BUNDLE_MAX_PREFIXES, &b->n_lan_prefixes);
    }
    snprintf(r->check.path, sizeof(r->check.path), "/p2pvpn-bundle:bundle");
    if (r->check.errors == 0 && format != bundle_format_of(b))
        complain(r, "format", "what the bundle holds is of format %" PRIu32, bundle_format_of(b));
}

int bundle_parse(const char *data, size_t len, const char *file, struct bundle **ret,
                 struct error_list *err)
{
    static const char *const members[] = {"p2pvpn-bundle:bundle", NULL};
    struct reader r = {.check = {.file = file, .err = err}};
    json_error_t error;
    json_t *json;

    if (len > BUNDLE_MAX_BYTES)
        return error_add(err, file, 0, NULL,
                         "the bundle has %zu bytes; more than %u are not read, because no gateway "
                         "needs them",
                         len, BUNDLE_MAX_BYTES);
    json = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return error_add(err, file, error.line > 0 ? (unsigned)error.line : 0, NULL,
                         "this is not JSON: %s; fetch or compile it again", error.text);
    r.b = xcalloc(1, sizeof(*r.b));
    r.b->mesh = r.b->gateway = r.b->lan = "";
    if (check_object(&r, json, members)) {
        json_t *root = json_object_get(json, members[0]);

        if (json_is_object(root))
            get_bundle(&r, root);
        else
            complain(&r, members[0],
                     "the object is missing; is this the bundle.json of a gateway?");
    }
    json_decref(json);
    if (r.check.errors == 0)
        bundle_check(&r.check, r.b);
    if (r.check.errors > BUNDLE_MAX_ERRORS)
        error_add(err, file, 0, NULL, "there is more that is wrong; this is no intact bundle");
    if (r.check.errors) {
        bundle_free(r.b);
        return -EINVAL;
    }
    *ret = r.b;
    return 0;
}

void bundle_prepare(void)
{
    uint8_t digest[DIGEST_LEN];

    json_object_seed(0);
    digest_sha256("", 0, digest);
}
