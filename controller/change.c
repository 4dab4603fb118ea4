/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bundle.h"
#include "common/frr_sessions.h"
#include "controller/change_internal.h"
#include "controller/network.h"

struct change_builder {
    const struct network *net;
    struct change *change;
    bool *same; /* by gateway */
    struct change_members members;
    struct felt *felt; /* what happens to sessions of other gateways */
    size_t n_felt, cap_felt, cap_gateways, cap_links;
};

/* A session that resets at `gateway` because of what happens at its other end. */
struct felt {
    const char *gateway, *lan;
    struct change_session session;
};

struct change_builder *change_begin(const struct network *now)
{
    struct change_builder *b = xcalloc(1, sizeof(*b));

    b->net = now;
    b->change = xcalloc(1, sizeof(*b->change));
    b->change->mesh = arena_strdup(&b->change->arena, now->mesh->name);
    b->same = xcalloc(now->mesh->n_gateways + 1, sizeof(*b->same));
    return b;
}

void change_same(struct change_builder *b, uint32_t gateway)
{
    b->same[gateway] = true;
}

/* --- pieces of a gateway ---------------------------------------------------------------------- */

static char *keep(struct change_builder *b, const char *text)
{
    return arena_strdup(&b->change->arena, text);
}

static struct change_gateway *add_gateway(struct change_builder *b, const char *name)
{
    struct change *c = b->change;

    if (c->n_gateways == b->cap_gateways) {
        b->cap_gateways = b->cap_gateways ? b->cap_gateways * 2 : 64;
        c->gateway = xreallocarray(c->gateway, b->cap_gateways, sizeof(*c->gateway));
    }
    c->gateway[c->n_gateways] = (struct change_gateway){.name = keep(b, name), .bundle = true};
    return &c->gateway[c->n_gateways++];
}

/* "pv7" is the first tunnel, "pv7-2" the second. */
static unsigned tunnel_of(const char *interface)
{
    const char *dash = strchr(interface, '-');

    return dash ? (unsigned)strtoul(dash + 1, NULL, 10) : 1;
}

static void add_link(struct change_builder *b, const char *gateway, const struct bundle_link *l,
                     enum change_what what)
{
    struct change *c = b->change;
    bool first = strcmp(gateway, l->peer) < 0;

    if (c->n_links == b->cap_links) {
        b->cap_links = b->cap_links ? b->cap_links * 2 : 64;
        c->link = xreallocarray(c->link, b->cap_links, sizeof(*c->link));
    }
    c->link[c->n_links++] = (struct change_link){
        .a = keep(b, first ? gateway : l->peer),
        .b = keep(b, first ? l->peer : gateway),
        .tunnel = tunnel_of(l->interface),
        .what = what,
    };
}

static void add_note(struct change_builder *b, struct change_gateway *g, const char *what,
                     const char *old, const char *now)
{
    const char **notes = arena_alloc(&b->change->arena, g->n_notes + 1, sizeof(*notes));

    for (size_t i = 0; i < g->n_notes; i++)
        notes[i] = g->notes[i];
    notes[g->n_notes++] = arena_printf(&b->change->arena, "%s %s instead of %s", what, now, old);
    g->notes = notes;
}

static void note_number(struct change_builder *b, struct change_gateway *g, const char *what,
                        uint32_t old, uint32_t now)
{
    char x[16], y[16];

    if (old == now)
        return;
    snprintf(x, sizeof(x), "%" PRIu32, old);
    snprintf(y, sizeof(y), "%" PRIu32, now);
    add_note(b, g, what, x, y);
}

