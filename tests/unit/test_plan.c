/* SPDX-License-Identifier: Apache-2.0 */
/* The plan over a table of (bundle, observation) pairs: what is printed is what would be done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/key_memory.h"
#include "agent/observe.h"
#include "agent/plan.h"
#include "common/alloc.h"
#include "tests/unit/unit.h"

#define UID 998

/* Two links, to "east" (dual stack, pv2) and "west" (an imported one, IPv4, pv7). */
static struct {
    struct bundle b;
    struct bundle_link links[2];
    struct prefix own[3], peer[3], lan[2];
    struct bundle_file files[2];
    struct plan_context context;
    struct observed have;
} w;

static void setup(void)
{
    memset(&w, 0, sizeof(w));
    w.own[0] = unit_prefix("172.19.0.0/31");
    w.peer[0] = unit_prefix("172.19.0.1");
    w.own[1] = unit_prefix("fd00::/127");
    w.peer[1] = unit_prefix("fd00::1");
    w.own[2] = unit_prefix("172.17.4.1");
    w.peer[2] = unit_prefix("172.17.4.2");
    w.lan[0] = unit_prefix("10.1.0.0/16");
    w.lan[1] = unit_prefix("fd10:1::/48");
    w.links[0] = (struct bundle_link){
        .interface = "pv2",
        .alias = "pv-east",
        .peer = "east",
        .peer_number = 2,
        .addresses = w.own,
        .peer_addresses = w.peer,
        .n_addresses = 2,
        .mtu = 1400,
        .queue_length = 500,
        .config = "openvpn/pv2.conf",
    };
    w.links[1] = (struct bundle_link){
        .interface = "pv7",
        .alias = "pv-west",
        .peer = "west",
        .peer_number = 7,
        .addresses = w.own + 2,
        .peer_addresses = w.peer + 2,
        .n_addresses = 1,
        .mtu = 1420,
        .queue_length = 1000,
        .config = "openvpn/pv7.conf",
    };
    w.files[0] = (struct bundle_file){.path = "openvpn/pv2.conf", .sha256 = "aa"};
    w.files[1] = (struct bundle_file){.path = "openvpn/pv7.conf", .sha256 = "bb"};
    w.b = (struct bundle){
        .mesh = "m",
        .gateway = "here",
        .lan_prefixes = w.lan,
        .n_lan_prefixes = 2,
        .links = w.links,
        .n_links = 2,
        .files = w.files,
        .n_files = 2,
    };
    w.context = (struct plan_context){.mesh = "m", .link_uid = UID};
    w.have.frr_in_force = true;
}

static struct link_state *add_link(const char *name, const char *kind, const char *alias)
{
    struct link_table *t = &w.have.links;
    struct link_state *link;

    t->links = xreallocarray(t->links, t->n + 1, sizeof(*t->links));
    link = &t->links[t->n];
    *link = (struct link_state){
        .index = (unsigned)++t->n,
        .alias = xstrdup(alias),
        .mtu = 1500,
        .queue_length = 1000,
        .up = true,
        .owner = -1,
    };
    snprintf(link->name, sizeof(link->name), "%s", name);
    snprintf(link->kind, sizeof(link->kind), "%s", kind);
    return link;
}

static void add_address(struct link_state *link, struct link_address a)
{
    link->addresses =
        xreallocarray(link->addresses, link->n_addresses + 1, sizeof(*link->addresses));
    link->addresses[link->n_addresses++] = a;
}

static void add_altname(struct link_state *link, const char *name)
{
    link->altnames = xreallocarray(link->altnames, link->n_altnames + 1, sizeof(char *));
    link->altnames[link->n_altnames++] = xstrdup(name);
}

static void interface_settings(const char *name, const int32_t values[static LINK_SETTINGS])
{
    for (size_t i = 0; i < w.have.links.n; i++)
        if (strcmp(w.have.links.links[i].name, name) == 0)
            memcpy(w.have.links.links[i].settings, values, LINK_SETTINGS * sizeof(*values));
}

