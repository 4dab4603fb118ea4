/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "controller/allocate.h"
#include "controller/lock.h"
#include "controller/pool.h"
#include "tests/unit/locks.h"
#include "tests/unit/unit.h"

/* Allocates with `old` (which stays the caller's) and returns the new lock, read back. */
static struct lock *allocate(const struct mesh *m, const struct lock *old, struct network **ret_net)
{
    struct network *net = NULL;
    struct lock *lock = NULL;
    int r = allocate_network(m, old, &net, &lock, &warnings, &err);

    if (r != 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    if (ret_net)
        *ret_net = net;
    else
        network_free(net);
    return written_and_read(lock);
}

static void refused(const struct mesh *m, const struct lock *old, const char *path,
                    const char *message)
{
    struct network *net = NULL;
    struct lock *lock = NULL;

    ck_assert_int_eq(allocate_network(m, old, &net, &lock, &warnings, &err), -EINVAL);
    ck_assert(!net && !lock);
    build_refused(&err, path, message);
}

START_TEST(from_nothing)
{
    struct mesh *m = build_mesh(3, true, true);
    struct network *net;
    struct lock *lock = allocate(m, NULL, &net);
    struct buf text = BUF_INIT;

    lock_format(lock, &text);
    ck_assert_str_eq(
        buf_cstr(&text),
        "{\n"
        "  \"p2pvpn-lock:lock\": {\n"
        "    \"mesh\": \"m\",\n"
        "    \"link-prefix\": [\n"
        "      \"172.19.0.0/16\",\n"
        "      \"fd62:c66a:7a5d:d70c::/64\"\n"
        "    ],\n"
        "    \"gateway\": [\n"
        "      {\"name\": \"g00000\", \"number\": 1, \"asn\": 4200000001, \"router-id\": "
        "\"100.64.0.1\", \"generation\": 1},\n"
        "      {\"name\": \"g00001\", \"number\": 2, \"asn\": 4200000002, \"router-id\": "
        "\"100.64.0.2\", \"generation\": 1},\n"
        "      {\"name\": \"g00002\", \"number\": 3, \"asn\": 4200000003, \"router-id\": "
        "\"100.64.0.3\", \"generation\": 1}\n"
        "    ],\n"
        "    \"link\": [\n"
        "      {\"index\": 0, \"a\": 1, \"b\": 2},\n"
        "      {\"index\": 1, \"a\": 1, \"b\": 3, \"count\": 2}\n"
        "    ]\n"
        "  }\n"
        "}\n");
    ck_assert_uint_eq(net->n_pool[0], 1);
    ck_assert_uint_eq(net->n_pool[1], 1);
    buf_free(&text);
    network_free(net);
    lock_free(lock);
    build_free(m);
}
END_TEST

/* A mesh that grew gateway by gateway has the lock of one that was compiled at once. */
START_TEST(growing_is_the_same_as_at_once)
{
    struct buf grown = BUF_INIT, at_once = BUF_INIT;
    struct lock *lock = NULL, *next;
    struct mesh *m;

    for (uint32_t n = 1; n <= 40; n++) {
        m = build_mesh(n, true, false);
        next = allocate(m, lock, NULL);
        lock_free(lock);
        lock = next;
        build_free(m);
    }
    lock_format(lock, &grown);
    lock_free(lock);
    m = build_mesh(40, true, false);
    lock = allocate(m, NULL, NULL);
    lock_format(lock, &at_once);
    ck_assert_str_eq(buf_cstr(&grown), buf_cstr(&at_once));
    lock_free(lock);
    build_free(m);
    buf_free(&grown);
    buf_free(&at_once);
}
END_TEST

START_TEST(removed_values_are_free_again)
{
    struct mesh *m = build_mesh(4, true, false);
    struct lock *first = allocate(m, NULL, NULL), *second, *third;

    /* g00001 leaves, zz comes: it gets number 2, and none of the others moves. */
    memmove(&m->gateways[1], &m->gateways[2], 2 * sizeof(*m->gateways));
    m->n_gateways = 3;
    second = allocate(m, first, NULL);
    ck_assert_uint_eq(second->n_gateways, 3);
    ck_assert_ptr_null(find(second, "g00001"));
    ck_assert_uint_eq(find(second, "g00003")->number, 4);
    m->n_gateways = 4;
    m->gateways[3] = (struct mesh_gateway){.name = "zz", .short_name = "", .lan = 1};
    third = allocate(m, second, NULL);
    ck_assert_uint_eq(find(third, "zz")->number, 2);
    ck_assert_uint_eq(find(third, "g00003")->number, 4);
    ck_assert_uint_eq(third->links[third->n_links - 1].index, 5);
    lock_free(third);
    /* In one step as well, and the one that came inherits no link of the one that left. */
    third = allocate(m, first, NULL);
    ck_assert_uint_eq(find(third, "zz")->number, 2);
    lock_free(first);
    lock_free(second);
    lock_free(third);
    build_free(m);
}
END_TEST

/* One gateway of a lock, behind HEAD. */
#define RECORD(name, number, rest)                                            \
    "{\"name\":\"" name "\",\"number\":" #number ",\"asn\":420000000" #number \
    ",\"router-id\":\"100.64.0." #number "\"}" rest

START_TEST(contradictions_name_both)
{
    struct lock *lock = parse(HEAD "\"gateway\":[" RECORD("g00000", 3, ) "]}}");
    struct mesh *m = build_mesh(2, true, false);

    m->gateways[0].number = 7;
    refused(m, lock, "/p2pvpn-mesh:mesh/gateway[name='g00000']/number",
            "7 contradicts m.lock.json: /p2pvpn-lock:lock/gateway[name='g00000']/number, which is "
            "3; write that here or leave the leaf out (to give the gateway another number, compile "
            "once without it: its links get new addresses and ports)");
    m->gateways[0].number = 3;
    m->gateways[0].asn = 4200000007;
    refused(m, lock, "/p2pvpn-mesh:mesh/gateway[name='g00000']/asn",
            "4200000007 contradicts m.lock.json: /p2pvpn-lock:lock/gateway[name='g00000']/asn, "
            "which is 4200000003; write that here or leave the leaf out (to change it, write it "
            "into the lock as well: all its BGP sessions start anew)");
    m->gateways[0].asn = 0;
    m->gateways[0].router_id = 0x01020304;
    refused(m, lock, "/p2pvpn-mesh:mesh/gateway[name='g00000']/router-id",
            "1.2.3.4 contradicts m.lock.json: /p2pvpn-lock:lock/gateway[name='g00000']/router-id, "
            "which is 100.64.0.3; write that here or leave the leaf out (to change it, write it "
            "into the lock as well: all its BGP sessions start anew)");
    m->gateways[0].router_id = 0;
    m->gateways[1].number = 3;
    refused(m, lock, "/p2pvpn-mesh:mesh/gateway[name='g00001']/number",
            "3 is taken: m.lock.json: /p2pvpn-lock:lock/gateway[name='g00000']/number has it; "
            "choose another, or leave the leaf out");
    m->gateways[1].number = 0;
    m->name = "n";
    refused(m, lock, "/p2pvpn-mesh:mesh/name",
            "'n' contradicts m.lock.json: /p2pvpn-lock:lock/mesh, which is 'm'; if that is the "
            "lock of another mesh, use the right one; to rename the mesh, write the new name into "
            "the lock as well: all numbers and addresses stay");
    lock_free(lock);
    build_free(m);
}
END_TEST

/* A new base-asn is for new gateways, and that is said. */
START_TEST(base_asn_moves_nobody)
{
    struct mesh *m = build_mesh(3, true, false);
    struct lock *first = allocate(m, NULL, NULL), *second;

    ck_assert_uint_eq(warnings.n, 0);
    m->base_asn = 4210000000u;
    m->gateways[0].asn = find(first, "g00000")->asn; /* written there: nobody is surprised */
    second = allocate(m, first, NULL);
    ck_assert_uint_eq(find(second, "g00001")->asn, find(first, "g00001")->asn);
    ck_assert_uint_eq(warnings.n, 1);
    ck_assert_str_eq(warnings.items[0].path, "/p2pvpn-mesh:mesh/addressing/base-asn");
    ck_assert_ptr_nonnull(strstr(warnings.items[0].message, "2 gateways (first 'g00001', with "));
    lock_free(first);
    lock_free(second);
    build_free(m);
}
END_TEST

START_TEST(all_contradictions_in_one_run)
{
    struct lock *lock =
        parse(HEAD "\"gateway\":[" RECORD("g00000", 3, "," RECORD("g00001", 4, )) "]}}");
    struct mesh *m = build_mesh(2, true, false);
    struct network *net;
    struct lock *ret;

    m->name = "n";
    m->gateways[0].number = 7;
    m->gateways[1].number = 8;
    ck_assert_int_eq(allocate_network(m, lock, &net, &ret, &warnings, &err), -EINVAL);
    ck_assert_uint_eq(err.n, 3);
    lock_free(lock);
    build_free(m);
}
END_TEST

START_TEST(values_the_model_sets)
{
    struct mesh *m = build_mesh(4, true, false);
    struct lock *lock;

    m->gateways[0].number = 900;
    m->gateways[1].asn = 4200000001; /* what number 1 would have had */
    m->gateways[2].router_id = 0x64400002;
    lock = allocate(m, NULL, NULL);
    ck_assert_uint_eq(find(lock, "g00000")->number, 900);
    ck_assert_uint_eq(find(lock, "g00000")->asn, 4200000900u);
    ck_assert_uint_eq(find(lock, "g00001")->number, 3); /* 1 and 2 belong to others' values */
    ck_assert_uint_eq(find(lock, "g00001")->asn, 4200000001u);
    ck_assert_uint_eq(find(lock, "g00003")->number, 5);
    lock_free(lock);

    m->gateways[3].number = 1;
    refused(m, NULL, "/p2pvpn-mesh:mesh/gateway[name='g00003']/number",
            "number 1 makes ASN 4200000001, which gateway 'g00001' has; choose another number, or "
            "set 'asn' here");
    m->gateways[3].number = 2;
    refused(m, NULL, "/p2pvpn-mesh:mesh/gateway[name='g00003']/number",
            "number 2 makes router-id 100.64.0.2, which gateway 'g00002' has; choose another "
            "number, or set 'router-id' here");
    m->gateways[3].number = 900;
    refused(m, NULL, "/p2pvpn-mesh:mesh/gateway[name='g00003']/number",
            "900 is also the number of gateway 'g00000'; choose another, or leave the leaf out");
    build_free(m);
}
END_TEST

START_TEST(ranges)
{
    struct mesh *m = build_mesh(3, true, false);

    m->base_port = 65533;
    refused(m, NULL, "/p2pvpn-mesh:mesh/addressing/base-port",
            "base-port 65533 leaves ports for 2 gateways, but the mesh has 3; lower base-port, or "
            "make more than one mesh of it");
    m->base_port = 65000;
    m->gateways[1].number = 600;
    refused(m, NULL, "/p2pvpn-mesh:mesh/gateway[name='g00001']/number",
            "number 600 and base-port 65000 make UDP port 65600, beyond 65535; lower "
            "/p2pvpn-mesh:mesh/addressing/base-port, or use a number up to 535");
    m->gateways[1].number = 0;
    m->base_asn = 4294967293u;
    m->gateways[1].asn = m->gateways[2].asn = 0;
    m->n_gateways = 2;
    refused(m, NULL, "/p2pvpn-mesh:mesh/gateway[name='g00001']/asn",
            "base-asn 4294967293 plus number 2 is not an ASN for private use (up to 4294967294); "
            "lower /p2pvpn-mesh:mesh/addressing/base-asn, or set the leaf");
    m->base_asn = 65533;
    refused(m, NULL, "/p2pvpn-mesh:mesh/gateway[name='g00001']/asn",
            "base-asn 65533 plus number 2 is not an ASN for private use (up to 65534); lower "
            "/p2pvpn-mesh:mesh/addressing/base-asn, or set the leaf");
    build_free(m);
}
END_TEST

START_TEST(link_pool_exhausted)
{
    struct mesh *m = build_mesh(6, true, false); /* 15 links */
    struct prefix pool[2];
    struct network *net;
    struct lock *lock;
    char text[PREFIX_TEXT_MAX];
    struct link_end e;

    prefix_parse("172.19.0.0/28", &pool[0]); /* 8 of them */
    m->link_prefixes = pool;
    m->n_link_prefixes = 1;
    refused(m, NULL, "/p2pvpn-mesh:mesh/addressing/link-prefix",
            "the mesh needs 15 IPv4 link addresses, but only 8 fit into the pool; append a prefix: "
            "\"link-prefix\": [\"172.19.0.0/28\", \"172.16.0.0/28\"]");
    prefix_parse("172.16.0.0/28", &pool[1]);
    m->n_link_prefixes = 2;
    lock = allocate(m, NULL, &net);
    e = find_end(net, 2, 4); /* numbers 3 and 5: index 8, the first of the second prefix */
    ck_assert_str_eq(prefix_format(&e.address[0], text), "172.16.0.0/31");
    network_free(net);
    lock_free(lock);
    build_free(m);
}
END_TEST

START_TEST(link_prefixes_and_the_lock)
{
    struct mesh *m = build_mesh(6, true, false);
    struct prefix pool[3];
    struct lock *lock, *next;

    prefix_parse("172.20.0.0/28", &pool[0]);
    prefix_parse("172.21.0.0/24", &pool[1]);
    prefix_parse("172.22.0.0/24", &pool[2]);
    m->link_prefixes = pool;
    m->n_link_prefixes = 2;
    lock = allocate(m, NULL, NULL);

    m->n_link_prefixes = 3; /* appending is allowed */
    next = allocate(m, lock, NULL);
    ck_assert_uint_eq(next->n_link_prefixes, 3);
    lock_free(next);
    m->n_link_prefixes = 0; /* nothing said: what is in use stays */
    next = allocate(m, lock, NULL);
    ck_assert_uint_eq(next->n_link_prefixes, 2);
    lock_free(next);
    m->n_link_prefixes = 1;
    ck_assert_int_eq(allocate_network(m, lock, &(struct network *){NULL}, &next, &warnings, &err),
                     -EINVAL);
    ck_assert_str_eq(err.items[0].message,
                     "number 2 of the IPv4 prefixes is missing here, but 172.21.0.0/24 in "
                     "m.lock.json: /p2pvpn-lock:lock/link-prefix, and links have their addresses "
                     "from it; put it back and append new prefixes behind the old ones, or, to "
                     "give every link a new address, delete 'link-prefix' and 'link' from the "
                     "lock");
    error_clear(&err);
    m->n_link_prefixes = 2;
    prefix_parse("172.20.0.0/24", &pool[0]); /* longer, but it moves what comes after it */
    refused(m, lock, "/p2pvpn-mesh:mesh/addressing/link-prefix",
            "number 1 of the IPv4 prefixes is 172.20.0.0/24 here, but 172.20.0.0/28 in "
            "m.lock.json: /p2pvpn-lock:lock/link-prefix, and links have their addresses from it; "
            "put it back and append new prefixes behind the old ones, or, to give every link a new "
            "address, delete 'link-prefix' and 'link' from the lock");
    lock_free(lock);
    build_free(m);
}
END_TEST

/* A prefix that no link uses any more may go. */
START_TEST(unused_link_prefix_may_go)
{
    struct mesh *m = build_mesh(6, true, false);
    struct lock *lock, *next;
    struct prefix pool[2];

    prefix_parse("172.20.0.0/28", &pool[0]);
    prefix_parse("172.21.0.0/24", &pool[1]);
    m->link_prefixes = pool;
    m->n_link_prefixes = 2;
    lock = allocate(m, NULL, NULL);
    m->n_gateways = 4; /* 6 links, all in the first */
    m->n_link_prefixes = 1;
    next = allocate(m, lock, NULL);
    ck_assert_uint_eq(next->n_link_prefixes, 1);
    lock_free(next);
    lock_free(lock);
    build_free(m);
}
END_TEST

START_TEST(defaults_and_lans)
{
    struct mesh *m = build_mesh(2, true, true);
    struct prefix derived = pool_default_ipv6("m");
    struct lock *lock;

    ck_assert_uint_eq(derived.len, 64);
    ck_assert_uint_eq(derived.addr[0], 0xfd);
    prefix_parse("172.19.4.0/24", &m->lans[1].prefixes[0]);
    refused(m, NULL, "/p2pvpn-mesh:mesh/addressing/link-prefix",
            "the default, 172.19.0.0/16, overlaps 172.19.4.0/24 of lan 'lan00001'; set link-prefix "
            "to IPv4 prefixes that nothing else uses, for instance to \"172.16.0.0/19\"");
    prefix_parse("10.9.0.0/24", &m->lans[1].prefixes[0]);
    lock = allocate(m, NULL, NULL);
    prefix_parse("172.16.0.0/12", &m->lans[1].prefixes[0]);
    refused(m, lock, "/p2pvpn-mesh:mesh/addressing/link-prefix",
            "the link addresses are from 172.19.0.0/16 (m.lock.json: /p2pvpn-lock:lock/link-prefix)"
            ", which overlaps 172.16.0.0/12 of lan 'lan00001'; give the LAN another prefix, or set "
            "link-prefix to a free one and delete 'link-prefix' and 'link' from the lock, which "
            "gives every link a new address");
    prefix_parse("10.9.0.0/24", &m->lans[1].prefixes[0]);
    m->lans[0].prefixes[1] = derived;
    ck_assert_int_eq(allocate_network(m, NULL, &(struct network *){NULL}, &(struct lock *){NULL},
                                      &warnings, &err),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "the default, fd62:c66a:7a5d:d70c::/64, "
                                                       "overlaps"));
    lock_free(lock);
    build_free(m);
}
END_TEST

