/* SPDX-License-Identifier: Apache-2.0 */
/* Several tunnels between two gateways, from the model to the bundle. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bundle.h"
#include "controller/cost.h"
#include "controller/render.h"
#include "tests/unit/locks.h"
#include "tests/unit/unit.h"

static struct network *net;

static void clear(void)
{
    net = network_free(net);
    teardown();
}

/* Allocates into `net`; frees `old` and returns the new lock, read back. */
static struct lock *allocate(const struct mesh *m, struct lock *old)
{
    struct lock *lock = NULL;
    int r;

    net = network_free(net);
    r = allocate_network(m, old, &net, &lock, &warnings, &err);
    if (r != 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    lock_free(old);
    return written_and_read(lock);
}

/* The index of a tunnel, counted from 1, between two numbers; UINT32_MAX: there is none. */
static uint32_t index_of(const struct lock *lock, uint32_t a, uint32_t b, unsigned tunnel)
{
    for (size_t i = 0; i < lock->n_links; i++)
        if (lock->links[i].a == a && lock->links[i].b == b && lock->links[i].tunnel + 1u == tunnel)
            return lock->links[i].index;
    return UINT32_MAX;
}

/* What gateway `self` sees of its t-th tunnel to `peer`, and how many it has to it. */
static unsigned ends_of(uint32_t self, uint32_t peer, struct link_end ret[NETWORK_MAX_TUNNELS])
{
    const struct network_gateway *g = &net->gateways[self];
    unsigned n = 0;

    for (uint32_t i = 0; i < g->n_peers; i++)
        if (net->peers[g->first_peer + i].gateway == peer)
            network_link_end(net, self, &net->peers[g->first_peer + i], &ret[n++]);
    return n;
}

/* --- what there is ---------------------------------------------------------------------------- */

/* A segment's tunnels, the more of two segments', and the link's own word, which is the last. */
START_TEST(how_many)
{
    struct mesh *m = build_mesh(4, true, true);
    struct link_end ends[NETWORK_MAX_TUNNELS];

    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL)->parallel = 2;
    build_segment(m, SEGMENT_RING, NULL, NULL)->parallel = 3;
    build_link(m, 0, 1)->parallel = 1;
    build_link(m, 0, 2)->parallel = 8;
    build_link(m, 2, 3)->settings.bfd_interval = 900;
    lock_free(allocate(m, NULL));
    ck_assert_uint_eq(ends_of(0, 1, ends), 1);
    ck_assert_uint_eq(ends_of(0, 2, ends), 8);
    ck_assert_uint_eq(ends_of(1, 3, ends), 2);
    ck_assert_uint_eq(ends_of(1, 2, ends), 3);
    ck_assert_uint_eq(ends_of(2, 3, ends), 3);
    for (unsigned t = 0; t < 3; t++)
        ck_assert_uint_eq(ends[t].settings.bfd_interval, 900);
    build_free(m);
}
END_TEST

/* Both ends of every tunnel mean each other, and nothing else has its address or its port. */
static void check_ends(const struct mesh *m)
{
    static uint8_t used[65536];
    struct link_end mine[NETWORK_MAX_TUNNELS], theirs[NETWORK_MAX_TUNNELS];

    for (uint32_t g = 0; g < m->n_gateways; g++) {
        memset(used, 0, sizeof(used));
        for (uint32_t peer = 0; peer < m->n_gateways; peer++) {
            unsigned n = ends_of(g, peer, mine);

            ck_assert_uint_eq(n, ends_of(peer, g, theirs));
            for (unsigned t = 0; t < n; t++) {
                ck_assert_uint_eq(mine[t].link->tunnel, t);
                ck_assert_ptr_eq(mine[t].link, theirs[t].link);
                ck_assert_uint_eq(used[mine[t].local_port]++, 0);
                if (mine[t].remote_host)
                    ck_assert_uint_eq(mine[t].remote_port, theirs[t].local_port);
                ck_assert_int_ne(mine[t].role, theirs[t].role);
                for (unsigned f = 0; f < 2 && net->n_pool[f]; f++)
                    ck_assert_int_eq(
                        memcmp(mine[t].address[f].addr, theirs[t].peer_address[f].addr, 16), 0);
            }
        }
    }
}