/* A gateway that is as the bundle says. */
static void everything_in_place(void)
{
    static const int32_t ours[] = {2, 0, 0, 0, 1, 0, 3}, others[] = {0, 1, 1, 1, 1, 0, 0};
    char digest[STARTED_LEN + 1];

    add_link("eth0", "", "");
    interface_settings("eth0", others);
    for (size_t i = 0; i < 2; i++) {
        char alias[32];
        struct link_state *link;

        snprintf(alias, sizeof(alias), "p2pvpn m %s", w.links[i].peer);
        link = add_link(w.links[i].interface, "tun", alias);
        link->owner = UID;
        link->persistent = link->carrier = link->link_local = true;
        link->mtu = w.links[i].mtu;
        link->queue_length = w.links[i].queue_length;
        add_altname(link, w.links[i].alias);
        interface_settings(link->name, ours);
        plan_link_digest(&w.b, &w.links[i], &w.context, digest);
        observed_add_process(&w.have, link->name, digest);
    }
    add_address(&w.have.links.links[1], (struct link_address){.local = w.own[0]});
    add_address(&w.have.links.links[1], (struct link_address){.local = w.own[1]});
    add_address(&w.have.links.links[2],
                (struct link_address){.local = w.own[2], .peer = w.peer[2]});
    for (size_t i = 0; plan_global_settings[i]; i++)
        observed_add_setting(&w.have, plan_global_settings[i], 1);
    observed_sort(&w.have);
}

static void teardown(void)
{
    observed_clear(&w.have);
}

static void expect_of(const struct bundle *want, const char *text)
{
    struct plan *p = plan_compute(want, &w.context, &w.have);
    struct plan *again = plan_compute(want, &w.context, &w.have);
    struct buf got = BUF_INIT, second = BUF_INIT;

    plan_print(p, &got);
    plan_print(again, &second);
    ck_assert_str_eq(buf_cstr(&got), text);
    ck_assert_str_eq(buf_cstr(&second), text);
    buf_free(&got);
    buf_free(&second);
    plan_free(p);
    plan_free(again);
}

static void expect(const char *text)
{
    expect_of(&w.b, text);
}

START_TEST(test_nothing_to_do)
{
    everything_in_place();
    expect("");
}
END_TEST

static void set(const char *name, long value)
{
    for (size_t i = 0; i < w.have.n_settings; i++)
        if (strcmp(w.have.settings[i].name, name) == 0)
            w.have.settings[i].value = value;
    for (size_t i = 0; i < w.have.links.n * LINK_SETTINGS; i++) {
        struct link_state *link = &w.have.links.links[i / LINK_SETTINGS];
        char *of_link = netlink_setting_name(i % LINK_SETTINGS, link->name);

        if (strcmp(of_link, name) == 0)
            link->settings[i % LINK_SETTINGS] = (int32_t)value;
        free(of_link);
    }
}

/* All that is done to a link's interface once it is there. */
#define SET_UP_PV2                                                                              \
    "add name to pv2: pv-east, so that people find it\n"                                        \
    "set MTU of pv2: 1400\n"                                                                    \
    "set queue length of pv2: 500\n"                                                            \
    "set net/ipv4/conf/pv2/rp_filter = 2: traffic may come in by one link and go out by "       \
    "another\n"                                                                                 \
    "set net/ipv4/conf/pv2/accept_redirects = 0: routes come by BGP only\n"                     \
    "set net/ipv6/conf/pv2/accept_redirects = 0: routes come by BGP only\n"                     \
    "set net/ipv6/conf/pv2/accept_ra = 0: routes come by BGP only\n"                            \
    "set net/ipv6/conf/pv2/disable_ipv6 = 0: the link has an IPv6 address\n"                    \
    "set net/ipv6/conf/pv2/addr_gen_mode = 0: BGP over IPv6 needs a link-local address on the " \
    "interface too\n"                                                                           \
    "add address to pv2: 172.19.0.0/31\n"                                                       \
    "add address to pv2: fd00::/127\n"                                                          \
    "set up interface pv2: it is down\n"
#define SET_UP_PV7                                                                        \
    "add name to pv7: pv-west, so that people find it\n"                                  \
    "set MTU of pv7: 1420\n"                                                              \
    "set queue length of pv7: 1000\n"                                                     \
    "set net/ipv4/conf/pv7/rp_filter = 2: traffic may come in by one link and go out by " \
    "another\n"                                                                           \
    "set net/ipv4/conf/pv7/accept_redirects = 0: routes come by BGP only\n"               \
    "set net/ipv6/conf/pv7/accept_redirects = 0: routes come by BGP only\n"               \
    "set net/ipv6/conf/pv7/accept_ra = 0: routes come by BGP only\n"                      \
    "add address to pv7: 172.17.4.1/32\n"                                                 \
    "set up interface pv7: it is down\n"

