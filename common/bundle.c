/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The printer is our own, so that the text is one and the same on every machine and with every
 * version of every library: two spaces a level, members in a fixed order, one list entry a line or
 * a block.
 *
 * The revision is the SHA-256 of this very text with an empty revision member.  The reader prints
 * what it understood and compares (bundle_parse.c), so nothing can be in force that the revision
 * does not cover.
 */
#include "common/bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REVISION "    \"revision\": \"" /* what stands before it */

/* No printf here: a bundle has a dozen members for each of up to thousands of links. */
static inline void add_name(struct buf *b, const char *indent, const char *name)
{
    buf_str(b, indent);
    buf_char(b, '"');
    buf_str(b, name);
    buf_str(b, "\": ");
}

static void add_member(struct buf *b, const char *indent, const char *name, const char *value)
{
    add_name(b, indent, name);
    buf_json(b, value);
    buf_str(b, ",\n");
}

/* Absent: false. */
static void add_flag(struct buf *b, const char *indent, const char *name, bool value)
{
    if (!value)
        return;
    add_name(b, indent, name);
    buf_str(b, "true,\n");
}

static void add_number(struct buf *b, const char *indent, const char *name, uint32_t value)
{
    add_name(b, indent, name);
    buf_number(b, value);
    buf_str(b, ",\n");
}

/* The last member of a list entry or of the bundle is followed by nothing (RFC 8259). */
static void drop_comma(struct buf *b)
{
    b->len -= strlen(",\n");
    b->data[b->len] = '\0';
    buf_char(b, '\n');
}

static void add_list(struct buf *b, const struct prefix *prefixes, size_t n, bool addresses)
{
    char text[PREFIX_TEXT_MAX];

    buf_char(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? ", \"" : "\"");
        buf_str(b, addresses ? prefix_format_address(&prefixes[i], text)
                             : prefix_format(&prefixes[i], text));
        buf_char(b, '"');
    }
    buf_char(b, ']');
}

void bundle_prefix_text(const struct prefix *prefixes, size_t n, struct buf *ret)
{
    add_list(ret, prefixes, n, false);
}

static void add_prefixes(struct buf *b, const char *indent, const char *name,
                         const struct prefix *prefixes, size_t n, bool addresses)
{
    add_name(b, indent, name);
    add_list(b, prefixes, n, addresses);
    buf_str(b, ",\n");
}

/* Long lists read, and compare, better with one entry a line. */
static void add_prefix_lines(struct buf *b, const char *name, const struct prefix *prefixes,
                             size_t n)
{
    char text[PREFIX_TEXT_MAX];

    add_name(b, "    ", name);
    buf_char(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? ",\n      \"" : "\n      \"");
        buf_str(b, prefix_format(&prefixes[i], text));
        buf_char(b, '"');
    }
    buf_str(b, n ? "\n    ],\n" : "],\n");
}

static void add_link(struct buf *b, const struct bundle_link *link)
{
    static const char indent[] = "        ";

    buf_str(b, "      {\n");
    add_member(b, indent, "interface", link->interface);
    add_member(b, indent, "alias", link->alias);
    if (link->tunnel > 1)
        add_number(b, indent, "tunnel", link->tunnel);
    add_member(b, indent, "peer", link->peer);
    add_number(b, indent, "peer-number", link->peer_number);
    add_number(b, indent, "peer-asn", link->peer_asn);
    if (link->peer_generation > 1)
        add_number(b, indent, "peer-generation", link->peer_generation);
    if (link->peer_link_key)
        add_member(b, indent, "peer-link-key", link->peer_link_key);
    add_flag(b, indent, "transit", link->transit);
    if (link->peer_prefix_text) {
        add_name(b, indent, "peer-prefix");
        buf_str(b, link->peer_prefix_text);
        buf_str(b, ",\n");
    } else {
        add_prefixes(b, indent, "peer-prefix", link->peer_prefixes, link->n_peer_prefixes, false);
    }
    add_member(b, indent, "role", link->role == LINK_ROLE_SERVER ? "server" : "client");
    add_prefixes(b, indent, "address", link->addresses, link->n_addresses, false);
    add_prefixes(b, indent, "peer-address", link->peer_addresses, link->n_addresses, true);
    add_number(b, indent, "local-port", link->local_port);
    if (link->remote_host) {
        add_member(b, indent, "remote-host", link->remote_host);
        add_number(b, indent, "remote-port", link->remote_port);
    }
    add_number(b, indent, "mtu", link->mtu);
    add_number(b, indent, "queue-length", link->queue_length);
    add_member(b, indent, "config", link->config);
    drop_comma(b);
    buf_str(b, "      },\n");
}

static void add_file(struct buf *b, const struct bundle_file *file)
{
    buf_str(b, "      {\"path\": ");
    buf_json(b, file->path);
    buf_str(b, ", \"sha256\": ");
    buf_json(b, file->sha256);
    buf_str(b, ", \"size\": ");
    buf_number(b, file->size);
    buf_str(b, "},\n");
}

static void end_list(struct buf *b, size_t n)
{
    if (n)
        drop_comma(b);
    buf_str(b, n ? "    ],\n" : "],\n");
}

