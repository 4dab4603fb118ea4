/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "controller/lock.h"
#include "tests/unit/build_network.h"

static void refused(const struct mesh *m, const char *path, const char *message)
{
    struct network *net = network_of(m);

    ck_assert_int_eq(topology_build(net, &warnings, &err), -EINVAL);
    build_refused(&err, path, message);
    network_free(net);
}

static unsigned transit_count(const struct network *net)
{
    unsigned n = 0;

    for (size_t i = 0; i < net->mesh->n_gateways; i++)
        n += net->gateways[i].transit;
    return n;
}

START_TEST(full_mesh)
{
    struct mesh *m = build_mesh(5, true, false);
    struct network *net;

    /* Numbers against the order of the names: peers come by number. */
    for (uint32_t i = 0; i < 5; i++)
        m->gateways[i].number = 50 - i;
    net = build(m);
    ck_assert_uint_eq(net->n_links, 10);
    for (uint32_t g = 0; g < 5; g++) {
        ck_assert_uint_eq(net->gateways[g].n_peers, 4);
        for (uint32_t i = 0; i < 4; i++) {
            const struct network_peer *p = &net->peers[net->gateways[g].first_peer + i];
            const struct network_link *l = &net->links[p->link];

            ck_assert(l->a < l->b);
            ck_assert((l->a == g && l->b == p->gateway) || (l->b == g && l->a == p->gateway));
            if (i)
                ck_assert_uint_lt(net->gateways[p[-1].gateway].number,
                                  net->gateways[p->gateway].number);
        }
    }
    ck_assert_uint_eq(transit_count(net), 5);
    ck_assert_uint_eq(net->path_bound, 2);
    ck_assert_uint_eq(warnings.n, 0);
    network_free(net);
    build_free(m);
}
END_TEST

START_TEST(one_gateway_alone)
{
    struct mesh *m = build_mesh(1, true, false);
    struct network *net = build(m);

    ck_assert_uint_eq(net->n_links, 0);
    ck_assert_uint_eq(net->path_bound, 1);
    network_free(net);
    build_free(m);
}
END_TEST

START_TEST(transit_of_a_large_full_mesh)
{
    struct mesh *m = build_mesh(17, true, false);
    struct network *net;

    m->gateways[0].endpoint = NULL; /* can only call out: not elected */
    m->gateways[1].transit = TRI_NO;
    m->gateways[9].transit = TRI_YES; /* counts as one of the four */
    net = build(m);
    ck_assert_uint_eq(transit_count(net), 4);
    for (uint32_t g = 2; g < 5; g++)
        ck_assert(net->gateways[g].transit);
    ck_assert(net->gateways[9].transit);
    ck_assert_uint_eq(net->path_bound, 2);
    network_free(net);
    build_free(m);
}
END_TEST

START_TEST(transit_members)
{
    struct mesh *m = build_mesh(6, true, false);
    struct network *net;

    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL)->transit_members = 2;
    net = build(m);
    ck_assert(net->gateways[0].transit && net->gateways[1].transit);
    ck_assert_uint_eq(transit_count(net), 2);
    network_free(net);
    build_free(m);
}
END_TEST

START_TEST(hub_and_spoke)
{
    struct mesh *m = build_mesh(8, true, false);
    struct network *net;

    build_group(m, 3, "hub");
    build_group(m, 5, "hub");
    build_segment(m, SEGMENT_HUB_AND_SPOKE, NULL, "hub");
    net = build(m);
    ck_assert_uint_eq(net->n_links, 6 * 2 + 1);
    ck_assert(find_link(net, 3, 5) && find_link(net, 0, 3) && find_link(net, 5, 7));
    ck_assert(!find_link(net, 0, 1));
    ck_assert_uint_eq(transit_count(net), 2);
    ck_assert(net->gateways[3].transit && net->gateways[5].transit);
    ck_assert_uint_eq(net->path_bound, 2);
    network_free(net);
    build_free(m);
}
END_TEST

/* The network of a mesh after one that had `*lock`, which is replaced. */
static struct network *next(const struct mesh *m, struct lock **lock)
{
    struct network *net = NULL;
    struct lock *now = NULL;
    int r = allocate_network(m, *lock, &net, &now, &warnings, &err);

