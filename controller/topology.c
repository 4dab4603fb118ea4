/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/topology.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "controller/hubs.h"
#include "controller/lock.h"
#include "controller/network.h"
#include "controller/pairs.h"
#include "controller/path_bound.h"
#include "controller/reach.h"

#define TOPOLOGY "/p2pvpn-mesh:mesh/topology"
#define SMALL_MESH 16 /* up to here every member of a full mesh gives transit */
#define TRANSIT_MEMBERS 4
#define SMALLEST_UNDERLAY (1280 + 72) /* what IPv6 needs, plus the largest overhead */

/* The neighbors of every gateway in some list of pairs; `first` by gateway, one more. */
struct neighbors {
    uint32_t *first, *list;
};

struct builder {
    struct network *net;
    const struct mesh *mesh;
    struct error_list *warnings, *err;
    uint32_t *by_number;           /* every gateway, by number */
    struct neighbors past, pinned; /* from the lock, and from single links; made on demand */
    uint32_t parallel;             /* of the segment at hand */
    struct pair *pairs; /* value: how many tunnels; key: gateway indexes, the lower first */
    size_t n, cap;
    uint32_t *members, *hubs; /* of the segment at hand, by number */
    size_t n_members, n_hubs;
    size_t skipped; /* pairs of the segment at hand that nobody could bring up */
    uint32_t skipped_example[2];
};

static bool can_link(const struct mesh *mesh, uint32_t x, uint32_t y)
{
    return mesh->gateways[x].endpoint || mesh->gateways[y].endpoint;
}

/* A segment says "all of these", so a pair in which neither can be called is left out with a
 * warning: two branch offices that only call out are a common case, and reach each other through
 * the others.  Where they do not, reach_check() says so.  A link that a person wrote is different:
 * it asks for the impossible (add_single_links()). */
static void add_pair(struct builder *b, uint32_t x, uint32_t y)
{
    if (x == y)
        return;
    if (!can_link(b->mesh, x, y)) {
        if (b->skipped++ == 0) {
            b->skipped_example[0] = x;
            b->skipped_example[1] = y;
        }
        return;
    }
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 1024;
        b->pairs = xreallocarray(b->pairs, b->cap, sizeof(*b->pairs));
    }
    b->pairs[b->n++] = (struct pair){x < y ? pair_key(x, y) : pair_key(y, x), b->parallel};
}

bool topology_in_groups(const struct mesh_gateway *g, const char *const *groups, size_t n)
{
    for (size_t i = 0, k = 0; i < g->n_groups && k < n;) {
        int r = strcmp(g->groups[i], groups[k]);

        if (r == 0)
            return true;
        if (r < 0)
            i++;
        else
            k++;
    }
    return false;
}

static void choose_members(struct builder *b, const struct mesh_segment *s)
{
    b->n_members = b->n_hubs = 0;
    for (size_t i = 0; i < b->mesh->n_gateways; i++) {
        uint32_t g = b->by_number[i];
        const struct mesh_gateway *gateway = &b->mesh->gateways[g];

        if (s->kind == SEGMENT_HUB_AND_SPOKE &&
            topology_in_groups(gateway, s->hub_groups, s->n_hub_groups))
            b->hubs[b->n_hubs++] = g;
        else if (s->n_groups == 0 || topology_in_groups(gateway, s->groups, s->n_groups))
            b->members[b->n_members++] = g;
    }
}

