/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/digest.h"
#include "controller/lock.h"
#include "controller/network.h"

#define MODEL_PATH "/p2pvpn-mesh:mesh/addressing/link-prefix"
#define LOCK_PATH "/p2pvpn-lock:lock/link-prefix"
#define DEFAULT_IPV4 "172.19.0.0/16"
#define CANDIDATES 4096 /* how many blocks are tried for a suggestion */

static const uint8_t families[2] = {FAMILY_IPV4, FAMILY_IPV6};
static const uint8_t block_len[2] = {31, 127};
static const char *const family_name[2] = {"IPv4", "IPv6"};

struct prefix pool_default_ipv6(const char *mesh_name)
{
    struct prefix p = {.family = FAMILY_IPV6, .len = 64};
    uint8_t digest[DIGEST_LEN];

    digest_sha256(mesh_name, strlen(mesh_name), digest);
    p.addr[0] = 0xfd;
    memcpy(p.addr + 1, digest, 7);
    return p;
}

static size_t of_family(const struct prefix *all, size_t n, uint8_t family, struct prefix *ret)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        if (all[i].family == family && found < NETWORK_MAX_POOL)
            ret[found++] = all[i];
    return found;
}

static const struct mesh_lan *overlapping_lan(const struct mesh *mesh, const struct prefix *p,
                                              const struct prefix **ret)
{
    for (size_t i = 0; i < mesh->n_lans; i++)
        for (size_t k = 0; k < mesh->lans[i].n_prefixes; k++)
            if (prefix_overlaps(p, &mesh->lans[i].prefixes[k])) {
                *ret = &mesh->lans[i].prefixes[k];
                return &mesh->lans[i];
            }
    return NULL;
}

static bool is_free(const struct network *net, const struct prefix *p)
{
    const struct prefix *lan;

    for (unsigned f = 0; f < 2; f++)
        for (size_t i = 0; i < net->n_pool[f]; i++)
            if (prefix_overlaps(p, &net->pool[f][i]))
                return false;
    return !overlapping_lan(net->mesh, p, &lan);
}

/* A private block with room for `links` links that nothing in the mesh uses. */
static bool suggest(const struct network *net, unsigned f, uint64_t links, struct prefix *ret)
{
    static const char *const space[2][3] = {{"172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16"},
                                            {"fd00::/8"}};
    uint8_t len = block_len[f];

    while (len > 16 && prefix_count(&(struct prefix){.len = len}, block_len[f]) < links)
        len--;
    if (f == 1)
        len = 64;
    for (unsigned s = 0; s < 3 && space[f][s]; s++) {
        struct prefix outer, block;

        if (!prefix_parse(space[f][s], &outer) || len < outer.len)
            continue;
        if (f == 1) {
            block = pool_default_ipv6("another pool");
            for (unsigned i = 0; i < 256; i++, block.addr[7]++)
                if (is_free(net, &block)) {
                    *ret = block;
                    return true;
                }
            continue;
        }
        for (uint64_t i = 0; i < CANDIDATES && i < prefix_count(&outer, len); i++) {
            if (prefix_nth(&outer, i << (32 - len), len, &block) && is_free(net, &block)) {
                *ret = block;
                return true;
            }
        }
    }
    return false;
}

/* What to write as link-prefix: what is in use, and a block more. */
static void advise(const struct network *net, unsigned f, uint64_t links, struct buf *ret)
{
    char text[PREFIX_TEXT_MAX];
    struct prefix block;

    buf_str(ret, "\"link-prefix\": [");
    for (size_t i = 0; i < net->n_pool[f]; i++)
        buf_printf(ret, "\"%s\", ", prefix_format(&net->pool[f][i], text));
    if (suggest(net, f, links, &block))
        buf_printf(ret, "\"%s\"]", prefix_format(&block, text));
    else
        buf_str(ret, "...]");
}

/* Prefix k of the family differs between model and lock: does that move a link that stays? */
static int compare_to_lock(const struct network *net, unsigned f, const struct lock *lock,
                           const struct prefix *old, size_t n_old, uint64_t kept,
                           struct error_list *err)
{
    char text[2][PREFIX_TEXT_MAX];
    uint64_t first = 0;

    for (size_t k = 0; k < n_old && first < kept; k++) {
        const struct prefix *now = k < net->n_pool[f] ? &net->pool[f][k] : NULL;
        uint64_t count = prefix_count(&old[k], block_len[f]);

        if (!now || prefix_compare(now, &old[k]) != 0)
            return error_add(
                err, net->mesh->file, 0, MODEL_PATH,
                "number %zu of the %s prefixes is %s here, but %s in %s: " LOCK_PATH
                ", and links have their addresses from it; put it back and append new prefixes "
                "behind the old ones, or, to give every link a new address, delete 'link-prefix' "
                "and 'link' from the lock",
                k + 1, family_name[f], now ? prefix_format(now, text[0]) : "missing",
                prefix_format(&old[k], text[1]), lock->file);
        first = count > UINT64_MAX - first ? UINT64_MAX : first + count;
    }
    return 0;
}