START_TEST(ports_and_addresses)
{
    struct mesh *m = build_mesh(5, true, true);
    struct link_end ends[NETWORK_MAX_TUNNELS];

    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL);
    build_link(m, 0, 1)->parallel = 3;
    build_link(m, 1, 2)->parallel = 2;
    lock_free(allocate(m, NULL));
    check_ends(m);
    /* Numbers 1 to 5 are the gateways', 6 and 7 gateway 0's, 8 and 9 gateway 1's, 10 gateway 2's.
     */
    ck_assert_uint_eq(ends_of(0, 1, ends), 3);
    ck_assert_uint_eq(ends[0].local_port, 11002);
    ck_assert_uint_eq(ends[0].remote_port, 11001);
    ck_assert_uint_eq(ends[1].local_port, 11008);
    ck_assert_uint_eq(ends[1].remote_port, 11006);
    ck_assert_uint_eq(ends[2].local_port, 11009);
    ck_assert_uint_eq(ends[2].remote_port, 11007);
    ck_assert_uint_eq(ends_of(2, 1, ends), 2);
    ck_assert_uint_eq(ends[1].local_port, 11008); /* the number that 1 has for a second tunnel */
    ck_assert_uint_eq(ends[1].remote_port, 11010);
    build_free(m);
}
END_TEST

/* --- what stays ------------------------------------------------------------------------------- */

START_TEST(one_two_one_two)
{
    struct mesh *m = build_mesh(3, true, false);
    struct mesh_link *link;
    struct lock *lock;
    uint32_t second;

    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL);
    link = build_link(m, 0, 2);
    lock = allocate(m, NULL);
    ck_assert_uint_eq(index_of(lock, 1, 3, 1), 1);
    for (unsigned round = 0; round < 2; round++) {
        link->parallel = 2;
        lock = allocate(m, lock);
        ck_assert_uint_eq(lock->n_links, 4);
        ck_assert_uint_eq(index_of(lock, 1, 2, 1), 0);
        ck_assert_uint_eq(index_of(lock, 1, 3, 1), 1);
        ck_assert_uint_eq(index_of(lock, 2, 3, 1), 2);
        second = index_of(lock, 1, 3, 2);
        ck_assert_uint_eq(second, 3);
        ck_assert_uint_eq(find(lock, "g00000")->extra[0], 4);
        ck_assert_uint_eq(find(lock, "g00002")->extra[0], 5);
        ck_assert_uint_eq(find(lock, "g00001")->extra[0], 0);
        link->parallel = 1;
        lock = allocate(m, lock);
        ck_assert_uint_eq(lock->n_links, 3);
        ck_assert_uint_eq(index_of(lock, 1, 3, 1), 1);
        ck_assert_uint_eq(find(lock, "g00000")->extra[0], 0);
        ck_assert_uint_eq(find(lock, "g00000")->number, 1);
    }
    lock_free(lock);
    build_free(m);
}
END_TEST

/* Who comes gets none of the numbers that are for further tunnels; those stay while one peer needs
 * them, whatever happens to the others. */
START_TEST(extra_numbers_stay)
{
    struct mesh *m = build_mesh(4, true, false);
    struct mesh_link *near, *far;
    struct lock *lock;

    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL);
    near = build_link(m, 0, 1);
    far = build_link(m, 0, 2);
    near->parallel = far->parallel = 2;
    m->n_gateways = 3;
    lock = allocate(m, NULL);
    ck_assert_uint_eq(find(lock, "g00000")->extra[0], 4);
    m->n_gateways = 4;
    lock = allocate(m, lock);
    ck_assert_uint_eq(find(lock, "g00003")->number, 7);
    near->parallel = 1;
    far->parallel = 3;
    lock = allocate(m, lock);
    check_ends(m);
    ck_assert_uint_eq(find(lock, "g00000")->extra[0], 4);
    ck_assert_uint_eq(find(lock, "g00001")->extra[0], 0);
    /* Not 5, which gateway 1 has just given up: it calls itself so until it hears of it. */
    ck_assert_uint_eq(find(lock, "g00000")->extra[1], 8);
    ck_assert_uint_eq(find(lock, "g00002")->extra[0], 6);
    ck_assert_uint_eq(find(lock, "g00002")->extra[1], 9);
    lock_free(lock);
    build_free(m);
}
END_TEST