static void note_numbers(struct change_builder *b, struct change_gateway *g,
                         const struct bundle *old, const struct bundle *now)
{
    note_number(b, g, "number", old->number, now->number);
    note_number(b, g, "ASN", old->asn, now->asn);
    note_number(b, g, "key generation", old->generation, now->generation);
    if (old->router_id != now->router_id) {
        struct prefix x = {.family = FAMILY_IPV4, .len = 32}, y = x;
        char was[PREFIX_TEXT_MAX], is[PREFIX_TEXT_MAX];

        for (unsigned i = 0; i < 4; i++) {
            x.addr[i] = (uint8_t)(old->router_id >> (24 - 8 * i));
            y.addr[i] = (uint8_t)(now->router_id >> (24 - 8 * i));
        }
        add_note(b, g, "router id", prefix_format_address(&x, was), prefix_format_address(&y, is));
    }
    if (!old->link_key != !now->link_key ||
        (old->link_key && strcmp(old->link_key, now->link_key) != 0))
        add_note(b, g, "link key", old->link_key ? old->link_key : "none",
                 now->link_key ? now->link_key : "none");
    if (strcmp(old->lan, now->lan) != 0)
        add_note(b, g, "LAN", old->lan, now->lan);
}

/* --- processes -------------------------------------------------------------------------------- */

static int compare_interfaces(const void *pa, const void *pb)
{
    const struct bundle_link *const *a = pa, *const *b = pb;

    return strcmp((*a)->interface, (*b)->interface);
}

static const struct bundle_link **by_interface(const struct bundle *b)
{
    size_t n = b ? b->n_links : 0;
    const struct bundle_link **list = xcalloc(n + 1, sizeof(*list));

    for (size_t i = 0; i < n; i++)
        list[i] = &b->links[i];
    if (n)
        qsort(list, n, sizeof(*list), compare_interfaces);
    return list;
}

static void add_process(struct change_builder *b, struct change_gateway *g,
                        const struct bundle_link *old, const struct bundle_link *now,
                        enum change_what what)
{
    bool other = old && now && strcmp(old->peer, now->peer) != 0;

    g->processes[g->n_processes++] = (struct change_process){
        .interface = keep(b, (now ? now : old)->interface),
        .peer = keep(b, (now ? now : old)->peer),
        .was_peer = other ? keep(b, old->peer) : NULL,
        .what = what,
    };
}

/* Interfaces side by side, as the agent compares them: the same interface with another
 * configuration restarts. */
static void compare_links(struct change_builder *b, struct change_gateway *g,
                          const struct bundle *old, const struct bundle *now)
{
    size_t n = old ? old->n_links : 0, m = now ? now->n_links : 0;
    const struct bundle_link **was = by_interface(old), **is = by_interface(now);

    g->processes = arena_alloc(&b->change->arena, n + m + 1, sizeof(*g->processes));
    for (size_t i = 0, k = 0; i < n || k < m;) {
        int order = i == n ? 1 : k == m ? -1 : compare_interfaces(&was[i], &is[k]);
        const struct bundle_link *o = order <= 0 ? was[i++] : NULL,
                                 *l = order >= 0 ? is[k++] : NULL;
        bool other = o && l && strcmp(o->peer, l->peer) != 0;

        if (o && (!l || other))
            add_link(b, g->name, o, CHANGE_REMOVED);
        if (l && (!o || other))
            add_link(b, g->name, l, CHANGE_ADDED);
        if (!o || !l)
            add_process(b, g, o, l, o ? CHANGE_REMOVED : CHANGE_ADDED);
        else if (strcmp(bundle_link_sha256(old, o), bundle_link_sha256(now, l)) != 0)
            add_process(b, g, o, l, CHANGE_CHANGED);
    }
    free(was);
    free(is);
}

/* --- sessions --------------------------------------------------------------------------------- */

static const char *host_text(const struct prefix *p, char text[static PREFIX_TEXT_MAX])
{
    struct prefix host = *p;

    host.len = host.family == FAMILY_IPV4 ? 32 : 128;
    return prefix_format_address(&host, text);
}

/* A session by its neighbor's address: the link it goes over, and which of its addresses. */
struct neighbor {
    char address[PREFIX_TEXT_MAX];
    const struct bundle_link *link;
    size_t which;
};

