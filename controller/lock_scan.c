/* SPDX-License-Identifier: Apache-2.0 */
/* The very text that lock_format() writes, read back byte by byte: hundreds of thousands of records
 * take milliseconds.  The first byte that is not expected ends it, and the JSON reader takes over:
 * this one has no errors to tell.  Records of imported links are left to that one, too. */
#include <stdlib.h>
#include <string.h>

#include "common/name.h"
#include "controller/lock_internal.h"

struct scanner {
    struct lock_reader *p;
    const char *at, *end;
};

/* Moves on behind `text` if it is next. */
static bool next(struct scanner *s, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(s->end - s->at) < n || memcmp(s->at, text, n) != 0)
        return false;
    s->at += n;
    return true;
}

/* A number without leading zeros, within [min, max]. */
static bool number(struct scanner *s, uint32_t min, uint32_t max, uint32_t *ret)
{
    const char *from = s->at;
    uint64_t value = 0;

    while (s->at < s->end && *s->at >= '0' && *s->at <= '9' && s->at - from < 10)
        value = value * 10 + (uint64_t)(*s->at++ - '0');
    if (s->at == from || (*from == '0' && s->at - from > 1) || value < min || value > max)
        return false;
    *ret = (uint32_t)value;
    return true;
}

static bool member(struct scanner *s, const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
    return next(s, text) && number(s, min, max, ret);
}

/* A string without escapes, and the quote behind it. */
static char *string(struct scanner *s)
{
    const char *quote = memchr(s->at, '"', (size_t)(s->end - s->at)), *from = s->at;

    if (!quote || memchr(from, '\\', (size_t)(quote - from)) ||
        memchr(from, '\0', (size_t)(quote - from)))
        return NULL;
    s->at = quote + 1;
    return arena_strndup(&s->p->lock->arena, from, (size_t)(quote - from));
}

static char *name(struct scanner *s)
{
    char *text = string(s);

    return text && name_valid(text) ? text : NULL;
}

/* How many lines of a list there may be from here on; where its end is cut off, all the rest. */
static size_t lines_ahead(const struct scanner *s)
{
    const char *stop = memmem(s->at, (size_t)(s->end - s->at), "\n    ]", 6);
    size_t n = 1;

    if (!stop)
        stop = s->end;
    for (const char *c = s->at; (c = memchr(c, '\n', (size_t)(stop - c))); c++)
        n++;
    return n;
}

static bool scan_prefixes(struct scanner *s)
{
    struct lock *lock = s->p->lock;
    size_t of_family[2] = {0, 0};

    lock->link_prefixes = arena_alloc(&lock->arena, lines_ahead(s), sizeof(*lock->link_prefixes));
    do {
        struct prefix *p = &lock->link_prefixes[lock->n_link_prefixes++];
        const char *text = next(s, "      \"") ? string(s) : NULL;

        if (!text || !strchr(text, '/') || !prefix_parse(text, p) || prefix_has_host_bits(p))
            return false;
        if (p > lock->link_prefixes && p[-1].family > p->family)
            return false;
        for (const struct prefix *q = lock->link_prefixes; q < p; q++)
            if (prefix_overlaps(q, p))
                return false;
        if (++of_family[p->family == FAMILY_IPV6] > NETWORK_MAX_POOL)
            return false;
    } while (next(s, ",\n"));
    return next(s, "\n    ]");
}

/* Names that were seen, by hash; open addressing. */
struct names {
    const char **slots;
    size_t mask;
};