/* A model cannot take a number that somebody has for a further tunnel. */
START_TEST(a_number_that_is_taken)
{
    struct mesh *m = build_mesh(3, true, false);
    struct network *none = NULL;
    struct lock *lock, *next = NULL;

    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL)->parallel = 2;
    m->n_gateways = 2;
    lock = allocate(m, NULL);
    lock->file = "m.lock.json";
    m->n_gateways = 3;
    m->gateways[2].number = 4;
    ck_assert_int_eq(allocate_network(m, lock, &none, &next, &warnings, &err), -EINVAL);
    build_refused(&err, "/p2pvpn-mesh:mesh/gateway[name='g00002']/number",
                  "4 is taken: m.lock.json: /p2pvpn-lock:lock/gateway[name='g00001']/extra-number "
                  "has it; choose another, or leave the leaf out");
    lock_free(lock);
    build_free(m);
}
END_TEST

START_TEST(no_ports_left)
{
    struct mesh *m = build_mesh(3, true, false);
    struct network *none = NULL;
    struct lock *lock = NULL;

    m->base_port = 65530;
    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL)->parallel = 2;
    ck_assert_int_eq(allocate_network(m, NULL, &none, &lock, &warnings, &err), -EINVAL);
    build_refused(&err, "/p2pvpn-mesh:mesh/addressing/base-port",
                  "base-port 65530 leaves ports for 5 numbers, and 1 more are needed: each gateway "
                  "takes one, and one for each tunnel behind the first that it has with a peer "
                  "('parallel'); lower base-port, or 'parallel'");
    build_free(m);
}
END_TEST

/* An imported link keeps what it brought along; a further tunnel is one of ours. */
START_TEST(beside_an_imported_link)
{
    struct lock *lock = parse(
        HEAD "\"link-prefix\":[\"172.19.0.0/16\"],\"gateway\":["
             "{\"name\":\"g00000\",\"number\":1,\"asn\":4200000001,\"router-id\":\"100.64.0.1\"},"
             "{\"name\":\"g00001\",\"number\":2,\"asn\":4200000002,\"router-id\":\"100.64.0.2\"}],"
             "\"link\":[{\"index\":7,\"a\":1,\"b\":2,\"address-a\":\"172.17.4.1\","
             "\"address-b\":\"172.17.4.2\",\"port-a\":5004,\"port-b\":5005}]}}");
    struct mesh *m = build_mesh(2, true, false);
    struct link_end ends[NETWORK_MAX_TUNNELS];
    struct lock *next = NULL;
    char text[PREFIX_TEXT_MAX];

    build_link(m, 0, 1)->parallel = 2;
    ck_assert_int_eq(allocate_network(m, lock, &net, &next, &warnings, &err), 0);
    check_ends(m);
    ck_assert_uint_eq(ends_of(0, 1, ends), 2);
    ck_assert_str_eq(prefix_format(&ends[0].address[0], text), "172.17.4.1/32");
    ck_assert_uint_eq(ends[0].local_port, 5004);
    ck_assert_str_eq(prefix_format(&ends[1].address[0], text), "172.19.0.0/31");
    ck_assert_uint_eq(ends[1].local_port, 11004);
    ck_assert_uint_eq(ends[1].remote_port, 11003);
    lock_free(next);
    lock_free(lock); /* the addresses of the network were in it */
    build_free(m);
}
END_TEST

/* --- the same, whatever is edited ------------------------------------------------------------- */

#define NAMES 12
#define EDITS 250

static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

