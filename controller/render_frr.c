/* SPDX-License-Identifier: Apache-2.0 */
/* The FRR configuration of one gateway: what its templates need to know.
 *
 * The text is the one that FRR 8.4's `show running-config` gives back, so everything here has FRR's
 * order: neighbors by peer-group name, then address; as-path lists by name.
 *
 * Policy (docs/architecture.md, "Routing"): a leaf is believed about its own LAN alone, and its own
 * AS must be the whole path.  A transit neighbor is believed about a LAN's exact prefixes when the
 * path ends at a gateway of that LAN and is no longer than the topology needs.
 *
 * What a LAN's prefixes and gateways are, lists say here; or the RPKI cache of bgpd, and then there
 * is nothing here of any LAN but the own one: neither in the text nor in the time to make it. */
#include <stdio.h>
#include <stdlib.h>

#include "controller/render_parts.h"

enum { N_ADDRESS, N_ASN, N_PEER, N_GROUP, N_PROFILE, N_INTERFACE, N_LAN, N_COUNT };
static const struct template_field neighbor_fields[N_COUNT] = {
    [N_ADDRESS] = {"address", &template_text}, [N_ASN] = {"peer_asn", &template_number},
    [N_PEER] = {"peer", &template_text},       [N_GROUP] = {"group", &template_text},
    [N_PROFILE] = {"profile", &template_text}, [N_INTERFACE] = {"interface", &template_text},
    [N_LAN] = {"peer_lan", &template_text},
};
static const struct template_type neighbor_type = {TEMPLATE_OBJECT, neighbor_fields, N_COUNT, NULL};
static const struct template_type neighbors_type = {TEMPLATE_LIST, NULL, 0, &neighbor_type};

enum { G_NAME, G_LEAF, G_SUFFIX, G_NEIGHBORS, G_COUNT };
static const struct template_field group_fields[G_COUNT] = {
    [G_NAME] = {"group_name", &template_text},
    [G_LEAF] = {"leaf", &template_flag},
    [G_SUFFIX] = {"suffix", &template_text},
    [G_NEIGHBORS] = {"neighbors", &neighbors_type},
};
static const struct template_type group_type = {TEMPLATE_OBJECT, group_fields, G_COUNT, NULL};
static const struct template_type groups_type = {TEMPLATE_LIST, NULL, 0, &group_type};

enum { P_SEQ, P_PREFIX, P_COUNT };
static const struct template_field prefix_fields[P_COUNT] = {
    [P_SEQ] = {"seq", &template_number},
    [P_PREFIX] = {"prefix", &template_text},
};
static const struct template_type prefix_type = {TEMPLATE_OBJECT, prefix_fields, P_COUNT, NULL};
static const struct template_type prefixes_type = {TEMPLATE_LIST, NULL, 0, &prefix_type};

enum { L_NAME, L_SEQ, L_PREFIXES, L_COUNT };
static const struct template_field lan_fields[L_COUNT] = {
    [L_NAME] = {"lan", &template_text},
    [L_SEQ] = {"lan_seq", &template_number},
    [L_PREFIXES] = {"prefixes", &prefixes_type},
};
static const struct template_type lan_type = {TEMPLATE_OBJECT, lan_fields, L_COUNT, NULL};
static const struct template_type lans_type = {TEMPLATE_LIST, NULL, 0, &lan_type};

enum { F_FAMILY, F_SUFFIX, F_KEYWORD, F_IPV4, F_GROUPS, F_NETWORKS, F_LANS, F_ORIGINS, F_COUNT };
static const struct template_field family_fields[F_COUNT] = {
    [F_FAMILY] = {"family", &template_text},   [F_SUFFIX] = {"suffix", &template_text},
    [F_KEYWORD] = {"keyword", &template_text}, [F_IPV4] = {"is_ipv4", &template_flag},
    [F_GROUPS] = {"groups", &groups_type},     [F_NETWORKS] = {"networks", &prefixes_type},
    [F_LANS] = {"prefix_lists", &lans_type},   [F_ORIGINS] = {"origins", &lans_type},
};
static const struct template_type family_type = {TEMPLATE_OBJECT, family_fields, F_COUNT, NULL};
static const struct template_type families_type = {TEMPLATE_LIST, NULL, 0, &family_type};

