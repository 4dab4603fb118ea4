/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bundle_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "common/link_key.h"
#include "common/name.h"

void bundle_complain(struct bundle_checker *c, const char *member, const char *format, ...)
{
    char path[sizeof(c->path) + 64];
    va_list ap;

    if (c->errors++ >= BUNDLE_MAX_ERRORS)
        return;
    snprintf(path, sizeof(path), "%s%s%.60s", c->path, member ? "/" : "", member ? member : "");
    va_start(ap, format);
    error_vadd(c->err, c->file, 0, path, format, ap);
    va_end(ap);
}

/* --- one value --------------------------------------------------------------------------------
 */

static void check_name(struct bundle_checker *c, const char *member, const char *name)
{
    if (!name_valid(name))
        bundle_complain(c, member,
                        "this is no valid name (letters, digits, '.', '_', '-'; at most %d)",
                        NAME_MAX_LEN);
}

static void check_number(struct bundle_checker *c, const char *member, uint32_t n, uint32_t min,
                         uint32_t max)
{
    if (n < min || n > max)
        bundle_complain(c, member, "the number must be between %" PRIu32 " and %" PRIu32, min, max);
}

static bool check_count(struct bundle_checker *c, const char *member, size_t n, size_t min,
                        size_t max)
{
    if (n >= min && n <= max)
        return true;
    bundle_complain(c, member, "the list must have %zu to %zu entries, not %zu", min, max, n);
    return false;
}

static void check_digest(struct bundle_checker *c, const char *member,
                         const char text[static DIGEST_TEXT_LEN + 1])
{
    if (strspn(text, "0123456789abcdef") != DIGEST_TEXT_LEN || text[DIGEST_TEXT_LEN])
        bundle_complain(c, member, "a SHA-256 in lower-case hexadecimal is needed here");
}

/* NULL: there is none. */
static void check_link_key(struct bundle_checker *c, const char *member, const char *key)
{
    if (key && !link_key_valid(key))
        bundle_complain(c, member, "32 bytes in base64url without padding are needed here");
}

/* ASNs for private use (RFC 6996): what a mesh hands out. */
static void check_asn(struct bundle_checker *c, const char *member, uint32_t asn)
{
    check_number(c, member, asn, 64512, 4294967294u);
    if (asn > 65534 && asn < 4200000000u)
        bundle_complain(c, member, "this is no ASN for private use (RFC 6996)");
}

/* A family that there is, a length that it can have, and zeros where there is no address. */
static bool is_prefix(const struct prefix *p)
{
    static const uint8_t zeros[sizeof(p->addr)];
    size_t n = p->family == FAMILY_IPV4 ? 4 : 16;

    return (p->family == FAMILY_IPV4 || p->family == FAMILY_IPV6) && p->len <= 8 * n &&
           memcmp(p->addr + n, zeros, sizeof(p->addr) - n) == 0;
}

/* `what` they are a prefix of, for messages. */
static void check_prefixes(struct bundle_checker *c, const char *member,
                           const struct prefix *prefixes, size_t n, size_t min, const char *what)
{
    char text[PREFIX_TEXT_MAX];

    if (!check_count(c, member, n, min, BUNDLE_MAX_PREFIXES))
        return;
    for (size_t i = 0; i < n; i++) {
        const struct prefix *p = &prefixes[i];

        if (!is_prefix(p))
            bundle_complain(c, member, "entry %zu is no prefix", i + 1);
        else if (prefix_has_host_bits(p) || p->len == 0 || prefix_is_special(p))
            bundle_complain(c, member, "entry %zu, %s, cannot be the prefix of %s", i + 1,
                            prefix_format(p, text), what);
        else if (i && prefix_compare(p - 1, p) >= 0)
            bundle_complain(c, member, "entry %zu, %s, is out of order or there twice", i + 1,
                            prefix_format(p, text));
    }
}

/* --- links ------------------------------------------------------------------------------------
 */

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

static void check_addresses(struct bundle_checker *c, const struct bundle_link *link)
{
    if (!check_count(c, "address", link->n_addresses, 1, BUNDLE_MAX_ADDRESSES))
        return;
    for (size_t i = 0; i < link->n_addresses; i++) {
        const struct prefix *own = &link->addresses[i], *peer = &link->peer_addresses[i];

        if (!is_prefix(own))
            bundle_complain(c, "address", "entry %zu is no address with its length", i + 1);
        else if (!is_prefix(peer) || peer->len != (peer->family == FAMILY_IPV4 ? 32 : 128))
            bundle_complain(c, "peer-address", "entry %zu is no address", i + 1);
        else if (!addresses_fit(own, peer))
            bundle_complain(c, "peer-address",
                            "entry %zu cannot be the other end of 'address' (a /31, a /127 or two "
                            "host addresses)",
                            i + 1);
        else if (i && own->family == link->addresses[0].family)
            bundle_complain(c, "address", "a link has one address of each family");
    }
}