struct world {
    bool present[NAMES];
    uint32_t all, pairs[NAMES][NAMES]; /* tunnels of the segment; of single links, 0: no link */
};

static struct mesh *mesh_of(const struct world *w)
{
    struct mesh *m = build_mesh(NAMES, true, false);
    uint32_t at[NAMES], n = 0;

    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL)->parallel = w->all;
    for (uint32_t i = 0; i < NAMES; i++)
        if (w->present[i]) {
            m->gateways[n] = m->gateways[i];
            at[i] = n++;
        }
    m->n_gateways = n;
    for (uint32_t a = 0; a < NAMES; a++)
        for (uint32_t b = a + 1; b < NAMES; b++)
            if (w->present[a] && w->present[b] && w->pairs[a][b])
                build_link(m, at[a], at[b])->parallel = w->pairs[a][b];
    return m;
}

static void edit(struct world *w)
{
    uint32_t a = random_below(NAMES), b = random_below(NAMES);

    if (random_below(3) == 0)
        w->present[a] = !w->present[a];
    else if (random_below(20) == 0)
        w->all = 1 + random_below(3);
    else if (a != b)
        w->pairs[a < b ? a : b][a < b ? b : a] = random_below(6);
}

static bool was_there(const struct lock *old, const struct lock *now, uint32_t number)
{
    for (size_t i = 0; i < now->n_gateways; i++)
        if (now->gateways[i].number == number)
            return find(old, now->gateways[i].name) != NULL;
    return false;
}

static unsigned compare_locks(const struct lock *old, const struct lock *now)
{
    static uint8_t taken[GATEWAY_MAX_NUMBER + 1];
    unsigned stayed = 0;

    memset(taken, 0, sizeof(taken));
    for (size_t i = 0; i < now->n_gateways; i++) {
        const struct lock_gateway *g = &now->gateways[i], *was = find(old, g->name);

        ck_assert_uint_eq(taken[g->number]++, 0);
        for (unsigned k = 0; k < NETWORK_MAX_TUNNELS - 1 && g->extra[k]; k++) {
            ck_assert_uint_eq(taken[g->extra[k]]++, 0);
            if (was && was->extra[k]) {
                ck_assert_uint_eq(g->extra[k], was->extra[k]);
                stayed++;
            }
        }
        if (was)
            ck_assert_uint_eq(g->number, was->number);
    }
    for (size_t i = 0; i < now->n_links; i++) {
        const struct lock_link *l = &now->links[i];
        uint32_t before = index_of(old, l->a, l->b, l->tunnel + 1u);

        if (before == UINT32_MAX || !was_there(old, now, l->a) || !was_there(old, now, l->b))
            continue;
        ck_assert_uint_eq(l->index, before);
        stayed += l->tunnel > 0;
    }
    return stayed;
}

START_TEST(random_edits)
{
    struct world w = {.all = 1};
    struct lock *lock = parse(HEAD "\"link-prefix\":[\"172.19.0.0/16\"]}}");
    unsigned stayed = 0;

    seed = 28u + (uint32_t)_i;
    for (uint32_t i = 0; i < NAMES; i++)
        w.present[i] = true;
    for (unsigned e = 0; e < EDITS; e++) {
        struct network *mine = NULL;
        struct lock *next = NULL;
        struct mesh *m;

        edit(&w);
        w.present[random_below(NAMES)] = true;
        m = mesh_of(&w);
        ck_assert_int_eq(allocate_network(m, lock, &mine, &next, &warnings, &err), 0);
        network_free(net);
        net = mine;
        check_ends(m);
        next = written_and_read(next);
        stayed += compare_locks(lock, next);
        lock_free(lock);
        lock = next;
        error_clear(&warnings);
        build_free(m);
    }
    ck_assert_uint_gt(stayed, EDITS);
    lock_free(lock);
}
END_TEST

/* --- what it costs ---------------------------------------------------------------------------- */