START_TEST(test_from_nothing)
{
    static const int32_t others[] = {1, 1, 1, 1, 0, 0, 0};

    add_link("eth0", "", "");
    interface_settings("eth0", others);
    observed_add_setting(&w.have, "net/ipv4/ip_forward", 0);
    observed_add_setting(&w.have, "net/ipv4/fib_multipath_hash_policy", 0);
    observed_add_setting(&w.have, "net/ipv6/conf/all/forwarding", 0);
    observed_sort(&w.have);
    w.have.frr_in_force = false;
    expect(
        "set net/ipv4/ip_forward = 1: it is 0; a gateway forwards packets\n"
        "set net/ipv4/fib_multipath_hash_policy = 1: it is 0; equal paths are chosen by ports too, "
        "not by addresses alone\n"
        "set net/ipv6/conf/eth0/accept_ra = 2: it is 1, and with forwarding on only 2 keeps the "
        "interface's router advertisements working\n"
        "set net/ipv6/conf/all/forwarding = 1: it is 0; a gateway forwards packets\n"
        "create interface pv2: link to east\n" SET_UP_PV2
        "start OpenVPN of pv2: it has no process\n"
        "create interface pv7: link to west\n" SET_UP_PV7
        "start OpenVPN of pv7: it has no process\n"
        "configure FRR: compare it with the bundle and change what differs\n");
}
END_TEST

START_TEST(test_machine_settings)
{
    everything_in_place();
    set("net/ipv4/ip_forward", 0);
    set("net/ipv4/conf/pv7/rp_filter", 1);
    expect("set net/ipv4/ip_forward = 1: it is 0; a gateway forwards packets\n"
           "set net/ipv4/conf/pv7/rp_filter = 2: it is 1; traffic may come in by one link and go "
           "out by another\n");
    /* Forwarding was on: accept_ra 1 has meant no, and nothing is changed about it. */
    set("net/ipv4/ip_forward", 1);
    set("net/ipv4/conf/pv7/rp_filter", 2);
    set("net/ipv6/conf/eth0/forwarding", 0);
    expect("");
    /* A mesh without IPv6 does not touch IPv6. */
    set("net/ipv6/conf/all/forwarding", 0);
    w.b.n_lan_prefixes = 1;
    expect("");
}
END_TEST

START_TEST(test_ipv6_of_a_link)
{
    static const char repair[] =
        "set net/ipv6/conf/pv2/disable_ipv6 = 0: it is 1; the link has an IPv6 address\n"
        "set net/ipv6/conf/pv2/addr_gen_mode = 0: BGP over IPv6 needs a link-local address on the "
        "interface too\n";

    /* pv7 has no IPv6 address, and nobody's mind is made up about its IPv6. */
    everything_in_place();
    set("net/ipv6/conf/pv2/disable_ipv6", 1);
    set("net/ipv6/conf/pv7/disable_ipv6", 1);
    w.have.links.links[1].link_local = w.have.links.links[2].link_local = false;
    expect(repair);
    /* The kernel gives the address once somebody has opened the tun. */
    set("net/ipv6/conf/pv2/disable_ipv6", 0);
    w.have.links.links[1].carrier = false;
    expect("");
}
END_TEST

START_TEST(test_drift)
{
    everything_in_place();
    w.have.links.links[1].mtu = 1500;
    w.have.links.links[1].up = false;
    free(w.have.links.links[1].altnames[0]);
    w.have.links.links[1].altnames[0] = xstrdup("pv-old");
    w.have.links.links[2].n_addresses = 0;
    add_address(&w.have.links.links[2], (struct link_address){.local = unit_prefix("10.9.9.9/24")});
    expect("remove name from pv2: pv-old is not its peer's name any more\n"
           "add name to pv2: pv-east, so that people find it\n"
           "set MTU of pv2: 1400\n"
           "set up interface pv2: it is down\n"
           "add address to pv7: 172.17.4.1/32\n"
           "remove address from pv7: 10.9.9.9/24 is not in the bundle\n");
}
END_TEST