/* Prefixes that a person wrote are checked with the model; this is for those that nobody did. */
static int check_unwritten(const struct network *net, unsigned f, bool from_lock,
                           const struct lock *lock, struct error_list *err)
{
    for (size_t i = 0; i < net->n_pool[f]; i++) {
        const struct prefix *p = &net->pool[f][i], *prefix = NULL;
        const struct mesh_lan *lan = overlapping_lan(net->mesh, p, &prefix);
        _cleanup_buf_ struct buf advice = BUF_INIT;
        char text[2][PREFIX_TEXT_MAX];
        struct prefix block;

        if (!lan)
            continue;
        if (from_lock)
            return error_add(err, net->mesh->file, 0, MODEL_PATH,
                             "the link addresses are from %s (%s: " LOCK_PATH "), which overlaps "
                             "%s of lan '%s'; give the LAN another prefix, or set link-prefix to a "
                             "free one and delete 'link-prefix' and 'link' from the lock, which "
                             "gives every link a new address",
                             prefix_format(p, text[0]), lock->file, prefix_format(prefix, text[1]),
                             lan->name);
        if (suggest(net, f, f ? 1 : 1 << 12, &block)) {
            char suggestion[PREFIX_TEXT_MAX];

            buf_printf(&advice, ", for instance to \"%s\"", prefix_format(&block, suggestion));
        }
        return error_add(err, net->mesh->file, 0, MODEL_PATH,
                         "the default, %s, overlaps %s of lan '%s'; set link-prefix to %s "
                         "prefixes that nothing else uses%s",
                         prefix_format(p, text[0]), prefix_format(prefix, text[1]), lan->name,
                         family_name[f], buf_cstr(&advice));
    }
    return 0;
}

/* The same for endpoints: a tunnel must not be routed through itself. */
static int check_endpoints(const struct network *net, unsigned f, bool from_lock,
                           const struct lock *lock, struct error_list *err)
{
    int r = 0;

    for (uint32_t g = 0; g < net->mesh->n_gateways; g++) {
        const struct mesh_gateway *gateway = &net->mesh->gateways[g];
        char address[PREFIX_TEXT_MAX], text[PREFIX_TEXT_MAX];
        _cleanup_free_ char *path = NULL, *whose = NULL;
        struct prefix p;
        size_t i = 0;

        if (gateway->endpoint_family != families[f] || !prefix_parse(gateway->endpoint, &p))
            continue;
        while (i < net->n_pool[f] && !prefix_overlaps(&net->pool[f][i], &p))
            i++;
        if (i == net->n_pool[f])
            continue;
        path = xasprintf("/p2pvpn-mesh:mesh/gateway[name='%s']/endpoint", gateway->name);
        whose = from_lock ? xasprintf("the link addresses (%s: " LOCK_PATH ")", lock->file)
                          : xstrdup("the default link addresses");
        r = error_add(err, net->mesh->file, 0, path,
                      "%s lies in %s of %s, so the tunnel would be routed through itself; write "
                      "the address that the gateway has outside of the mesh",
                      prefix_format_address(&p, address), prefix_format(&net->pool[f][i], text),
                      whose);
    }
    return r;
}

int pool_choose(struct network *net, const struct lock *lock, uint64_t kept, struct error_list *err)
{
    const struct mesh *mesh = net->mesh;
    const bool wanted[2] = {mesh->has_ipv4, mesh->has_ipv6};
    int r = 0;

    for (unsigned f = 0; f < 2; f++) {
        struct prefix old[NETWORK_MAX_POOL];
        size_t n_old =
            lock ? of_family(lock->link_prefixes, lock->n_link_prefixes, families[f], old) : 0;
        bool written;

        net->n_pool[f] = 0;
        if (!wanted[f])
            continue;
        net->n_pool[f] =
            of_family(mesh->link_prefixes, mesh->n_link_prefixes, families[f], net->pool[f]);
        written = net->n_pool[f] > 0;
        if (written) {
            if (compare_to_lock(net, f, lock, old, n_old, kept, err) < 0)
                r = -EINVAL;
            continue;
        }
        if (n_old) {
            memcpy(net->pool[f], old, n_old * sizeof(*old));
            net->n_pool[f] = n_old;
        } else {
            net->n_pool[f] = 1;
            if (f == 1)
                net->pool[f][0] = pool_default_ipv6(mesh->name);
            else
                prefix_parse(DEFAULT_IPV4, &net->pool[f][0]);
        }
        if (check_unwritten(net, f, n_old > 0, lock, err) < 0 ||
            check_endpoints(net, f, n_old > 0, lock, err) < 0)
            r = -EINVAL;
    }
    return r;
}

int pool_check_room(const struct network *net, uint64_t needed, struct error_list *err)
{
    int r = 0;

    for (unsigned f = 0; f < 2; f++) {
        _cleanup_buf_ struct buf advice = BUF_INIT;
        uint64_t room = 0;

        for (size_t i = 0; i < net->n_pool[f]; i++) {
            uint64_t count = prefix_count(&net->pool[f][i], block_len[f]);

            room = count > UINT64_MAX - room ? UINT64_MAX : room + count;
        }
        if (net->n_pool[f] == 0 || needed <= room)
            continue;
        advise(net, f, needed - room, &advice);
        r = error_add(err, net->mesh->file, 0, MODEL_PATH,
                      "the mesh needs %" PRIu64 " %s link addresses, but only %" PRIu64
                      " fit into the pool; append a prefix: %s",
                      needed, family_name[f], room, buf_cstr(&advice));
    }
    return r;
}