static int compare_neighbors(const void *a, const void *b)
{
    return strcmp(((const struct neighbor *)a)->address, ((const struct neighbor *)b)->address);
}

static int compare_neighbor(const void *address, const void *neighbor)
{
    return strcmp(address, ((const struct neighbor *)neighbor)->address);
}

struct neighbors {
    struct neighbor *list;
    size_t n;
};

static struct neighbors neighbors_of(const struct bundle *b)
{
    struct neighbors s = {NULL, 0};
    size_t n = 0;

    for (size_t i = 0; b && i < b->n_links; i++)
        n += b->links[i].n_addresses;
    s.list = xcalloc(n + 1, sizeof(*s.list));
    for (size_t i = 0; b && i < b->n_links; i++)
        for (size_t k = 0; k < b->links[i].n_addresses; k++) {
            struct neighbor *to = &s.list[s.n++];

            to->link = &b->links[i];
            to->which = k;
            host_text(&b->links[i].peer_addresses[k], to->address);
        }
    if (s.n)
        qsort(s.list, s.n, sizeof(*s.list), compare_neighbors);
    return s;
}

static const struct neighbor *find_neighbor(const struct neighbors *s, const char *address)
{
    return bsearch(address, s->list, s->n, sizeof(*s->list), compare_neighbor);
}

static int compare_interface(const void *interface, const void *process)
{
    return strcmp(interface, ((const struct change_process *)process)->interface);
}

static bool restarts(const struct change_gateway *g, const char *interface)
{
    const struct change_process *p =
        g->n_processes
            ? bsearch(interface, g->processes, g->n_processes, sizeof(*p), compare_interface)
            : NULL;

    return p && p->what == CHANGE_CHANGED;
}

static int compare_mesh_gateway(const void *name, const void *gateway)
{
    return strcmp(name, ((const struct mesh_gateway *)gateway)->name);
}

static const char *lan_of(struct change_builder *b, const char *gateway)
{
    const struct mesh *mesh = b->net->mesh;
    const struct mesh_gateway *g =
        bsearch(gateway, mesh->gateways, mesh->n_gateways, sizeof(*g), compare_mesh_gateway);

    return g ? keep(b, mesh->lans[g->lan].name) : NULL;
}

/* The other end of a session that resets here. */
static void add_felt(struct change_builder *b, const struct bundle *now, const struct neighbor *n,
                     const char *why)
{
    const char *dash = strchr(n->link->interface, '-');
    char address[PREFIX_TEXT_MAX];

    if (b->n_felt == b->cap_felt) {
        b->cap_felt = b->cap_felt ? b->cap_felt * 2 : 64;
        b->felt = xreallocarray(b->felt, b->cap_felt, sizeof(*b->felt));
    }
    b->felt[b->n_felt++] = (struct felt){
        .gateway = keep(b, n->link->peer),
        .lan = lan_of(b, n->link->peer),
        .session = {.neighbor = keep(b, host_text(&n->link->addresses[n->which], address)),
                    .interface = arena_printf(&b->change->arena, "pv%" PRIu32 "%s", now->number,
                                              dash ? dash : ""),
                    .peer = keep(b, now->gateway),
                    .why = why,
                    .what = CHANGE_CHANGED},
    };
}

static void add_session(struct change_builder *b, struct change_gateway *g, const char *address,
                        const struct neighbor *n, enum change_what what, const char *why)
{
    g->sessions[g->n_sessions++] = (struct change_session){
        .neighbor = keep(b, address),
        .interface = n ? keep(b, n->link->interface) : NULL,
        .peer = n ? keep(b, n->link->peer) : NULL,
        .why = why ? keep(b, why) : NULL,
        .what = what,
    };
}

