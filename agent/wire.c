/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bundle_check.h"
#include "common/sorted.h"

#define MAGIC "pvw1"
#define HEAD (sizeof(MAGIC) - 1 + 1 + 4)
#define PROBLEMS_MAX 64u
#define TEXT_MAX 4000u /* of a problem: error.c cuts before */

enum { BUNDLE_CACHE = 1, BUNDLE_WAN = 2, BUNDLE_SHARED = 4, BUNDLE_PLACES = 8, BUNDLE_FLAGS = 15 };
enum { LINK_TRANSIT = 1, LINK_CLIENT = 2, LINK_REMOTE = 4, LINK_FLAGS = 7 };

/* --- writing -------------------------------------------------------------------------------- */

static void put(struct buf *b, uint64_t n, unsigned bytes)
{
    while (bytes-- > 0)
        buf_char(b, (char)(n >> (8 * bytes)));
}

static void put_text(struct buf *b, const char *text)
{
    size_t n = strnlen(text, TEXT_MAX);

    put(b, n, 2);
    buf_add(b, text, n);
}

static void put_prefix(struct buf *b, const struct prefix *p)
{
    put(b, p->family, 1);
    put(b, p->len, 1);
    buf_add(b, p->addr, p->family == FAMILY_IPV4 ? 4 : 16);
}

static void put_prefixes(struct buf *b, const struct prefix *prefixes, size_t n)
{
    put(b, n, 4);
    for (size_t i = 0; i < n; i++)
        put_prefix(b, &prefixes[i]);
}

/* Returns what finish() wants. */
static size_t begin(struct buf *b, enum wire_verb verb)
{
    size_t start = b->len;

    buf_str(b, MAGIC);
    put(b, verb, 1);
    put(b, 0, 4);
    return start;
}

static void finish(struct buf *b, size_t start)
{
    size_t n = b->len - start - HEAD;

    for (unsigned i = 0; i < 4; i++)
        b->data[start + HEAD - 1 - i] = (char)(n >> (8 * i));
}

void wire_refused(int result, const struct error_list *why, struct buf *ret)
{
    size_t start = begin(ret, WIRE_REFUSED), n = why->n < PROBLEMS_MAX ? why->n : PROBLEMS_MAX;

    put(ret, result == -EINVAL ? 0 : 1, 1);
    put(ret, n, 4);
    for (size_t i = 0; i < n; i++) {
        const struct error_item *e = &why->items[i];

        put(ret, (e->file ? 1 : 0) | (e->path ? 2 : 0), 1);
        put_text(ret, e->file ? e->file : "");
        put(ret, e->line, 4);
        put_text(ret, e->path ? e->path : "");
        put_text(ret, e->message);
    }
    finish(ret, start);
}

static uint32_t index_of(const struct bundle *b, const char *path)
{
    return (uint32_t)sorted_place(b->files, b->n_files, sizeof(*b->files), path);
}

static void put_link(struct buf *ret, const struct bundle *b, const struct bundle_link *link)
{
    put(ret,
        (link->transit ? LINK_TRANSIT : 0) | (link->role == LINK_ROLE_CLIENT ? LINK_CLIENT : 0) |
            (link->remote_host ? LINK_REMOTE : 0),
        1);
    put_text(ret, link->alias);
    put_text(ret, link->peer);
    put(ret, link->tunnel, 1);
    put(ret, link->peer_number, 2);
    put(ret, link->peer_asn, 4);
    put(ret, link->peer_generation, 4);
    put_text(ret, link->peer_link_key ? link->peer_link_key : "");
    put_prefixes(ret, link->peer_prefixes, link->n_peer_prefixes);
    put_prefixes(ret, link->addresses, link->n_addresses);
    put_prefixes(ret, link->peer_addresses, link->n_addresses);
    put(ret, link->local_port, 2);
    if (link->remote_host) {
        put_text(ret, link->remote_host);
        put(ret, link->remote_port, 2);
    }
    put(ret, link->mtu, 2);
    put(ret, link->queue_length, 4);
    put(ret, index_of(b, link->config), 4);
}

