/* SPDX-License-Identifier: Apache-2.0 */
/* A struct mesh made directly in C, for the tests of what comes after the model. */
#ifndef P2PVPN_TESTS_BUILD_MESH_H
#define P2PVPN_TESTS_BUILD_MESH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/mesh.h"
#include "controller/network.h"
#include "tests/unit/unit.h"

#define BUILD_MAX_LINKS 64
#define BUILD_MAX_SEGMENTS 4

/* One LAN a gateway; gateway i is called gI (zero-padded, so that names are in order). */
static inline struct mesh *build_mesh(uint32_t n, bool ipv4, bool ipv6)
{
    struct mesh *m = xcalloc(1, sizeof(*m));

    m->file = "m.json";
    m->name = "m";
    m->base_port = 11000;
    m->base_asn = 4200000000u;
    m->defaults = (struct mesh_settings){1500, 300, 3, 500, 0};
    m->full_mesh = true;
    m->has_ipv4 = ipv4;
    m->has_ipv6 = ipv6;
    m->n_lans = m->n_gateways = n;
    m->lans = arena_alloc(&m->arena, n, sizeof(*m->lans));
    m->gateways = arena_alloc(&m->arena, n, sizeof(*m->gateways));
    m->links = arena_alloc(&m->arena, BUILD_MAX_LINKS, sizeof(*m->links));
    m->segments = arena_alloc(&m->arena, BUILD_MAX_SEGMENTS, sizeof(*m->segments));
    for (uint32_t i = 0; i < n; i++) {
        struct mesh_lan *lan = &m->lans[i];

        lan->name = arena_printf(&m->arena, "lan%05u", i);
        lan->prefixes = arena_alloc(&m->arena, 2, sizeof(*lan->prefixes));
        if (ipv4)
            lan->prefixes[lan->n_prefixes++] =
                (struct prefix){FAMILY_IPV4, 24, {10, (uint8_t)(i >> 8), (uint8_t)i, 0}};
        if (ipv6)
            lan->prefixes[lan->n_prefixes++] = (struct prefix){
                FAMILY_IPV6, 64, {0xfd, 0xaa, 0, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}};
        m->gateways[i] = (struct mesh_gateway){
            .name = arena_printf(&m->arena, "g%05u", i),
            .short_name = "",
            .lan = i,
            .endpoint = "203.0.113.1",
            .endpoint_family = FAMILY_IPV4,
        };
    }
    return m;
}

static inline struct mesh *build_free(struct mesh *m)
{
    if (m) {
        arena_free(&m->arena);
        free(m);
    }
    return NULL;
}

/* That `path` of a built mesh is all that is wrong, and says so; forgets it. */
static inline void build_refused(struct error_list *err, const char *path, const char *message)
{
    if (err->n != 1)
        error_print(err, stderr);
    ck_assert_uint_eq(err->n, 1);
    ck_assert_str_eq(err->items[0].file, "m.json");
    ck_assert_str_eq(err->items[0].path, path);
    ck_assert_str_eq(err->items[0].message, message);
    error_clear(err);
}

static inline void build_endpoint(struct mesh *m, uint32_t g, const char *endpoint, uint8_t family)
{
    m->gateways[g].endpoint = endpoint;
    m->gateways[g].endpoint_family = family;
}

static inline void build_group(struct mesh *m, uint32_t g, const char *group)
{
    m->gateways[g].groups = arena_alloc(&m->arena, 1, sizeof(const char *));
    m->gateways[g].groups[0] = group;
    m->gateways[g].n_groups = 1;
}

static inline struct mesh_segment *build_segment(struct mesh *m, enum segment_kind kind,
                                                 const char *group, const char *hub_group)
{
    struct mesh_segment *s = &m->segments[m->n_segments++];

    m->full_mesh = false;
    s->name = arena_printf(&m->arena, "s%zu", m->n_segments);
    s->kind = kind;
    if (group) {
        s->groups = arena_alloc(&m->arena, 1, sizeof(const char *));
        s->groups[s->n_groups++] = group;
    }
    if (hub_group) {
        s->hub_groups = arena_alloc(&m->arena, 1, sizeof(const char *));
        s->hub_groups[s->n_hub_groups++] = hub_group;
    }
    return s;
}

/* In the order of (a, b). */
static inline struct mesh_link *build_link(struct mesh *m, uint32_t a, uint32_t b)
{
    struct mesh_link *l = &m->links[m->n_links++];

    ck_assert_uint_le(m->n_links, BUILD_MAX_LINKS);
    m->full_mesh = false;
    *l = (struct mesh_link){.a = a, .b = b};
    return l;
}

static inline const struct network_link *find_link(const struct network *net, uint32_t a,
                                                   uint32_t b)
{
    for (size_t i = 0; i < net->n_links; i++)
        if (net->links[i].a == a && net->links[i].b == b)
            return &net->links[i];
    return NULL;
}

/* What gateway `self` sees of its link to `peer`. */
static inline struct link_end find_end(const struct network *net, uint32_t self, uint32_t peer)
{
    const struct network_gateway *g = &net->gateways[self];
    struct link_end end = {0};

    for (uint32_t i = 0; i < g->n_peers; i++)
        if (net->peers[g->first_peer + i].gateway == peer) {
            network_link_end(net, self, &net->peers[g->first_peer + i], &end);
            return end;
        }
    ck_abort_msg("no link of %u to %u", self, peer);
    return end;
}

#endif