static void one_session(struct change_builder *b, struct change_gateway *g,
                        const struct frr_session *s, const struct neighbors *was,
                        const struct neighbors *is, const struct bundle *now)
{
    const struct neighbor *o = find_neighbor(was, s->neighbor), *n = find_neighbor(is, s->neighbor);
    const char *why = s->why;

    if (s->fate == FRR_GOES || s->fate == FRR_COMES) {
        add_session(b, g, s->neighbor, s->fate == FRR_GOES ? o : n,
                    s->fate == FRR_GOES ? CHANGE_REMOVED : CHANGE_ADDED, NULL);
        return;
    }
    if (n && restarts(g, n->link->interface))
        why = "the OpenVPN process restarts";
    else if (n && o && strcmp(o->link->interface, n->link->interface) != 0 && !why)
        why = "it moves to another interface";
    if (!why)
        return;
    add_session(b, g, s->neighbor, n, CHANGE_CHANGED, why);
    if (n)
        add_felt(b, now, n,
                 s->why ? "the session resets at its other end"
                        : "the OpenVPN process restarts at its other end");
}

/* All sessions of a gateway that comes or goes: one for each address of its links. */
static void whole_sessions(struct change_builder *b, struct change_gateway *g,
                           const struct bundle *of, enum change_what what)
{
    struct neighbors all = neighbors_of(of);

    g->sessions = arena_alloc(&b->change->arena, all.n + 1, sizeof(*g->sessions));
    for (size_t i = 0; i < all.n; i++)
        add_session(b, g, all.list[i].address, &all.list[i], what, NULL);
    free(all.list);
}

static void compare_sessions(struct change_builder *b, struct change_gateway *g,
                             const struct change_bundle *old, const struct change_bundle *now)
{
    struct neighbors was = neighbors_of(old->bundle);
    struct neighbors is = neighbors_of(now->bundle);
    struct frr_sessions sessions = FRR_SESSIONS_INIT;
    struct error_list err = ERROR_LIST_INIT;

    if (frr_sessions_compare(old->frr, now->frr, &sessions, &err) < 0)
        g->unknown = arena_printf(&b->change->arena,
                                  "the agent would not take its FRR "
                                  "configuration: %s",
                                  err.n ? err.items[0].message : "");
    g->sessions = arena_alloc(&b->change->arena, sessions.n + 1, sizeof(*g->sessions));
    for (size_t i = 0; i < sessions.n; i++)
        one_session(b, g, &sessions.sessions[i], &was, &is, now->bundle);
    g->frr_added = sessions.added;
    g->frr_removed = sessions.removed;
    frr_sessions_free(&sessions);
    error_clear(&err);
    free(was.list);
    free(is.list);
}

/* --- a gateway -------------------------------------------------------------------------------- */

static void add_member(struct change_builder *b, const struct bundle *of, bool now)
{
    struct change_members *m = &b->members;
    struct prefix *copy = arena_alloc(&b->change->arena, of->n_lan_prefixes + 1, sizeof(*copy));

    for (size_t i = 0; i < of->n_lan_prefixes; i++)
        copy[i] = of->lan_prefixes[i];
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->members = xreallocarray(m->members, m->cap, sizeof(*m->members));
    }
    m->members[m->n++] = (struct change_member){keep(b, of->lan), keep(b, of->gateway), now, copy,
                                                of->n_lan_prefixes};
}

void change_bundle(struct change_builder *b, const struct change_bundle *old,
                   const struct change_bundle *now)
{
    const struct bundle *o = old ? old->bundle : NULL, *n = now ? now->bundle : NULL;
    struct change_gateway *g = add_gateway(b, (n ? n : o)->gateway);

    g->what = !o ? CHANGE_ADDED : !n ? CHANGE_REMOVED : CHANGE_CHANGED;
    if (o) {
        g->lan_before = keep(b, o->lan);
        add_member(b, o, false);
    }
    if (n) {
        g->lan_now = keep(b, n->lan);
        add_member(b, n, true);
    }
    if (o && n)
        note_numbers(b, g, o, n);
    compare_links(b, g, o, n);
    if (o && n)
        compare_sessions(b, g, old, now);
    else
        whole_sessions(b, g, n ? n : o, g->what);
}

