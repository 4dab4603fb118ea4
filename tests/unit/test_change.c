/* SPDX-License-Identifier: Apache-2.0 */
/* What publishing would do, of meshes that are really rendered; and whether the agent's own plan
 * says the same of processes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/observe.h"
#include "agent/plan.h"
#include "common/bundle.h"
#include "common/origins.h"
#include "controller/change.h"
#include "controller/registry.h"
#include "controller/render.h"
#include "tests/unit/locks.h"
#include "tests/unit/unit.h"

#define MAX 12

static struct renderer *renderer;

/* A published mesh. */
struct world {
    struct network *net;
    struct lock *lock;
    struct origins *origins;
    struct bundle *bundles[MAX]; /* by gateway index */
    char *frr[MAX], *text[MAX];
    size_t n;
};

static void setup(void)
{
    setenv("P2PVPN_TEMPLATE_DIR", getenv("P2PVPN_SOURCE_ROOT"), 1);
    ck_assert_int_eq(renderer_new(NULL, &renderer, &err), 0);
}

static void after(void)
{
    renderer = renderer_free(renderer);
    teardown();
}

static struct mesh *mesh_of(uint32_t n)
{
    struct mesh *m = build_mesh(n, true, false);

    for (uint32_t i = 0; i < n; i++)
        m->gateways[i].short_name = m->gateways[i].name;
    return m;
}

static struct world publish(const struct mesh *m, const struct world *before)
{
    struct rendered r = {.n_files = 0};
    struct world w = {.n = m->n_gateways};
    struct buf table = BUF_INIT;

    ck_assert_uint_le(w.n, MAX);
    ck_assert_int_eq(
        allocate_network(m, before ? before->lock : NULL, &w.net, &w.lock, &warnings, &err), 0);
    ck_assert_int_eq(registry_format(w.net, &table, &err), 0);
    ck_assert_int_eq(origins_parse(table.data, table.len, "o", &w.origins, &err), 0);
    buf_free(&table);
    for (uint32_t g = 0; g < w.n; g++) {
        if (render_gateway(renderer, w.net, g, &r, &err) != 0)
            error_print(&err, stderr);
        ck_assert_uint_eq(err.n, 0);
        for (size_t i = 0; i < r.n_files; i++)
            if (strcmp(r.files[i].path, "frr/frr.conf") == 0)
                w.frr[g] = xstrndup(r.files[i].data, r.files[i].len);
            else if (strcmp(r.files[i].path, BUNDLE_FILE) == 0)
                w.text[g] = xstrndup(r.files[i].data, r.files[i].len);
        ck_assert_int_eq(bundle_parse(w.text[g], strlen(w.text[g]), "b", &w.bundles[g], &err), 0);
    }
    rendered_free(&r);
    return w;
}

static void unpublish(struct world *w)
{
    for (size_t i = 0; i < w->n; i++) {
        bundle_free(w->bundles[i]);
        free(w->frr[i]);
        free(w->text[i]);
    }
    origins_free(w->origins);
    network_free(w->net);
    lock_free(w->lock);
}

static size_t index_of(const struct world *w, const char *gateway)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->bundles[i]->gateway, gateway) == 0)
            return i;
    return MAX;
}

static struct change *compare(const struct world *old, const struct world *now)
{
    const struct origins nothing = {.n = 0};
    struct change_builder *b = change_begin(now->net);

    for (size_t i = 0; i < now->n; i++) {
        struct change_bundle is = {now->bundles[i], now->frr[i]}, was;
        size_t k = old ? index_of(old, now->bundles[i]->gateway) : MAX;

        if (old && k < MAX)
            was = (struct change_bundle){old->bundles[k], old->frr[k]};
        if (old && k < MAX && strcmp(old->text[k], now->text[i]) == 0)
            change_same(b, (uint32_t)i);
        else
            change_bundle(b, k < MAX ? &was : NULL, &is);
    }
    for (size_t k = 0; old && k < old->n; k++)
        if (index_of(now, old->bundles[k]->gateway) == MAX)
            change_bundle(b, &(struct change_bundle){old->bundles[k], old->frr[k]}, NULL);
    return change_end(b, old ? old->origins : &nothing, now->origins);
}

