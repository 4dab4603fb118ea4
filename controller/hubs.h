/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hubs: which hubs a spoke is linked to, evenly and so that little moves.  Pure.
 *
 * The loads of two hubs differ by at most one where that is possible: a spoke that cannot be called
 * needs a hub that can.  What a spoke had it keeps, unless its hub has more than its share.  So a
 * new spoke moves nobody; a hub that leaves moves its own spokes; a new hub takes the share that
 * is missing, links / hubs rounded down, and nobody else moves.  A link that a person wrote counts
 * as one of its spoke's and never moves.
 *
 * The same input gives the same answer; what is not decided by the loads is by the names, in such a
 * way that the spokes of one hub have their others spread over all.
 */
#ifndef P2PVPN_CONTROLLER_HUBS_H
#define P2PVPN_CONTROLLER_HUBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUBS_NONE UINT32_MAX

struct hubs_hub {
    uint64_t hash; /* of its name (hubs_hash()) */
    bool callable; /* it has an endpoint */
};

struct hubs_link {
    uint32_t hub; /* index into hubs */
    bool pinned;  /* written by a person; else the spoke had it before */
};

struct hubs_spoke {
    uint64_t hash;
    bool callable;
    uint32_t first, n; /* into links: each hub at most once, pinned ones only where they can be */
};

struct hubs {
    const struct hubs_hub *hubs;
    uint32_t n_hubs;
    const struct hubs_spoke *spokes;
    uint32_t n_spokes;
    const struct hubs_link *links;
    uint32_t per_spoke; /* 1.. */
};

/* Into ret[spoke * per_spoke ...]: its hubs, HUBS_NONE behind the last where it finds fewer or has
 * more that are pinned, which are not repeated here. */
void hubs_assign(const struct hubs *h, uint32_t *ret);

uint64_t hubs_hash(const char *name);

#endif