START_TEST(test_processes)
{
    everything_in_place();
    snprintf(w.files[0].sha256, sizeof(w.files[0].sha256), "cc");
    w.have.n_processes = 1; /* pv7's died */
    expect("start OpenVPN of pv7: it has no process\n"
           "move traffic off pv2: its OpenVPN restarts\n"
           "restart OpenVPN of pv2: its configuration or certificate changed\n");
    /* A key that is given up is no matter for politeness, whoever started what accepts it. */
    w.links[0].peer_generation++;
    w.have.n_processes = 2;
    expect("restart OpenVPN of pv2: a key of its ends is given up\n");
    w.links[0].peer_generation--;
    /* And stays so, whatever a later bundle says. */
    {
        struct key_memory known = KEY_MEMORY_INIT;

        key_memory_parse("east 3\nwest 1\nnonsense\nx y\n", &known);
        w.context.known = &known;
        w.links[0].peer_generation = 2;
        w.links[1].peer_generation = 1;
        w.have.n_processes = 2;
        expect(
            "leave interface pv2: the key of east that this bundle wants (generation 2) was given "
            "up by a later one, and stays so: publish a bundle with its new keys\n");
        w.links[0].peer_generation = 3;
        expect("restart OpenVPN of pv2: a key of its ends is given up\n");
        w.links[0].peer_generation = w.links[1].peer_generation = 0;
        w.context.known = NULL;
        key_memory_clear(&known);
    }
    /* Another certificate concerns every link. */
    snprintf(w.files[0].sha256, sizeof(w.files[0].sha256), "aa");
    w.have.n_processes = 2;
    snprintf(w.context.keys_digest, sizeof(w.context.keys_digest), "new");
    expect("move traffic off pv2: its OpenVPN restarts\n"
           "move traffic off pv7: its OpenVPN restarts\n"
           "restart OpenVPN of pv2: its configuration or certificate changed\n"
           "restart OpenVPN of pv7: its configuration or certificate changed\n");
}
END_TEST

START_TEST(test_tun_deleted_by_hand)
{
    everything_in_place();
    /* pv7 is the last: take it out.  Its process is attached to nothing. */
    free(w.have.links.links[2].alias);
    free(w.have.links.links[2].addresses);
    free(w.have.links.links[2].altnames[0]);
    free(w.have.links.links[2].altnames);
    w.have.links.n--;
    expect("create interface pv7: link to west\n" SET_UP_PV7
           "restart OpenVPN of pv7: its interface is a new one\n");
}
END_TEST

START_TEST(test_link_leaves)
{
    everything_in_place();
    w.b.n_links = 1;
    w.have.frr_in_force = false;
    expect("move traffic off pv7: the bundle does not have this link\n"
           "configure FRR: compare it with the bundle and change what differs\n"
           "stop OpenVPN of pv7: the bundle does not have this link\n"
           "remove interface pv7: the bundle does not have this link\n");
}
END_TEST

/* The second link becomes another tunnel to the peer of the first. */
static void make_parallel(void)
{
    w.links[1].interface = "pv2-2";
    w.links[1].alias = "pv-east-2";
    w.links[1].peer = "east";
    w.links[1].peer_number = 2;
    w.links[1].tunnel = 2;
    w.links[1].config = w.files[1].path = "openvpn/pv2-2.conf";
}

/* Tunnels are known by their interfaces: of two to one peer, one comes and goes for itself. */
START_TEST(test_parallel_tunnels)
{
    make_parallel();
    everything_in_place();
    expect("");
    w.b.n_links = 1;
    expect("move traffic off pv2-2: the bundle does not have this link\n"
           "stop OpenVPN of pv2-2: the bundle does not have this link\n"
           "remove interface pv2-2: the bundle does not have this link\n");
}
END_TEST

START_TEST(test_another_tunnel_comes)
{
    static const int32_t settings[] = {2, 0, 0, 0, 1, 0, 3};
    struct link_state *link;
    char digest[STARTED_LEN + 1];

    make_parallel();
    link = add_link("pv2", "tun", "p2pvpn m east");
    link->owner = UID;
    link->persistent = link->carrier = link->link_local = true;
    link->mtu = 1400;
    link->queue_length = 500;
    add_altname(link, "pv-east");
    add_address(link, (struct link_address){.local = w.own[0]});
    add_address(link, (struct link_address){.local = w.own[1]});
    interface_settings("pv2", settings);
    plan_link_digest(&w.b, &w.links[0], &w.context, digest);
    observed_add_process(&w.have, "pv2", digest);
    observed_sort(&w.have);
    expect("create interface pv2-2: link to east\n"
           "add name to pv2-2: pv-east-2, so that people find it\n"
           "set MTU of pv2-2: 1420\n"
           "set queue length of pv2-2: 1000\n"
           "set net/ipv4/conf/pv2-2/rp_filter = 2: traffic may come in by one link and go out by "
           "another\n"
           "set net/ipv4/conf/pv2-2/accept_redirects = 0: routes come by BGP only\n"
           "add address to pv2-2: 172.17.4.1/32\n"
           "set up interface pv2-2: it is down\n"
           "start OpenVPN of pv2-2: it has no process\n");
}
END_TEST