    if (r != 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    lock_free(*lock);
    *lock = now;
    return net;
}

/* 40 spokes on 2 of 4 hubs; a fifth hub takes its share and no spoke swaps among the old ones. */
START_TEST(hubs_per_spoke_is_stable)
{
    struct mesh *m = build_mesh(45, true, false);
    struct network *before, *after;
    unsigned load[5] = {0}, moved = 0;
    struct lock *lock = NULL;

    for (uint32_t i = 0; i < 45; i++)
        build_group(m, i, i < 4 ? "hub" : i < 44 ? "spoke" : "spare");
    build_segment(m, SEGMENT_HUB_AND_SPOKE, "spoke", "hub")->hubs_per_spoke = 2;
    build_link(m, 0, 44);
    before = next(m, &lock);
    m->n_links = 0;
    build_group(m, 44, "hub");
    after = next(m, &lock);
    for (uint32_t s = 4; s < 44; s++) {
        unsigned n = 0;

        for (uint32_t h = 0; h < 4; h++) {
            load[h] += find_link(before, h, s) != NULL;
            n += find_link(before, h, s) != NULL;
            if (find_link(after, h, s))
                ck_assert_ptr_nonnull(find_link(before, h, s));
        }
        ck_assert_uint_eq(n, 2);
        moved += find_link(after, s, 44) != NULL;
    }
    for (uint32_t h = 0; h < 4; h++)
        ck_assert_uint_eq(load[h], 20);
    ck_assert_uint_eq(moved, 2 * 40 / 5);
    network_free(before);
    network_free(after);
    lock_free(lock);
    build_free(m);
}
END_TEST

/* A link that a person writes between a spoke and a hub is one of the spoke's two. */
START_TEST(a_single_link_chooses_the_hub)
{
    struct mesh *m = build_mesh(24, true, false);
    struct lock *lock = NULL;
    struct network *net;

    for (uint32_t i = 0; i < 24; i++)
        build_group(m, i, i < 4 ? "hub" : "spoke");
    build_segment(m, SEGMENT_HUB_AND_SPOKE, "spoke", "hub")->hubs_per_spoke = 2;
    network_free(next(m, &lock));
    for (uint32_t s = 4; s < 24; s++)
        build_link(m, 3, s);
    net = next(m, &lock);
    ck_assert_uint_eq(net->gateways[3].n_peers, 3 + 20);
    for (uint32_t s = 4; s < 24; s++)
        ck_assert_uint_eq(net->gateways[s].n_peers, 2);
    network_free(net);
    lock_free(lock);
    build_free(m);
}
END_TEST

static void elected(const struct network *net, const char *expected)
{
    char got[64] = "";

    for (size_t g = 0; g < net->mesh->n_gateways; g++) {
        ck_assert(net->gateways[g].transit || !net->gateways[g].elected);
        if (net->gateways[g].transit)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%u", *got ? " " : "",
                     net->gateways[g].number);
    }
    ck_assert_str_eq(got, expected);
}

/* Once elected a member gives transit until it leaves, cannot be called or is told what to do. */
START_TEST(election_is_kept)
{
    struct mesh *m = build_mesh(20, true, false);
    struct mesh_gateway first = m->gateways[0];
    struct lock *lock = NULL;
    struct network *net = next(m, &lock);

    elected(net, "1 2 3 4");
    network_free(net);
    memmove(m->gateways, m->gateways + 1, 19 * sizeof(*m->gateways)); /* number 1 leaves */
    m->n_gateways = 19;
    net = next(m, &lock);
    elected(net, "2 3 4 5");
    network_free(net);
    m->gateways[19] = first; /* a new one gets its number */
    m->gateways[19].name = "zz";
    m->n_gateways = 20;
    net = next(m, &lock);
    ck_assert_uint_eq(net->gateways[19].number, 1);
    elected(net, "2 3 4 5");
    network_free(net);
    build_endpoint(m, 0, NULL, FAMILY_NONE); /* number 2 */
    m->gateways[1].transit = TRI_NO;
    m->gateways[10].transit = TRI_YES; /* number 12: one fewer to elect */
    net = next(m, &lock);
    elected(net, "4 5 12 1");
    ck_assert(!net->gateways[10].elected && net->gateways[19].elected);
    network_free(net);
    build_segment(m, SEGMENT_FULL_MESH, NULL, NULL)->transit_members = 2;
    net = next(m, &lock); /* the lowest of those that are there */
    elected(net, "12 1");
    network_free(net);
    lock_free(lock);
    build_free(m);
}
END_TEST