enum { A_NAME, A_SEQ, A_ASN, A_COUNT };
static const struct template_field origin_fields[A_COUNT] = {
    [A_NAME] = {"origin_lan", &template_text},
    [A_SEQ] = {"origin_seq", &template_number},
    [A_ASN] = {"origin_asn", &template_number},
};
static const struct template_type origin_type = {TEMPLATE_OBJECT, origin_fields, A_COUNT, NULL};
static const struct template_type origins_type = {TEMPLATE_LIST, NULL, 0, &origin_type};

enum { H_LENGTH, H_MORE, H_COUNT };
static const struct template_field path_fields[H_COUNT] = {
    [H_LENGTH] = {"length", &template_number},
    [H_MORE] = {"more", &template_number},
};
static const struct template_type path_type = {TEMPLATE_OBJECT, path_fields, H_COUNT, NULL};
static const struct template_type paths_type = {TEMPLATE_LIST, NULL, 0, &path_type};

enum { B_NAME, B_MULTIPLIER, B_INTERVAL, B_COUNT };
static const struct template_field profile_fields[B_COUNT] = {
    [B_NAME] = {"profile_name", &template_text},
    [B_MULTIPLIER] = {"multiplier", &template_number},
    [B_INTERVAL] = {"interval", &template_number},
};
static const struct template_type profile_type = {TEMPLATE_OBJECT, profile_fields, B_COUNT, NULL};
static const struct template_type profiles_type = {TEMPLATE_LIST, NULL, 0, &profile_type};

enum {
    T_MESH,
    T_GATEWAY,
    T_DESCRIPTION,
    T_LAN,
    T_SHARED,
    T_NUMBER,
    T_ASN,
    T_ROUTER_ID,
    T_TRANSIT,
    T_BOUND,
    T_RELAY,
    T_CACHE,
    T_GROUPS,
    T_FAMILIES,
    T_ORIGINS,
    T_PATHS,
    T_PROFILES,
    T_COUNT
};
static const struct template_field root_fields[T_COUNT] = {
    [T_MESH] = {"mesh", &template_text},
    [T_GATEWAY] = {"gateway", &template_text},
    [T_DESCRIPTION] = {"description", &template_text},
    [T_LAN] = {"own_lan", &template_text},
    [T_SHARED] = {"lan_shared", &template_flag},
    [T_NUMBER] = {"number", &template_number},
    [T_ASN] = {"asn", &template_number},
    [T_ROUTER_ID] = {"router_id", &template_text},
    [T_TRANSIT] = {"transit", &template_flag},
    [T_BOUND] = {"path_bound", &template_number},
    [T_RELAY] = {"relay_bound", &template_number},
    [T_CACHE] = {"origin_cache", &template_flag},
    [T_GROUPS] = {"all_groups", &groups_type},
    [T_FAMILIES] = {"families", &families_type},
    [T_ORIGINS] = {"origin_lists", &origins_type},
    [T_PATHS] = {"path_lists", &paths_type},
    [T_PROFILES] = {"profiles", &profiles_type},
};
const struct template_type frr_template_type = {TEMPLATE_OBJECT, root_fields, T_COUNT, NULL};

static const char *const suffixes[2] = {"V4", "V6"};

static bool by_cache(const struct render_job *job)
{
    return job->net->origin_check == BUNDLE_ORIGINS_BY_CACHE;
}

static unsigned family_index(const struct prefix *p)
{
    return p->family == FAMILY_IPV6;
}

static bool has_family(const struct mesh *mesh, unsigned f)
{
    return f ? mesh->has_ipv6 : mesh->has_ipv4;
}