/* --- the agent's opinion ---------------------------------------------------------------------- */

/* The processes that an agent starts, restarts and stops which has everything of the old bundle. */
static void agent_counts(const struct bundle *old, const struct bundle *now, size_t ret[N_CHANGES])
{
    const struct plan_context context = {.mesh = "m", .link_uid = 998};
    struct observed have = OBSERVED_INIT;
    struct plan *plan;

    have.links.links = xcalloc(old->n_links + 1, sizeof(*have.links.links));
    for (size_t i = 0; i < old->n_links; i++) {
        const struct bundle_link *l = &old->links[i];
        struct link_state *s = &have.links.links[have.links.n++];
        char digest[STARTED_LEN + 1];

        *s = (struct link_state){.index = (unsigned)i + 1,
                                 .alias = xasprintf("p2pvpn m %s", l->peer),
                                 .owner = 998,
                                 .persistent = true,
                                 .up = true};
        snprintf(s->name, sizeof(s->name), "%s", l->interface);
        snprintf(s->kind, sizeof(s->kind), "tun");
        plan_link_digest(old, l, &context, digest);
        observed_add_process(&have, l->interface, digest);
    }
    observed_sort(&have);
    plan = plan_compute(now, &context, &have);
    for (size_t i = 0; i < plan->n; i++) {
        ret[CHANGE_ADDED] += plan->steps[i].action == PLAN_PROCESS_START;
        ret[CHANGE_CHANGED] += plan->steps[i].action == PLAN_PROCESS_REPLACE;
        ret[CHANGE_REMOVED] += plan->steps[i].action == PLAN_PROCESS_STOP;
    }
    plan_free(plan);
    observed_clear(&have);
}

static void agents_agree(const struct world *old, const struct world *now, const struct change *c)
{
    for (size_t i = 0; i < now->n; i++) {
        size_t k = index_of(old, now->bundles[i]->gateway);
        const struct change_gateway *g = change_find(c, now->bundles[i]->gateway);
        size_t theirs[N_CHANGES] = {0}, ours[N_CHANGES] = {0};

        if (k == MAX)
            continue;
        agent_counts(old->bundles[k], now->bundles[i], theirs);
        for (size_t p = 0; g && p < g->n_processes; p++)
            ours[g->processes[p].what]++;
        for (unsigned what = CHANGE_ADDED; what < N_CHANGES; what++)
            ck_assert_msg(ours[what] == theirs[what], "%s: %zu %s, and the agent says %zu",
                          now->bundles[i]->gateway, ours[what],
                          what == CHANGE_ADDED     ? "start"
                          : what == CHANGE_CHANGED ? "restart"
                                                   : "stop",
                          theirs[what]);
    }
}

/* --- cases ------------------------------------------------------------------------------------ */

/* Publishes m, lets edit() change it, and publishes again. */
struct pair {
    struct mesh *before, *m;
    struct world old, now;
    struct change *c;
};

static struct pair pair_of(uint32_t n, void (*edit)(struct mesh *))
{
    struct pair p = {.before = mesh_of(n), .m = mesh_of(n)};

    p.old = publish(p.before, NULL);
    edit(p.m);
    p.now = publish(p.m, &p.old);
    p.c = compare(&p.old, &p.now);
    agents_agree(&p.old, &p.now, p.c);
    return p;
}

static void pair_free(struct pair *p)
{
    change_free(p->c);
    unpublish(&p->now);
    unpublish(&p->old);
    build_free(p->m);
    build_free(p->before);
}

