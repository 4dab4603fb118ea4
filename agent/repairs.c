/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/repairs.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

struct repair {
    uint64_t key;
    int64_t seen;   /* when it was last asked about */
    int64_t hold;   /* not before this */
    unsigned count; /* put right in a row */
    bool went;      /* the last answer was to put it right */
};

static size_t position(const struct repairs *r, uint64_t key)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->items[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct repair *find(const struct repairs *r, uint64_t key)
{
    size_t i = position(r, key);

    return i < r->n && r->items[i].key == key ? &r->items[i] : NULL;
}

static struct repair *insert(struct repairs *r, uint64_t key)
{
    size_t i = position(r, key);

    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        r->items = xreallocarray(r->items, r->cap, sizeof(*r->items));
    }
    memmove(r->items + i + 1, r->items + i, (r->n - i) * sizeof(*r->items));
    r->items[i] = (struct repair){.key = key};
    r->n++;
    return &r->items[i];
}

/* How long to leave it alone after it was put right so many times in a row. */
static int64_t pause_after(unsigned count)
{
    int64_t wait = REPAIRS_MIN_MS;

    if (count < REPAIRS_FREE)
        return 0;
    for (unsigned i = REPAIRS_FREE; i < count && wait < REPAIRS_MAX_MS; i++)
        wait *= 2;
    return wait < REPAIRS_MAX_MS ? wait : REPAIRS_MAX_MS;
}

enum repairs_answer repairs_ask(struct repairs *r, uint64_t key, int64_t now, int64_t *until)
{
    struct repair *one = find(r, key);
    bool first;

    if (!one)
        one = insert(r, key);
    else if (now - one->seen >= REPAIRS_CALM_MS)
        *one = (struct repair){.key = key};
    else if (now == one->seen && one->went)
        return REPAIRS_GO;
    first = one->count == REPAIRS_FREE && one->hold == 0;
    if (first)
        one->hold = now + pause_after(one->count);
    one->seen = now;
    one->went = now >= one->hold;
    if (!one->went) {
        *until = one->hold;
        return first ? REPAIRS_FIGHT : REPAIRS_WAIT;
    }
    one->count++;
    if (one->count > REPAIRS_FREE)
        one->hold = now + pause_after(one->count);
    return REPAIRS_GO;
}

void repairs_failed(struct repairs *r, uint64_t key)
{
    struct repair *one = find(r, key);

    if (!one || one->count == 0)
        return;
    one->count--;
    if (one->count < REPAIRS_FREE)
        one->hold = 0;
}

void repairs_sweep(struct repairs *r, int64_t now)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++)
        if (now - r->items[i].seen < REPAIRS_CALM_MS)
            r->items[kept++] = r->items[i];
    r->n = kept;
    if (kept == 0)
        repairs_reset(r);
}

void repairs_reset(struct repairs *r)
{
    free(r->items);
    *r = (struct repairs)REPAIRS_INIT;
}