START_TEST(ipv6_only)
{
    struct mesh *m = build_mesh(3, false, true);
    struct network *net;
    struct lock *lock = allocate(m, NULL, &net);
    struct link_end e = find_end(net, 0, 1);

    ck_assert_uint_eq(net->n_pool[0], 0);
    ck_assert_uint_eq(lock->n_link_prefixes, 1);
    ck_assert_uint_eq(e.address[0].family, FAMILY_NONE);
    ck_assert_uint_eq(e.address[1].len, 127);
    network_free(net);
    lock_free(lock);
    build_free(m);
}
END_TEST

#define OVERRIDE                                                                              \
    HEAD "\"link-prefix\":[\"172.19.0.0/16\"],\"gateway\":[" RECORD(                          \
        "g00000", 5,                                                                          \
        "," RECORD(                                                                           \
            "g00001", 2,                                                                      \
            "," RECORD(                                                                       \
                "g00002",                                                                     \
                3, ))) "],"                                                                   \
                       "\"link\":[{\"index\":7,\"a\":2,\"b\":5,\"address-a\":\"172.17.4.1\"," \
                       "\"address-b\":\"172.17.4.2\",\"port-a\":11004,\"port-b\":11005}]}}"

START_TEST(overrides_are_kept)
{
    struct lock *lock = parse(OVERRIDE), *next;
    struct mesh *m = build_mesh(3, true, true);
    struct link_end low, high, other;
    struct network *net;
    char text[PREFIX_TEXT_MAX];

    m->base_port = 12000;
    next = allocate(m, lock, &net);
    low = find_end(net, 1, 0); /* number 2, the record's a */
    high = find_end(net, 0, 1);
    ck_assert_uint_eq(low.link->index, 7);
    ck_assert_str_eq(prefix_format(&low.address[0], text), "172.17.4.1/32");
    ck_assert_str_eq(prefix_format(&low.peer_address[0], text), "172.17.4.2/32");
    ck_assert_str_eq(prefix_format(&high.address[0], text), "172.17.4.2/32");
    ck_assert_str_eq(prefix_format(&high.peer_address[0], text), "172.17.4.1/32");
    ck_assert_uint_eq(low.local_port, 11004);
    ck_assert_uint_eq(low.remote_port, 11005);
    ck_assert_uint_eq(high.local_port, 11005);
    ck_assert_uint_eq(high.remote_port, 11004);
    ck_assert_uint_eq(low.address[1].len, 127); /* IPv6 is new, and from the pool */
    ck_assert_uint_eq(low.address[1].addr[15], 14);
    other = find_end(net, 2, 0);
    ck_assert_uint_eq(other.local_port, 12005);
    ck_assert_str_eq(prefix_format(&other.address[0], text), "172.19.0.2/31");
    ck_assert_uint_eq(next->n_links, 3);
    ck_assert_uint_eq(next->links[2].override->port_b, 11005);
    network_free(net);
    lock_free(next);
    lock_free(lock);
    build_free(m);
}
END_TEST