/* "pv-", a short name, and the end that the interface has too. */
static void check_alias(struct bundle_checker *c, const struct bundle_link *link)
{
    const char *s = link->alias;
    _cleanup_free_ char *end = link->tunnel > 1 ? xasprintf("-%u", link->tunnel) : xstrdup("");
    _cleanup_free_ char *name = xstrdup(strncmp(s, "pv-", 3) == 0 ? s + 3 : "");
    size_t len = strlen(name), n = strlen(end);

    if (len > n && strcmp(name + len - n, end) == 0)
        name[len -= n] = '\0';
    else
        len = 0;
    if (len == 0 || len > SHORT_NAME_MAX || !name_valid(name))
        bundle_complain(c, "alias", "it must be 'pv-' and a name of at most %d bytes%s%s",
                        SHORT_NAME_MAX, n ? ", and then " : "", end);
}

static int compare_file(const void *key, const void *file)
{
    return strcmp(key, ((const struct bundle_file *)file)->path);
}

static bool has_file(const struct bundle *b, const char *path)
{
    return b->n_files && bsearch(path, b->files, b->n_files, sizeof(*b->files), compare_file);
}

static void check_link(struct bundle_checker *c, const struct bundle *b,
                       const struct bundle_link *link)
{
    char name[BUNDLE_INTERFACE_SIZE];

    check_name(c, "peer", link->peer);
    check_number(c, "peer-number", link->peer_number, 1, UINT16_MAX);
    check_number(c, "peer-generation", link->peer_generation, 1, UINT32_MAX);
    check_link_key(c, "peer-link-key", link->peer_link_key);
    if (link->peer_link_key && !b->link_key)
        bundle_complain(c, "peer-link-key", "there is no own link-key that it could go with");
    check_asn(c, "peer-asn", link->peer_asn);
    check_prefixes(c, "peer-prefix", link->peer_prefixes, link->n_peer_prefixes, 1, "a LAN");
    check_number(c, "tunnel", link->tunnel, 1, BUNDLE_MAX_TUNNELS);
    bundle_interface(link->peer_number, link->tunnel, name);
    if (strcmp(link->interface, name) != 0)
        bundle_complain(c, "interface", "it must be '%s', after the peer's number and the tunnel",
                        name);
    check_alias(c, link);
    if (link->role != LINK_ROLE_SERVER && link->role != LINK_ROLE_CLIENT)
        bundle_complain(c, "role", "it must be 'server' or 'client'");
    check_addresses(c, link);
    check_number(c, "local-port", link->local_port, 1, UINT16_MAX);
    if (link->remote_host && !host_valid(link->remote_host))
        bundle_complain(c, "remote-host", "this is neither an address nor a DNS name");
    if (link->remote_host)
        check_number(c, "remote-port", link->remote_port, 1, UINT16_MAX);
    else if (link->remote_port)
        bundle_complain(c, "remote-port", "there is no 'remote-host' that it could belong to");
    check_number(c, "mtu", link->mtu, 68, UINT16_MAX);
    check_number(c, "queue-length", link->queue_length, 1, 100000);
    if (!has_file(b, link->config))
        bundle_complain(c, "config", "this is none of the bundle's files");
    if (strcmp(link->peer, b->gateway) == 0 || link->peer_number == b->number ||
        link->peer_asn == b->asn)
        bundle_complain(c, "peer", "the peer has the name, number or ASN of the gateway itself");
}

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

static void check_once(struct bundle_checker *c, struct seen **table,
                       const struct bundle_link *link)
{
    char text[PREFIX_TEXT_MAX];

    if (link->tunnel == 1 && seen_before(table, "peer", link->peer))
        bundle_complain(c, "peer", "'%s' is there twice", link->peer);
    if (seen_before(table, "alias", link->alias))
        bundle_complain(c, "alias", "'%s' is there twice", link->alias);
    if (seen_before(table, "config", link->config))
        bundle_complain(c, "config", "'%s' is there twice", link->config);
    snprintf(text, sizeof(text), "%u", link->local_port);
    if (seen_before(table, "port", text))
        bundle_complain(c, "local-port", "%s is there twice", text);
    for (size_t i = 0; i < link->n_addresses; i++) {
        if (seen_before(table, "address", prefix_format_address(&link->addresses[i], text)))
            bundle_complain(c, "address", "%s is there twice", text);
        if (seen_before(table, "address", prefix_format_address(&link->peer_addresses[i], text)))
            bundle_complain(c, "peer-address", "%s is there twice", text);
    }
}

static bool same_prefixes(const struct bundle_link *a, const struct bundle_link *b)
{
    size_t n = a->n_peer_prefixes;

    return b->n_peer_prefixes == n &&
           (n == 0 || memcmp(a->peer_prefixes, b->peer_prefixes, n * sizeof(struct prefix)) == 0);
}

