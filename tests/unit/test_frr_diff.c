/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/frr_diff.h"
#include "tests/unit/frr_model.h"
#include "tests/unit/unit.h"

#define LISTS                                                \
    "ip prefix-list P2PVPN-LAN-4 seq 5 permit 10.1.0.0/16\n" \
    "bgp as-path access-list P2PVPN-OWN seq 5 permit ^$\n"
#define MAPS                                       \
    "route-map P2PVPN-OUT-4 permit 10\n"           \
    " match as-path P2PVPN-OWN\n"                  \
    " match ip address prefix-list P2PVPN-LAN-4\n" \
    "exit\n"
#define PROFILE                 \
    "bfd\n"                     \
    " profile P2PVPN-350x4\n"   \
    "  detect-multiplier 4\n"   \
    "  transmit-interval 350\n" \
    " exit\n"                   \
    "exit\n"
#define ROUTER                                    \
    "router bgp 4200000001\n"                     \
    " bgp router-id 172.19.255.1\n"               \
    " no bgp default ipv4-unicast\n"              \
    " neighbor P2PVPN-4 peer-group\n"             \
    " neighbor P2PVPN-4 bfd\n"                    \
    " neighbor P2PVPN-4 ttl-security hops 1\n"    \
    " neighbor 172.19.0.1 remote-as 4200000002\n" \
    " neighbor 172.19.0.1 peer-group P2PVPN-4\n"  \
    " neighbor 172.19.0.1 description branch\n"
#define FAMILY                                         \
    " address-family ipv4 unicast\n"                   \
    "  network 10.1.0.0/16\n"                          \
    "  neighbor P2PVPN-4 activate\n"                   \
    "  no neighbor P2PVPN-4 send-community large\n"    \
    "  neighbor P2PVPN-4 route-map P2PVPN-OUT-4 out\n" \
    " exit-address-family\n"
#define MESH LISTS PROFILE MAPS ROUTER FAMILY "exit\n"
#define SECOND                                    \
    " neighbor 172.19.0.3 remote-as 4200000003\n" \
    " neighbor 172.19.0.3 peer-group P2PVPN-4\n"
#define OPERATOR                                      \
    "frr defaults traditional\n"                      \
    "hostname gw\n"                                   \
    "ip prefix-list MINE seq 5 permit 192.0.2.0/24\n" \
    "route-map MINE permit 10\n"                      \
    " match ip address prefix-list MINE\n"            \
    "exit\n"                                          \
    "router ospf\n"                                   \
    " network 192.0.2.0/24 area 0\n"                  \
    "exit\n"
#define OPERATOR_BGP                        \
    " neighbor 192.0.2.9 remote-as 65009\n" \
    " address-family ipv4 unicast\n"        \
    "  network 192.0.2.0/24\n"              \
    "  neighbor 192.0.2.9 activate\n"       \
    " exit-address-family\n"

#define RPKI "rpki\n rpki retry_interval 2\n " FRR_RPKI_CACHE "\nexit\n"
#define RPKI_MAP "route-map P2PVPN-A permit 10\n match rpki valid\nexit\n"

#define ROUTER_THEIRS "router bgp 65000\n bgp router-id 192.0.2.1\n" OPERATOR_BGP "exit\n"

static struct frr_config desired, applied, running;
static struct frr_diff diff;
static struct error_list err;

static void teardown(void)
{
    frr_config_free(&desired);
    frr_config_free(&applied);
    frr_config_free(&running);
    frr_diff_free(&diff);
    error_clear(&err);
}

static int compute(const char *running_text, const char *applied_text, const char *desired_text)
{
    teardown();
    frr_config_parse(&running, running_text, strlen(running_text));
    frr_config_parse(&applied, applied_text, strlen(applied_text));
    frr_config_parse(&desired, desired_text, strlen(desired_text));
    return frr_diff(&desired, &applied, &running, &diff, &err);
}