/* Who takes over the number of a gateway that left takes over none of its addresses. */
START_TEST(overrides_leave_with_their_gateway)
{
    struct lock *lock = parse(OVERRIDE), *next;
    struct mesh *m = build_mesh(3, true, false);
    struct network *net;

    m->base_port = 12000;
    m->gateways[1].name = "g00001-new";
    m->gateways[1].number = 2;
    next = allocate(m, lock, &net);
    ck_assert_uint_eq(find(next, "g00001-new")->number, 2);
    for (size_t i = 0; i < net->n_links; i++)
        ck_assert_ptr_null(net->links[i].override);
    network_free(net);
    lock_free(next);
    lock_free(lock);
    build_free(m);
}
END_TEST

START_TEST(index_beyond_the_pool)
{
    struct lock *lock = parse(HEAD "\"link-prefix\":[\"172.19.0.0/24\"],\"gateway\":[" RECORD(
        "g00000", 1, "," RECORD("g00001", 2, )) "],\"link\":[{\"index\":200,\"a\":1,\"b\":2}]}}");
    struct mesh *m = build_mesh(2, true, false);

    refused(m, lock, "/p2pvpn-mesh:mesh/addressing/link-prefix",
            "the mesh needs 201 IPv4 link addresses, but only 128 fit into the pool; append a "
            "prefix: \"link-prefix\": [\"172.19.0.0/24\", \"172.16.0.0/24\"]");
    lock_free(lock);
    build_free(m);
}
END_TEST