/* False: more links than can be kept. */
static bool add_full_mesh(struct builder *b, const uint32_t *members, size_t n, const char *path)
{
    uint64_t links = n ? (uint64_t)n * (n - 1) / 2 * b->parallel : 0;

    if (b->n + links > LOCK_MAX_LINKS) {
        error_add(b->err, b->mesh->file, 0, path,
                  "a full mesh of %zu gateways has %" PRIu64 " links, more than the %u that are "
                  "possible; use a hub-and-spoke segment for most of them",
                  n, links, LOCK_MAX_LINKS);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            add_pair(b, members[i], members[k]);
    return true;
}

static void neighbors_count(struct neighbors *n, uint32_t a, uint32_t b)
{
    n->first[a + 1]++;
    n->first[b + 1]++;
}

static void neighbors_begin(struct neighbors *n, size_t n_gateways)
{
    for (size_t g = 0; g < n_gateways; g++)
        n->first[g + 1] += n->first[g];
    n->list = xcalloc(n->first[n_gateways], sizeof(*n->list));
    memmove(n->first + 1, n->first, n_gateways * sizeof(*n->first));
}

/* Moves first[g + 1] from where the list of g begins to where it ends. */
static void neighbors_add(struct neighbors *n, uint32_t a, uint32_t b)
{
    n->list[n->first[a + 1]++] = b;
    n->list[n->first[b + 1]++] = a;
}

static void find_neighbors(struct builder *b)
{
    const struct mesh *mesh = b->mesh;
    const struct network_past *past = b->net->past;
    size_t n_past = past ? past->n_links : 0;

    if (b->past.first)
        return;
    b->past.first = xcalloc(mesh->n_gateways + 1, sizeof(*b->past.first));
    b->pinned.first = xcalloc(mesh->n_gateways + 1, sizeof(*b->pinned.first));
    for (size_t i = 0; i < n_past; i++)
        neighbors_count(&b->past, past->links[i].a, past->links[i].b);
    for (size_t i = 0; i < mesh->n_links; i++)
        neighbors_count(&b->pinned, mesh->links[i].a, mesh->links[i].b);
    neighbors_begin(&b->past, mesh->n_gateways);
    neighbors_begin(&b->pinned, mesh->n_gateways);
    for (size_t i = 0; i < n_past; i++)
        neighbors_add(&b->past, past->links[i].a, past->links[i].b);
    for (size_t i = 0; i < mesh->n_links; i++)
        neighbors_add(&b->pinned, mesh->links[i].a, mesh->links[i].b);
}

/* The hubs among the neighbors of a spoke, each once. */
static void add_hub_links(const struct neighbors *n, uint32_t spoke, bool pinned,
                          const uint32_t *hub_index, uint32_t *stamps, uint32_t stamp,
                          struct hubs_link *links, uint32_t *n_links)
{
    for (uint32_t i = n->first[spoke]; i < n->first[spoke + 1]; i++) {
        uint32_t hub = hub_index[n->list[i]];

        if (hub == HUBS_NONE || stamps[hub] == stamp)
            continue;
        stamps[hub] = stamp;
        links[(*n_links)++] = (struct hubs_link){hub, pinned};
    }
}

/* A few hubs for each spoke: see hubs.h. */
static void share_hubs(struct builder *b, uint32_t per_spoke)
{
    const struct mesh_gateway *gateways = b->mesh->gateways;
    uint32_t *hub_index = xmalloc(b->mesh->n_gateways * sizeof(*hub_index)), n_links = 0;
    uint32_t *stamps = xcalloc(b->n_hubs, sizeof(*stamps)), *chosen;
    struct hubs_hub *hubs = xcalloc(b->n_hubs, sizeof(*hubs));
    struct hubs_spoke *spokes = xcalloc(b->n_members, sizeof(*spokes));
    struct hubs_link *links;
    struct hubs in = {
        .hubs = hubs,
        .n_hubs = (uint32_t)b->n_hubs,
        .spokes = spokes,
        .n_spokes = (uint32_t)b->n_members,
        .per_spoke = per_spoke,
    };

    find_neighbors(b);
    memset(hub_index, 0xff, b->mesh->n_gateways * sizeof(*hub_index));
    for (uint32_t i = 0; i < b->n_hubs; i++) {
        const struct mesh_gateway *g = &gateways[b->hubs[i]];

        hub_index[b->hubs[i]] = i;
        hubs[i] = (struct hubs_hub){hubs_hash(g->name), g->endpoint};
    }
    for (uint32_t i = 0; i < b->n_members; i++) {
        uint32_t g = b->members[i];

        n_links += b->past.first[g + 1] - b->past.first[g];
        n_links += b->pinned.first[g + 1] - b->pinned.first[g];
    }
    links = xcalloc(n_links, sizeof(*links));
    n_links = 0;
    for (uint32_t i = 0; i < b->n_members; i++) {
        uint32_t g = b->members[i], first = n_links;

        add_hub_links(&b->pinned, g, true, hub_index, stamps, i + 1, links, &n_links);
        add_hub_links(&b->past, g, false, hub_index, stamps, i + 1, links, &n_links);
        spokes[i] = (struct hubs_spoke){hubs_hash(gateways[g].name), gateways[g].endpoint, first,
                                        n_links - first};
    }
    in.links = links;
    chosen = xcalloc((size_t)in.n_spokes * per_spoke, sizeof(*chosen));
    hubs_assign(&in, chosen);
    for (uint32_t i = 0; i < in.n_spokes; i++) {
        const uint32_t *own = chosen + (size_t)i * per_spoke;

        for (uint32_t k = 0; k < per_spoke && own[k] != HUBS_NONE; k++)
            add_pair(b, b->members[i], b->hubs[own[k]]);
        if (own[0] == HUBS_NONE && spokes[i].n == 0)
            add_pair(b, b->members[i], b->hubs[0]); /* counted as a pair that has no link */
    }
    free(chosen);
    free(links);
    free(spokes);
    free(hubs);
    free(stamps);
    free(hub_index);
}

static void add_spokes(struct builder *b, const struct mesh_segment *s)
{
    if (s->hubs_per_spoke && s->hubs_per_spoke < b->n_hubs) {
        share_hubs(b, s->hubs_per_spoke);
        return;
    }
    for (size_t i = 0; i < b->n_members; i++)
        for (size_t k = 0; k < b->n_hubs; k++)
            add_pair(b, b->members[i], b->hubs[k]);
}

/* By number: a new member comes between the last and the first, and only that link moves. */
static void add_ring(struct builder *b)
{
    for (size_t i = 1; i < b->n_members; i++)
        add_pair(b, b->members[i - 1], b->members[i]);
    if (b->n_members > 2)
        add_pair(b, b->members[b->n_members - 1], b->members[0]);
}

static void give_transit(struct builder *b, const uint32_t *members, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (b->mesh->gateways[members[i]].transit == TRI_UNSET)
            b->net->gateways[members[i]].transit = true;
}

/* A few members of a large full mesh: those the model names count; then those that were elected
 * before, so that a low number which is handed out again moves nothing; then the lowest numbers.
 * All of them can be called, because such a gateway has a link to everybody. */
static void elect_transit(struct builder *b, uint32_t wanted)
{
    const bool *before = b->net->past ? b->net->past->elected : NULL;
    size_t n = 0;

    if (!wanted)
        wanted = b->n_members <= SMALL_MESH ? (uint32_t)b->n_members : TRANSIT_MEMBERS;
    if (wanted >= b->n_members) {
        give_transit(b, b->members, b->n_members);
        return;
    }
    for (size_t i = 0; i < b->n_members; i++)
        n += b->mesh->gateways[b->members[i]].transit == TRI_YES;
    for (unsigned pass = before ? 0 : 1; pass < 2; pass++)
        for (size_t i = 0; i < b->n_members && n < wanted; i++) {
            const struct mesh_gateway *g = &b->mesh->gateways[b->members[i]];
            struct network_gateway *out = &b->net->gateways[b->members[i]];

            if (g->transit != TRI_UNSET || !g->endpoint ||
                (before && before[b->members[i]] != (pass == 0)))
                continue;
            out->transit = out->elected = true;
            n++;
        }
}

static void warn_skipped(struct builder *b, const char *path)
{
    const struct mesh_gateway *g = b->mesh->gateways;

    if (b->skipped)
        error_add(
            b->warnings, b->mesh->file, 0, path,
            "%zu pair%s of gateways without an endpoint ha%s no direct link, such as '%s' and "
            "'%s': neither can be called; they reach each other through others. Give one of "
            "each pair an endpoint for a direct link",
            b->skipped, b->skipped == 1 ? "" : "s", b->skipped == 1 ? "s" : "ve",
            g[b->skipped_example[0]].name, g[b->skipped_example[1]].name);
    b->skipped = 0;
}

static void add_segment(struct builder *b, const struct mesh_segment *s)
{
    _cleanup_free_ char *path = xasprintf(TOPOLOGY "/segment[name='%s']", s->name);

    choose_members(b, s);
    b->parallel = s->parallel ? s->parallel : 1;
    if (s->kind == SEGMENT_HUB_AND_SPOKE && b->n_hubs == 0) {
        error_add(b->err, b->mesh->file, 0, path,
                  "no gateway is in a hub-group of this segment; set hub-group, and group at the "
                  "gateways that are its hubs");
        return;
    }
    if (b->n_members + b->n_hubs == 0) {
        error_add(b->err, b->mesh->file, 0, path,
                  "no gateway is in a group of this segment; correct the group here or at the "
                  "gateways, or take the segment out");
        return;
    }
    if (b->n_members + b->n_hubs == 1)
        error_add(b->warnings, b->mesh->file, 0, path,
                  "only '%s' is in this segment, so it makes no link; add gateways to its group, "
                  "or take the segment out",
                  b->mesh->gateways[b->n_hubs ? b->hubs[0] : b->members[0]].name);
    switch (s->kind) {
    case SEGMENT_FULL_MESH:
        if (!add_full_mesh(b, b->members, b->n_members, path))
            return;
        elect_transit(b, s->transit_members);
        break;
    case SEGMENT_HUB_AND_SPOKE:
        if (!add_full_mesh(b, b->hubs, b->n_hubs, path))
            return;
        add_spokes(b, s);
        give_transit(b, b->hubs, b->n_hubs);
        break;
    case SEGMENT_RING:
        add_ring(b);
        give_transit(b, b->members, b->n_members);
        break;
    }
    warn_skipped(b, path);
}

static void add_single_links(struct builder *b)
{
    b->parallel = 1;
    for (size_t i = 0; i < b->mesh->n_links; i++) {
        const struct mesh_link *l = &b->mesh->links[i];

        if (!can_link(b->mesh, l->a, l->b)) {
            const char *x = b->mesh->gateways[l->a].name, *y = b->mesh->gateways[l->b].name;
            _cleanup_free_ char *path = xasprintf(TOPOLOGY "/link[a='%s'][b='%s']", x, y);

            error_add(b->err, b->mesh->file, 0, path,
                      "neither '%s' nor '%s' has an endpoint, so neither can call the other; give "
                      "one of them an endpoint, or take the link out",
                      x, y);
        }
        add_pair(b, l->a, l->b);
    }
    b->skipped = 0;
}

/* The tunnels of a pair: what a person wrote for the link, else the most that a segment wants. */
static uint32_t tunnels_of(const struct builder *b, const struct pair *pair, uint32_t own)
{
    return own && b->mesh->links[own - 1].parallel ? b->mesh->links[own - 1].parallel : pair->value;
}

/* 1 + index of the link of a pair that a person wrote, 0: there is none.  The keys ascend from call
 * to call; *at is where the last one was found. */
static uint32_t own_link(const struct mesh *mesh, uint32_t key, size_t *at)
{
    while (*at < mesh->n_links && pair_key(mesh->links[*at].a, mesh->links[*at].b) < key)
        ++*at;
    return *at < mesh->n_links && pair_key(mesh->links[*at].a, mesh->links[*at].b) == key
               ? (uint32_t)*at + 1
               : 0;
}

/* Each pair once, by (a, b), with the settings that a person gave it. */
static void make_links(struct builder *b)
{
    struct network *net = b->net;
    size_t n = 0, at = 0;
    uint64_t total = 0;

    pairs_sort(b->pairs, b->n);
    for (size_t i = 0; i < b->n; i++)
        if (n == 0 || b->pairs[n - 1].key != b->pairs[i].key)
            b->pairs[n++] = b->pairs[i];
        else if (b->pairs[n - 1].value < b->pairs[i].value)
            b->pairs[n - 1].value = b->pairs[i].value;
    for (size_t i = 0; i < n; i++)
        total += tunnels_of(b, &b->pairs[i], own_link(b->mesh, b->pairs[i].key, &at));
    if (total > LOCK_MAX_LINKS) {
        error_add(b->err, b->mesh->file, 0, TOPOLOGY,
                  "the mesh has %" PRIu64 " links, more than the %u that are possible; use "
                  "hub-and-spoke segments, fewer hubs per spoke or fewer parallel tunnels",
                  total, LOCK_MAX_LINKS);
        return;
    }
    net->links = arena_alloc(&net->arena, total ? total : 1, sizeof(*net->links));
    at = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t key = b->pairs[i].key, own = own_link(b->mesh, key, &at);
        uint32_t tunnels = tunnels_of(b, &b->pairs[i], own);

        for (uint32_t t = 0; t < tunnels; t++)
            net->links[net->n_links++] = (struct network_link){
                .a = key >> 16, .b = key & 0xffff, .tunnel = (uint8_t)t, .settings = own};
    }
}

