/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: how many connections each has, in terms of what one customer has: an IPv4 address, or
 * an IPv6 /64.  An IPv4 address that is written as an IPv6 one (::ffff:a.b.c.d) counts as itself.
 *
 * A connection that shows a certificate counts for that alone, wherever it comes from; and as many
 * gateways of a site may come from one address, each that has shown its certificate there last
 * (`p2pvpn-agent report` does) lets some more in without one (`p2pvpn-agent fetch` has none).
 */
#ifndef P2PVPN_SERVICE_ADDRESS_H
#define P2PVPN_SERVICE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 46   /* INET6_ADDRSTRLEN */
#define ADDRESS_PER_NAME 16u   /* connections under one certificate's name */
#define ADDRESS_PER_GATEWAY 4u /* without certificate, for each gateway that is at an address */

struct addresses {
    struct address *all; /* hash tables; NULL at first */
    struct address_name *names;
};

/* What one connection counts for.  All zero: nothing. */
struct address_seat {
    struct address *address;
    struct address_name *name; /* of its certificate; NULL: it has shown none */
    bool asks;                 /* without certificate, something */
};

/* One more that has asked nothing yet; false: there are `max` such already (0: no limit), and what
 * the gateways add. */
bool address_enter(struct addresses *all, struct address_seat *seat, const struct sockaddr *from,
                   unsigned max);
/* It asks something without a certificate; false: `max` do already, and what the gateways add. */
bool address_ask(struct address_seat *seat, unsigned max);
/* It has shown a certificate; false: there are ADDRESS_PER_NAME under this name. */
bool address_prove(struct addresses *all, struct address_seat *seat, const char *name,
                   bool gateway);
void address_leave(struct addresses *all, struct address_seat *seat);
void address_clear(struct addresses *all); /* nobody has a seat any more */

/* Whether two texts of address_text() are one customer's: the same IPv4 address or IPv6 /64. */
bool address_same(const char *a, const char *b);
void address_text(const struct sockaddr *from, char ret[static ADDRESS_TEXT_SIZE]);

#endif