static const struct {
    const char *name, *running, *applied, *desired, *batch;
} cases[] = {
    {"nothing to do", "hostname x\n" MESH, MESH, MESH, ""},
    {"from empty", "", "", MESH, MESH},
    {"a neighbor more", MESH, MESH, LISTS PROFILE MAPS ROUTER SECOND FAMILY "exit\n",
     "router bgp 4200000001\n" SECOND "exit\n"},
    {"a neighbor less", LISTS PROFILE MAPS ROUTER SECOND FAMILY "exit\n",
     LISTS PROFILE MAPS ROUTER SECOND FAMILY "exit\n", MESH,
     "router bgp 4200000001\n"
     " no neighbor 172.19.0.3\n"
     "exit\n"},
    {"a list entry more, another one less",
     LISTS "ip prefix-list P2PVPN-LAN-4 seq 10 permit 10.2.0.0/16\n" MAPS, "",
     LISTS "ip prefix-list P2PVPN-LAN-4 seq 15 permit 10.3.0.0/16\n" MAPS,
     "ip prefix-list P2PVPN-LAN-4 seq 15 permit 10.3.0.0/16\n"
     "no ip prefix-list P2PVPN-LAN-4 seq 10 permit 10.2.0.0/16\n"},
    {"a list entry changes in place", LISTS MAPS, "",
     "ip prefix-list P2PVPN-LAN-4 seq 5 permit 10.9.0.0/16\n"
     "bgp as-path access-list P2PVPN-OWN seq 5 permit ^$\n" MAPS,
     "ip prefix-list P2PVPN-LAN-4 seq 5 permit 10.9.0.0/16\n"},
    {"entries move up: FRR would ignore the repetition",
     "ip prefix-list P2PVPN-A seq 5 permit 10.1.0.0/16\n"
     "ip prefix-list P2PVPN-A seq 10 permit 10.2.0.0/16\n",
     "", "ip prefix-list P2PVPN-A seq 5 permit 10.2.0.0/16\n",
     "no ip prefix-list P2PVPN-A seq 10 permit 10.2.0.0/16\n"
     "ip prefix-list P2PVPN-A seq 5 permit 10.2.0.0/16\n"},
    {"a route-map entry turns round",
     "route-map P2PVPN-A permit 10\n match as-path P2PVPN-X\n set metric 5\nexit\n", "",
     "route-map P2PVPN-A deny 10\n match as-path P2PVPN-X\nexit\n",
     "no route-map P2PVPN-A permit 10\n"
     "route-map P2PVPN-A deny 10\n match as-path P2PVPN-X\nexit\n"},
    {"route-map lines",
     "route-map P2PVPN-A permit 10\n match as-path P2PVPN-X\n set metric 5\n set local-preference "
     "100\nexit\n",
     "",
     "route-map P2PVPN-A permit 10\n set local-preference 200\n set metric 5\n description a b\n"
     "exit\nroute-map P2PVPN-B permit 10\nexit\n",
     "route-map P2PVPN-A permit 10\n no match as-path P2PVPN-X\n set local-preference 200\n"
     " description a b\n"
     "route-map P2PVPN-B permit 10\nexit\n"},
    {"profile lines go back to their defaults", PROFILE, "",
     "bfd\n profile P2PVPN-350x4\n  transmit-interval 400\n exit\nexit\n",
     "bfd\n profile P2PVPN-350x4\n  detect-multiplier 3\n  transmit-interval 400\n exit\nexit\n"},
    {"everything goes, nothing of an operator is left", "hostname x\n" MESH, MESH, "",
     "no router bgp 4200000001\n"
     "no route-map P2PVPN-OUT-4\n"
     "bfd\n no profile P2PVPN-350x4\nexit\n"
     "no ip prefix-list P2PVPN-LAN-4\n"
     "no bgp as-path access-list P2PVPN-OWN\n"
     "no bfd\n"},
    {"everything goes, the operator's BGP stays",
     OPERATOR LISTS MAPS ROUTER OPERATOR_BGP FAMILY "exit\n", LISTS MAPS ROUTER FAMILY, "",
     "router bgp 4200000001\n"
     " no neighbor 172.19.0.1\n"
     " no neighbor P2PVPN-4 peer-group\n"
     " no bgp router-id 172.19.255.1\n"
     " bgp default ipv4-unicast\n"
     " address-family ipv4 unicast\n"
     "  no network 10.1.0.0/16\n"
     " exit-address-family\n"
     "exit\n"
     "no route-map P2PVPN-OUT-4\n"
     "no ip prefix-list P2PVPN-LAN-4\n"
     "no bgp as-path access-list P2PVPN-OWN\n"},
    {"an instance in a VRF keeps the default one",
     ROUTER FAMILY "exit\nrouter bgp 65000 vrf red\nexit\n", ROUTER FAMILY, "",
     "router bgp 4200000001\n"
     " no neighbor 172.19.0.1\n"
     " no neighbor P2PVPN-4 peer-group\n"
     " no bgp router-id 172.19.255.1\n"
     " bgp default ipv4-unicast\n"
     " address-family ipv4 unicast\n"
     "  no network 10.1.0.0/16\n"
     " exit-address-family\n"
     "exit\n"},
    {"the RPKI cache comes before what matches by it", "rpki\nexit\n", "", RPKI RPKI_MAP,
     RPKI RPKI_MAP},
    {"and goes after it", RPKI_MAP RPKI, RPKI RPKI_MAP, "",
     "no route-map P2PVPN-A\n"
     "rpki\n no rpki retry_interval 2\n no " FRR_RPKI_CACHE "\nexit\n"},
    {"what the operator set in rpki stays", "rpki\n rpki polling_period 60\nexit\n" RPKI_MAP, "",
     RPKI RPKI_MAP, RPKI},
    {"another interval of the RPKI cache", RPKI, RPKI,
     "rpki\n rpki retry_interval 5\n " FRR_RPKI_CACHE "\nexit\n",
     "rpki\n rpki retry_interval 5\nexit\n"},
    {"zebra's groups of next hops go first", MAPS, MAPS, FRR_NO_GROUPS "\n" LISTS MAPS,
     FRR_NO_GROUPS "\n" LISTS},
    {"and do not come back", FRR_NO_GROUPS "\n" MAPS, FRR_NO_GROUPS "\n" MAPS, "",
     "no route-map P2PVPN-OUT-4\n"},
    {"nothing of ours: nothing to take away", OPERATOR ROUTER_THEIRS, "", "", ""},
    {"our AS number changes", ROUTER "exit\n", ROUTER "exit\n",
     "router bgp 4200000009\n neighbor P2PVPN-4 peer-group\nexit\n",
     "no router bgp 4200000001\n"
     "router bgp 4200000009\n neighbor P2PVPN-4 peer-group\nexit\n"},
    {"another peer-group means a new neighbor", ROUTER "exit\n", ROUTER "exit\n",
     "router bgp 4200000001\n bgp router-id 172.19.255.1\n no bgp default ipv4-unicast\n"
     " neighbor P2PVPN-T4 peer-group\n neighbor 172.19.0.1 remote-as 4200000002\n"
     " neighbor 172.19.0.1 peer-group P2PVPN-T4\nexit\n",
     "router bgp 4200000001\n no neighbor 172.19.0.1\n no neighbor P2PVPN-4 peer-group\n"
     " neighbor P2PVPN-T4 peer-group\n neighbor 172.19.0.1 remote-as 4200000002\n"
     " neighbor 172.19.0.1 peer-group P2PVPN-T4\nexit\n"},
    {"the record is lost: equal lines are ours, others stay",
     ROUTER " bgp bestpath med missing-as-worst\nexit\n", "",
     "router bgp 4200000001\n bgp router-id 172.19.255.2\nexit\n",
     "router bgp 4200000001\n no neighbor 172.19.0.1\n no neighbor P2PVPN-4 peer-group\n"
     " bgp router-id 172.19.255.2\nexit\n"},
    {"the datacenter profile does not show what it implies", "frr defaults datacenter\n", "",
     "router bgp 1\n bgp log-neighbor-changes\n neighbor P2PVPN-4 peer-group\nexit\n",
     "router bgp 1\n neighbor P2PVPN-4 peer-group\nexit\n"},
    {"what the operator set already stays when we go",
     "router bgp 4200000001\n bgp router-id 172.19.255.1\n neighbor P2PVPN-4 peer-group\nexit\n",
     "router bgp 4200000001\n neighbor P2PVPN-4 peer-group\nexit\n", "",
     "router bgp 4200000001\n no neighbor P2PVPN-4 peer-group\nexit\n"},
};