void wire_bundle(const struct bundle *b, const uint64_t *places, struct buf *ret)
{
    size_t start = begin(ret, WIRE_BUNDLE);

    put(ret,
        (b->origin_check == BUNDLE_ORIGINS_BY_CACHE ? BUNDLE_CACHE : 0) |
            (b->manage_wan_firewall ? BUNDLE_WAN : 0) | (b->lan_shared ? BUNDLE_SHARED : 0) |
            (places ? BUNDLE_PLACES : 0),
        1);
    buf_add(ret, b->revision, DIGEST_TEXT_LEN);
    put_text(ret, b->mesh);
    put_text(ret, b->gateway);
    put_text(ret, b->lan);
    put(ret, b->number, 2);
    put(ret, b->asn, 4);
    put(ret, b->router_id, 4);
    put(ret, b->generation, 4);
    put_text(ret, b->link_key ? b->link_key : "");
    put_prefixes(ret, b->lan_prefixes, b->n_lan_prefixes);
    put_prefixes(ret, b->mesh_prefixes, b->n_mesh_prefixes);
    put_prefixes(ret, b->link_prefixes, b->n_link_prefixes);
    put(ret, b->n_files, 4);
    for (size_t i = 0; i < b->n_files; i++) {
        put_text(ret, b->files[i].path);
        buf_add(ret, b->files[i].sha256, DIGEST_TEXT_LEN);
        put(ret, b->files[i].size, 4);
        if (places)
            put(ret, places[i], 8);
    }
    put(ret, b->n_links, 4);
    for (size_t i = 0; i < b->n_links; i++)
        put_link(ret, b, &b->links[i]);
    finish(ret, start);
}

void wire_origins(const struct origins *o, struct buf *ret)
{
    size_t start = begin(ret, WIRE_ORIGINS);

    buf_add(ret, o->revision, DIGEST_TEXT_LEN);
    put_text(ret, o->mesh);
    put(ret, o->n, 4);
    for (size_t i = 0; i < o->n; i++) {
        const struct origin *e = &o->entries[i];

        put_prefix(ret, &e->prefix);
        put(ret, e->n_asns, 4);
        for (size_t k = 0; k < e->n_asns; k++)
            put(ret, e->asns[k], 4);
        put_text(ret, e->lan);
    }
    finish(ret, start);
}

/* --- reading -------------------------------------------------------------------------------- */

struct input {
    const char *at, *end;
    const char *bad; /* what was wrong first; from then on all is zero and empty */
    struct arena *arena;
};

static void spoil(struct input *in, const char *why)
{
    if (!in->bad)
        in->bad = why;
    in->at = in->end;
}

static const char *take(struct input *in, size_t n)
{
    const char *at = in->at;

    if ((size_t)(in->end - at) < n) {
        spoil(in, "it is cut off");
        return NULL;
    }
    in->at += n;
    return at;
}

static uint64_t get(struct input *in, unsigned bytes)
{
    const char *at = take(in, bytes);
    uint64_t n = 0;

    for (unsigned i = 0; at && i < bytes; i++)
        n = n << 8 | (unsigned char)at[i];
    return n;
}

static unsigned get_flags(struct input *in, unsigned known)
{
    unsigned flags = (unsigned)get(in, 1);

    if (flags & ~known)
        spoil(in, "it has a flag that there is not");
    return flags & known;
}

/* Never NULL. */
static const char *get_text(struct input *in)
{
    size_t n = (size_t)get(in, 2);
    const char *at = n > TEXT_MAX ? NULL : take(in, n);

    if (!at || memchr(at, '\0', n)) {
        spoil(in, "it has a text that is none");
        return "";
    }
    return arena_strndup(in->arena, at, n);
}

/* An empty text: there is none. */
static const char *get_key(struct input *in)
{
    const char *text = get_text(in);

    return *text ? text : NULL;
}

/* How many there are of what takes so many bytes at least.  Before memory is asked for. */
static size_t get_count(struct input *in, size_t least, size_t most)
{
    size_t n = (size_t)get(in, 4);

    if (n <= (size_t)(in->end - in->at) / least && n <= most)
        return n;
    spoil(in, "it has a list that is longer than itself");
    return 0;
}

static void get_digest(struct input *in, char ret[static DIGEST_TEXT_LEN + 1])
{
    const char *at = take(in, DIGEST_TEXT_LEN);

    if (at)
        memcpy(ret, at, DIGEST_TEXT_LEN);
}

static struct prefix get_prefix(struct input *in)
{
    struct prefix p = {.family = (uint8_t)get(in, 1), .len = (uint8_t)get(in, 1)};
    size_t n = p.family == FAMILY_IPV4 ? 4 : 16;
    const char *at = take(in, n);