static void total(const struct change_total *t, size_t before, size_t now, size_t added,
                  size_t removed)
{
    ck_assert_uint_eq(t->before, before);
    ck_assert_uint_eq(t->now, now);
    ck_assert_uint_eq(t->n[CHANGE_ADDED], added);
    ck_assert_uint_eq(t->n[CHANGE_REMOVED], removed);
}

static void three(const size_t *n, size_t added, size_t changed, size_t removed)
{
    ck_assert_uint_eq(n[CHANGE_ADDED], added);
    ck_assert_uint_eq(n[CHANGE_CHANGED], changed);
    ck_assert_uint_eq(n[CHANGE_REMOVED], removed);
}

static void edit_nothing(struct mesh *m)
{
    (void)m;
}

START_TEST(nothing)
{
    struct pair p = pair_of(4, edit_nothing);

    ck_assert(!change_any(p.c));
    ck_assert_uint_eq(p.c->n_quiet, 4);
    ck_assert_uint_eq(p.c->bundles[CHANGE_NONE], 4);
    total(&p.c->links, 6, 6, 0, 0);
    ck_assert(p.c->routes_known);
    pair_free(&p);
}
END_TEST

START_TEST(the_first_time_everything_is_new)
{
    struct mesh *m = mesh_of(4);
    struct world now = publish(m, NULL);
    struct change *c = compare(NULL, &now);

    total(&c->gateways, 0, 4, 4, 0);
    total(&c->links, 0, 6, 6, 0);
    total(&c->lans, 0, 4, 4, 0);
    three(c->processes, 12, 0, 0);
    three(c->sessions, 12, 0, 0);
    three(change_find(c, "g00002")->routes.n, 3, 0, 0);
    ck_assert_uint_eq(c->n_routes, 4);
    ck_assert_uint_eq(c->bundles[CHANGE_ADDED], 4);
    change_free(c);
    unpublish(&now);
    build_free(m);
}
END_TEST

static void take_out(struct mesh *m, uint32_t gone)
{
    for (uint32_t i = gone; i + 1 < m->n_gateways; i++) {
        m->gateways[i] = m->gateways[i + 1];
        m->lans[i] = m->lans[i + 1];
        m->gateways[i].lan = i;
    }
    m->n_gateways--;
    m->n_lans--;
}

static void edit_remove(struct mesh *m)
{
    take_out(m, 1);
}

START_TEST(removed)
{
    struct pair p = pair_of(4, edit_remove);
    const struct change_gateway *g = change_find(p.c, "g00000");

    total(&p.c->gateways, 4, 3, 0, 1);
    total(&p.c->links, 6, 3, 0, 3);
    total(&p.c->lans, 4, 3, 0, 1);
    three(p.c->processes, 0, 0, 3);
    three(p.c->sessions, 0, 0, 3);
    ck_assert_str_eq(p.c->lan[0].name, "lan00001");
    ck_assert_int_eq(p.c->lan[0].what, CHANGE_REMOVED);
    ck_assert_uint_eq(g->n_processes, 1);
    ck_assert_str_eq(g->processes[0].interface, "pv2");
    ck_assert_str_eq(g->sessions[0].peer, "g00001");
    ck_assert_int_eq(g->sessions[0].what, CHANGE_REMOVED);
    three(g->routes.n, 0, 0, 1);
    g = change_find(p.c, "g00001");
    ck_assert_int_eq(g->what, CHANGE_REMOVED);
    ck_assert_uint_eq(g->n_processes, 3);
    three(g->routes.n, 0, 0, 0);
    pair_free(&p);
}
END_TEST

