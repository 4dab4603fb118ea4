/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

#define DIGITS 256u

static void pass(const struct pair *from, struct pair *to, size_t n, unsigned shift, size_t *start)
{
    size_t sum = 0;

    memset(start, 0, DIGITS * sizeof(*start));
    for (size_t i = 0; i < n; i++)
        start[from[i].key >> shift & 0xff]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t count = start[d];

        start[d] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[start[from[i].key >> shift & 0xff]++] = from[i];
}

void pairs_sort(struct pair *pairs, size_t n)
{
    struct pair *other;
    size_t start[DIGITS], i;

    for (i = 1; i < n && pairs[i - 1].key <= pairs[i].key; i++)
        ;
    if (i >= n) /* a single full mesh comes out in order */
        return;
    other = xcalloc(n, sizeof(*other));
    for (unsigned shift = 0; shift < 32; shift += 16) {
        pass(pairs, other, n, shift, start);
        pass(other, pairs, n, shift + 8, start);
    }
    free(other);
}

void pairs_sort_tunnels(struct pair *pairs, size_t n, const uint8_t *tunnels)
{
    struct pair *sorted, *order;

    pairs_sort(pairs, n);
    if (!tunnels)
        return;
    /* By (high, low) so far; sorting by (high, tunnel) leaves the order of the low ones. */
    sorted = xcalloc(n, sizeof(*sorted));
    order = xcalloc(n, sizeof(*order));
    memcpy(sorted, pairs, n * sizeof(*sorted));
    for (uint32_t i = 0; i < n; i++)
        order[i] = (struct pair){(pairs[i].key >> 16) << 3 | tunnels[pairs[i].value], i};
    pairs_sort(order, n);
    for (size_t i = 0; i < n; i++)
        pairs[i] = sorted[order[i].value];
    free(sorted);
    free(order);
}