START_TEST(overrides_in_the_way)
{
    struct lock *lock = parse(OVERRIDE);
    struct mesh *m = build_mesh(3, true, false);

    m->base_port = 11002; /* number 3 makes 11005 at number 5 */
    refused(m, lock, "/p2pvpn-mesh:mesh/addressing/base-port",
            "gateway 'g00000' would use UDP port 11005 for its links to 'g00002' and 'g00001': one "
            "of them has it from m.lock.json: /p2pvpn-lock:lock/link; set base-port so that "
            "base-port plus number keeps clear of the ports there");
    m->base_port = 12000;
    prefix_parse("192.168.0.0/24", &m->lans[0].prefixes[0]); /* so that the culprit sorts first */
    prefix_parse("192.168.1.0/24", &m->lans[1].prefixes[0]);
    prefix_parse("172.17.4.2/31", &m->lans[2].prefixes[0]);
    refused(m, lock, "/p2pvpn-mesh:mesh/lan[name='lan00002']/prefix",
            "172.17.4.2/31 contains 172.17.4.2, which m.lock.json: "
            "/p2pvpn-lock:lock/link[index='7'] gives to the link of 'g00000' and 'g00001'; choose "
            "another prefix here, or take the addresses out of that record: the link then gets new "
            "ones");
    lock_free(lock);
    build_free(m);
}
END_TEST