/* By peer number; the tunnels to one peer stand together, from the first on. */
static void check_order(struct bundle_checker *c, const struct bundle_link *link, bool first)
{
    const struct bundle_link *before = first ? NULL : link - 1;
    bool same = before && before->peer_number == link->peer_number;

    if (before && before->peer_number > link->peer_number)
        bundle_complain(c, "peer-number", "the links must be in ascending order of it");
    else if (link->tunnel != (same ? before->tunnel + 1 : 1))
        bundle_complain(
            c, link->tunnel > 1 ? "tunnel" : "peer-number",
            "the links to one peer must be its tunnels 1, 2 and so on, one behind the other");
    else if (same && (strcmp(before->peer, link->peer) != 0 || before->peer_asn != link->peer_asn))
        bundle_complain(c, "peer", "two names or ASNs have one number");
    else if (same && (before->transit != link->transit || !same_prefixes(before, link)))
        bundle_complain(c, "peer-prefix",
                        "two tunnels to one peer differ in what may come through them");
}

static void check_links(struct bundle_checker *c, const struct bundle *b)
{
    struct seen *table = NULL;
    size_t outer = strlen(c->path);

    if (!check_count(c, "link", b->n_links, 0, UINT16_MAX))
        return;
    for (size_t i = 0; i < b->n_links && c->errors < BUNDLE_MAX_ERRORS; i++) {
        size_t errors = c->errors;

        snprintf(c->path + outer, sizeof(c->path) - outer, "/link[%zu]", i + 1);
        check_link(c, b, &b->links[i]);
        if (c->errors == errors)
            check_once(c, &table, &b->links[i]);
        check_order(c, &b->links[i], i == 0);
        c->path[outer] = '\0';
    }
    seen_free(&table);
}

/* --- files ------------------------------------------------------------------------------------
 */

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

static void check_files(struct bundle_checker *c, const struct bundle *b)
{
    size_t outer = strlen(c->path);

    if (!check_count(c, "file", b->n_files, 0, BUNDLE_MAX_FILES))
        return;
    for (size_t i = 0; i < b->n_files && c->errors < BUNDLE_MAX_ERRORS; i++) {
        const struct bundle_file *file = &b->files[i];

        snprintf(c->path + outer, sizeof(c->path) - outer, "/file[%zu]", i + 1);
        if (!relative_path_valid(file->path) || strcmp(file->path, BUNDLE_FILE) == 0)
            bundle_complain(c, "path", "this is no valid path of a file in the bundle");
        else if (i && strcmp(file[-1].path, file->path) >= 0)
            bundle_complain(c, "path", "the paths must be in ascending order, each once");
        else if (parent_is_file(b, file->path))
            bundle_complain(c, "path", "a part of it is a file");
        check_digest(c, "sha256", file->sha256);
        check_number(c, "size", file->size, 0, BUNDLE_FILE_MAX_BYTES);
        c->path[outer] = '\0';
    }
}

/* --- the whole --------------------------------------------------------------------------------
 */

static void check_revision(struct bundle_checker *c, struct bundle *b)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    char claimed[DIGEST_TEXT_LEN + 1];

    memcpy(claimed, b->revision, sizeof(claimed));
    bundle_format(b, &text);
    if (memcmp(claimed, b->revision, sizeof(claimed)) != 0)
        bundle_complain(c, "revision",
                        "the content was changed after it was compiled: the revision does not fit; "
                        "fetch or compile it again");
}

void bundle_check(struct bundle_checker *c, struct bundle *b)
{
    check_name(c, "mesh", b->mesh);
    check_name(c, "gateway", b->gateway);
    check_digest(c, "revision", b->revision);
    check_number(c, "number", b->number, 1, UINT16_MAX);
    check_asn(c, "asn", b->asn);
    if (b->router_id >> 24 == 0)
        bundle_complain(c, "router-id", "an IPv4 address is needed here");
    check_number(c, "generation", b->generation, 1, UINT32_MAX);
    check_link_key(c, "link-key", b->link_key);
    check_prefixes(c, "mesh-prefix", b->mesh_prefixes, b->n_mesh_prefixes, 0, "a LAN");
    check_prefixes(c, "link-prefix", b->link_prefixes, b->n_link_prefixes, 1, "links");
    if (b->origin_check == BUNDLE_ORIGINS_BY_CACHE && b->n_mesh_prefixes)
        bundle_complain(c, "mesh-prefix",
                        "with origin-check cache there is none: compile the mesh again");
    check_files(c, b); /* before the links, which point to them */
    check_links(c, b);
    check_name(c, "lan/name", b->lan);
    check_prefixes(c, "lan/prefix", b->lan_prefixes, b->n_lan_prefixes, 1, "a LAN");
    if (c->errors == 0)
        check_revision(c, b);
}