uint32_t bundle_format_of(const struct bundle *b)
{
    if (b->link_key)
        return BUNDLE_FORMAT;
    for (size_t i = 0; i < b->n_links; i++)
        if (b->links[i].peer_generation > 1)
            return BUNDLE_FORMAT;
    return BUNDLE_FORMAT_OLD;
}

void bundle_format(struct bundle *b, struct buf *ret)
{
    static const char indent[] = "    ";
    size_t start = ret->len, revision;
    const struct prefix router_id = {
        .family = FAMILY_IPV4,
        .len = 32,
        .addr = {(uint8_t)(b->router_id >> 24), (uint8_t)(b->router_id >> 16),
                 (uint8_t)(b->router_id >> 8), (uint8_t)b->router_id},
    };
    char text[PREFIX_TEXT_MAX];

    buf_str(ret, "{\n  \"p2pvpn-bundle:bundle\": {\n");
    add_number(ret, indent, "format", bundle_format_of(b));
    add_member(ret, indent, "mesh", b->mesh);
    add_member(ret, indent, "gateway", b->gateway);
    buf_str(ret, REVISION);
    revision = ret->len;
    buf_reserve(ret, DIGEST_TEXT_LEN); /* filled in at last */
    ret->len += DIGEST_TEXT_LEN;
    buf_str(ret, "\",\n");
    add_number(ret, indent, "number", b->number);
    add_number(ret, indent, "asn", b->asn);
    add_member(ret, indent, "router-id", prefix_format_address(&router_id, text));
    add_number(ret, indent, "generation", b->generation);
    if (b->link_key)
        add_member(ret, indent, "link-key", b->link_key);
    if (b->origin_check == BUNDLE_ORIGINS_BY_CACHE)
        add_member(ret, indent, "origin-check", BUNDLE_ORIGIN_CHECK_CACHE);
    add_flag(ret, indent, "manage-wan-firewall", b->manage_wan_firewall);
    buf_str(ret, "    \"lan\": {\n");
    add_member(ret, "      ", "name", b->lan);
    add_flag(ret, "      ", "shared", b->lan_shared);
    add_prefixes(ret, "      ", "prefix", b->lan_prefixes, b->n_lan_prefixes, false);
    drop_comma(ret);
    buf_str(ret, "    },\n");
    add_prefix_lines(ret, "mesh-prefix", b->mesh_prefixes, b->n_mesh_prefixes);
    add_prefixes(ret, indent, "link-prefix", b->link_prefixes, b->n_link_prefixes, false);
    buf_printf(ret, "    \"link\": [%s", b->n_links ? "\n" : "");
    for (size_t i = 0; i < b->n_links; i++)
        add_link(ret, &b->links[i]);
    end_list(ret, b->n_links);
    buf_printf(ret, "    \"file\": [%s", b->n_files ? "\n" : "");
    for (size_t i = 0; i < b->n_files; i++)
        add_file(ret, &b->files[i]);
    end_list(ret, b->n_files);
    drop_comma(ret);
    buf_str(ret, "  }\n}\n");

    digest_sha256_pieces(ret->data + start, revision - start,
                         ret->data + revision + DIGEST_TEXT_LEN,
                         ret->len - revision - DIGEST_TEXT_LEN, b->revision);
    memcpy(ret->data + revision, b->revision, DIGEST_TEXT_LEN);
}

bool bundle_text_intact(const char *data, size_t len)
{
    const char *at = memmem(data, len, REVISION, strlen(REVISION));
    char digest[DIGEST_TEXT_LEN + 1];
    size_t head;

    if (!at)
        return false;
    head = (size_t)(at - data) + strlen(REVISION);
    if (len - head < DIGEST_TEXT_LEN)
        return false;
    digest_sha256_pieces(data, head, data + head + DIGEST_TEXT_LEN, len - head - DIGEST_TEXT_LEN,
                         digest);
    return memcmp(digest, data + head, DIGEST_TEXT_LEN) == 0;
}

bool bundle_text_is(const char *data, size_t len, const char *revision)
{
    const char *at = memmem(data, len, REVISION, strlen(REVISION));

    return bundle_text_intact(data, len) &&
           memcmp(at + strlen(REVISION), revision, DIGEST_TEXT_LEN) == 0;
}

struct bundle *bundle_free(struct bundle *b)
{
    if (b) {
        arena_free(&b->arena);
        free(b);
    }
    return NULL;
}

void bundle_interface(uint32_t peer_number, unsigned tunnel, char ret[static BUNDLE_INTERFACE_SIZE])
{
    char text[64] = "", *end = number_text(peer_number, stpcpy(text, "pv"));

    if (tunnel > 1)
        number_text(tunnel, stpcpy(end, "-"));
    text[BUNDLE_INTERFACE_SIZE - 1] = '\0';
    memcpy(ret, text, BUNDLE_INTERFACE_SIZE);
}

static int compare_file(const void *path, const void *file)
{
    return strcmp(path, ((const struct bundle_file *)file)->path);
}

const struct bundle_file *bundle_find_file(const struct bundle *b, const char *path)
{
    return b->n_files ? bsearch(path, b->files, b->n_files, sizeof(*b->files), compare_file) : NULL;
}

const char *bundle_link_sha256(const struct bundle *b, const struct bundle_link *link)
{
    const struct bundle_file *file = bundle_find_file(b, link->config);

    return file ? file->sha256 : "";
}