/* A spoke that only calls out gets hubs that it can call. */
START_TEST(spoke_chooses_hubs_it_can_call)
{
    struct mesh *m = build_mesh(6, true, false);
    struct network *net;

    for (uint32_t i = 0; i < 3; i++)
        build_group(m, i, "hub");
    m->gateways[0].endpoint = m->gateways[1].endpoint = NULL;
    m->gateways[3].endpoint = m->gateways[4].endpoint = m->gateways[5].endpoint = NULL;
    build_segment(m, SEGMENT_HUB_AND_SPOKE, NULL, "hub")->hubs_per_spoke = 1;
    net = build(m);
    for (uint32_t s = 3; s < 6; s++)
        ck_assert_ptr_nonnull(find_link(net, 2, s));
    ck_assert_uint_eq(net->n_links, 5);
    network_free(net);
    build_free(m);
}
END_TEST

START_TEST(ring)
{
    struct mesh *m = build_mesh(7, true, false);
    struct network *net;

    m->gateways[6].number = 100;
    m->gateways[0].number = 101;
    build_segment(m, SEGMENT_RING, NULL, NULL);
    net = build(m);
    ck_assert_uint_eq(net->n_links, 7);
    ck_assert(find_link(net, 1, 2) && find_link(net, 5, 6) && find_link(net, 0, 6) &&
              find_link(net, 0, 1));
    ck_assert_uint_eq(transit_count(net), 7);
    ck_assert_uint_eq(net->path_bound, 6);
    network_free(net);
    build_free(m);
}
END_TEST

/* The union of everything, each pair once, with the settings that a person gave it. */
START_TEST(union_of_segments_and_links)
{
    struct mesh *m = build_mesh(6, true, false);
    const struct network_link *l;
    struct network *net;

    for (uint32_t i = 0; i < 6; i++)
        build_group(m, i, i < 3 ? "core" : "edge");
    build_segment(m, SEGMENT_FULL_MESH, "core", NULL);
    build_segment(m, SEGMENT_HUB_AND_SPOKE, "edge", "core");
    build_link(m, 0, 1)->settings.queue_length = 77;
    build_link(m, 4, 5)->settings.underlay_mtu = 9000;
    net = build(m);
    ck_assert_uint_eq(net->n_links, 3 + 9 + 1);
    for (size_t i = 1; i < net->n_links; i++)
        ck_assert(
            net->links[i - 1].a < net->links[i].a ||
            (net->links[i - 1].a == net->links[i].a && net->links[i - 1].b < net->links[i].b));
    l = find_link(net, 0, 1);
    ck_assert_uint_eq(l->settings, 1);
    l = find_link(net, 4, 5);
    ck_assert_uint_eq(l->settings, 2);
    l = find_link(net, 0, 2);
    ck_assert_uint_eq(l->settings, 0);
    ck_assert_uint_eq(find_end(net, 1, 0).settings.queue_length, 77);
    ck_assert_uint_eq(find_end(net, 5, 4).tun_mtu, 9000 - 52);
    network_free(net);
    build_free(m);
}
END_TEST

/* Two branch offices that only call out, in a full mesh: no link, a warning, no error. */
START_TEST(callers_have_no_link)
{
    struct mesh *m = build_mesh(5, true, false);
    struct network *net;

    m->gateways[1].endpoint = m->gateways[3].endpoint = NULL;
    net = build(m);
    ck_assert_uint_eq(net->n_links, 9);
    ck_assert_ptr_null(find_link(net, 1, 3));
    ck_assert_uint_eq(warnings.n, 1);
    ck_assert_str_eq(warnings.items[0].message,
                     "1 pair of gateways without an endpoint has no direct link, such as 'g00001' "
                     "and 'g00003': neither can be called; they reach each other through others. "
                     "Give one of each pair an endpoint for a direct link");
    ck_assert_uint_eq(net->path_bound, 2);
    network_free(net);
    build_free(m);
}
END_TEST

START_TEST(callers_alone_are_disconnected)
{
    struct mesh *m = build_mesh(3, true, false);

    for (uint32_t i = 0; i < 3; i++)
        m->gateways[i].endpoint = NULL;
    refused(m, "/p2pvpn-mesh:mesh/topology",
            "'g00000' cannot reach 'g00001', 'g00002': no link joins them over gateways that give "
            "transit; give 'g00000' or 'g00001' an endpoint and link them");
    build_free(m);
}
END_TEST