static bool seen_before(struct names *names, const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    size_t at;

    for (const char *c = name; *c; c++)
        h = (h ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    for (at = (h ^ h >> 32) & names->mask; names->slots[at]; at = (at + 1) & names->mask)
        if (strcmp(names->slots[at], name) == 0)
            return true;
    names->slots[at] = name;
    return false;
}

static bool scan_gateway(struct scanner *s, struct names *names, struct lock_gateway *g)
{
    const char *text;
    struct prefix id;

    g->name = next(s, "      {\"name\": \"") ? name(s) : NULL;
    if (!g->name || seen_before(names, g->name) ||
        !member(s, ", \"number\": ", 1, GATEWAY_MAX_NUMBER, &g->number) ||
        !member(s, ", \"asn\": ", 1, UINT32_MAX, &g->asn) || !asn_is_private(g->asn) ||
        !next(s, ", \"router-id\": \""))
        return false;
    text = string(s);
    if (!text || strchr(text, '/') || !prefix_parse(text, &id) || id.family != FAMILY_IPV4 ||
        !member(s, ", \"generation\": ", 1, UINT32_MAX, &g->generation))
        return false;
    g->router_id = lock_ipv4_number(&id);
    if (next(s, ", \"extra-number\": [")) {
        unsigned n = 0;

        do
            if (n == NETWORK_MAX_TUNNELS - 1 || !number(s, 1, GATEWAY_MAX_NUMBER, &g->extra[n++]))
                return false;
        while (next(s, ", "));
        if (!next(s, "]"))
            return false;
    }
    g->transit = next(s, ", \"transit\": true");
    s->p->known[g->number] = true;
    return next(s, "}") && g->router_id;
}

static bool scan_gateways(struct scanner *s)
{
    struct lock *lock = s->p->lock;
    size_t n = lines_ahead(s);
    struct names names = {.mask = 15};
    bool good;

    while (names.mask < 2 * n)
        names.mask = 2 * names.mask + 1;
    names.slots = xcalloc(names.mask + 1, sizeof(*names.slots));
    lock->gateways = arena_alloc(&lock->arena, n, sizeof(*lock->gateways));
    do
        good = lock->n_gateways < n && scan_gateway(s, &names, &lock->gateways[lock->n_gateways++]);
    while (good && next(s, ",\n"));
    free(names.slots);
    return good && next(s, "\n    ]");
}

static bool run_fits(const struct lock_reader *p, const struct lock_run *run)
{
    if (run->a >= run->b || run->count > run->b - run->a || run->count > UINT32_MAX - run->index)
        return false;
    for (uint32_t i = 0; i < run->count; i++)
        if (!p->known[run->a + i])
            return false;
    return p->known[run->b];
}

static bool scan_link(struct scanner *s, struct lock_run *run)
{
    uint32_t tunnel = 1;

    run->count = 1;
    if (!member(s, "      {\"index\": ", 0, UINT32_MAX - 1, &run->index) ||
        !member(s, ", \"a\": ", 1, GATEWAY_MAX_NUMBER, &run->a) ||
        !member(s, ", \"b\": ", 1, GATEWAY_MAX_NUMBER, &run->b) ||
        (next(s, ", \"tunnel\": ") && !number(s, 1, NETWORK_MAX_TUNNELS, &tunnel)) ||
        (next(s, ", \"count\": ") && !number(s, 1, GATEWAY_MAX_NUMBER, &run->count)) ||
        !next(s, "}"))
        return false;
    run->tunnel = (uint8_t)(tunnel - 1);
    return run_fits(s->p, run);
}

static bool scan_links(struct scanner *s)
{
    struct lock_reader *p = s->p;
    size_t n = lines_ahead(s);

    p->runs = xcalloc(n, sizeof(*p->runs));
    do
        if (p->n_runs == n || !scan_link(s, &p->runs[p->n_runs++]))
            return false;
    while (next(s, ",\n"));
    return next(s, "\n    ]");
}

bool lock_scan(struct lock_reader *p, const char *text, size_t len)
{
    struct scanner s = {p, text, text + len};

    if (!next(&s, "{\n  \"p2pvpn-lock:lock\": {\n    \"mesh\": \"") || !(p->lock->mesh = name(&s)))
        return false;
    if (next(&s, ",\n    \"origin-check\": \"" BUNDLE_ORIGIN_CHECK_CACHE "\""))
        p->lock->origin_check = BUNDLE_ORIGINS_BY_CACHE;
    if (next(&s, ",\n    \"link-prefix\": [\n") && !scan_prefixes(&s))
        return false;
    if (next(&s, ",\n    \"gateway\": [\n") && !scan_gateways(&s))
        return false;
    if (next(&s, ",\n    \"link\": [\n") && !scan_links(&s))
        return false;
    return next(&s, "\n  }\n}\n") && s.at == s.end;
}