/* Every gateway's peers, by the peer's number: the links are gone through in the order of one end's
 * number and filed under the other's. */
static void make_peers(struct builder *b)
{
    struct network *net = b->net;
    size_t n = b->mesh->n_gateways;
    uint32_t *unsorted = xcalloc(net->n_links * 2, sizeof(*unsorted));
    uint32_t *filed = xcalloc(n, sizeof(*filed)), first = 0;

    net->peers = arena_alloc(&net->arena, net->n_links ? net->n_links * 2 : 1, sizeof(*net->peers));
    for (size_t i = 0; i < net->n_links; i++) {
        net->gateways[net->links[i].a].n_peers++;
        net->gateways[net->links[i].b].n_peers++;
    }
    for (size_t g = 0; g < n; g++) {
        net->gateways[g].first_peer = first;
        first += net->gateways[g].n_peers;
    }
    for (uint32_t i = 0; i < net->n_links; i++) {
        const struct network_link *l = &net->links[i];

        unsorted[net->gateways[l->a].first_peer + filed[l->a]++] = i;
        unsorted[net->gateways[l->b].first_peer + filed[l->b]++] = i;
    }
    memset(filed, 0, n * sizeof(*filed));
    for (size_t i = 0; i < n; i++) {
        uint32_t g = b->by_number[i];
        const struct network_gateway *gateway = &net->gateways[g];

        for (uint32_t k = 0; k < gateway->n_peers; k++) {
            uint32_t link = unsorted[gateway->first_peer + k];
            uint32_t other = net->links[link].a == g ? net->links[link].b : net->links[link].a;

            net->peers[net->gateways[other].first_peer + filed[other]++] =
                (struct network_peer){.gateway = g, .link = link};
        }
    }
    free(unsorted);
    free(filed);
}