/* Counted by hand: three gateways that give transit; 0 and 1 have three tunnels, 2 and 1 one. */
START_TEST(figures)
{
    struct mesh *m = build_mesh(3, true, true);
    struct cost cost;
    uint16_t low, high;

    m->defaults.bfd_interval = 200;
    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL);
    build_link(m, 0, 1)->parallel = 3;
    lock_free(allocate(m, NULL));
    cost_compute(net, FRR_DEFAULT, &cost);
    ck_assert_uint_eq(cost.gateways[0].tunnels, 4);
    ck_assert_uint_eq(cost.gateways[0].sessions, 8);
    ck_assert_double_eq_tol(cost.gateways[0].bfd, 40, 1e-9);
    /* Its own two prefixes, and the four others by each of four tunnels: every one is a neighbor.
     */
    ck_assert_uint_eq(cost.gateways[0].paths, 2 + 4 * 4);
    ck_assert_double_eq_tol(cost.gateways[0].openvpn, 6.4e6 + 4 * 1.7e6, 1);
    ck_assert_uint_eq(cost.gateways[2].tunnels, 2);
    ck_assert_uint_eq(cost.all.sum.tunnels, 10);
    ck_assert_uint_eq(cost.pool[0].used, 5);
    cost_ports(net, 0, &low, &high);
    ck_assert_uint_eq(low, 11002);
    ck_assert_uint_eq(high, 11007); /* gateway 1 has the numbers 2, 6 and 7 */
    cost_ports(net, 2, &low, &high);
    ck_assert_uint_eq(low, 11001);
    ck_assert_uint_eq(high, 11002);
    cost_clear(&cost);
    build_free(m);
}
END_TEST

/* --- the bundle ------------------------------------------------------------------------------- */

static struct rendered files;

/* bundle.json of gateway 0, which has two tunnels to gateway 1 and one to 2. */
static void render(void)
{
    struct mesh *m = build_mesh(3, true, false);
    struct renderer *renderer = NULL;
    int r;

    setenv("P2PVPN_TEMPLATE_DIR", getenv("P2PVPN_SOURCE_ROOT"), 1);
    for (uint32_t i = 0; i < 3; i++)
        m->gateways[i].short_name = m->gateways[i].name;
    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL);
    build_link(m, 0, 1)->parallel = 2;
    lock_free(allocate(m, NULL));
    r = renderer_new(NULL, &renderer, &err);
    if (r == 0)
        r = render_gateway(renderer, net, 0, &files, &err);
    if (r != 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    renderer_free(renderer);
    net = network_free(net);
    build_free(m);
}

static void render_clear(void)
{
    rendered_free(&files);
    clear();
}

static const struct rendered_file *bundle_file(void)
{
    return &files.files[files.n_files - 1];
}

START_TEST(bundle_names_each_tunnel)
{
    struct buf again = BUF_INIT;
    struct bundle *b = NULL;

    ck_assert_int_eq(bundle_parse(bundle_file()->data, bundle_file()->len, "b", &b, &err), 0);
    ck_assert_uint_eq(b->n_links, 3);
    ck_assert_str_eq(b->links[0].interface, "pv2");
    ck_assert_str_eq(b->links[0].alias, "pv-g00001");
    ck_assert_uint_eq(b->links[0].tunnel, 1);
    ck_assert_str_eq(b->links[1].interface, "pv2-2");
    ck_assert_str_eq(b->links[1].alias, "pv-g00001-2");
    ck_assert_str_eq(b->links[1].config, "openvpn/pv2-2.conf");
    ck_assert_uint_eq(b->links[1].tunnel, 2);
    ck_assert_str_eq(b->links[1].peer, "g00001");
    ck_assert_str_eq(b->links[2].interface, "pv3");
    bundle_format(b, &again);
    ck_assert_uint_eq(again.len, bundle_file()->len);
    ck_assert_int_eq(memcmp(again.data, bundle_file()->data, again.len), 0);
    buf_free(&again);
    bundle_free(b);
}
END_TEST