START_TEST(large)
{
    struct mesh *m = build_mesh(1000, true, true);
    struct lock *first, *second;
    struct prefix pool;
    struct buf text = BUF_INIT;
    size_t lines = 0;

    prefix_parse("172.16.0.0/12", &pool);
    m->link_prefixes = &pool;
    m->n_link_prefixes = 1;
    first = allocate(m, NULL, NULL);
    second = allocate(m, first, NULL);
    ck_assert_uint_eq(second->n_links, 499500);
    for (uint32_t i = 0; i < second->n_links; i++)
        ck_assert_uint_eq(second->links[i].index, i);
    lock_format(second, &text);
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    ck_assert_uint_lt(lines, 2020);
    buf_free(&text);
    lock_free(first);
    lock_free(second);
    build_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("allocate");
    TCase *t = unit_case(s, "allocate", NULL, teardown);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, from_nothing);
    tcase_add_test(t, growing_is_the_same_as_at_once);
    tcase_add_test(t, removed_values_are_free_again);
    tcase_add_test(t, contradictions_name_both);
    tcase_add_test(t, base_asn_moves_nobody);
    tcase_add_test(t, all_contradictions_in_one_run);
    tcase_add_test(t, values_the_model_sets);
    tcase_add_test(t, ranges);
    tcase_add_test(t, link_pool_exhausted);
    tcase_add_test(t, link_prefixes_and_the_lock);
    tcase_add_test(t, unused_link_prefix_may_go);
    tcase_add_test(t, defaults_and_lans);
    tcase_add_test(t, ipv6_only);
    tcase_add_test(t, overrides_are_kept);
    tcase_add_test(t, overrides_leave_with_their_gateway);
    tcase_add_test(t, index_beyond_the_pool);
    tcase_add_test(t, overrides_in_the_way);
    tcase_add_test(t, large);
    return unit_run(s);
}