/* The place in the model that gives a link its underlay MTU; caller frees. */
static char *mtu_path(const struct mesh *mesh, const struct link_end *end)
{
    const uint32_t ends[] = {end->self, end->peer};
    const struct network_link *l = end->link;

    if (l->settings && mesh->links[l->settings - 1].settings.underlay_mtu)
        return xasprintf(TOPOLOGY "/link[a='%s'][b='%s']/underlay-mtu", mesh->gateways[l->a].name,
                         mesh->gateways[l->b].name);
    for (unsigned i = 0; i < 2; i++)
        if (mesh->gateways[ends[i]].settings.underlay_mtu == end->settings.underlay_mtu)
            return xasprintf("/p2pvpn-mesh:mesh/gateway[name='%s']/underlay-mtu",
                             mesh->gateways[ends[i]].name);
    return xstrdup("/p2pvpn-mesh:mesh/defaults/underlay-mtu");
}

static bool small_mtu_possible(const struct mesh *mesh)
{
    bool small = mesh->defaults.underlay_mtu < SMALLEST_UNDERLAY;

    for (size_t i = 0; i < mesh->n_gateways; i++)
        small |= mesh->gateways[i].settings.underlay_mtu &&
                 mesh->gateways[i].settings.underlay_mtu < SMALLEST_UNDERLAY;
    for (size_t i = 0; i < mesh->n_links; i++)
        small |= mesh->links[i].settings.underlay_mtu &&
                 mesh->links[i].settings.underlay_mtu < SMALLEST_UNDERLAY;
    return mesh->has_ipv6 && small;
}

