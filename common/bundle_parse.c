/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of bundle.json trusts nothing: it runs on every gateway, on what came from outside.
 * Every value is checked where it is read; then the whole is printed again, and must give the
 * revision that the file claims.  The first problems are reported together, at most MAX_ERRORS.
 */
#include "common/bundle.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "common/name.h"

#define MAX_ERRORS 20
#define MAX_PREFIXES 100000u
#define ADDRESSES_MAX 2u /* one of each family */

struct reader {
    const char *file;
    struct error_list *err;
    size_t errors;
    struct bundle *b;
    char path[160]; /* of the object being read */
};

static void __attribute__((format(printf, 3, 4)))
complain(struct reader *r, const char *member, const char *format, ...)
{
    char path[sizeof(r->path) + 64];
    va_list ap;

    if (r->errors++ >= MAX_ERRORS)
        return;
    snprintf(path, sizeof(path), "%s%s%.60s", r->path, member ? "/" : "", member ? member : "");
    va_start(ap, format);
    error_vadd(r->err, r->file, 0, path, format, ap);
    va_end(ap);
}

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

static uint32_t get_number(struct reader *r, json_t *object, const char *member, uint32_t min,
                           uint32_t max)
{
    json_t *value = json_object_get(object, member);
    json_int_t n;

    if (!json_is_integer(value)) {
        complain(r, member, "%s; compile the mesh again",
                 value ? "a whole number is needed here" : "the member is missing");
        return 0;
    }
    n = json_integer_value(value);
    if (n < (json_int_t)min || n > (json_int_t)max) {
        complain(r, member, "the number must be between %" PRIu32 " and %" PRIu32, min, max);
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

static json_t *get_array(struct reader *r, json_t *object, const char *member, size_t min,
                         size_t max)
{
    json_t *value = json_object_get(object, member);

    if (!json_is_array(value)) {
        complain(r, member, "%s; compile the mesh again",
                 value ? "a list is needed here" : "the member is missing");
        return NULL;
    }
    if (json_array_size(value) < min || json_array_size(value) > max) {
        complain(r, member, "the list must have %zu to %zu entries, not %zu", min, max,
                 json_array_size(value));
        return NULL;
    }
    return value;
}

static const char *get_name(struct reader *r, json_t *object, const char *member)
{
    const char *name = get_string(r, object, member);

    if (*name && name_valid(name))
        return arena_strdup(&r->b->arena, name);
    if (json_is_string(json_object_get(object, member)))
        complain(r, member, "this is no valid name (letters, digits, '.', '_', '-'; at most %d)",
                 NAME_MAX_LEN);
    return "";
}

static void get_digest(struct reader *r, json_t *object, const char *member,
                       char ret[static DIGEST_TEXT_LEN + 1])
{
    const char *text = get_string(r, object, member);

    if (strlen(text) == DIGEST_TEXT_LEN && strspn(text, "0123456789abcdef") == DIGEST_TEXT_LEN)
        memcpy(ret, text, DIGEST_TEXT_LEN + 1);
    else
        complain(r, member, "a SHA-256 in lower-case hexadecimal is needed here");
}

/* ASNs for private use (RFC 6996): what a mesh hands out. */
static uint32_t get_asn(struct reader *r, json_t *object, const char *member)
{
    uint32_t asn = get_number(r, object, member, 64512, 4294967294u);

    if (asn > 65534 && asn < 4200000000u)
        complain(r, member, "this is no ASN for private use (RFC 6996)");
    return asn;
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

/* `what` they are a prefix of, for messages. */
static struct prefix *get_prefixes(struct reader *r, json_t *object, const char *member, size_t min,
                                   const char *what, size_t *n_ret)
{
    json_t *list = get_array(r, object, member, min, MAX_PREFIXES), *value;
    struct prefix *ret;
    size_t i;

    if (!list)
        return NULL;
    ret = arena_alloc(&r->b->arena, json_array_size(list), sizeof(*ret));
    json_array_foreach(list, i, value)
    {
        struct prefix *p = &ret[i];

        if (!read_prefix(json_string_value(value), true, p))
            complain(r, member, "entry %zu is no prefix in canonical form", i + 1);
        else if (prefix_has_host_bits(p) || p->len == 0 || prefix_is_special(p))
            complain(r, member, "entry %zu, %s, cannot be the prefix of %s", i + 1,
                     json_string_value(value), what);
        else if (i && prefix_compare(p - 1, p) >= 0)
            complain(r, member, "entry %zu, %s, is out of order or there twice", i + 1,
                     json_string_value(value));
    }
    *n_ret = json_array_size(list);
    return ret;
}

/* Our address with the length of the link's prefix, and the peer's on the same link: either both
 * in one /31 or /127, or two addresses that the kernel sets as a pair. */
static bool addresses_fit(const struct prefix *own, const struct prefix *peer)
{
    unsigned bits = own->family == FAMILY_IPV4 ? 32 : 128;

    if (own->family != peer->family || memcmp(own->addr, peer->addr, sizeof(own->addr)) == 0 ||
        prefix_is_special(own) || prefix_is_special(peer))
        return false;
    return own->len == bits || (own->len == bits - 1 && prefix_contains(own, peer));
}

static void get_addresses(struct reader *r, json_t *object, struct bundle_link *link)
{
    json_t *own = get_array(r, object, "address", 1, ADDRESSES_MAX);
    json_t *peer = get_array(r, object, "peer-address", 1, ADDRESSES_MAX);
    size_t n = own ? json_array_size(own) : 0;

    if (!own || !peer)
        return;
    if (json_array_size(peer) != n) {
        complain(r, "peer-address", "there must be as many as there are of 'address'");
        return;
    }
    link->addresses = arena_alloc(&r->b->arena, n, sizeof(*link->addresses));
    link->peer_addresses = arena_alloc(&r->b->arena, n, sizeof(*link->peer_addresses));
    link->n_addresses = n;
    for (size_t i = 0; i < n; i++) {
        struct prefix *a = &link->addresses[i], *p = &link->peer_addresses[i];

        if (!read_prefix(json_string_value(json_array_get(own, i)), true, a))
            complain(r, "address", "entry %zu is no address with its length", i + 1);
        else if (!read_prefix(json_string_value(json_array_get(peer, i)), false, p))
            complain(r, "peer-address", "entry %zu is no address", i + 1);
        else if (!addresses_fit(a, p))
            complain(r, "peer-address",
                     "entry %zu cannot be the other end of 'address' (a /31, a /127 or two host "
                     "addresses)",
                     i + 1);
        else if (i && a->family == link->addresses[0].family)
            complain(r, "address", "a link has one address of each family");
    }
}

/* --- lists
 * ---------------------------------------------------------------------------------------- */

/* What may be there once only, with who has it; the key is "KIND VALUE". */
struct seen {
    UT_hash_handle hh;
    char key[];
};

static bool seen_before(struct seen **table, const char *kind, const char *value)
{
    size_t n = strlen(kind) + 1 + strlen(value);
    struct seen *s = xmalloc(sizeof(*s) + n + 1), *old;

    snprintf(s->key, n + 1, "%s %s", kind, value);
    HASH_FIND(hh, *table, s->key, n, old);
    if (old)
        free(s);
    else
        HASH_ADD(hh, *table, key, n, s);
    return old != NULL;
}

static void seen_free(struct seen **table)
{
    struct seen *s, *next;

    HASH_ITER(hh, *table, s, next)
    {
        HASH_DEL(*table, s);
        free(s);
    }
}

static void check_once(struct reader *r, struct seen **table, const struct bundle_link *link)
{
    char text[PREFIX_TEXT_MAX];

    if (link->tunnel == 1 && seen_before(table, "peer", link->peer))
        complain(r, "peer", "'%s' is there twice", link->peer);
    if (seen_before(table, "alias", link->alias))
        complain(r, "alias", "'%s' is there twice", link->alias);
    if (seen_before(table, "config", link->config))
        complain(r, "config", "'%s' is there twice", link->config);
    snprintf(text, sizeof(text), "%u", link->local_port);
    if (seen_before(table, "port", text))
        complain(r, "local-port", "%s is there twice", text);
    for (size_t i = 0; i < link->n_addresses; i++) {
        if (seen_before(table, "address", prefix_format_address(&link->addresses[i], text)))
            complain(r, "address", "%s is there twice", text);
        if (seen_before(table, "address", prefix_format_address(&link->peer_addresses[i], text)))
            complain(r, "peer-address", "%s is there twice", text);
    }
}

static int compare_file(const void *key, const void *file)
{
    return strcmp(key, ((const struct bundle_file *)file)->path);
}

/* "pv-", a short name, and the end that the interface has too. */
static void get_alias(struct reader *r, json_t *object, struct bundle_link *link)
{
    const char *s = get_string(r, object, "alias");
    _cleanup_free_ char *end = link->tunnel > 1 ? xasprintf("-%u", link->tunnel) : xstrdup("");
    _cleanup_free_ char *name = xstrdup(strncmp(s, "pv-", 3) == 0 ? s + 3 : "");
    size_t len = strlen(name), n = strlen(end);

    if (len > n && strcmp(name + len - n, end) == 0)
        name[len -= n] = '\0';
    else
        len = 0;
    if (len == 0 || len > SHORT_NAME_MAX || !name_valid(name))
        complain(r, "alias", "it must be 'pv-' and a name of at most %d bytes%s%s", SHORT_NAME_MAX,
                 n ? ", and then " : "", end);
    link->alias = arena_strdup(&r->b->arena, s);
}

static void get_link(struct reader *r, json_t *object, struct bundle_link *link)
{
    static const char *const members[] = {
        "interface",   "alias",       "tunnel", "peer",         "peer-number",  "peer-asn",
        "transit",     "peer-prefix", "role",   "address",      "peer-address", "local-port",
        "remote-host", "remote-port", "mtu",    "queue-length", "config",       NULL};
    struct bundle *b = r->b;
    const char *s;
    char name[BUNDLE_INTERFACE_SIZE];

    if (!check_object(r, object, members))
        return;
    link->peer = get_name(r, object, "peer");
    link->peer_number = get_number(r, object, "peer-number", 1, UINT16_MAX);
    link->peer_asn = get_asn(r, object, "peer-asn");
    link->transit = get_flag(r, object, "transit");
    link->peer_prefixes =
        get_prefixes(r, object, "peer-prefix", 1, "a LAN", &link->n_peer_prefixes);
    link->tunnel = json_object_get(object, "tunnel")
                       ? get_number(r, object, "tunnel", 2, BUNDLE_MAX_TUNNELS)
                       : 1;
    bundle_interface(link->peer_number, link->tunnel, name);
    if (strcmp(get_string(r, object, "interface"), name) != 0)
        complain(r, "interface", "it must be '%s', after the peer's number and the tunnel", name);
    link->interface = arena_strdup(&b->arena, name);
    get_alias(r, object, link);
    s = get_string(r, object, "role");
    if (strcmp(s, "server") != 0 && strcmp(s, "client") != 0)
        complain(r, "role", "it must be 'server' or 'client'");
    link->role = strcmp(s, "server") == 0 ? LINK_ROLE_SERVER : LINK_ROLE_CLIENT;
    get_addresses(r, object, link);
    link->local_port = (uint16_t)get_number(r, object, "local-port", 1, UINT16_MAX);
    if (json_object_get(object, "remote-host")) {
        s = get_string(r, object, "remote-host");
        if (!host_valid(s))
            complain(r, "remote-host", "this is neither an address nor a DNS name");
        link->remote_host = arena_strdup(&b->arena, s);
        link->remote_port = (uint16_t)get_number(r, object, "remote-port", 1, UINT16_MAX);
    } else if (json_object_get(object, "remote-port")) {
        complain(r, "remote-port", "there is no 'remote-host' that it could belong to");
    }
    link->mtu = (uint16_t)get_number(r, object, "mtu", 68, UINT16_MAX);
    link->queue_length = get_number(r, object, "queue-length", 1, 100000);
    s = get_string(r, object, "config");
    if (b->n_files == 0 || !bsearch(s, b->files, b->n_files, sizeof(*b->files), compare_file))
        complain(r, "config", "this is none of the bundle's files");
    link->config = arena_strdup(&b->arena, s);

    if (strcmp(link->peer, b->gateway) == 0 || link->peer_number == b->number ||
        link->peer_asn == b->asn)
        complain(r, "peer", "the peer has the name, number or ASN of the gateway itself");
}

static bool same_prefixes(const struct bundle_link *a, const struct bundle_link *b)
{
    size_t n = a->n_peer_prefixes;

    return b->n_peer_prefixes == n &&
           (n == 0 || memcmp(a->peer_prefixes, b->peer_prefixes, n * sizeof(struct prefix)) == 0);
}

/* By peer number; the tunnels to one peer stand together, from the first on. */
static void check_order(struct reader *r, const struct bundle_link *link, bool first)
{
    const struct bundle_link *before = first ? NULL : link - 1;
    bool same = before && before->peer_number == link->peer_number;

    if (before && before->peer_number > link->peer_number)
        complain(r, "peer-number", "the links must be in ascending order of it");
    else if (link->tunnel != (same ? before->tunnel + 1 : 1))
        complain(r, link->tunnel > 1 ? "tunnel" : "peer-number",
                 "the links to one peer must be its tunnels 1, 2 and so on, one behind the other");
    else if (same && (strcmp(before->peer, link->peer) != 0 || before->peer_asn != link->peer_asn))
        complain(r, "peer", "two names or ASNs have one number");
    else if (same && (before->transit != link->transit || !same_prefixes(before, link)))
        complain(r, "peer-prefix", "two tunnels to one peer differ in what may come through them");
}

static void get_links(struct reader *r, json_t *root)
{
    json_t *list = get_array(r, root, "link", 0, UINT16_MAX), *value;
    struct seen *table = NULL;
    size_t i, outer = strlen(r->path);

    if (!list)
        return;
    r->b->links = arena_alloc(&r->b->arena, json_array_size(list), sizeof(*r->b->links));
    json_array_foreach(list, i, value)
    {
        struct bundle_link *link = &r->b->links[i];
        size_t errors = r->errors;

        snprintf(r->path + outer, sizeof(r->path) - outer, "/link[%zu]", i + 1);
        get_link(r, value, link);
        if (r->errors == errors)
            check_once(r, &table, link);
        check_order(r, link, i == 0);
        r->path[outer] = '\0';
        if (r->errors >= MAX_ERRORS)
            break;
    }
    r->b->n_links = json_array_size(list);
    seen_free(&table);
}

/* A file cannot be a folder as well: with the paths in order, "a" stands somewhere before "a/b". */
static bool parent_is_file(const struct bundle *b, const char *path)
{
    char parent[256];

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        if (bsearch(parent, b->files, b->n_files, sizeof(*b->files), compare_file))
            return true;
    }
    return false;
}

static void get_file(struct reader *r, json_t *object, struct bundle_file *file)
{
    static const char *const members[] = {"path", "sha256", "size", NULL};
    const char *path;

    file->path = "";
    if (!check_object(r, object, members))
        return;
    path = get_string(r, object, "path");
    if (!relative_path_valid(path) || strcmp(path, BUNDLE_FILE) == 0)
        complain(r, "path", "this is no valid path of a file in the bundle");
    else
        file->path = arena_strdup(&r->b->arena, path);
    get_digest(r, object, "sha256", file->sha256);
    file->size = get_number(r, object, "size", 0, BUNDLE_FILE_MAX_BYTES);
}

static void get_files(struct reader *r, json_t *root)
{
    json_t *list = get_array(r, root, "file", 0, BUNDLE_MAX_FILES), *value;
    size_t i, outer = strlen(r->path);

    if (!list)
        return;
    r->b->files = arena_alloc(&r->b->arena, json_array_size(list), sizeof(*r->b->files));
    json_array_foreach(list, i, value)
    {
        struct bundle_file *file = &r->b->files[i];

        snprintf(r->path + outer, sizeof(r->path) - outer, "/file[%zu]", i + 1);
        get_file(r, value, file);
        r->b->n_files = i + 1;
        if (i && *file->path && strcmp(file[-1].path, file->path) >= 0)
            complain(r, "path", "the paths must be in ascending order, each once");
        else if (parent_is_file(r->b, file->path))
            complain(r, "path", "a part of it is a file");
        r->path[outer] = '\0';
        if (r->errors >= MAX_ERRORS)
            break;
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
    else if (r->b->n_mesh_prefixes)
        complain(r, "mesh-prefix", "with origin-check cache there is none: compile the mesh again");
}

static void get_bundle(struct reader *r, json_t *root)
{
    static const char *const members[] = {
        "format", "mesh",        "gateway",     "revision",     "number",
        "asn",    "router-id",   "generation",  "origin-check", "manage-wan-firewall",
        "lan",    "mesh-prefix", "link-prefix", "link",         "file",
        NULL};
    static const char *const lan_members[] = {"name", "shared", "prefix", NULL};
    struct bundle *b = r->b;
    struct prefix router_id;
    json_t *lan;
    uint32_t format;

    snprintf(r->path, sizeof(r->path), "/p2pvpn-bundle:bundle");
    /* Before all else: another format may look quite different. */
    format = get_number(r, root, "format", 1, UINT16_MAX);
    if (format != BUNDLE_FORMAT) {
        if (format)
            complain(r, "format",
                     "the bundle has format %" PRIu32 " and this program knows format %d only; "
                     "install the version that compiled the mesh",
                     format, BUNDLE_FORMAT);
        return;
    }
    check_object(r, root, members);
    b->mesh = get_name(r, root, "mesh");
    b->gateway = get_name(r, root, "gateway");
    get_digest(r, root, "revision", b->revision);
    b->number = get_number(r, root, "number", 1, UINT16_MAX);
    b->asn = get_asn(r, root, "asn");
    if (!read_prefix(get_string(r, root, "router-id"), false, &router_id) ||
        router_id.family != FAMILY_IPV4 || router_id.addr[0] == 0)
        complain(r, "router-id", "an IPv4 address is needed here");
    else
        b->router_id = (uint32_t)router_id.addr[0] << 24 | (uint32_t)router_id.addr[1] << 16 |
                       (uint32_t)router_id.addr[2] << 8 | router_id.addr[3];
    b->generation = get_number(r, root, "generation", 1, UINT32_MAX);
    b->mesh_prefixes = get_prefixes(r, root, "mesh-prefix", 0, "a LAN", &b->n_mesh_prefixes);
    b->link_prefixes = get_prefixes(r, root, "link-prefix", 1, "links", &b->n_link_prefixes);
    b->manage_wan_firewall = get_flag(r, root, "manage-wan-firewall");
    get_origin_check(r, root);
    get_files(r, root); /* before the links, which point into them */
    get_links(r, root);
    lan = json_object_get(root, "lan");
    snprintf(r->path, sizeof(r->path), "/p2pvpn-bundle:bundle/lan");
    if (check_object(r, lan, lan_members)) {
        b->lan = get_name(r, lan, "name");
        b->lan_shared = get_flag(r, lan, "shared");
        b->lan_prefixes = get_prefixes(r, lan, "prefix", 1, "a LAN", &b->n_lan_prefixes);
    }
    snprintf(r->path, sizeof(r->path), "/p2pvpn-bundle:bundle");
}

static void check_revision(struct reader *r)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    char claimed[DIGEST_TEXT_LEN + 1];

    memcpy(claimed, r->b->revision, sizeof(claimed));
    bundle_format(r->b, &text);
    if (memcmp(claimed, r->b->revision, sizeof(claimed)) != 0)
        complain(r, "revision",
                 "the content was changed after it was compiled: the revision does not fit; fetch "
                 "or compile it again");
}

int bundle_parse(const char *data, size_t len, const char *file, struct bundle **ret,
                 struct error_list *err)
{
    static const char *const members[] = {"p2pvpn-bundle:bundle", NULL};
    struct reader r = {.file = file, .err = err};
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
    if (r.errors == 0)
        check_revision(&r);
    json_decref(json);
    if (r.errors > MAX_ERRORS)
        error_add(err, file, 0, NULL, "there is more that is wrong; this is no intact bundle");
    if (r.errors) {
        bundle_free(r.b);
        return -EINVAL;
    }
    *ret = r.b;
    return 0;
}
