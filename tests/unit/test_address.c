/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections an address has, and what the gateways that are there add. */
#include "service/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/unit/unit.h"

#define MAX 3
#define MANY 40

static struct addresses all;
static struct address_seat seats[MANY];
static struct sockaddr_in from;

static void setup(void)
{
    from = (struct sockaddr_in){.sin_family = AF_INET};
    ck_assert_int_eq(inet_pton(AF_INET, "203.0.113.7", &from.sin_addr), 1);
}

static void teardown(void)
{
    for (size_t i = 0; i < MANY; i++)
        address_leave(&all, &seats[i]);
    address_clear(&all);
    ck_assert_ptr_null(all.all);
    ck_assert_ptr_null(all.names);
}

/* How many more come in, at seats[first] and behind it. */
static size_t enter(size_t first)
{
    size_t n = 0;

    while (first + n < MANY &&
           address_enter(&all, &seats[first + n], (struct sockaddr *)&from, MAX))
        n++;
    return n;
}

START_TEST(those_that_ask_and_those_that_do_not_yet)
{
    ck_assert_uint_eq(enter(0), MAX);
    for (size_t i = 0; i < MAX; i++)
        ck_assert(address_ask(&seats[i], MAX));
    ck_assert_uint_eq(enter(MAX), MAX);
    ck_assert(!address_ask(&seats[MAX], MAX));
    address_leave(&all, &seats[0]);
    ck_assert(address_ask(&seats[MAX], MAX));
}
END_TEST

/* They all come back when the controller does: at once, and nobody has asked anything yet. */
START_TEST(gateways_let_more_in)
{
    ck_assert(address_enter(&all, &seats[0], (struct sockaddr *)&from, MAX));
    ck_assert(address_prove(&all, &seats[0], "perth", true));
    ck_assert(address_enter(&all, &seats[1], (struct sockaddr *)&from, MAX));
    ck_assert(address_prove(&all, &seats[1], "ann.operator", false)); /* no gateway */
    ck_assert_uint_eq(enter(2), MAX + ADDRESS_PER_GATEWAY);
    for (size_t i = 2; i < 2 + MAX + ADDRESS_PER_GATEWAY; i++)
        ck_assert(address_ask(&seats[i], MAX));
    ck_assert_uint_eq(enter(2 + MAX + ADDRESS_PER_GATEWAY), MAX + ADDRESS_PER_GATEWAY);
    ck_assert(!address_ask(&seats[2 + MAX + ADDRESS_PER_GATEWAY], MAX));
}
END_TEST

START_TEST(a_gateway_that_moves)
{
    ck_assert(address_enter(&all, &seats[0], (struct sockaddr *)&from, MAX));
    ck_assert(address_prove(&all, &seats[0], "perth", true));
    from.sin_addr.s_addr ^= htonl(1);
    ck_assert(address_enter(&all, &seats[1], (struct sockaddr *)&from, MAX));
    ck_assert(address_prove(&all, &seats[1], "perth", true));
    ck_assert_uint_eq(enter(2), MAX + ADDRESS_PER_GATEWAY);
    from.sin_addr.s_addr ^= htonl(1);
    ck_assert_uint_eq(enter(2 + MAX + ADDRESS_PER_GATEWAY), MAX);
}
END_TEST

START_TEST(one_name_has_so_many)
{
    for (size_t i = 0; i <= ADDRESS_PER_NAME; i++) {
        ck_assert(address_enter(&all, &seats[i], (struct sockaddr *)&from, MAX));
        ck_assert_int_eq(address_prove(&all, &seats[i], "perth", true), i < ADDRESS_PER_NAME);
    }
}
END_TEST

START_TEST(one_customer)
{
    ck_assert(address_same("203.0.113.7", "203.0.113.7"));
    ck_assert(address_same("203.0.113.7", "::ffff:203.0.113.7"));
    ck_assert(!address_same("203.0.113.7", "203.0.113.8"));
    ck_assert(address_same("2001:db8::1", "2001:db8::2:3"));
    ck_assert(!address_same("2001:db8::1", "2001:db8:0:1::1"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("address");
    TCase *t = unit_case(s, "address", setup, teardown);

    tcase_add_test(t, those_that_ask_and_those_that_do_not_yet);
    tcase_add_test(t, gateways_let_more_in);
    tcase_add_test(t, a_gateway_that_moves);
    tcase_add_test(t, one_name_has_so_many);
    tcase_add_test(t, one_customer);
    return unit_run(s);
}