    if (p.family != FAMILY_IPV4 && p.family != FAMILY_IPV6)
        spoil(in, "it has an address of no family");
    if (p.len > 8 * n)
        spoil(in, "it has a prefix that is longer than an address");
    if (at)
        memcpy(p.addr, at, n);
    return p;
}

#define PREFIX_LEAST 6

static struct prefix *get_prefixes(struct input *in, size_t *n)
{
    struct prefix *ret;

    *n = get_count(in, PREFIX_LEAST, BUNDLE_MAX_PREFIXES);
    ret = arena_alloc(in->arena, *n, sizeof(*ret));
    for (size_t i = 0; i < *n; i++)
        ret[i] = get_prefix(in);
    return ret;
}

static void get_link(struct input *in, const struct bundle *b, struct bundle_link *link)
{
    unsigned flags = get_flags(in, LINK_FLAGS);
    char name[BUNDLE_INTERFACE_SIZE];
    size_t n, config;

    link->transit = flags & LINK_TRANSIT;
    link->role = flags & LINK_CLIENT ? LINK_ROLE_CLIENT : LINK_ROLE_SERVER;
    link->alias = get_text(in);
    link->peer = get_text(in);
    link->tunnel = (unsigned)get(in, 1);
    link->peer_number = (uint32_t)get(in, 2);
    link->peer_asn = (uint32_t)get(in, 4);
    link->peer_generation = (uint32_t)get(in, 4);
    link->peer_link_key = get_key(in);
    link->peer_prefixes = get_prefixes(in, &link->n_peer_prefixes);
    link->addresses = get_prefixes(in, &link->n_addresses);
    link->peer_addresses = get_prefixes(in, &n);
    if (n != link->n_addresses)
        spoil(in, "it has an address without its peer");
    link->local_port = (uint16_t)get(in, 2);
    if (flags & LINK_REMOTE) {
        link->remote_host = get_text(in);
        link->remote_port = (uint16_t)get(in, 2);
    }
    link->mtu = (uint16_t)get(in, 2);
    link->queue_length = (uint32_t)get(in, 4);
    config = (size_t)get(in, 4);
    if (config >= b->n_files)
        spoil(in, "it has a link without a configuration");
    link->config = config < b->n_files ? b->files[config].path : "";
    bundle_interface(link->peer_number, link->tunnel, name);
    link->interface = arena_strdup(in->arena, name);
}

#define LINK_LEAST 42
#define FILE_LEAST (2 + DIGEST_TEXT_LEN + 4)

static void get_files(struct input *in, struct bundle *b, uint64_t *places)
{
    for (size_t i = 0; i < b->n_files; i++) {
        b->files[i].path = get_text(in);
        get_digest(in, b->files[i].sha256);
        b->files[i].size = (uint32_t)get(in, 4);
        if (places)
            places[i] = get(in, 8);
    }
}

static void get_bundle(struct input *in, struct bundle *b, uint64_t **places)
{
    unsigned flags = get_flags(in, BUNDLE_FLAGS);

    in->arena = &b->arena;
    b->origin_check = flags & BUNDLE_CACHE ? BUNDLE_ORIGINS_BY_CACHE : BUNDLE_ORIGINS_BY_LISTS;
    b->manage_wan_firewall = flags & BUNDLE_WAN;
    b->lan_shared = flags & BUNDLE_SHARED;
    get_digest(in, b->revision);
    b->mesh = get_text(in);
    b->gateway = get_text(in);
    b->lan = get_text(in);
    b->number = (uint32_t)get(in, 2);
    b->asn = (uint32_t)get(in, 4);
    b->router_id = (uint32_t)get(in, 4);
    b->generation = (uint32_t)get(in, 4);
    b->link_key = get_key(in);
    b->lan_prefixes = get_prefixes(in, &b->n_lan_prefixes);
    b->mesh_prefixes = get_prefixes(in, &b->n_mesh_prefixes);
    b->link_prefixes = get_prefixes(in, &b->n_link_prefixes);
    b->n_files = get_count(in, FILE_LEAST, BUNDLE_MAX_FILES);
    b->files = arena_alloc(&b->arena, b->n_files, sizeof(*b->files));
    *places = flags & BUNDLE_PLACES ? xcalloc(b->n_files + 1, sizeof(**places)) : NULL;
    get_files(in, b, *places);
    b->n_links = get_count(in, LINK_LEAST, UINT16_MAX);
    b->links = arena_alloc(&b->arena, b->n_links, sizeof(*b->links));
    for (size_t i = 0; i < b->n_links && !in->bad; i++)
        get_link(in, b, &b->links[i]);
}