static struct template_value address_value(struct arena *arena, const struct prefix *p,
                                           bool with_length)
{
    char *text = arena_alloc(arena, PREFIX_TEXT_MAX, 1);

    return value_text(with_length ? prefix_format(p, text) : prefix_format_address(p, text));
}

/* --- neighbors -------------------------------------------------------------------------------- */

struct neighbor {
    const struct prefix *address;
    size_t end;
};

static int compare_neighbors(const void *a, const void *b)
{
    return prefix_compare(((const struct neighbor *)a)->address,
                          ((const struct neighbor *)b)->address);
}

static const char *profile_name(const struct mesh_settings *s, struct arena *arena)
{
    return arena_printf(arena, "P2PVPN-%ux%u", s->bfd_interval, s->bfd_multiplier);
}

/* The neighbors of one peer-group: one family, leaves or transit. */
static size_t fill_group(const struct render_job *job, unsigned f, bool leaf, const char *name,
                         struct template_value group[G_COUNT])
{
    struct neighbor *found = arena_alloc(job->arena, job->n_ends + 1, sizeof(*found));
    struct template_value(*values)[N_COUNT];
    const struct mesh_settings *last = NULL;
    const char *profile = NULL;
    size_t n = 0;

    for (size_t i = 0; i < job->n_ends; i++)
        if (job->ends[i].peer_address[f].family != FAMILY_NONE &&
            job->net->gateways[job->ends[i].peer].transit == !leaf)
            found[n++] = (struct neighbor){&job->ends[i].peer_address[f], i};
    qsort(found, n, sizeof(*found), compare_neighbors);
    values = arena_alloc(job->arena, n + 1, sizeof(*values));
    for (size_t i = 0; i < n; i++) {
        const struct link_end *e = &job->ends[found[i].end];
        const struct mesh_gateway *peer = &job->net->mesh->gateways[e->peer];

        if (!last || last->bfd_interval != e->settings.bfd_interval ||
            last->bfd_multiplier != e->settings.bfd_multiplier)
            profile = profile_name(&e->settings, job->arena);
        last = &e->settings;
        values[i][N_ADDRESS] = address_value(job->arena, found[i].address, false);
        values[i][N_ASN] = value_number(job->net->gateways[e->peer].asn);
        values[i][N_PEER] = value_text(peer->name);
        values[i][N_GROUP] = value_text(name);
        values[i][N_PROFILE] = value_text(profile);
        values[i][N_INTERFACE] = value_text(job->interfaces[found[i].end]);
        values[i][N_LAN] = value_text(job->net->mesh->lans[peer->lan].name);
    }
    group[G_NAME] = value_text(name);
    group[G_LEAF] = value_number(leaf);
    group[G_SUFFIX] = value_text(suffixes[f]);
    group[G_NEIGHBORS] = value_list(values, n);
    return n;
}

static int compare_settings(const void *a, const void *b)
{
    const struct mesh_settings *x = a, *y = b;

    if (x->bfd_interval != y->bfd_interval)
        return x->bfd_interval < y->bfd_interval ? -1 : 1;
    return (x->bfd_multiplier > y->bfd_multiplier) - (x->bfd_multiplier < y->bfd_multiplier);
}

/* The BFD profiles in use.  What is FRR's own default is not in its running configuration, so it is
 * not here either: then the number is 0. */
static struct template_value fill_profiles(const struct render_job *job)
{
    struct mesh_settings *all = arena_alloc(job->arena, job->n_ends + 1, sizeof(*all));
    struct template_value(*values)[B_COUNT];
    size_t n = 0, n_values = 0;