START_TEST(link_that_nobody_can_bring_up)
{
    struct mesh *m = build_mesh(3, true, false);

    m->gateways[0].endpoint = m->gateways[2].endpoint = NULL;
    build_link(m, 0, 1);
    build_link(m, 0, 2);
    build_link(m, 1, 2);
    refused(m, "/p2pvpn-mesh:mesh/topology/link[a='g00000'][b='g00002']",
            "neither 'g00000' nor 'g00002' has an endpoint, so neither can call the other; give "
            "one of them an endpoint, or take the link out");
    build_free(m);
}
END_TEST

START_TEST(a_leaf_never_forwards)
{
    struct mesh *m = build_mesh(3, true, false);

    build_link(m, 0, 1);
    build_link(m, 1, 2);
    refused(m, "/p2pvpn-mesh:mesh/topology",
            "'g00000' cannot reach 'g00002': no link joins them over gateways that give transit; "
            "set 'transit' of 'g00001' to true (it lies between them), or add a link, for instance "
            "of 'g00000' and 'g00002'");
    m->gateways[1].transit = TRI_YES;
    error_clear(&err);
    network_free(build(m));
    build_free(m);
}
END_TEST

START_TEST(two_islands)
{
    struct mesh *m = build_mesh(12, true, false);

    for (uint32_t i = 0; i < 12; i++)
        build_group(m, i, i % 2 ? "odd" : "even");
    build_segment(m, SEGMENT_FULL_MESH, "odd", NULL);
    build_segment(m, SEGMENT_RING, "even", NULL);
    refused(m, "/p2pvpn-mesh:mesh/topology",
            "'g00000', 'g00002', 'g00004', 'g00006' and 2 more cannot reach 'g00001', 'g00003', "
            "'g00005', 'g00007' and 2 more: no link joins them over gateways that give transit; "
            "add a link, for instance of 'g00000' and 'g00001'");
    build_free(m);
}
END_TEST

/* Gateways of one LAN need no way to each other over the mesh. */
START_TEST(gateways_that_share_a_lan)
{
    struct mesh *m = build_mesh(3, true, false);

    m->gateways[2].lan = 1;
    build_link(m, 0, 1);
    build_link(m, 0, 2);
    network_free(build(m));
    build_free(m);
}
END_TEST

START_TEST(nobody_in_a_segment)
{
    struct mesh *m = build_mesh(3, true, false);

    build_segment(m, SEGMENT_RING, "nobody", NULL);
    refused(m, "/p2pvpn-mesh:mesh/topology/segment[name='s1']",
            "no gateway is in a group of this segment; correct the group here or at the gateways, "
            "or take the segment out");
    error_clear(&err);
    m->segments[0].kind = SEGMENT_HUB_AND_SPOKE;
    refused(m, "/p2pvpn-mesh:mesh/topology/segment[name='s1']",
            "no gateway is in a hub-group of this segment; set hub-group, and group at the "
            "gateways that are its hubs");
    build_free(m);
}
END_TEST