#define ORIGIN_LEAST (PREFIX_LEAST + 4 + 2)

static void get_origins(struct input *in, struct origins *o)
{
    in->arena = &o->arena;
    get_digest(in, o->revision);
    o->mesh = get_text(in);
    o->n = get_count(in, ORIGIN_LEAST, ORIGINS_MAX_ENTRIES);
    o->entries = arena_alloc(&o->arena, o->n, sizeof(*o->entries));
    for (size_t i = 0; i < o->n && !in->bad; i++) {
        struct origin *e = &o->entries[i];
        uint32_t *asns;

        e->prefix = get_prefix(in);
        e->n_asns = (uint32_t)get_count(in, 4, ORIGINS_MAX_PAIRS);
        e->asns = asns = arena_alloc(&o->arena, e->n_asns, sizeof(*asns));
        for (size_t k = 0; k < e->n_asns; k++)
            asns[k] = (uint32_t)get(in, 4);
        e->lan = get_text(in);
    }
}

#define PROBLEM_LEAST (1 + 2 + 4 + 2 + 2)

static void get_refusal(struct input *in, struct wire_answer *a)
{
    unsigned system = get_flags(in, 1);
    size_t n = get_count(in, PROBLEM_LEAST, PROBLEMS_MAX);

    a->result = system ? -EIO : -EINVAL;
    if (n == 0)
        spoil(in, "it refuses for no reason");
    for (size_t i = 0; i < n && !in->bad; i++) {
        unsigned flags = get_flags(in, 3), line;
        const char *file = get_text(in), *path, *message;

        line = (unsigned)get(in, 4);
        path = get_text(in);
        message = get_text(in);
        error_add(&a->refused, flags & 1 ? file : NULL, line, flags & 2 ? path : NULL, "%s",
                  message);
    }
}

static void get_answer(struct input *in, struct wire_answer *a, struct arena *scratch)
{
    in->arena = scratch;
    switch (a->verb) {
    case WIRE_REFUSED:
        get_refusal(in, a);
        break;
    case WIRE_BUNDLE:
        a->bundle = xcalloc(1, sizeof(*a->bundle));
        get_bundle(in, a->bundle, &a->places);
        break;
    case WIRE_ORIGINS:
        a->origins = xcalloc(1, sizeof(*a->origins));
        get_origins(in, a->origins);
        break;
    default:
        spoil(in, "it has a verb that there is not");
    }
    if (in->at != in->end)
        spoil(in, "something follows it");
}

static void check_bundle(struct input *in, struct bundle *b, const char *file,
                         struct error_list *err)
{
    struct bundle_checker c = {.file = file, .err = err, .path = "/p2pvpn-bundle:bundle"};

    bundle_check(&c, b);
    if (c.errors)
        spoil(in, "what it says is no valid bundle");
}

int wire_read(const char *data, size_t len, const char *file, struct wire_answer *ret,
              struct error_list *err)
{
    struct input in = {.at = data, .end = data + len};
    struct wire_answer a = WIRE_ANSWER_INIT;
    struct arena scratch = ARENA_INIT;
    const char *magic = take(&in, sizeof(MAGIC) - 1);

    if (len > WIRE_MAX_BYTES || !magic || memcmp(magic, MAGIC, sizeof(MAGIC) - 1) != 0)
        spoil(&in, "it does not begin as one");
    a.verb = (enum wire_verb)get(&in, 1);
    if (get(&in, 4) != (size_t)(in.end - in.at))
        spoil(&in, "it has another length than it says");
    if (!in.bad)
        get_answer(&in, &a, &scratch);
    if (!in.bad && a.bundle)
        check_bundle(&in, a.bundle, file, err);
    if (!in.bad && a.origins && !origins_valid(a.origins))
        spoil(&in, "what it says is no valid table of origins");
    arena_free(&scratch);
    if (!in.bad) {
        *ret = a;
        return 0;
    }
    wire_answer_clear(&a);
    error_add(
        err, file, 0, NULL,
        "the process that read this gave no answer that can be believed: %s.  That is a fault "
        "of this program or an attack on it; nothing was changed: get the file anew",
        in.bad);
    return -EPROTO;
}

void wire_answer_clear(struct wire_answer *a)
{
    error_clear(&a->refused);
    bundle_free(a->bundle);
    origins_free(a->origins);
    free(a->places);
    *a = (struct wire_answer)WIRE_ANSWER_INIT;
}