/* Each change alone is refused with this message; `after`: it comes behind this text. */
static const struct {
    const char *after, *from, *to, *message;
} wrong[] = {
    {"pv2-2", "\"tunnel\": 2", "\"tunnel\": 1", "between 2 and 8"},
    {"pv2-2", "\"tunnel\": 2", "\"tunnel\": 9", "between 2 and 8"},
    {"pv2-2", "\"tunnel\": 2", "\"tunnel\": \"2\"", "a whole number"},
    {"pv2-2", "\"tunnel\": 2", "\"tunnel\": 3", "must be 'pv2-3'"},
    {"pv2-2", "\"tunnel\": 2,", "", "must be 'pv2'"},
    {"link", "\"pv2-2\"", "\"pv2\"", "must be 'pv2-2'"},
    {"link", "\"pv2-2\",", "\"pv2-3\", \"tunnel\": 3,", "not JSON"},
    {"link", "\"pv-g00001-2\"", "\"pv-g00001\"", "and then -2"},
    {"link", "\"pv-g00001-2\"", "\"pv-g00001-3\"", "and then -2"},
    {"link", "\"pv-g00001-2\"", "\"pv--2\"", "and then -2"},
    {"link", "\"pv-g00001-2\"", "\"pv-2\"", "and then -2"},
    {"link", "\"pv-g00001-2\"", "\"pv-g000000000001-2\"", "and then -2"},
    {"link", "\"pv-g00002\"", "\"pv-g00001-2\"", "there twice"},
    {"pv2-2", "\"g00001\"", "\"g00009\"", "two names or ASNs"},
    {"pv2-2", "4200000002", "4200000009", "two names or ASNs"},
    {"pv3", "\"g00002\"", "\"g00001\"", "there twice"},
    /* The first tunnel goes to somebody else, and then the second has none before it. */
    {"pv-g00001", "\"peer-number\": 2", "\"peer-number\": 4", "ascending order"},
    {"\"link\"", "\"interface\": \"pv2\",", "\"interface\": \"pv2-3\", \"tunnel\": 3,",
     "tunnels 1, 2 and so on"},
};

START_TEST(wrong_bundle)
{
    _cleanup_free_ char *text = xstrndup(bundle_file()->data, bundle_file()->len);
    _cleanup_buf_ struct buf changed = BUF_INIT;
    char *at = strstr(text, wrong[_i].after);
    struct bundle *b = NULL;

    at = at ? strstr(at, wrong[_i].from) : NULL;
    ck_assert_ptr_nonnull(at);
    buf_add(&changed, text, (size_t)(at - text));
    buf_str(&changed, wrong[_i].to);
    buf_str(&changed, at + strlen(wrong[_i].from));
    ck_assert_int_eq(bundle_parse(changed.data, changed.len, "b", &b, &err), -EINVAL);
    ck_assert_msg(unit_says(&err, wrong[_i].message), "%s -> %s: not the message '%s'",
                  wrong[_i].from, wrong[_i].to, wrong[_i].message);
}
END_TEST

START_TEST(interface_names)
{
    char name[BUNDLE_INTERFACE_SIZE];

    bundle_interface(7, 0, name);
    ck_assert_str_eq(name, "pv7");
    bundle_interface(7, 1, name);
    ck_assert_str_eq(name, "pv7");
    bundle_interface(65535, BUNDLE_MAX_TUNNELS, name);
    ck_assert_str_eq(name, "pv65535-8");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parallel");
    TCase *t = unit_case(s, "parallel", NULL, clear);
    TCase *b = unit_case(s, "bundle", render, render_clear);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, how_many);
    tcase_add_test(t, ports_and_addresses);
    tcase_add_test(t, one_two_one_two);
    tcase_add_test(t, extra_numbers_stay);
    tcase_add_test(t, a_number_that_is_taken);
    tcase_add_test(t, no_ports_left);
    tcase_add_test(t, beside_an_imported_link);
    tcase_add_loop_test(t, random_edits, 0, 2);
    tcase_add_test(t, figures);
    tcase_add_test(b, bundle_names_each_tunnel);
    tcase_add_loop_test(b, wrong_bundle, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(b, interface_names);
    return unit_run(s);
}