    for (size_t i = 0; i < job->n_ends; i++)
        if (i == 0 || compare_settings(&all[n - 1], &job->ends[i].settings) != 0)
            all[n++] = job->ends[i].settings;
    qsort(all, n, sizeof(*all), compare_settings);
    values = arena_alloc(job->arena, n + 1, sizeof(*values));
    for (size_t i = 0; i < n; i++) {
        const struct mesh_settings *one = &all[i];

        if (i > 0 && compare_settings(one - 1, one) == 0)
            continue;
        values[n_values][B_NAME] = value_text(profile_name(one, job->arena));
        values[n_values][B_MULTIPLIER] =
            value_number(one->bfd_multiplier == 3 ? 0 : one->bfd_multiplier);
        values[n_values++][B_INTERVAL] =
            value_number(one->bfd_interval == 300 ? 0 : one->bfd_interval);
    }
    return value_list(values, n_values);
}

/* --- LANs ------------------------------------------------------------------------------------- */

static size_t fill_prefixes(const struct render_job *job, const struct mesh_lan *lan, unsigned f,
                            struct template_value *ret)
{
    struct template_value(*values)[P_COUNT];
    size_t n = 0;

    values = arena_alloc(job->arena, lan->n_prefixes + 1, sizeof(*values));
    for (size_t i = 0; i < lan->n_prefixes; i++)
        if (family_index(&lan->prefixes[i]) == f) {
            values[n][P_SEQ] = value_number(5 * (n + 1));
            values[n++][P_PREFIX] = address_value(job->arena, &lan->prefixes[i], true);
        }
    *ret = value_list(values, n);
    return n;
}

/* A LAN's place in the route map of origins: the lowest number among its gateways, because that
 * stays when LANs come and go.  0: it has no gateway. */
static uint32_t *lan_places(const struct render_job *job)
{
    const struct mesh *mesh = job->net->mesh;
    uint32_t *places = arena_alloc(job->arena, mesh->n_lans + 1, sizeof(*places));

    for (size_t i = 0; i < mesh->n_gateways; i++) {
        uint32_t *place = &places[mesh->gateways[i].lan], number = job->net->gateways[i].number;

        if (*place == 0 || number < *place)
            *place = number;
    }
    return places;
}

struct wanted {
    bool list;   /* a prefix list is needed */
    bool origin; /* and so is an entry in the route map of origins */
};

/* Our own LAN for what we announce, a leaf's LAN for what it announces, and all but ours where a
 * transit neighbor may announce them. */
static struct wanted *wanted_lans(const struct render_job *job, const uint32_t *places,
                                  bool transit_neighbors)
{
    const struct mesh *mesh = job->net->mesh;
    struct wanted *wanted = arena_alloc(job->arena, mesh->n_lans + 1, sizeof(*wanted));

    for (size_t i = 0; transit_neighbors && i < mesh->n_lans; i++)
        wanted[i].list = wanted[i].origin = places[i] != 0 && i != job->gateway->lan;
    for (size_t i = 0; i < job->n_ends; i++)
        if (!job->net->gateways[job->ends[i].peer].transit)
            wanted[mesh->gateways[job->ends[i].peer].lan].list = true;
    wanted[job->gateway->lan].list = true;
    return wanted;
}

struct placed {
    uint32_t place, lan;
};

static int compare_placed(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    return (x->place > y->place) - (x->place < y->place);
}

/* The prefix lists of one family, by name, and the entries of its route map of origins, by place.
 */
