/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rtr_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/alloc.h"

/* Besides as many changes as the table has pairs, for small tables. */
#define HISTORY_CHANGES 1000

void rtr_cache_init(struct rtr_cache *c, uint32_t serial)
{
    *c = (struct rtr_cache){.serial = serial};
    if (getrandom(c->session, sizeof(c->session), 0) != sizeof(c->session))
        abort(); /* never for so few bytes (getrandom(2)) */
    if (c->session[0] == c->session[1])
        c->session[1] ^= 1;
}

void rtr_cache_clear(struct rtr_cache *c)
{
    rtr_table_unref(c->table);
    for (size_t i = 0; i < c->n_deltas; i++)
        rtr_delta_unref(c->deltas[i]);
    c->table = NULL;
    c->n_deltas = 0;
}

static struct rtr_delta *new_delta(uint32_t from, uint32_t to)
{
    struct rtr_delta *d = xmalloc(sizeof(*d));

    *d = (struct rtr_delta){.references = 1, .from = from, .to = to};
    return d;
}

/* What `first` and then `second` do, in one step.  A pair that is in both came and went, or went
 * and came: nothing is left to say of it. */
static struct rtr_delta *join(const struct rtr_delta *first, const struct rtr_delta *second)
{
    struct rtr_delta *both = new_delta(first->from, second->to);
    const struct origin_changes *a = &first->changes, *b = &second->changes;
    size_t i = 0, k = 0;

    while (i < a->n || k < b->n) {
        int order = i == a->n   ? 1
                    : k == b->n ? -1
                                : origin_change_compare(&a->changes[i], &b->changes[k]);

        if (order)
            origin_changes_add(&both->changes, order < 0 ? &a->changes[i] : &b->changes[k]);
        i += order <= 0;
        k += order >= 0;
    }
    return both;
}

/* Adds the newest step, and forgets the oldest ways when there are too many, or when together they
 * are longer than the table, which may then be sent as well. */
static void remember(struct rtr_cache *c, struct rtr_delta *step)
{
    size_t changes = step->changes.n, most = c->pairs + HISTORY_CHANGES, keep = 0;

    while (keep < c->n_deltas && keep < RTR_HISTORY - 1) {
        changes += c->deltas[c->n_deltas - 1 - keep]->changes.n;
        if (changes > most)
            break;
        keep++;
    }
    for (size_t i = 0; i < c->n_deltas - keep; i++)
        rtr_delta_unref(c->deltas[i]);
    memmove(c->deltas, c->deltas + c->n_deltas - keep, keep * sizeof(c->deltas[0]));
    c->n_deltas = keep;
    if (step->changes.n > most)
        rtr_delta_unref(step);
    else
        c->deltas[c->n_deltas++] = step;
}

static void set_table(struct rtr_cache *c, struct origins *origins)
{
    rtr_table_unref(c->table);
    c->table = xmalloc(sizeof(*c->table));
    *c->table = (struct rtr_table){.references = 1, .serial = c->serial, .origins = origins};
    c->pairs = 0;
    for (size_t i = 0; i < origins->n; i++)
        c->pairs += origins->entries[i].n_asns;
}

bool rtr_cache_set(struct rtr_cache *c, struct origins *origins)
{
    bool first = c->table == NULL;
    struct rtr_delta *step = new_delta(c->serial, c->serial + 1);

    if (!first)
        origins_diff(c->table->origins, origins, &step->changes);
    if (!first && step->changes.n == 0) {
        rtr_delta_unref(step);
        set_table(c, origins);
        return false;
    }
    c->serial++;
    set_table(c, origins);
    if (first) {
        rtr_delta_unref(step);
        return true;
    }
    for (size_t i = 0; i < c->n_deltas; i++) {
        struct rtr_delta *longer = join(c->deltas[i], step);

        rtr_delta_unref(c->deltas[i]);
        c->deltas[i] = longer;
    }
    remember(c, step);
    return true;
}

struct rtr_table *rtr_cache_table(const struct rtr_cache *c)
{
    if (c->table)
        c->table->references++;
    return c->table;
}

struct rtr_delta *rtr_cache_delta(const struct rtr_cache *c, uint32_t from)
{
    if (c->table && from == c->serial)
        return new_delta(from, from);
    for (size_t i = 0; i < c->n_deltas; i++) {
        if (c->deltas[i]->from == from) {
            c->deltas[i]->references++;
            return c->deltas[i];
        }
    }
    return NULL;
}

struct rtr_table *rtr_table_unref(struct rtr_table *t)
{
    if (t && --t->references == 0) {
        origins_free(t->origins);
        free(t);
    }
    return NULL;
}

struct rtr_delta *rtr_delta_unref(struct rtr_delta *d)
{
    if (d && --d->references == 0) {
        origin_changes_free(&d->changes);
        free(d);
    }
    return NULL;
}
