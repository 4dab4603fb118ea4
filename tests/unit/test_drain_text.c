/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/drain_text.h"
#include "common/frr_config.h"
#include "tests/unit/unit.h"

#define GROUP(name)                             \
    " neighbor P2PVPN-" name "-V4 peer-group\n" \
    " neighbor P2PVPN-" name "-V4 timers 10 30\n"
#define NEIGHBOR(address, group, interface)                  \
    " neighbor " address " remote-as 4200000002\n"           \
    " neighbor " address " peer-group P2PVPN-" group "-V4\n" \
    " neighbor " address " bfd profile P2PVPN-300x3\n"       \
    " neighbor " address " update-source " interface "\n"
#define FAMILY "address-family ipv4 unicast"
#define POLICY(group)                                                      \
    "  neighbor P2PVPN-" group "-V4 activate\n"                            \
    "  neighbor P2PVPN-" group "-V4 route-map P2PVPN-IN-" group "-V4 in\n" \
    "  neighbor P2PVPN-" group "-V4 route-map P2PVPN-OUT-V4 out\n"
#define MAPS(group)                                      \
    "route-map P2PVPN-IN-" group "-V4 permit 10\n"       \
    " set metric 0\n"                                    \
    "exit\n"                                             \
    "route-map P2PVPN-DRAIN-IN-" group "-V4 permit 10\n" \
    " call P2PVPN-IN-" group "-V4\n"                     \
    " set community graceful-shutdown additive\n"        \
    "exit\n"
#define OUT                                         \
    "route-map P2PVPN-OUT-V4 permit 10\n"           \
    "exit\n"                                        \
    "route-map P2PVPN-DRAIN-OUT-V4 permit 10\n"     \
    " call P2PVPN-OUT-V4\n"                         \
    " set community graceful-shutdown additive\n"   \
    "exit\n"                                        \
    "route-map P2PVPN-DRAIN-ALL-OUT-V4 permit 10\n" \
    " call P2PVPN-OUT-V4\n"                         \
    "exit\n"
#define PROFILE "bfd\n profile P2PVPN-300x3\n exit\nexit\n"

static const char two[] =
    "router bgp 4200000001\n" GROUP("LEAF") GROUP("TRANSIT") NEIGHBOR("172.19.0.1", "LEAF", "pv2")
        NEIGHBOR("172.19.0.3", "TRANSIT", "pv3") " " FAMILY "\n" POLICY("LEAF")
            POLICY("TRANSIT") " exit-address-family\nexit\n" MAPS("LEAF") MAPS("TRANSIT")
                OUT PROFILE;
/* Without pv3, and so without its group. */
static const char one[] = "router bgp 4200000001\n" GROUP("LEAF")
    NEIGHBOR("172.19.0.1", "LEAF", "pv2") " " FAMILY "\n" POLICY(
        "LEAF") " exit-address-family\nexit\n" MAPS("LEAF") OUT PROFILE;
static const char nothing[] = "";

#define IN_FAMILY "router bgp 4200000001\n" FAMILY "\n"

static struct drain_request request;
static struct buf text;
static struct frr_config config;

static void setup(void)
{
    request = (struct drain_request)DRAIN_REQUEST_INIT;
}

static void teardown(void)
{
    drain_request_clear(&request);
    frr_config_free(&config);
    buf_free(&text);
}

/* The text for a request, which the agent must be able to give to FRR. */
static void compose(const char *desired, const char *applied)
{
    struct error_list err = ERROR_LIST_INIT;

    drain_text(desired, applied, &request, &text);
    frr_config_parse(&config, buf_cstr(&text), text.len);
    ck_assert_msg(frr_config_validate(&config, "text", &err) == 0, "%s\n%s",
                  err.n ? err.items[0].message : "", buf_cstr(&text));
    error_clear(&err);
}

static bool holds(const char *path)
{
    return frr_config_find(&config, path) != NULL;
}

START_TEST(nothing_to_drain_is_the_text_itself)
{
    compose(two, one);
    ck_assert_str_eq(buf_cstr(&text), two);
}
END_TEST

START_TEST(neighbors_of_a_link_get_the_drained_maps_of_their_group)
{
    struct frr_config before = FRR_CONFIG_INIT;

    drain_names_add(&request.drain, "pv3");
    compose(two, nothing);
    ck_assert(holds(IN_FAMILY "neighbor 172.19.0.3 route-map P2PVPN-DRAIN-IN-TRANSIT-V4 in"));
    ck_assert(holds(IN_FAMILY "neighbor 172.19.0.3 route-map P2PVPN-DRAIN-OUT-V4 out"));
    frr_config_parse(&before, two, strlen(two));
    ck_assert_uint_eq(config.n, before.n + 2);
    for (size_t i = 0; i < before.n; i++)
        ck_assert_msg(holds(before.lines[i]->path), "%s is missing", before.lines[i]->path);
    frr_config_free(&before);
}
END_TEST

START_TEST(a_peer_that_is_only_asked_is_heard_as_before)
{
    struct frr_config before = FRR_CONFIG_INIT;

    drain_names_add(&request.ask, "pv3");
    compose(two, nothing);
    ck_assert(holds(IN_FAMILY "neighbor 172.19.0.3 route-map P2PVPN-DRAIN-OUT-V4 out"));
    frr_config_parse(&before, two, strlen(two));
    ck_assert_uint_eq(config.n, before.n + 1);
    frr_config_free(&before);
}
END_TEST