/* RFC 8200, section 5: IPv6 needs 1,280 bytes on every link.  One error for each place in the model
 * that makes a link too small, however many links it spoils. */
static void check_mtu(struct builder *b)
{
    const struct mesh *mesh = b->mesh;
    size_t first = b->err->n;

    if (!small_mtu_possible(mesh))
        return;
    for (uint32_t g = 0; g < mesh->n_gateways; g++) {
        const struct network_gateway *gateway = &b->net->gateways[g];

        for (uint32_t k = 0; k < gateway->n_peers; k++) {
            const struct network_peer *peer = &b->net->peers[gateway->first_peer + k];
            _cleanup_free_ char *path = NULL;
            struct link_end end;
            bool known = false;

            network_link_end(b->net, g, peer, &end);
            if (peer->gateway < g || end.tun_mtu >= 1280)
                continue;
            path = mtu_path(mesh, &end);
            for (size_t i = first; i < b->err->n && !known; i++)
                known = strcmp(b->err->items[i].path, path) == 0;
            if (!known)
                error_add(b->err, mesh->file, 0, path,
                          "%u bytes leave %u for packets on the link of '%s' and '%s', but IPv6 "
                          "needs 1280; set at least %u",
                          end.settings.underlay_mtu, end.tun_mtu, mesh->gateways[g].name,
                          mesh->gateways[peer->gateway].name,
                          end.settings.underlay_mtu + 1280u - end.tun_mtu);
        }
    }
}

