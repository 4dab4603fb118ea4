/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile reader says to the root side.
 *
 * An input with an even first byte is such a message: whatever is accepted is, written again, the
 * same bytes.  An odd first byte asks for a bundle that is made of the rest, so that the checks
 * behind the revision are reached: both readers, of bundle.json and of the wire, must think the
 * same of it; and of its message with a few bits changed nothing may be accepted that is not the
 * same bundle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wire.h"
#include "tests/fuzz/fuzz.h"

struct source {
    const uint8_t *at, *end;
    struct arena arena;
};

static unsigned next(struct source *s)
{
    return s->at < s->end ? *s->at++ : 0;
}

static unsigned below(struct source *s, unsigned n)
{
    return next(s) % n;
}

static uint32_t number(struct source *s, uint32_t usual)
{
    unsigned n = next(s);

    return n < 250 ? usual : n == 250 ? 0 : n == 251 ? UINT32_MAX : usual ^ (1u << (next(s) % 32));
}

static const char *text(struct source *s, const char *usual)
{
    char *copy = arena_strdup(&s->arena, usual);
    size_t n = strlen(copy);

    if (next(s) >= 240 && n)
        copy[next(s) % n] = (char)(next(s) | 1); /* never the end */
    return copy;
}

static struct prefix prefix(struct source *s, const char *usual)
{
    struct prefix p = {0};

    if (!prefix_parse(usual, &p))
        abort();
    if (next(s) >= 240) {
        p.addr[next(s) % (p.family == FAMILY_IPV4 ? 4 : 16)] ^= (uint8_t)(1 << (next(s) % 8));
        p.len = (uint8_t)(next(s) % (p.family == FAMILY_IPV4 ? 33 : 129));
    }
    return p;
}

static struct prefix *prefixes(struct source *s, const char *first, const char *second, size_t *n)
{
    struct prefix *p = arena_alloc(&s->arena, 2, sizeof(*p));

    p[0] = prefix(s, first);
    p[1] = prefix(s, second);
    *n = next(s) >= 240 ? next(s) % 3 : 2;
    return p;
}

static void make_link(struct source *s, const struct bundle *b, struct bundle_link *l, unsigned i)
{
    char name[BUNDLE_INTERFACE_SIZE], v4[32], v6[32], peer4[32], peer6[32];
    size_t n;

    snprintf(v4, sizeof(v4), "172.19.%u.0/31", i);
    snprintf(peer4, sizeof(peer4), "172.19.%u.1", i);
    snprintf(v6, sizeof(v6), "fd00::%x00/127", i + 1);
    snprintf(peer6, sizeof(peer6), "fd00::%x01", i + 1);
    l->tunnel = next(s) >= 240 ? 1 + next(s) % 9 : 1;
    l->peer_number = (uint16_t)number(s, 2 + i);
    l->peer_asn = number(s, 4200000002 + i);
    l->peer_generation = number(s, 1);
    if (l->peer_generation == 0) /* the text leaves out what is not above 1 */
        l->peer_generation = 1;
    if (b->link_key && next(s) & 1)
        l->peer_link_key = text(s, "AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICE");
    bundle_interface(l->peer_number, l->tunnel, name);
    l->interface = arena_strdup(&s->arena, name);
    l->alias =
        text(s, arena_printf(&s->arena, l->tunnel > 1 ? "pv-p%u-%u" : "pv-p%u", i, l->tunnel));
    l->peer = text(s, arena_printf(&s->arena, "p%u", i));
    l->transit = next(s) & 1;
    l->role = next(s) & 1 ? LINK_ROLE_CLIENT : LINK_ROLE_SERVER;
    l->peer_prefixes = prefixes(s, "10.2.0.0/16", "fd10:2::/48", &l->n_peer_prefixes);
    l->addresses = prefixes(s, v4, v6, &l->n_addresses);
    l->peer_addresses = prefixes(s, peer4, peer6, &n);
    l->local_port = (uint16_t)number(s, 11000 + i);
    if (next(s) & 1) {
        l->remote_host = text(s, "203.0.113.5");
        l->remote_port = (uint16_t)number(s, 11001);
    }
    l->mtu = (uint16_t)number(s, 1400);
    l->queue_length = number(s, 1000);
    l->config = b->n_files ? b->files[(i + (next(s) >= 240)) % b->n_files].path : "none";
}