START_TEST(test_foreign_interfaces_stay)
{
    everything_in_place();
    free(w.have.links.links[2].alias);
    w.have.links.links[2].alias = xstrdup("p2pvpn another-mesh west");
    add_link("pv9", "tun", "somebody's");
    add_link("tun0", "tun", "");
    expect("leave interface pv7: the link to west needs an interface of this name, and another one "
           "has it, with the alias p2pvpn another-mesh west: rename that one (ip link set dev pv7 "
           "name NEW) or remove it\n");
}
END_TEST

START_TEST(test_other_link_user)
{
    everything_in_place();
    w.b.n_links = 1;
    w.have.n_processes = 1;
    w.have.links.links[1].owner = 12;
    w.have.links.links[2].alias[0] = 'x';
    expect("create anew interface pv2: it does not belong to the link user\n" SET_UP_PV2
           "restart OpenVPN of pv2: its interface is a new one\n");
}
END_TEST

START_TEST(test_firewall)
{
    everything_in_place();
    strcpy(w.context.firewall_digest, "cc");
    expect("set firewall: there is none\n");
    w.have.firewall = FIREWALL_FOREIGN;
    expect("set firewall: there is another table of its name; that one has to go\n");
    w.have.firewall = FIREWALL_OURS;
    strcpy(w.have.firewall_digest, "dd");
    expect("set firewall: it is not what the bundle asks for\n");
    strcpy(w.have.firewall_digest, "cc");
    expect("");
    w.have.firewall_changed = true;
    expect("set firewall: somebody changed it\n");
    /* Before all that it protects. */
    w.have.frr_in_force = false;
    set("net/ipv4/conf/pv2/rp_filter", 1);
    expect("set firewall: somebody changed it\n"
           "set net/ipv4/conf/pv2/rp_filter = 2: it is 1; traffic may come in by one link and go "
           "out by another\n"
           "configure FRR: compare it with the bundle and change what differs\n");
}
END_TEST

START_TEST(test_firewall_of_others_stays)
{
    w.context.no_frr = w.context.no_firewall = true;
    w.have.firewall = FIREWALL_OURS;
    expect_of(NULL, "");
    w.context.no_firewall = false;
    expect_of(NULL, "remove firewall: it is ours\n");
    w.have.firewall = FIREWALL_FOREIGN;
    expect_of(NULL, "");
}
END_TEST

START_TEST(test_remove_everything)
{
    everything_in_place();
    w.have.frr_in_force = false;
    expect_of(NULL, "configure FRR: take away what is ours\n"
                    "stop OpenVPN of pv2: the bundle does not have this link\n"
                    "stop OpenVPN of pv7: the bundle does not have this link\n"
                    "remove interface pv2: the bundle does not have this link\n"
                    "remove interface pv7: the bundle does not have this link\n");
    w.context.no_frr = true;
    w.have.n_processes = 0;
    expect_of(NULL, "remove interface pv2: the bundle does not have this link\n"
                    "remove interface pv7: the bundle does not have this link\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *t = unit_case(s, "plan", setup, teardown);

    tcase_add_test(t, test_nothing_to_do);
    tcase_add_test(t, test_from_nothing);
    tcase_add_test(t, test_machine_settings);
    tcase_add_test(t, test_ipv6_of_a_link);
    tcase_add_test(t, test_drift);
    tcase_add_test(t, test_processes);
    tcase_add_test(t, test_tun_deleted_by_hand);
    tcase_add_test(t, test_link_leaves);
    tcase_add_test(t, test_parallel_tunnels);
    tcase_add_test(t, test_another_tunnel_comes);
    tcase_add_test(t, test_foreign_interfaces_stay);
    tcase_add_test(t, test_other_link_user);
    tcase_add_test(t, test_firewall);
    tcase_add_test(t, test_firewall_of_others_stays);
    tcase_add_test(t, test_remove_everything);
    return unit_run(s);
}
