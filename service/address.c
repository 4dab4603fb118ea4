/* SPDX-License-Identifier: Apache-2.0 */
#include "service/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <uthash.h>

#include "common/alloc.h"

_Static_assert(ADDRESS_TEXT_SIZE == INET6_ADDRSTRLEN, "room for any");

struct address {
    unsigned char key[8];
    unsigned fresh, asking; /* connections that have asked nothing; that do, without certificate */
    unsigned gateways;      /* that have shown theirs here last */
    UT_hash_handle hh;
};

struct address_name {
    char *text;
    unsigned count;
    struct address *home; /* of a gateway; NULL: of an operator */
    UT_hash_handle hh;
};

/* Of an IPv4 address, as it is on the wire. */
static void key_of_v4(const void *address, unsigned char ret[static 8])
{
    memset(ret, 0, 8);
    ret[0] = 0xff; /* no IPv6 address that anybody has begins so and goes on with zeros */
    memcpy(ret + 4, address, 4);
}

static void key_of_v6(const struct in6_addr *address, unsigned char ret[static 8])
{
    if (IN6_IS_ADDR_V4MAPPED(address))
        key_of_v4(address->s6_addr + 12, ret);
    else
        memcpy(ret, address->s6_addr, 8);
}

static void key_of(const struct sockaddr *address, unsigned char ret[static 8])
{
    if (address->sa_family == AF_INET)
        key_of_v4(&((const struct sockaddr_in *)address)->sin_addr, ret);
    else
        key_of_v6(&((const struct sockaddr_in6 *)address)->sin6_addr, ret);
}

static void drop_unused(struct addresses *all, struct address *one)
{
    if (one->fresh || one->asking || one->gateways)
        return;
    HASH_DEL(all->all, one);
    free(one);
}

/* How many may be at one address without a certificate, of those that ask and again of those
 * that do not yet: the gateways of a site come back at the same moment. */
static unsigned limit(const struct address *at, unsigned max)
{
    return max + at->gateways * ADDRESS_PER_GATEWAY;
}

bool address_enter(struct addresses *all, struct address_seat *seat, const struct sockaddr *from,
                   unsigned max)
{
    struct address *found;
    unsigned char key[8];

    key_of(from, key);
    HASH_FIND(hh, all->all, key, sizeof(key), found);
    if (found && max && found->fresh >= limit(found, max))
        return false;
    if (!found) {
        found = xcalloc(1, sizeof(*found));
        memcpy(found->key, key, sizeof(key));
        HASH_ADD(hh, all->all, key, sizeof(found->key), found);
    }
    found->fresh++;
    *seat = (struct address_seat){.address = found};
    return true;
}

bool address_ask(struct address_seat *seat, unsigned max)
{
    struct address *at = seat->address;

    if (!at || seat->asks)
        return true;
    if (max && at->asking >= limit(at, max))
        return false;
    at->fresh--;
    at->asking++;
    seat->asks = true;
    return true;
}

/* Where a gateway was last. */
static void move(struct addresses *all, struct address_name *name, struct address *to)
{
    struct address *old = name->home;

    if (old == to)
        return;
    to->gateways++;
    name->home = to;
    if (old) {
        old->gateways--;
        drop_unused(all, old);
    }
}

bool address_prove(struct addresses *all, struct address_seat *seat, const char *name, bool gateway)
{
    struct address_name *found;
    struct address *at = seat->address;

    HASH_FIND_STR(all->names, name, found);
    if (found && found->count >= ADDRESS_PER_NAME)
        return false;
    if (!found) {
        found = xcalloc(1, sizeof(*found));
        found->text = xstrdup(name);
        HASH_ADD_KEYPTR(hh, all->names, found->text, strlen(found->text), found);
    }
    found->count++;
    if (gateway)
        move(all, found, at);
    at->fresh--;
    drop_unused(all, at);
    *seat = (struct address_seat){.name = found};
    return true;
}

static void drop_name(struct addresses *all, struct address_name *name)
{
    HASH_DEL(all->names, name);
    free(name->text);
    free(name);
}

void address_leave(struct addresses *all, struct address_seat *seat)
{
    if (seat->name && --seat->name->count == 0 && !seat->name->home)
        drop_name(all, seat->name);
    if (seat->address) {
        --*(seat->asks ? &seat->address->asking : &seat->address->fresh);
        drop_unused(all, seat->address);
    }
    *seat = (struct address_seat){NULL, NULL, false};
}

void address_clear(struct addresses *all)
{
    struct address_name *name = all->names, *next;

    for (; name; name = next) {
        next = name->hh.next;
        struct address *home = name->home;

        drop_name(all, name);
        if (home) {
            home->gateways--;
            drop_unused(all, home);
        }
    }
}

static void key_of_text(const char *text, unsigned char ret[static 8])
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, text, &v4) == 1)
        key_of_v4(&v4, ret);
    else if (inet_pton(AF_INET6, text, &v6) == 1)
        key_of_v6(&v6, ret);
    else
        memset(ret, 0, 8);
}

bool address_same(const char *a, const char *b)
{
    unsigned char of_a[8], of_b[8];

    key_of_text(a, of_a);
    key_of_text(b, of_b);
    return memcmp(of_a, of_b, sizeof(of_a)) == 0;
}

void address_text(const struct sockaddr *from, char ret[static ADDRESS_TEXT_SIZE])
{
    const void *a = from->sa_family == AF_INET
                        ? (const void *)&((const struct sockaddr_in *)from)->sin_addr
                        : (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr;

    if (!inet_ntop(from->sa_family, a, ret, ADDRESS_TEXT_SIZE))
        ret[0] = '\0';
}
