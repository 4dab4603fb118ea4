/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pairs: half a million links sorted in milliseconds.  Pure.
 *
 * Gateway numbers and indexes fit 16 bits, so a pair of them is one 32-bit key, and four passes
 * of a radix sort put any number of them in order: linear and stable, without a comparison
 * function.
 */
#ifndef P2PVPN_CONTROLLER_PAIRS_H
#define P2PVPN_CONTROLLER_PAIRS_H

#include <stddef.h>
#include <stdint.h>

struct pair {
    uint32_t key, value; /* value: whatever belongs to the pair, usually an index */
};

static inline uint32_t pair_key(uint32_t high, uint32_t low)
{
    return high << 16 | (low & 0xffff);
}

/* By key; equal keys keep their order. */
void pairs_sort(struct pair *pairs, size_t n);

/* By (high, tunnel, low) of the keys and the tunnels of their values; NULL: all are the first. */
void pairs_sort_tunnels(struct pair *pairs, size_t n, const uint8_t *tunnels);

#endif
