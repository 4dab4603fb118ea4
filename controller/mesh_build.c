/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/mesh_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bundle.h"
#include "common/name.h"
#include "controller/document.h"
#include "controller/instance.h"
#include "controller/mesh.h"

/* A guess goes through all names; beyond this many errors nobody reads it. */
#define MAX_GUESSES 16

struct build {
    struct mesh *mesh;
    struct mesh_places *places;
    struct error_list *err;
    unsigned guesses;
    bool lost_lans, lost_gateways; /* entries without a usable name: references may be to them */
};

/* The canonical value of a leaf; NULL: not there or not valid. */
static const char *leaf(const struct document_node *node, const char *name)
{
    for (const struct document_node *c = node ? node->children : NULL; c; c = c->next)
        if (!c->bad && c->canonical && document_named(c, name))
            return c->canonical;
    return NULL;
}

static uint32_t number(const struct document_node *node, const char *name)
{
    const char *text = leaf(node, name);

    return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static enum tristate flag(const struct document_node *node, const char *name)
{
    const char *text = leaf(node, name);

    return !text ? TRI_UNSET : strcmp(text, "true") == 0 ? TRI_YES : TRI_NO;
}

static char *copy(struct build *b, const char *text)
{
    return text ? arena_strdup(&b->mesh->arena, text) : NULL;
}

/* The usable entries of a list, sorted by name (links: as in the file). */
static int compare_names(const void *a, const void *b)
{
    const struct document_node *const *x = a, *const *y = b;

    return strcmp((*x)->keys[0]->canonical, (*y)->keys[0]->canonical);
}

/* The lists of a large model are nearly always in order already. */
static bool in_order(const struct document_node *const *list, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (compare_names(&list[i - 1], &list[i]) > 0)
            return false;
    return true;
}

static size_t entries(struct build *b, const struct document_node *parent, const char *name,
                      const struct document_node ***ret, bool *lost)
{
    size_t n = 0;

    for (const struct document_node *c = parent ? parent->children : NULL; c; c = c->next)
        n += document_named(c, name);
    *ret = arena_alloc(&b->places->arena, n, sizeof(**ret));
    n = 0;
    for (const struct document_node *c = parent ? parent->children : NULL; c; c = c->next) {
        if (!document_named(c, name))
            continue;
        if (c->n_keys == 0)
            *lost = true;
        else if (!c->bad)
            (*ret)[n++] = c;
    }
    if (n && (*ret)[0]->n_keys == 1 && !in_order(*ret, n))
        qsort(*ret, n, sizeof(**ret), compare_names);
    return n;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A leaf-list of names, sorted. */
static const char **names(struct build *b, const struct document_node *node, const char *name,
                          size_t *ret_n)
{
    const char **list;
    size_t n = 0;

    for (const struct document_node *c = node->children; c; c = c->next)
        n += document_named(c, name);
    list = arena_alloc(&b->mesh->arena, n, sizeof(*list));
    n = 0;
    for (const struct document_node *c = node->children; c; c = c->next)
        if (document_named(c, name) && !c->bad && c->canonical)
            list[n++] = copy(b, c->canonical);
    if (n > 1)
        qsort(list, n, sizeof(*list), compare_texts);
    *ret_n = n;
    return list;
}

static int compare_prefixes(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

/* A leaf-list of prefixes, in the order of the file. */
static struct prefix *prefixes(struct build *b, const struct document_node *node, const char *name,
                               uint32_t lan, size_t *ret_n)
{
    struct prefix *list;
    size_t n = 0;

    for (const struct document_node *c = node ? node->children : NULL; c; c = c->next)
        n += document_named(c, name);
    list = arena_alloc(&b->mesh->arena, n, sizeof(*list));
    n = 0;
    for (const struct document_node *c = node ? node->children : NULL; c; c = c->next) {
        if (c->bad || !c->canonical || !document_named(c, name))
            continue;
        /* YANG's canonical form has the host bits cleared; what was written is wanted here. */
        if (!prefix_parse(c->value, &list[n]) && !prefix_parse(c->canonical, &list[n]))
            continue;
        b->places->prefixes[b->places->n_prefixes++] =
            (struct mesh_prefix_place){.prefix = list[n], .lan = lan, .node = c};
        n++;
    }
    *ret_n = n;
    return list;
}

static struct mesh_settings settings(const struct document_node *node)
{
    const struct document_node *bfd = document_child(node, "bfd");

    return (struct mesh_settings){
        .underlay_mtu = (uint16_t)number(node, "underlay-mtu"),
        .bfd_interval = number(bfd, "interval"),
        .bfd_multiplier = (uint8_t)number(bfd, "multiplier"),
        .queue_length = number(node, "queue-length"),
        .socket_buffer = number(node, "socket-buffer"),
    };
}

static void build_lans(struct build *b)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct mesh *m = b->mesh;

    m->n_lans = entries(b, b->places->mesh, "lan", &b->places->lans, &b->lost_lans);
    m->lans = arena_alloc(&m->arena, m->n_lans, sizeof(*m->lans));
    for (uint32_t i = 0; i < m->n_lans; i++) {
        const struct document_node *node = b->places->lans[i];
        struct mesh_lan *lan = &m->lans[i];

        lan->name = copy(b, node->keys[0]->canonical);
        lan->description = copy(b, leaf(node, "description"));
        lan->line = node->line;
        lan->prefixes = prefixes(b, node, "prefix", i, &lan->n_prefixes);
        if (lan->n_prefixes > 1)
            qsort(lan->prefixes, lan->n_prefixes, sizeof(*lan->prefixes), compare_prefixes);
        buf_reset(&text);
        bundle_prefix_text(lan->prefixes, lan->n_prefixes, &text);
        lan->prefix_text = copy(b, buf_cstr(&text));
        for (size_t k = 0; k < lan->n_prefixes; k++) {
            m->has_ipv4 |= lan->prefixes[k].family == FAMILY_IPV4;
            m->has_ipv6 |= lan->prefixes[k].family == FAMILY_IPV6;
        }
    }
}

/* The index of a name in a sorted list of entries; MESH_NONE: not there. */
static uint32_t find(const struct document_node *const *list, size_t n, const char *name)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int r = strcmp(list[middle]->keys[0]->canonical, name);

        if (r == 0)
            return (uint32_t)middle;
        if (r < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return MESH_NONE;
}

/* A reference by name; the error says what may have been meant. */
static uint32_t follow(struct build *b, const struct document_node *node, const char *leaf_name,
                       const char *what, const struct document_node *const *list, size_t n,
                       bool lost)
{
    const struct document_node *ref = document_child(node, leaf_name);
    _cleanup_buf_ struct buf path = BUF_INIT;
    struct instance_guess guess = {0};
    uint32_t index;

    if (!ref || ref->bad || !ref->canonical)
        return MESH_NONE;
    index = find(list, n, ref->canonical);
    if (index != MESH_NONE || lost)
        return index;
    document_path(ref, &path);
    if (b->guesses++ < MAX_GUESSES)
        for (size_t i = 0; i < n; i++)
            instance_guess(&guess, ref->canonical, list[i]->keys[0]->canonical);
    if (guess.name)
        error_add(b->err, b->mesh->file, ref->line, buf_cstr(&path),
                  "there is no %s '%s'; did you mean '%s'?", what, ref->canonical, guess.name);
    else
        error_add(b->err, b->mesh->file, ref->line, buf_cstr(&path),
                  "there is no %s '%s'; add it, or name one that is there", what, ref->canonical);
    return MESH_NONE;
}

/* The beginning of the name, as far as it fits. */
static char *short_name(struct build *b, const char *name)
{
    size_t n = strnlen(name, SHORT_NAME_MAX);

    while (n > 1 && strchr("._-", name[n - 1]))
        n--;
    return arena_strndup(&b->mesh->arena, name, n);
}

static void build_gateways(struct build *b)
{
    struct mesh *m = b->mesh;
    struct mesh_places *p = b->places;

    m->n_gateways = entries(b, p->mesh, "gateway", &p->gateways, &b->lost_gateways);
    m->gateways = arena_alloc(&m->arena, m->n_gateways, sizeof(*m->gateways));
    for (uint32_t i = 0; i < m->n_gateways; i++) {
        const struct document_node *node = p->gateways[i];
        struct mesh_gateway *gw = &m->gateways[i];
        const char *router_id = leaf(node, "router-id");
        struct prefix address;

        gw->name = copy(b, node->keys[0]->canonical);
        gw->line = node->line;
        gw->short_name = copy(b, leaf(node, "short-name"));
        if (!gw->short_name)
            gw->short_name = short_name(b, gw->name);
        gw->description = copy(b, leaf(node, "description"));
        gw->lan = follow(b, node, "lan", "lan", p->lans, m->n_lans, b->lost_lans);
        if (gw->lan != MESH_NONE)
            m->lans[gw->lan].n_gateways++;
        gw->endpoint = copy(b, leaf(node, "endpoint"));
        if (gw->endpoint && prefix_parse(gw->endpoint, &address))
            gw->endpoint_family = address.family;
        gw->groups = names(b, node, "group", &gw->n_groups);
        gw->transit = flag(node, "transit");
        gw->manage_wan_firewall = flag(node, "manage-wan-firewall");
        gw->asn = number(node, "asn");
        gw->number = number(node, "number");
        if (router_id && prefix_parse(router_id, &address))
            gw->router_id = (uint32_t)address.addr[0] << 24 | (uint32_t)address.addr[1] << 16 |
                            (uint32_t)address.addr[2] << 8 | address.addr[3];
        gw->settings = settings(node);
    }
}

static void build_segments(struct build *b, const struct document_node *topology)
{
    struct mesh *m = b->mesh;
    bool lost = false;

    m->n_segments = entries(b, topology, "segment", &b->places->segments, &lost);
    m->segments = arena_alloc(&m->arena, m->n_segments, sizeof(*m->segments));
    for (uint32_t i = 0; i < m->n_segments; i++) {
        const struct document_node *node = b->places->segments[i];
        struct mesh_segment *s = &m->segments[i];
        const char *kind = leaf(node, "kind");

        s->name = copy(b, node->keys[0]->canonical);
        s->line = node->line;
        s->kind = kind && strcmp(kind, "hub-and-spoke") == 0 ? SEGMENT_HUB_AND_SPOKE
                  : kind && strcmp(kind, "ring") == 0        ? SEGMENT_RING
                                                             : SEGMENT_FULL_MESH;
        s->groups = names(b, node, "group", &s->n_groups);
        s->hub_groups = names(b, node, "hub-group", &s->n_hub_groups);
        s->hubs_per_spoke = number(node, "hubs-per-spoke");
        s->transit_members = number(node, "transit-members");
        s->parallel = number(node, "parallel");
    }
}

struct link_place { /* a link and its node, sorted together */
    struct mesh_link link;
    const struct document_node *node;
};

static int compare_links(const void *pa, const void *pb)
{
    const struct link_place *a = pa, *b = pb;

    if (a->link.a != b->link.a)
        return a->link.a < b->link.a ? -1 : 1;
    if (a->link.b != b->link.b)
        return a->link.b < b->link.b ? -1 : 1;
    return a->link.line < b->link.line ? -1 : a->link.line > b->link.line;
}

static void build_links(struct build *b, const struct document_node *topology)
{
    struct mesh *m = b->mesh;
    const struct document_node **nodes;
    bool lost = false;
    size_t n = entries(b, topology, "link", &nodes, &lost);
    struct link_place *list = arena_alloc(&b->places->arena, n, sizeof(*list));

    for (size_t i = 0; i < n; i++) {
        uint32_t x = follow(b, nodes[i], "a", "gateway", b->places->gateways, m->n_gateways,
                            b->lost_gateways);
        uint32_t y = follow(b, nodes[i], "b", "gateway", b->places->gateways, m->n_gateways,
                            b->lost_gateways);

        if (x == MESH_NONE || y == MESH_NONE)
            continue;
        list[m->n_links++] = (struct link_place){.link = {.a = x < y ? x : y,
                                                          .b = x < y ? y : x,
                                                          .settings = settings(nodes[i]),
                                                          .parallel = number(nodes[i], "parallel"),
                                                          .line = nodes[i]->line},
                                                 .node = nodes[i]};
    }
    if (m->n_links > 1)
        qsort(list, m->n_links, sizeof(*list), compare_links);
    m->links = arena_alloc(&m->arena, m->n_links, sizeof(*m->links));
    b->places->links = arena_alloc(&b->places->arena, m->n_links, sizeof(*b->places->links));
    for (size_t i = 0; i < m->n_links; i++) {
        m->links[i] = list[i].link;
        b->places->links[i] = list[i].node;
    }
}

int mesh_build(const struct document *doc, const char *file, struct mesh *mesh,
               struct mesh_places *places, struct error_list *err)
{
    struct build b = {.mesh = mesh, .places = places, .err = err};
    const struct document_node *top = document_child(doc->root, "mesh"), *addressing, *topology;
    const char *check;
    size_t before = err->n, n = 0;

    *places = (struct mesh_places){.mesh = top};
    mesh->file = arena_strdup(&mesh->arena, file);
    if (!top || top->bad) {
        places->mesh = NULL;
        return err->n > before ? -EINVAL : 0;
    }
    addressing = document_child(top, "addressing");
    topology = document_child(top, "topology");
    for (const struct document_node *c = top->children; c; c = c->next)
        for (const struct document_node *d = c->children; d; d = d->next)
            n += document_named(d, "prefix") || document_named(d, "link-prefix");
    places->prefixes = arena_alloc(&places->arena, n, sizeof(*places->prefixes));

    mesh->line = top->line;
    mesh->name = copy(&b, leaf(top, "name"));
    mesh->description = copy(&b, leaf(top, "description"));
    mesh->link_prefixes =
        prefixes(&b, addressing, "link-prefix", MESH_NONE, &mesh->n_link_prefixes);
    mesh->base_port = (uint16_t)number(addressing, "base-port");
    mesh->base_asn = number(addressing, "base-asn");
    mesh->allow_public_prefix = flag(addressing, "allow-public-prefix") == TRI_YES;
    check = leaf(document_child(top, "routing"), "origin-check");
    mesh->origin_check = !check || strcmp(check, "auto") == 0 ? ORIGIN_CHECK_AUTO
                         : strcmp(check, "cache") == 0        ? ORIGIN_CHECK_CACHE
                                                              : ORIGIN_CHECK_LISTS;
    mesh->defaults = settings(document_child(top, "defaults"));
    mesh->manage_wan_firewall =
        flag(document_child(top, "defaults"), "manage-wan-firewall") == TRI_YES;
    build_lans(&b);
    build_gateways(&b);
    build_segments(&b, topology);
    build_links(&b, topology);
    /* A topology with nothing in it is none. */
    mesh->full_mesh = !document_child(topology, "segment") && !document_child(topology, "link");
    return err->n > before ? -EINVAL : 0;
}

void mesh_places_clear(struct mesh_places *places)
{
    arena_free(&places->arena);
    *places = (struct mesh_places){0};
}