/* The other way round: what edit_remove() left, and then the gateway again. */
START_TEST(added)
{
    struct mesh *before = mesh_of(4), *m = mesh_of(4);
    struct world old, now;
    struct change *c;

    take_out(before, 3);
    old = publish(before, NULL);
    now = publish(m, &old);
    c = compare(&old, &now);
    agents_agree(&old, &now, c);
    total(&c->gateways, 3, 4, 1, 0);
    total(&c->links, 3, 6, 3, 0);
    three(c->processes, 6, 0, 0);
    three(c->sessions, 6, 0, 0);
    three(change_find(c, "g00003")->routes.n, 3, 0, 0);
    three(change_find(c, "g00000")->routes.n, 1, 0, 0);
    ck_assert_str_eq(c->link[0].a, "g00000");
    ck_assert_str_eq(c->link[0].b, "g00003");
    change_free(c);
    unpublish(&now);
    unpublish(&old);
    build_free(m);
    build_free(before);
}
END_TEST

static void edit_rename(struct mesh *m)
{
    m->gateways[3].name = m->gateways[3].short_name = "other";
}

/* It takes the number and the links of the one before: at its peers the process restarts, for it
 * must not speak to the old one any more. */
START_TEST(renamed)
{
    struct pair p = pair_of(4, edit_rename);
    const struct change_gateway *g = change_find(p.c, "g00000");

    total(&p.c->gateways, 4, 4, 1, 1);
    total(&p.c->links, 6, 6, 3, 3);
    total(&p.c->lans, 4, 4, 0, 0);
    ck_assert_uint_eq(p.c->n_lans, 1);
    ck_assert_int_eq(p.c->lan[0].what, CHANGE_CHANGED);
    three(p.c->processes, 3, 3, 0);
    three(p.c->sessions, 3, 3, 0);
    ck_assert_str_eq(g->processes[0].interface, "pv4");
    ck_assert_str_eq(g->processes[0].peer, "other");
    ck_assert_str_eq(g->processes[0].was_peer, "g00003");
    ck_assert_uint_eq(p.c->n_routes, 0);
    pair_free(&p);
}
END_TEST

static void edit_mtu(struct mesh *m)
{
    m->gateways[0].settings.underlay_mtu = 1400;
}

START_TEST(settings_restart_both_ends)
{
    struct pair p = pair_of(3, edit_mtu);
    const struct change_gateway *g = change_find(p.c, "g00001");

    three(p.c->processes, 0, 4, 0);
    three(p.c->sessions, 0, 4, 0);
    ck_assert_uint_eq(p.c->felt, 0);
    ck_assert_uint_eq(g->n_processes, 1);
    ck_assert_str_eq(g->processes[0].peer, "g00000");
    ck_assert_int_eq(g->sessions[0].what, CHANGE_CHANGED);
    ck_assert_str_eq(g->sessions[0].why, "the OpenVPN process restarts");
    ck_assert_uint_eq(p.c->n_lans + p.c->n_routes + p.c->n_links, 0);
    pair_free(&p);
}
END_TEST

static void edit_endpoint(struct mesh *m)
{
    m->gateways[0].endpoint = "203.0.113.99";
}

/* Only the peers' bundles name an endpoint; the gateway itself loses its sessions all the same. */
START_TEST(what_peers_do_is_felt)
{
    struct pair p = pair_of(3, edit_endpoint);
    const struct change_gateway *g = change_find(p.c, "g00000");

    ck_assert_uint_eq(p.c->n_quiet, 1);
    ck_assert_uint_eq(p.c->felt, 1);
    ck_assert_uint_eq(p.c->bundles[CHANGE_CHANGED], 2);
    three(p.c->processes, 0, 2, 0);
    three(p.c->sessions, 0, 4, 0);
    ck_assert(!g->bundle);
    ck_assert_uint_eq(g->n_processes, 0);
    ck_assert_uint_eq(g->n_sessions, 2);
    ck_assert_str_eq(g->sessions[0].interface, "pv2");
    ck_assert_str_eq(g->sessions[0].why, "the OpenVPN process restarts at its other end");
    ck_assert_str_eq(g->sessions[0].neighbor, "172.19.0.1");
    pair_free(&p);
}
END_TEST

static void edit_prefix(struct mesh *m)
{
    m->lans[1].prefixes[1] = unit_prefix("10.99.0.0/24");
    m->lans[1].n_prefixes = 2;
}