START_TEST(batches)
{
    ck_assert_msg(compute(cases[_i].running, cases[_i].applied, cases[_i].desired) == 0, "%s: %s",
                  cases[_i].name, err.n ? err.items[0].message : "");
    ck_assert_msg(strcmp(buf_cstr(&diff.batch), cases[_i].batch) == 0,
                  "%s\n--- got:\n%s--- wanted:\n%s", cases[_i].name, buf_cstr(&diff.batch),
                  cases[_i].batch);
    ck_assert_msg((diff.n_added + diff.n_removed == 0) == (*cases[_i].batch == '\0'), "%s",
                  cases[_i].name);
}
END_TEST

/* Each case again, through the model: afterwards nothing is left to do, and nothing was lost. */
START_TEST(batches_converge)
{
    struct buf after = BUF_INIT;
    char *owned;

    ck_assert_int_eq(compute(cases[_i].running, cases[_i].applied, cases[_i].desired), 0);
    ck_assert_msg(frr_model_apply(cases[_i].running, buf_cstr(&diff.batch), &after), "%s: %s",
                  cases[_i].name, buf_cstr(&after));
    owned = xstrdup(buf_cstr(&diff.owned));
    ck_assert_int_eq(compute(buf_cstr(&after), owned, cases[_i].desired), 0);
    ck_assert_msg(diff.batch.len == 0, "%s: left over:\n%s", cases[_i].name, buf_cstr(&diff.batch));
    free(owned);
    buf_free(&after);
}
END_TEST

