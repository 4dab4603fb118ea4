/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts are of one kind, so that vtysh is not asked about the second (vtysh_check()). */
#include <stdlib.h>

#include "agent/vtysh.h"
#include "tests/unit/unit.h"

#define LIST "ip prefix-list P2PVPN-LAN-head seq 5 permit 10.1.0.0/16\n"
#define END "bgp route-map delay-timer 0\nbgp route-map delay-timer 5\n"

static void same(const char *a, const char *b)
{
    ck_assert_uint_eq(vtysh_kind(a), vtysh_kind(b));
}

static void other(const char *a, const char *b)
{
    ck_assert_uint_ne(vtysh_kind(a), vtysh_kind(b));
}

START_TEST(arguments_make_no_difference)
{
    same(LIST END, "ip prefix-list P2PVPN-LAN-sales seq 10 permit 192.0.2.0/24\n" END);
    same("router bgp 65001\n neighbor 192.0.2.1 remote-as 65002\nexit\n",
         "router bgp 4200000001\n neighbor 2001:db8::1 remote-as 1\nexit\n");
    same("bfd\n profile P2PVPN\n  receive-interval 300\n",
         "bfd\n profile P2PVPN-SLOW\n  receive-interval 1000\n");
}
END_TEST

START_TEST(so_many_of_them_make_none)
{
    same(LIST END, LIST LIST LIST END);
    same(LIST, "ip prefix-list P2PVPN-A seq 5 permit 10.1.0.0/16");
}
END_TEST

START_TEST(commands_do)
{
    other(LIST, "no " LIST);
    other(LIST, "ipv6 prefix-list P2PVPN-LAN-head seq 5 permit 2001:db8::/32\n");
    other(LIST, "ip prefix-list P2PVPN-LAN-head seq 5 deny 10.1.0.0/16\n");
    other(LIST, "ip prefix-list P2PVPN-LAN-head seq 5 permit 10.1.0.0/16 le 24\n");
    other(LIST, "ip prefix-list MINE seq 5 permit 10.1.0.0/16\n");
    other(LIST END, END LIST);
    other(LIST END, LIST);
    other(" address-family ipv4 unicast\n", " address-family ipv6 unicast\n");
    other("router bgp 1\n neighbor 192.0.2.1 shutdown\n",
          "router bgp 1\nneighbor 192.0.2.1 shutdown\n");
    other("", "\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vtysh");
    TCase *t = unit_case(s, "vtysh", NULL, NULL);

    tcase_add_test(t, arguments_make_no_difference);
    tcase_add_test(t, so_many_of_them_make_none);
    tcase_add_test(t, commands_do);
    return unit_run(s);
}