static void make_bundle(struct source *s, struct bundle *b)
{
    b->mesh = text(s, "mesh");
    b->gateway = text(s, "head");
    b->lan = text(s, "head-office");
    b->number = (uint16_t)number(s, 1);
    b->asn = number(s, 4200000001);
    b->router_id = number(s, 0x64400001);
    b->generation = number(s, 1);
    if (next(s) & 1)
        b->link_key = text(s, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA");
    b->manage_wan_firewall = next(s) & 1;
    b->lan_shared = next(s) & 1;
    b->origin_check = next(s) >= 200 ? BUNDLE_ORIGINS_BY_CACHE : BUNDLE_ORIGINS_BY_LISTS;
    b->lan_prefixes = prefixes(s, "10.1.0.0/16", "fd10:1::/48", &b->n_lan_prefixes);
    b->mesh_prefixes = prefixes(s, "10.2.0.0/16", "fd10:2::/48", &b->n_mesh_prefixes);
    b->link_prefixes = prefixes(s, "172.19.0.0/16", "fd00::/64", &b->n_link_prefixes);
    b->n_files = below(s, 5);
    b->files = arena_alloc(&s->arena, b->n_files, sizeof(*b->files));
    for (unsigned i = 0; i < b->n_files; i++) {
        b->files[i].path =
            text(s, arena_printf(&s->arena, "openvpn/pv%u.conf", i + (next(s) >= 240)));
        digest_sha256_text("", 0, b->files[i].sha256);
        b->files[i].sha256[next(s) % DIGEST_TEXT_LEN] = next(s) >= 240 ? 'g' : '0';
        b->files[i].size = number(s, 100);
    }
    b->n_links = below(s, 4);
    b->links = arena_alloc(&s->arena, b->n_links, sizeof(*b->links));
    for (unsigned i = 0; i < b->n_links; i++)
        make_link(s, b, &b->links[i], i);
}

static void same_text(struct bundle *a, struct bundle *b)
{
    struct buf first = BUF_INIT, second = BUF_INIT;

    bundle_format(a, &first);
    bundle_format(b, &second);
    if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
        abort();
    buf_free(&first);
    buf_free(&second);
}

static void try_made(struct source *s)
{
    struct error_list err = ERROR_LIST_INIT, ignored = ERROR_LIST_INIT;
    struct wire_answer answer = WIRE_ANSWER_INIT;
    struct bundle *b = xcalloc(1, sizeof(*b)), *read = NULL;
    struct buf json = BUF_INIT, message = BUF_INIT;
    uint64_t *places;

    make_bundle(s, b);
    places = next(s) & 1 ? xcalloc(b->n_files + 1, sizeof(*places)) : NULL;
    bundle_format(b, &json);
    wire_bundle(b, places, &message);
    bundle_parse(json.data, json.len, "json", &read, &ignored);
    wire_read(message.data, message.len, "wire", &answer, &err);
    if (!read != !answer.bundle || (err.n == 0) != (answer.bundle != NULL) ||
        (answer.bundle && !places != !answer.places))
        abort();
    if (read)
        same_text(read, answer.bundle);
    wire_answer_clear(&answer);
    while (s->at < s->end) {
        size_t at = (next(s) << 8 | next(s)) % message.len;

        message.data[at] ^= (char)next(s);
    }
    if (wire_read(message.data, message.len, "wire", &answer, &err) == 0 && answer.bundle)
        same_text(b, answer.bundle); /* but for the places, which no revision covers */
    wire_answer_clear(&answer);
    bundle_free(read);
    free(places);
    free(b);
    buf_free(&json);
    buf_free(&message);
    error_clear(&err);
    error_clear(&ignored);
}

static void try_message(const char *data, size_t size)
{
    struct error_list err = ERROR_LIST_INIT;
    struct wire_answer answer = WIRE_ANSWER_INIT;
    struct buf again = BUF_INIT;

    if (wire_read(data, size, "wire", &answer, &err) < 0) {
        if (err.n == 0 || answer.bundle || answer.origins || answer.places || answer.refused.n)
            abort();
    } else {
        if (answer.verb == WIRE_BUNDLE)
            wire_bundle(answer.bundle, answer.places, &again);
        if (answer.verb == WIRE_ORIGINS)
            wire_origins(answer.origins, &again);
        if (answer.verb != WIRE_REFUSED &&
            (again.len != size || memcmp(again.data, data, size) != 0))
            abort();
        for (size_t i = 0; i < answer.refused.n; i++) {
            if (strchr(answer.refused.items[i].message, '\n'))
                abort();
        }
    }
    wire_answer_clear(&answer);
    buf_free(&again);
    error_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source s = {data + 1, data + size, ARENA_INIT};

    if (size && data[0] & 1)
        try_made(&s);
    else if (size)
        try_message((const char *)data + 1, size - 1);
    arena_free(&s.arena);
    return 0;
}