START_TEST(a_prefix_more)
{
    struct pair p = pair_of(3, edit_prefix);

    three(p.c->processes, 0, 0, 0);
    three(p.c->sessions, 0, 0, 0);
    ck_assert_uint_eq(p.c->n_lans, 1);
    ck_assert_int_eq(p.c->lan[0].what, CHANGE_CHANGED);
    ck_assert_uint_eq(p.c->lan[0].n_prefixes[0], 1);
    ck_assert_uint_eq(p.c->lan[0].n_prefixes[1], 2);
    ck_assert_uint_eq(p.c->n_routes, 1);
    three(change_find(p.c, "g00000")->routes.n, 1, 0, 0);
    three(change_find(p.c, "g00001")->routes.n, 0, 0, 0); /* it is its own */
    pair_free(&p);
}
END_TEST

/* Where the table of origins alone says who may announce what, the others' bundles stay. */
START_TEST(routes_by_the_table_alone)
{
    struct mesh *before = mesh_of(4), *m = mesh_of(4);
    struct world old = publish(before, NULL), now;
    struct change_builder *b;
    struct change *c;

    edit_prefix(m);
    now = publish(m, &old);
    b = change_begin(now.net);
    for (uint32_t g = 0; g < 4; g++)
        if (g != 1)
            change_same(b, g);
    change_bundle(b, &(struct change_bundle){old.bundles[1], old.frr[1]},
                  &(struct change_bundle){now.bundles[1], now.frr[1]});
    c = change_end(b, old.origins, now.origins);
    ck_assert_uint_eq(c->n_quiet, 3);
    ck_assert_uint_eq(c->rerouted, 3);
    three(change_find_quiet(c, "g00003")->routes.n, 1, 0, 0);
    ck_assert_int_eq(change_route_at(&c->route[0], "lan00003", "lan00003"), CHANGE_ADDED);
    ck_assert_int_eq(change_route_at(&c->route[0], "lan00001", "lan00001"), CHANGE_NONE);
    change_free(c);
    unpublish(&now);
    unpublish(&old);
    build_free(m);
    build_free(before);
}
END_TEST

static void edit_move(struct mesh *m)
{
    m->gateways[2].lan = 1; /* shares the LAN of g00001; its own is gone */
    m->n_lans = 2;
}

START_TEST(moved_to_another_lan)
{
    struct pair p = pair_of(3, edit_move);

    total(&p.c->lans, 3, 2, 0, 1);
    ck_assert_uint_eq(p.c->n_lans, 2);
    ck_assert_str_eq(p.c->lan[0].name, "lan00001");
    ck_assert_str_eq(p.c->lan[0].gateways[0][0], "g00001");
    ck_assert_ptr_null(p.c->lan[0].gateways[0][1]);
    ck_assert_str_eq(p.c->lan[0].gateways[1][1], "g00002");
    ck_assert_uint_eq(p.c->n_routes, 2);
    ck_assert_int_eq(change_route_at(&p.c->route[0], "lan00000", "lan00000"), CHANGE_CHANGED);
    ck_assert_int_eq(change_route_at(&p.c->route[0], "lan00002", "lan00001"), CHANGE_REMOVED);
    three(change_find(p.c, "g00000")->routes.n, 0, 1, 1); /* from two gateways; lan00002 is gone */
    three(change_find(p.c, "g00001")->routes.n, 0, 0, 1);
    three(change_find(p.c, "g00002")->routes.n, 0, 0, 1); /* lan00001 is its own now */
    ck_assert_str_eq(change_find(p.c, "g00002")->notes[0], "LAN lan00001 instead of lan00002");
    pair_free(&p);
}
END_TEST

static void edit_ring(struct mesh *m)
{
    build_segment(m, SEGMENT_RING, NULL, NULL);
}

