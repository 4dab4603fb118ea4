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
    unsigned count;
    UT_hash_handle hh;
};

static void key_of(const struct sockaddr *address, unsigned char ret[static 8])
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    memset(ret, 0, 8);
    if (address->sa_family == AF_INET) {
        ret[0] = 0xff; /* no IPv6 address that anybody has begins so and goes on with zeros */
        memcpy(ret + 4, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else {
        const unsigned char *a = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;

        if (memcmp(a, mapped, sizeof(mapped)) == 0) {
            ret[0] = 0xff;
            memcpy(ret + 4, a + 12, 4);
        } else {
            memcpy(ret, a, 8);
        }
    }
}

struct address *address_enter(struct address **all, const struct sockaddr *from, unsigned max)
{
    struct address *found;
    unsigned char key[8];

    key_of(from, key);
    HASH_FIND(hh, *all, key, sizeof(key), found);
    if (found && max && found->count >= max)
        return NULL;
    if (!found) {
        found = xcalloc(1, sizeof(*found));
        memcpy(found->key, key, sizeof(key));
        HASH_ADD(hh, *all, key, sizeof(found->key), found);
    }
    found->count++;
    return found;
}

struct address *address_leave(struct address **all, struct address *one)
{
    if (one && --one->count == 0) {
        HASH_DEL(*all, one);
        free(one);
    }
    return NULL;
}

void address_text(const struct sockaddr *from, char ret[static ADDRESS_TEXT_SIZE])
{
    const void *a = from->sa_family == AF_INET
                        ? (const void *)&((const struct sockaddr_in *)from)->sin_addr
                        : (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr;

    if (!inet_ntop(from->sa_family, a, ret, ADDRESS_TEXT_SIZE))
        ret[0] = '\0';
}