START_TEST(description_in_place)
{
    const char *other = "router bgp 4200000001\n"
                        " neighbor P2PVPN-4 peer-group\n"
                        " neighbor 172.19.0.1 remote-as 4200000002\n"
                        " neighbor 172.19.0.1 peer-group P2PVPN-4\n"
                        " neighbor 172.19.0.1 description branch office\n"
                        "exit\n";

    ck_assert_int_eq(compute(MESH, MESH, other), 0);
    ck_assert_ptr_ne(
        strstr(buf_cstr(&diff.batch), "\n neighbor 172.19.0.1 description branch office\n"), NULL);
    ck_assert_ptr_eq(strstr(buf_cstr(&diff.batch), "no neighbor 172.19.0.1"), NULL);
}
END_TEST

START_TEST(what_was_there_is_not_recorded)
{
    ck_assert_int_eq(compute("router bgp 4200000001\n bgp router-id 172.19.255.1\n" OPERATOR_BGP
                             "exit\n",
                             "", MESH),
                     0);
    ck_assert_ptr_eq(strstr(buf_cstr(&diff.owned), "router-id"), NULL);
    ck_assert_ptr_ne(strstr(buf_cstr(&diff.owned), "  network 10.1.0.0/16\n"), NULL);
    ck_assert_ptr_eq(strstr(buf_cstr(&diff.batch), "192.0.2"), NULL);
    ck_assert_ptr_eq(strstr(buf_cstr(&diff.before), "192.0.2"), NULL);
}
END_TEST

static const struct {
    const char *running, *applied, *message;
} conflicts[] = {
    {"router bgp 65000\n neighbor 192.0.2.9 remote-as 65009\nexit\n", "",
     "\"router bgp 65000\" runs on this router already with configuration of its own, the mesh "
     "wants \"router bgp 4200000001\", and a router has one AS number: set this gateway's asn to "
     "65000 in the mesh model and compile, or remove the other BGP instance"},
    {"router bgp 65000\nexit\n", "",
     "\"router bgp 65000\" runs on this router already with configuration of its own, the mesh "
     "wants \"router bgp 4200000001\", and a router has one AS number: set this gateway's asn to "
     "65000 in the mesh model and compile, or remove the other BGP instance"},
    {"router bgp 4200000001\n neighbor 172.19.0.1 remote-as 65009\nexit\n", "",
     "the BGP neighbor 172.19.0.1 is configured on this router by hand, and the mesh needs that "
     "address for a link of its own: remove it (\"no neighbor 172.19.0.1\"), or give the mesh "
     "another link-prefix"},
    {"router bgp 4200000001\n bgp router-id 192.0.2.1\n neighbor 192.0.2.9 remote-as 5\nexit\n", "",
     "this router's own BGP configuration says \"bgp router-id 192.0.2.1\", and the mesh sets "
     "\"bgp router-id 172.19.255.1\": make them equal, in vtysh or in the mesh model"},
};