void change_unknown(struct change_builder *b, const char *gateway, bool in_mesh, const char *why)
{
    struct change_gateway *g = add_gateway(b, gateway);

    g->what = in_mesh ? CHANGE_CHANGED : CHANGE_REMOVED;
    g->unknown = keep(b, why);
}

/* --- the end ---------------------------------------------------------------------------------- */

static int compare_felt(const void *pa, const void *pb)
{
    const struct felt *a = pa, *b = pb;
    int order = strcmp(a->gateway, b->gateway);

    return order ? order : strcmp(a->session.neighbor, b->session.neighbor);
}

static int compare_gateways(const void *a, const void *b)
{
    return strcmp(((const struct change_gateway *)a)->name,
                  ((const struct change_gateway *)b)->name);
}

static int compare_session(const void *neighbor, const void *session)
{
    return strcmp(neighbor, ((const struct change_session *)session)->neighbor);
}

/* The sessions that reset there for its peers' sake, but for those of which more is known. */
static void give(struct change *c, struct change_gateway *g, const struct felt *felt, size_t n)
{
    size_t own = g->n_sessions;
    struct change_session *all = arena_alloc(&c->arena, own + n, sizeof(*all));

    for (size_t k = 0; k < own; k++)
        all[k] = g->sessions[k];
    for (size_t k = 0; k < n; k++) {
        const char *neighbor = felt[k].session.neighbor;

        if (k && strcmp(felt[k - 1].session.neighbor, neighbor) == 0)
            continue;
        if (!own || !bsearch(neighbor, all, own, sizeof(*all), compare_session))
            all[g->n_sessions++] = felt[k].session;
    }
    g->sessions = all;
}

static void spread(struct change_builder *b)
{
    struct change *c = b->change;
    size_t known = c->n_gateways;

    if (b->n_felt)
        qsort(b->felt, b->n_felt, sizeof(*b->felt), compare_felt);
    if (known)
        qsort(c->gateway, known, sizeof(*c->gateway), compare_gateways);
    for (size_t i = 0, n; i < b->n_felt; i += n) {
        struct change_gateway key = {.name = b->felt[i].gateway}, *g;

        for (n = 1; i + n < b->n_felt && strcmp(b->felt[i].gateway, b->felt[i + n].gateway) == 0;)
            n++;
        g = known ? bsearch(&key, c->gateway, known, sizeof(key), compare_gateways) : NULL;
        if (!g) {
            g = add_gateway(b, key.name);
            g->bundle = false;
            g->lan_before = g->lan_now = b->felt[i].lan;
        }
        give(c, g, &b->felt[i], n);
    }
}

struct change *change_end(struct change_builder *b, const struct origins *old,
                          const struct origins *now)
{
    struct change *c = b->change;
    const struct mesh *mesh = b->net->mesh;

    spread(b);
    c->effects_known = true;
    c->gateways.now = mesh->n_gateways;
    c->links.now = b->net->n_links;
    c->quiet = arena_alloc(&c->arena, mesh->n_gateways + 1, sizeof(*c->quiet));
    for (size_t i = 0; i < mesh->n_gateways; i++)
        if (b->same[i])
            c->quiet[c->n_quiet++] = (struct change_quiet){
                keep(b, mesh->gateways[i].name), keep(b, mesh->lans[mesh->gateways[i].lan].name)};
    c->bundles[CHANGE_NONE] = c->n_quiet;
    change_settle(c);
    change_lans(c, &b->members, mesh, b->same);
    if (old && now)
        change_routes(c, old, now);
    b->change = NULL;
    change_abandon(b);
    return c;
}

void change_abandon(struct change_builder *b)
{
    if (!b)
        return;
    change_free(b->change);
    free(b->members.members);
    free(b->felt);
    free(b->same);
    free(b);
}