static void build(struct builder *b)
{
    const struct mesh *mesh = b->mesh;

    for (size_t g = 0; g < mesh->n_gateways; g++)
        b->net->gateways[g].transit = mesh->gateways[g].transit == TRI_YES;
    b->parallel = 1;
    if (mesh->full_mesh) {
        b->n_members = mesh->n_gateways;
        memcpy(b->members, b->by_number, mesh->n_gateways * sizeof(*b->members));
        if (add_full_mesh(b, b->members, b->n_members, "/p2pvpn-mesh:mesh"))
            elect_transit(b, 0);
        warn_skipped(b, "/p2pvpn-mesh:mesh");
    }
    for (size_t i = 0; i < mesh->n_segments; i++)
        add_segment(b, &mesh->segments[i]);
    add_single_links(b);
}

int topology_build(struct network *net, struct error_list *warnings, struct error_list *err)
{
    const struct mesh *mesh = net->mesh;
    size_t n = mesh->n_gateways, errors = err->n;
    struct builder b = {.net = net, .mesh = mesh, .warnings = warnings, .err = err};
    struct pair *numbers = xcalloc(n, sizeof(*numbers));

    b.by_number = xcalloc(n, sizeof(*b.by_number));
    b.members = xcalloc(n, sizeof(*b.members));
    b.hubs = xcalloc(n, sizeof(*b.hubs));
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = (struct pair){net->gateways[i].number, i};
    pairs_sort(numbers, n);
    for (size_t i = 0; i < n; i++)
        b.by_number[i] = numbers[i].value;
    build(&b);
    if (err->n == errors) {
        make_links(&b);
    }
    if (err->n == errors) {
        make_peers(&b);
        check_mtu(&b);
        reach_check(net, err);
    }
    if (err->n == errors)
        net->path_bound = path_bound(net, PATH_BOUND_BEST);
    free(numbers);
    free(b.by_number);
    free(b.members);
    free(b.hubs);
    free(b.pairs);
    free(b.past.first);
    free(b.past.list);
    free(b.pinned.first);
    free(b.pinned.list);
    return err->n == errors ? 0 : -EINVAL;
}