START_TEST(cache_of_the_operator)
{
    ck_assert_int_eq(
        compute("rpki\n rpki cache 192.0.2.1 3323 preference 2\nexit\n", "", RPKI RPKI_MAP),
        -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_str_eq(
        err.items[0].message,
        "this router's bgpd asks an RPKI cache of its own (\"rpki cache 192.0.2.1 3323 "
        "preference 2\"), and FRR judges all routes by one table: remove it (\"no rpki "
        "cache 192.0.2.1 3323 preference 2\" under \"rpki\"), or set origin-check to "
        "lists in the mesh model and compile");
    ck_assert_uint_eq(diff.batch.len, 0);
    ck_assert_int_eq(compute("rpki\n rpki cache 192.0.2.1 3323 preference 2\nexit\n", "", MESH), 0);
}
END_TEST

START_TEST(conflict)
{
    ck_assert_int_eq(compute(conflicts[_i].running, conflicts[_i].applied, MESH), -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_str_eq(err.items[0].message, conflicts[_i].message);
    ck_assert_uint_eq(diff.batch.len, 0);
}
END_TEST

static const struct {
    const char *text;
    unsigned line;
    const char *begin;
} invalid[] = {
    {"ip route 0.0.0.0/0 10.0.0.1\n", 1, "\"ip route 0.0.0.0/0 10.0.0.1\" is no line that"},
    {"!\nlog file /etc/passwd\n", 2, "\"log file /etc/passwd\" is no line that"},
    {"router ospf\n network 0.0.0.0/0 area 0\n", 1, "\"router ospf\" is no line that"},
    {"router bgp 1\n redistribute connected\n", 2, "\"redistribute connected\" is no line that"},
    {"router bgp 1 vrf red\n", 1, "\"router bgp 1 vrf red\" is no line that"},
    {"router bgp 1\n!\nrouter bgp 2\n", 3, "\"router bgp 2\" is the second BGP instance after"},
    {"ip prefix-list LAN seq 5 permit any\n", 1, "the object \"LAN\" is not named P2PVPN..."},
    {"route-map X permit 10\n", 1, "the object \"X\" is not named P2PVPN..."},
    {"bfd\n profile x\n", 2, "the object \"x\" is not named P2PVPN..."},
    {"route-map P2PVPN-A permit 10\n match ip address prefix-list P2PVPN-B P2PVPN-C\n", 2,
     "\"match ip address prefix-list P2PVPN-B P2PVPN-C\" is no line that"},
    {"route-map P2PVPN-A permit 10\n set local-preference 1 2\n", 2,
     "\"set local-preference 1 2\" is no line that"},
    {"bfd\n profile P2PVPN-A\n  detect-multiplier 3\n", 3,
     "\"detect-multiplier 3\" is no line that"},
    {"bfd\n peer 10.0.0.1\n", 2, "\"peer 10.0.0.1\" is no line that"},
    {"router bgp 1\n neighbor 10.0.0.1 remote-as 2\n", 2,
     "neighbor 10.0.0.1 is in no peer-group named P2PVPN... of this file"},
    {"router bgp 1\n neighbor P2PVPN-4 bfd\n", 2, "neighbor P2PVPN-4 is in no peer-group"},
    {"router bgp 1\n bgp router-id 1.1.1.1\n bgp router-id 2.2.2.2\n", 3,
     "\"bgp router-id 2.2.2.2\" sets again what line 2 has set"},
    {"ip prefix-list P2PVPN-A seq 5 permit any\nip prefix-list P2PVPN-A seq 10 permit any\n", 2,
     "\"ip prefix-list P2PVPN-A seq 10 permit any\" sets again what line 1 has set"},
    {"route-map P2PVPN-A permit 10\n description a'b\n", 2, "the line holds a control character"},
    {"route-map P2PVPN-A permit 10\n description a\x01z\n", 2, "the line holds a control"},
    {"router bgp 1\n neighbor P2PVPN-4 peer-group\n no neighbor P2PVPN-4 bfd\n", 3,
     "\"no neighbor P2PVPN-4 bfd\" is no line that"},
    {"rpki\n rpki cache 192.0.2.1 323 preference 1\n", 2,
     "\"rpki cache 192.0.2.1 323 preference 1\" is no line that"},
    {"rpki\n rpki cache 127.0.0.1 22 root /root/key preference 1\n", 2,
     "\"rpki cache 127.0.0.1 22"},
    {"no zebra nexthop proto only\n", 1, "\"no zebra nexthop proto only\" is no line that"},
    {"zebra nexthop kernel enable\n", 1, "\"zebra nexthop kernel enable\" is no line that"},
    {"router bgp 1\n neighbor P2PVPN-4 peer-group\n neighbor P2PVPN-4 route-map P2PVPN-A i\n", 3,
     "\"neighbor P2PVPN-4 route-map P2PVPN-A i\" is no line that"},
    {"router bgp 1\n neighbor P2PVPN-4 peer-group\n neighbor P2PVPN-4 route-map P2PVPN-A in x\n", 3,
     "\"neighbor P2PVPN-4 route-map P2PVPN-A in x\" is no line that"},
    {"router bgp 1\n bgp ebgp-requires-policy\n", 2, "\"bgp ebgp-requires-policy\" is no line"},
};

START_TEST(refused)
{
    frr_config_parse(&desired, invalid[_i].text, strlen(invalid[_i].text));
    ck_assert_int_eq(frr_config_validate(&desired, "frr.conf", &err), -EINVAL);
    ck_assert_uint_ge(err.n, 1);
    ck_assert_uint_eq(err.items[0].line, invalid[_i].line);
    ck_assert_msg(strncmp(err.items[0].message, invalid[_i].begin, strlen(invalid[_i].begin)) == 0,
                  "%s", err.items[0].message);
}
END_TEST

START_TEST(long_line)
{
    struct buf b = BUF_INIT;

    buf_str(&b, "route-map P2PVPN-A permit 10\n description ");
    for (int i = 0; i < FRR_LINE_MAX; i++)
        buf_char(&b, 'x');
    frr_config_parse(&desired, buf_cstr(&b), b.len);
    ck_assert_int_eq(frr_config_validate(&desired, "frr.conf", &err), -EINVAL);
    ck_assert_str_eq(err.items[0].message, "the line has 1012 bytes, and vtysh takes 1000: shorten "
                                           "the description or split the list");
    buf_free(&b);
}
END_TEST

START_TEST(mesh_is_valid)
{
    frr_config_parse(&desired, MESH, strlen(MESH));
    ck_assert_msg(frr_config_validate(&desired, "frr.conf", &err) == 0, "%s",
                  err.n ? err.items[0].message : "");
}
END_TEST

/* --- random histories --------------------------------------------------------------------------
 */

static unsigned random_state;

static unsigned pick(unsigned n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

/* A mesh of some neighbors with some lists, all of them chosen by chance. */
static void random_mesh(struct buf *b)
{
    unsigned neighbors = pick(5), mask = pick(16);

    for (unsigned i = 0; i < neighbors; i++) {
        unsigned first = pick(3);

        for (unsigned k = 0, n = pick(4); k < n; k++)
            buf_printf(b, "ip prefix-list P2PVPN-L%u seq %u permit 10.%u.0.0/16\n", i, 5 + 5 * k,
                       first + k);
        buf_printf(b, "bgp as-path access-list P2PVPN-A%u seq 5 permit ^%u$\n", i, pick(3));
    }
    if (mask & 1)
        buf_printf(b, "bfd\n profile P2PVPN-P\n  detect-multiplier %u\n exit\nexit\n", 4 + pick(3));
    for (unsigned i = 0; i < neighbors; i++) {
        buf_printf(b, "route-map P2PVPN-R%u %s 10\n", i, pick(3) ? "permit" : "deny");
        if (pick(2))
            buf_printf(b, " match as-path P2PVPN-A%u\n", i);
        buf_printf(b, " set metric %u\nexit\n", pick(3));
    }
    buf_printf(b, "router bgp %u\n bgp router-id 10.0.0.%u\n", 1 + pick(8) / 7, 1 + pick(2));
    if (pick(2))
        buf_str(b, " no bgp default ipv4-unicast\n");
    buf_str(b, " neighbor P2PVPN-A peer-group\n neighbor P2PVPN-B peer-group\n");
    for (unsigned i = 0; i < neighbors; i++)
        buf_printf(b, " neighbor 172.19.0.%u remote-as %u\n neighbor 172.19.0.%u peer-group %s\n",
                   i, 10 + pick(2), i, pick(4) ? "P2PVPN-A" : "P2PVPN-B");
    buf_printf(b, " address-family ipv4 unicast\n  network 10.%u.0.0/16\n", pick(4));
    for (unsigned i = 0; i < neighbors; i++)
        buf_printf(b, "  neighbor 172.19.0.%u route-map P2PVPN-R%u in\n", i, pick(neighbors));
    buf_str(b, " exit-address-family\nexit\n");
}

/* Every line of `before` that is not ours is still there. */
static void check_operator_kept(const char *operators, const char *after)
{
    struct frr_config o = FRR_CONFIG_INIT, a = FRR_CONFIG_INIT;

    frr_config_parse(&o, operators, strlen(operators));
    frr_config_parse(&a, after, strlen(after));
    for (size_t i = 0; i < o.n; i++)
        if (o.lines[i]->kind != FRR_FAMILY)
            ck_assert_msg(frr_config_find(&a, o.lines[i]->path), "lost: %s", o.lines[i]->path);
    frr_config_free(&o);
    frr_config_free(&a);
}

START_TEST(random_histories)
{
    const char *operators = _i % 2 ? OPERATOR : OPERATOR "router bgp 1\n" OPERATOR_BGP "exit\n";
    char *state = xstrdup(operators), *record = xstrdup("");
    struct buf mesh = BUF_INIT, after = BUF_INIT;

    random_state = (unsigned)_i;
    for (int step = 0; step < 12; step++) {
        buf_reset(&mesh);
        buf_reset(&after);
        if (step < 11)
            random_mesh(&mesh);
        teardown();
        frr_config_parse(&desired, buf_cstr(&mesh), mesh.len);
        ck_assert_msg(frr_config_validate(&desired, "x", &err) == 0, "%s", buf_cstr(&mesh));
        if (compute(state, record, buf_cstr(&mesh)) != 0)
            continue; /* an AS number that the operator's BGP does not have */
        ck_assert_msg(frr_model_apply(state, buf_cstr(&diff.batch), &after), "%s",
                      buf_cstr(&after));
        free(state);
        free(record);
        state = xstrdup(buf_cstr(&after));
        record = xstrdup(buf_cstr(&diff.owned));
        check_operator_kept(operators, state);
        ck_assert_int_eq(compute(state, record, buf_cstr(&mesh)), 0);
        ck_assert_msg(diff.batch.len == 0, "seed %d step %d: left over\n%s--- in\n%s", _i, step,
                      buf_cstr(&diff.batch), state);
        if (step == 11)
            ck_assert_msg(!strstr(state, "P2PVPN") && !strstr(state, "10.0.0.") &&
                              !strstr(state, "network 10."),
                          "left behind:\n%s", state);
    }
    free(state);
    free(record);
    buf_free(&mesh);
    buf_free(&after);
}
END_TEST

/* FRR 8.4 shows enforce-first-as where it is set; newer ones have it by default. */
#define FIRST_AS "router bgp 65001\n neighbor P2PVPN-A peer-group\n"
#define FIRST_AS_ON FIRST_AS " neighbor P2PVPN-A enforce-first-as\nexit\n"

static const struct {
    const char *running;
    size_t added;
} first_as[] = {
    {"frr version 10.3\n" FIRST_AS "exit\n", 0},
    {"frr version 9.1.2\n" FIRST_AS "exit\n", 0},
    {"frr version 10.3\n" FIRST_AS " no neighbor P2PVPN-A enforce-first-as\nexit\n", 1},
    {"frr version 10.3\nrouter bgp 65001\nexit\n", 2}, /* the group, too, is not there */
    {"frr version 9.0\n" FIRST_AS "exit\n", 1},
    {"frr version 8.4.4\n" FIRST_AS "exit\n", 1},
    {"frr version x\n" FIRST_AS "exit\n", 1},
    {FIRST_AS "exit\n", 1},
};

START_TEST(first_as_by_default)
{
    frr_config_parse(&running, first_as[_i].running, strlen(first_as[_i].running));
    frr_config_parse(&desired, FIRST_AS_ON, strlen(FIRST_AS_ON));
    frr_config_imply(&running, &desired);
    ck_assert_int_eq(frr_diff(&desired, &applied, &running, &diff, &err), 0);
    ck_assert_uint_eq(diff.n_added, first_as[_i].added);
}
END_TEST

START_TEST(nothing_is_implied_that_nobody_wants)
{
    const char *text = "frr version 10.3\n" FIRST_AS "exit\n", *want = FIRST_AS "exit\n";

    frr_config_parse(&running, text, strlen(text));
    frr_config_parse(&desired, want, strlen(want));
    frr_config_imply(&running, &desired);
    ck_assert_int_eq(frr_diff(&desired, &applied, &running, &diff, &err), 0);
    ck_assert_uint_eq(diff.n, 0);
}
END_TEST

/* --- the cache, as FRR 10.1 and newer has it ---------------------------------------------------
 */

#define RPKI_TCP "rpki\n rpki retry_interval 2\n " FRR_RPKI_CACHE_TCP "\nexit\n"

static const struct {
    const char *running, *applied, *desired, *batch;
} caches[] = {
    {"frr version 10.3\n", "", RPKI, RPKI_TCP},
    {"frr version 10.1\n", "", RPKI, RPKI_TCP},
    {"frr version 10.0.2\n", "", RPKI, RPKI},
    {"frr version 8.4.4\nrpki\nexit\n", "", RPKI, RPKI},
    {"rpki\nexit\n", "", RPKI, RPKI},
    {"frr version 10.3\n" RPKI_TCP, "", RPKI, ""},
    {"frr version 10.3\n" RPKI_TCP, RPKI_TCP, RPKI, ""},
    {"frr version 10.3\n" RPKI_TCP, RPKI, RPKI, ""},
    {"frr version 10.3\n" RPKI_TCP, RPKI_TCP RPKI, "",
     "rpki\n no rpki retry_interval 2\n no " FRR_RPKI_CACHE_TCP "\nexit\n"},
    {"frr version 10.3\n" RPKI_TCP, RPKI, "",
     "rpki\n no rpki retry_interval 2\n no " FRR_RPKI_CACHE_TCP "\nexit\n"},
    {"frr version 8.4.4\n" RPKI, RPKI_TCP, "",
     "rpki\n no rpki retry_interval 2\n no " FRR_RPKI_CACHE "\nexit\n"},
    {"frr version 10.3\n" RPKI_TCP, "", "", ""},
};

static int diff_translated(size_t i)
{
    frr_config_parse(&running, caches[i].running, strlen(caches[i].running));
    frr_config_parse(&applied, caches[i].applied, strlen(caches[i].applied));
    frr_config_parse(&desired, caches[i].desired, strlen(caches[i].desired));
    frr_config_translate(&desired, &running);
    frr_config_translate(&applied, &running);
    return frr_diff(&desired, &applied, &running, &diff, &err);
}

START_TEST(cache_in_the_words_of_each_version)
{
    ck_assert_int_eq(diff_translated((size_t)_i), 0);
    ck_assert_str_eq(buf_cstr(&diff.batch), caches[_i].batch);
    ck_assert_int_eq(frr_config_cache(&desired) != NULL, *caches[_i].desired != '\0');
}
END_TEST

START_TEST(cache_of_the_operator_in_other_words)
{
    const char *text = "frr version 10.3\nrpki\n rpki cache tcp 192.0.2.1 323 preference 1\nexit\n";

    frr_config_parse(&running, text, strlen(text));
    frr_config_parse(&desired, RPKI, strlen(RPKI));
    frr_config_translate(&desired, &running);
    ck_assert_int_eq(frr_diff(&desired, &applied, &running, &diff, &err), -EINVAL);
    ck_assert_ptr_nonnull(
        strstr(err.items[0].message, "(\"rpki cache tcp 192.0.2.1 323 preference 1\")"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("frr_diff");
    TCase *t = unit_case(s, "frr_diff", NULL, teardown);

    tcase_add_loop_test(t, batches, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_loop_test(t, batches_converge, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(t, description_in_place);
    tcase_add_test(t, what_was_there_is_not_recorded);
    tcase_add_test(t, cache_of_the_operator);
    tcase_add_loop_test(t, conflict, 0, sizeof(conflicts) / sizeof(conflicts[0]));
    tcase_add_loop_test(t, refused, 0, sizeof(invalid) / sizeof(invalid[0]));
    tcase_add_test(t, long_line);
    tcase_add_loop_test(t, first_as_by_default, 0, sizeof(first_as) / sizeof(first_as[0]));
    tcase_add_test(t, nothing_is_implied_that_nobody_wants);
    tcase_add_loop_test(t, cache_in_the_words_of_each_version, 0,
                        sizeof(caches) / sizeof(caches[0]));
    tcase_add_test(t, cache_of_the_operator_in_other_words);
    tcase_add_test(t, mesh_is_valid);
    tcase_add_loop_test(t, random_histories, 0, 200);
    return unit_run(s);
}
