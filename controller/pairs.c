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