static void fill_lans(const struct render_job *job, unsigned f, const uint32_t *places,
                      const struct wanted *wanted, struct template_value family[F_COUNT])
{
    const struct mesh *mesh = job->net->mesh;
    struct template_value(*lists)[L_COUNT], (*origins)[L_COUNT];
    struct placed *order = arena_alloc(job->arena, mesh->n_lans + 1, sizeof(*order));
    size_t n = 0, n_origins = 0;

    lists = arena_alloc(job->arena, mesh->n_lans + 1, sizeof(*lists));
    origins = arena_alloc(job->arena, mesh->n_lans + 1, sizeof(*origins));
    for (uint32_t i = 0; i < mesh->n_lans; i++) {
        size_t n_prefixes;

        if (!wanted[i].list)
            continue;
        n_prefixes = fill_prefixes(job, &mesh->lans[i], f, &lists[n][L_PREFIXES]);
        lists[n][L_NAME] = value_text(mesh->lans[i].name);
        lists[n++][L_SEQ] = value_number(places[i]);
        if (wanted[i].origin && n_prefixes > 0)
            order[n_origins++] = (struct placed){places[i], i};
    }
    qsort(order, n_origins, sizeof(*order), compare_placed);
    for (size_t i = 0; i < n_origins; i++) {
        origins[i][L_NAME] = value_text(mesh->lans[order[i].lan].name);
        origins[i][L_SEQ] = value_number(order[i].place);
    }
    family[F_LANS] = value_list(lists, n);
    family[F_ORIGINS] = value_list(origins, n_origins);
}

/* The prefix list of our own LAN. */
static void fill_own_lan(const struct render_job *job, unsigned f,
                         struct template_value family[F_COUNT])
{
    const struct mesh_lan *lan = &job->net->mesh->lans[job->gateway->lan];
    struct template_value *list = arena_alloc(job->arena, L_COUNT, sizeof(*list));

    list[L_NAME] = value_text(lan->name);
    list[L_SEQ] = value_number(0);
    fill_prefixes(job, lan, f, &list[L_PREFIXES]);
    family[F_LANS] = value_list(list, 1);
    family[F_ORIGINS] = value_list(NULL, 0);
}

/* Which AS may be a LAN's origin: one line for each of its gateways, by LAN, then number. */
struct origin {
    uint32_t lan, number, asn;
};