START_TEST(all_is_every_neighbor)
{
    request.all = true;
    drain_names_add(&request.drain, "pv3");
    compose(two, nothing);
    ck_assert(holds(IN_FAMILY "neighbor 172.19.0.1 route-map P2PVPN-DRAIN-ALL-OUT-V4 out"));
    ck_assert(!strstr(buf_cstr(&text), "neighbor 172.19.0.1 route-map P2PVPN-DRAIN-IN"));
    /* A link that is drained itself is drained more. */
    ck_assert(holds(IN_FAMILY "neighbor 172.19.0.3 route-map P2PVPN-DRAIN-IN-TRANSIT-V4 in"));
    ck_assert(holds(IN_FAMILY "neighbor 172.19.0.3 route-map P2PVPN-DRAIN-OUT-V4 out"));
}
END_TEST

START_TEST(one_that_leaves_is_kept_with_all_that_it_needs)
{
    drain_names_add(&request.keep, "pv3");
    compose(one, two);
    ck_assert(holds("router bgp 4200000001\nneighbor 172.19.0.3 update-source pv3"));
    ck_assert(holds("router bgp 4200000001\nneighbor P2PVPN-TRANSIT-V4 timers 10 30"));
    ck_assert(holds("route-map P2PVPN-IN-TRANSIT-V4 permit 10\nset metric 0"));
    ck_assert(holds("route-map P2PVPN-DRAIN-IN-TRANSIT-V4 permit 10\ncall P2PVPN-IN-TRANSIT-V4"));
    ck_assert(holds(IN_FAMILY "neighbor P2PVPN-TRANSIT-V4 activate"));
    ck_assert(holds(IN_FAMILY "neighbor 172.19.0.3 route-map P2PVPN-DRAIN-IN-TRANSIT-V4 in"));
    ck_assert(holds(IN_FAMILY "neighbor 172.19.0.3 route-map P2PVPN-DRAIN-OUT-V4 out"));
    ck_assert(!holds(IN_FAMILY "neighbor 172.19.0.1 route-map P2PVPN-DRAIN-OUT-V4 out"));
}
END_TEST

START_TEST(once_kept_it_is_kept_the_same)
{
    struct buf first = BUF_INIT;

    drain_names_add(&request.keep, "pv3");
    drain_text(one, two, &request, &first);
    compose(one, buf_cstr(&first));
    ck_assert(holds(IN_FAMILY "neighbor 172.19.0.3 route-map P2PVPN-DRAIN-IN-TRANSIT-V4 in"));
    ck_assert_str_eq(buf_cstr(&text), buf_cstr(&first));
    buf_free(&first);
}
END_TEST

START_TEST(others_that_left_are_not_kept)
{
    drain_names_add(&request.keep, "pv9");
    compose(one, two);
    ck_assert(!holds("router bgp 4200000001\nneighbor 172.19.0.3 update-source pv3"));
    ck_assert(!holds("router bgp 4200000001\nneighbor P2PVPN-TRANSIT-V4 peer-group"));
}
END_TEST

START_TEST(a_record_of_two_minds_is_no_obstacle)
{
    struct buf both = BUF_INIT;

    /* Killed between two records: the union of both, and the neighbor in two groups. */
    buf_printf(&both, "%s%s", two,
               "router bgp 4200000001\n neighbor 172.19.0.3 peer-group P2PVPN-LEAF-V4\nexit\n");
    drain_names_add(&request.keep, "pv3");
    compose(one, buf_cstr(&both));
    ck_assert(holds("router bgp 4200000001\nneighbor 172.19.0.3 update-source pv3"));
    buf_free(&both);
}
END_TEST

START_TEST(another_instance_keeps_nothing)
{
    drain_names_add(&request.keep, "pv3");
    compose(one, "router bgp 4200000009\n" GROUP("TRANSIT")
                     NEIGHBOR("172.19.0.3", "TRANSIT", "pv3") " " FAMILY "\n" POLICY(
                         "TRANSIT") "exit\n" MAPS("TRANSIT") OUT PROFILE);
    ck_assert(!holds("router bgp 4200000001\nneighbor 172.19.0.3 update-source pv3"));
    ck_assert(!holds("router bgp 4200000009"));
}
END_TEST

START_TEST(a_bundle_without_drained_maps_stays_as_it_is)
{
    static const char old[] = "router bgp 4200000001\n" GROUP("LEAF")
        NEIGHBOR("172.19.0.1", "LEAF", "pv2") " " FAMILY "\n" POLICY("LEAF") "exit\n" PROFILE;

    request.all = true;
    compose(old, nothing);
    ck_assert(!strstr(buf_cstr(&text), "DRAIN"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("drain_text");
    TCase *t = unit_case(s, "drain_text", setup, teardown);

    tcase_add_test(t, nothing_to_drain_is_the_text_itself);
    tcase_add_test(t, neighbors_of_a_link_get_the_drained_maps_of_their_group);
    tcase_add_test(t, a_peer_that_is_only_asked_is_heard_as_before);
    tcase_add_test(t, all_is_every_neighbor);
    tcase_add_test(t, one_that_leaves_is_kept_with_all_that_it_needs);
    tcase_add_test(t, once_kept_it_is_kept_the_same);
    tcase_add_test(t, others_that_left_are_not_kept);
    tcase_add_test(t, a_record_of_two_minds_is_no_obstacle);
    tcase_add_test(t, another_instance_keeps_nothing);
    tcase_add_test(t, a_bundle_without_drained_maps_stays_as_it_is);
    return unit_run(s);
}