START_TEST(another_topology)
{
    struct pair p = pair_of(5, edit_ring);

    total(&p.c->links, 10, 5, 0, 5);
    three(p.c->processes, 0, 0, 10);
    ck_assert_uint_eq(p.c->sessions[CHANGE_REMOVED], 10);
    ck_assert_uint_eq(p.c->n_lans + p.c->n_routes, 0);
    pair_free(&p);
}
END_TEST

/* A damaged bundle: the rest is known all the same. */
START_TEST(not_known)
{
    struct mesh *m = mesh_of(3);
    struct world w = publish(m, NULL);
    struct change_builder *b = change_begin(w.net);
    struct change *c;

    change_same(b, 0);
    change_same(b, 1);
    change_unknown(b, "g00002", true, "it is damaged");
    c = change_end(b, NULL, w.origins);
    ck_assert(change_any(c));
    ck_assert(!c->routes_known);
    ck_assert_str_eq(change_find(c, "g00002")->unknown, "it is damaged");
    ck_assert_ptr_null(change_find(c, "g00000"));
    ck_assert_str_eq(change_find_quiet(c, "g00000")->lan, "lan00000");
    change_free(c);
    unpublish(&w);
    build_free(m);
}
END_TEST

START_TEST(by_locks_alone)
{
    struct pair p = pair_of(5, edit_remove);
    struct change *c = change_of_locks(p.old.lock, p.now.lock);
    const struct change_gateway *g = change_find(c, "g00000");

    total(&c->gateways, 5, 4, 0, 1);
    total(&c->links, 10, 6, 0, 4);
    three(c->processes, 0, 0, 4);
    three(c->sessions, 0, 0, 4);
    ck_assert(!c->effects_known && !c->routes_known && !c->lans_known);
    ck_assert_uint_eq(g->n_processes, 1);
    ck_assert_str_eq(g->processes[0].interface, "pv2");
    change_free(c);
    c = change_of_locks(p.now.lock, p.now.lock);
    ck_assert(!change_any(c));
    change_free(c);
    pair_free(&p);
}
END_TEST

/* Random edits: the agent's plan says the same of every process each time. */
START_TEST(agents_always_agree)
{
    unsigned seed = 7u + (unsigned)_i;

    for (unsigned round = 0; round < 12; round++) {
        struct mesh *before = mesh_of(7), *m = mesh_of(7);
        struct world old = publish(before, NULL), now;
        struct change *c;

        for (unsigned e = 0; e < 3; e++) {
            uint32_t g = (seed = seed * 1103515245u + 12345u) >> 16;

            switch ((seed = seed * 1103515245u + 12345u) >> 16 & 3) {
            case 0:
                take_out(m, g % (uint32_t)m->n_gateways);
                break;
            case 1:
                m->gateways[g % m->n_gateways].settings.underlay_mtu = 1300;
                break;
            case 2:
                m->gateways[g % m->n_gateways].endpoint = "203.0.113.77";
                break;
            default:
                m->defaults.socket_buffer = 300000;
            }
        }
        now = publish(m, &old);
        c = compare(&old, &now);
        agents_agree(&old, &now, c);
        change_free(c);
        unpublish(&now);
        unpublish(&old);
        build_free(m);
        build_free(before);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("change");
    TCase *t = unit_case(s, "change", setup, after);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, nothing);
    tcase_add_test(t, the_first_time_everything_is_new);
    tcase_add_test(t, removed);
    tcase_add_test(t, added);
    tcase_add_test(t, renamed);
    tcase_add_test(t, settings_restart_both_ends);
    tcase_add_test(t, what_peers_do_is_felt);
    tcase_add_test(t, a_prefix_more);
    tcase_add_test(t, routes_by_the_table_alone);
    tcase_add_test(t, moved_to_another_lan);
    tcase_add_test(t, another_topology);
    tcase_add_test(t, not_known);
    tcase_add_test(t, by_locks_alone);
    tcase_add_loop_test(t, agents_always_agree, 0, 3);
    return unit_run(s);
}