static int compare_origins(const void *a, const void *b)
{
    const struct origin *x = a, *y = b;

    if (x->lan != y->lan)
        return x->lan < y->lan ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static struct template_value fill_origins(const struct render_job *job, const struct wanted *wanted)
{
    const struct mesh *mesh = job->net->mesh;
    struct origin *all = arena_alloc(job->arena, mesh->n_gateways + 1, sizeof(*all));
    struct template_value(*values)[A_COUNT];
    size_t n = 0;

    for (size_t i = 0; i < mesh->n_gateways; i++)
        if (wanted[mesh->gateways[i].lan].origin)
            all[n++] = (struct origin){mesh->gateways[i].lan, job->net->gateways[i].number,
                                       job->net->gateways[i].asn};
    qsort(all, n, sizeof(*all), compare_origins);
    values = arena_alloc(job->arena, n + 1, sizeof(*values));
    for (size_t i = 0; i < n; i++) {
        values[i][A_NAME] = value_text(mesh->lans[all[i].lan].name);
        values[i][A_SEQ] = value_number(all[i].number);
        values[i][A_ASN] = value_number(all[i].asn);
    }
    return value_list(values, n);
}

/* The as-path lists that limit a path's length, each once, in the order of their names' text. */
static struct template_value fill_paths(const struct render_job *job, const unsigned *lengths,
                                        size_t n_lengths)
{
    struct template_value(*values)[H_COUNT];
    unsigned sorted[3] = {0};
    size_t n = 0;

    values = arena_alloc(job->arena, n_lengths + 1, sizeof(*values));
    for (size_t i = 0; i < n_lengths; i++) {
        char a[16], b[16];
        size_t at = n;

        snprintf(a, sizeof(a), "%u", lengths[i]);
        while (at > 0 && (snprintf(b, sizeof(b), "%u", sorted[at - 1]), strcmp(a, b) < 0))
            at--;
        if (at > 0 && sorted[at - 1] == lengths[i])
            continue;
        memmove(sorted + at + 1, sorted + at, (n - at) * sizeof(*sorted));
        sorted[at] = lengths[i];
        n++;
    }
    for (size_t i = 0; i < n; i++) {
        values[i][H_LENGTH] = value_number(sorted[i]);
        values[i][H_MORE] = value_number(sorted[i] - 1);
    }
    return value_list(values, n);
}

/* --- the whole -------------------------------------------------------------------------------- */

int render_frr(const struct template *t, const struct render_job *job)
{
    static const char *const names[2][2] = {{"P2PVPN-LEAF-V4", "P2PVPN-LEAF-V6"},
                                            {"P2PVPN-TRANSIT-V4", "P2PVPN-TRANSIT-V6"}};
    const struct mesh *mesh = job->net->mesh;
    const struct network_gateway *own = job->number;
    struct template_value root[T_COUNT], groups[4][G_COUNT], families[2][F_COUNT];
    struct template_value family_groups[2][2][G_COUNT];
    size_t n_groups = 0, n_families = 0, n_of_family[2] = {0, 0};
    unsigned bound = job->net->path_bound > 0 ? job->net->path_bound : 1;
    unsigned relay = own->transit ? bound - 1 : 0, lengths[3];
    bool leaves = false, transit = false;
    const uint32_t *places = NULL;
    const struct wanted *wanted = NULL;
    size_t n_lengths = 0;
    char router_id[16];

    for (unsigned role = 0; role < 2; role++)
        for (unsigned f = 0; f < 2; f++) {
            struct template_value *group = groups[n_groups];

            if (!has_family(mesh, f) || !fill_group(job, f, role == 0, names[role][f], group))
                continue;
            memcpy(family_groups[f][n_of_family[f]++], group, sizeof(groups[0]));
            n_groups++;
            *(role == 0 ? &leaves : &transit) = true;
        }
    if (!by_cache(job)) {
        places = lan_places(job);
        wanted = wanted_lans(job, places, transit);
    }
    for (unsigned f = 0; f < 2; f++) {
        struct template_value *family = families[n_families];

        if (!has_family(mesh, f))
            continue;
        family[F_FAMILY] = value_text(f ? "ipv6" : "ipv4");
        family[F_SUFFIX] = value_text(suffixes[f]);
        family[F_KEYWORD] = value_text(f ? "ipv6" : "ip");
        family[F_IPV4] = value_number(f == 0);
        family[F_GROUPS] = value_list(family_groups[f], n_of_family[f]);
        if (wanted)
            fill_lans(job, f, places, wanted, family);
        else
            fill_own_lan(job, f, family);
        fill_prefixes(job, &mesh->lans[job->gateway->lan], f, &family[F_NETWORKS]);
        n_families++;
    }
    if (leaves)
        lengths[n_lengths++] = 1;
    if (transit)
        lengths[n_lengths++] = bound;
    if (relay > 0)
        lengths[n_lengths++] = relay;
    snprintf(router_id, sizeof(router_id), "%u.%u.%u.%u", own->router_id >> 24,
             own->router_id >> 16 & 255, own->router_id >> 8 & 255, own->router_id & 255);

    root[T_MESH] = value_text(mesh->name);
    root[T_GATEWAY] = value_text(job->gateway->name);
    root[T_DESCRIPTION] = value_text(job->gateway->description);
    root[T_LAN] = value_text(mesh->lans[job->gateway->lan].name);
    root[T_SHARED] = value_number(mesh->lans[job->gateway->lan].n_gateways > 1);
    root[T_NUMBER] = value_number(own->number);
    root[T_ASN] = value_number(own->asn);
    root[T_ROUTER_ID] = value_text(router_id);
    root[T_TRANSIT] = value_number(own->transit);
    root[T_BOUND] = value_number(bound);
    root[T_RELAY] = value_number(relay);
    root[T_GROUPS] = value_list(groups, n_groups);
    root[T_FAMILIES] = value_list(families, n_families);
    root[T_CACHE] = value_number(by_cache(job));
    root[T_ORIGINS] = wanted ? fill_origins(job, wanted) : value_list(NULL, 0);
    root[T_PATHS] = fill_paths(job, lengths, n_lengths);
    root[T_PROFILES] = fill_profiles(job);
    return template_render(t, root, job->subject, job->out, job->err);
}