START_TEST(link_ends)
{
    struct mesh *m = build_mesh(4, true, true);
    struct network *net;
    struct lock *lock;
    struct link_end e, f;
    char text[PREFIX_TEXT_MAX];

    m->gateways[0].number = 9;
    m->gateways[1].number = 3;
    build_endpoint(m, 2, "vpn.example.net", FAMILY_NONE);
    build_endpoint(m, 3, NULL, FAMILY_NONE);
    m->gateways[0].settings.bfd_interval = 1000;
    m->gateways[1].settings.bfd_interval = 200;
    m->gateways[0].settings.underlay_mtu = 1400;
    m->gateways[1].settings.underlay_mtu = 1492;
    m->gateways[1].settings.queue_length = 100;
    ck_assert_int_eq(allocate_network(m, NULL, &net, &lock, &warnings, &err), 0);

    e = find_end(net, 0, 1);
    f = find_end(net, 1, 0);
    ck_assert_uint_eq(e.local_port, 11003);
    ck_assert_uint_eq(e.remote_port, 11009);
    ck_assert_uint_eq(f.local_port, 11009);
    ck_assert_uint_eq(f.remote_port, 11003);
    ck_assert_int_eq(e.role, LINK_ROLE_CLIENT);
    ck_assert_int_eq(f.role, LINK_ROLE_SERVER); /* the lower number */
    ck_assert_uint_eq(e.settings.bfd_interval, 1000);
    ck_assert_uint_eq(e.settings.bfd_multiplier, 3);
    ck_assert_uint_eq(e.settings.queue_length, 100);
    ck_assert_uint_eq(e.tun_mtu, 1400 - 52);
    ck_assert_uint_eq(f.tun_mtu, 1400 - 52);
    /* Numbers 1 2 3 9 (g2 g3 g1 g0), so 3-9 is the last of six: the sixth /31, even at 3. */
    ck_assert_str_eq(prefix_format(&f.address[0], text), "172.19.0.10/31");
    ck_assert_str_eq(prefix_format(&f.peer_address[0], text), "172.19.0.11/32");
    ck_assert_str_eq(prefix_format(&e.address[0], text), "172.19.0.11/31");
    ck_assert_str_eq(prefix_format(&e.peer_address[0], text), "172.19.0.10/32");
    ck_assert_uint_eq(e.address[1].len, 127);
    ck_assert_uint_eq(e.peer_address[1].len, 128);
    ck_assert_uint_eq(e.address[1].addr[15], 11);
    ck_assert_uint_eq(e.address[1].addr[0], 0xfd);

    e = find_end(net, 3, 0); /* it can only call */
    f = find_end(net, 0, 3);
    ck_assert_int_eq(e.role, LINK_ROLE_CLIENT);
    ck_assert_int_eq(f.role, LINK_ROLE_SERVER);
    ck_assert_str_eq(e.remote_host, "203.0.113.1");
    ck_assert_ptr_null(f.remote_host);
    ck_assert_uint_eq(f.remote_port, 0);
    e = find_end(net, 2, 0); /* a DNS name may be IPv6 */
    ck_assert_uint_eq(e.tun_mtu, 1400 - 72);
    network_free(net);
    lock_free(lock);
    build_free(m);
}
END_TEST

START_TEST(mtu_too_small_for_ipv6)
{
    struct mesh *m = build_mesh(4, true, true);

    m->gateways[2].settings.underlay_mtu = 1320;
    refused(m, "/p2pvpn-mesh:mesh/gateway[name='g00002']/underlay-mtu",
            "1320 bytes leave 1268 for packets on the link of 'g00000' and 'g00002', but IPv6 "
            "needs 1280; set at least 1332");
    error_clear(&err);
    m->has_ipv6 = false;
    network_free(build(m));
    build_free(m);
}
END_TEST

/* 1,000 gateways in one segment: 499,500 links, and the bound is still exact. */
START_TEST(large)
{
    struct mesh *m = build_mesh(1000, true, false);
    struct network *net = build(m);

    ck_assert_uint_eq(net->n_links, 499500);
    ck_assert_uint_eq(transit_count(net), 4);
    ck_assert_uint_eq(net->path_bound, 2);
    network_free(net);
    build_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("topology");
    TCase *t = unit_case(s, "topology", NULL, teardown);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, full_mesh);
    tcase_add_test(t, one_gateway_alone);
    tcase_add_test(t, transit_of_a_large_full_mesh);
    tcase_add_test(t, transit_members);
    tcase_add_test(t, hub_and_spoke);
    tcase_add_test(t, hubs_per_spoke_is_stable);
    tcase_add_test(t, a_single_link_chooses_the_hub);
    tcase_add_test(t, election_is_kept);
    tcase_add_test(t, spoke_chooses_hubs_it_can_call);
    tcase_add_test(t, ring);
    tcase_add_test(t, union_of_segments_and_links);
    tcase_add_test(t, callers_have_no_link);
    tcase_add_test(t, callers_alone_are_disconnected);
    tcase_add_test(t, link_that_nobody_can_bring_up);
    tcase_add_test(t, a_leaf_never_forwards);
    tcase_add_test(t, two_islands);
    tcase_add_test(t, gateways_that_share_a_lan);
    tcase_add_test(t, nobody_in_a_segment);
    tcase_add_test(t, link_ends);
    tcase_add_test(t, mtu_too_small_for_ipv6);
    tcase_add_test(t, large);
    return unit_run(s);
}
