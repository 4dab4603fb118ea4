/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: how many connections each has, in terms of what one customer has: an IPv4 address, or
 * an IPv6 /64.  An IPv4 address that is written as an IPv6 one (::ffff:a.b.c.d) counts as itself.
 */
#ifndef P2PVPN_SERVICE_ADDRESS_H
#define P2PVPN_SERVICE_ADDRESS_H

#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */

struct address; /* *all is a hash table of them, NULL at first */

/* One connection more; NULL: it has `max` already (0: no limit). */
struct address *address_enter(struct address **all, const struct sockaddr *from, unsigned max);
/* One less; NULL ok; returns NULL. */
struct address *address_leave(struct address **all, struct address *one);

void address_text(const struct sockaddr *from, char ret[static ADDRESS_TEXT_SIZE]);

#endif
