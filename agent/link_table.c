/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/link_table.h"

#include <stdlib.h>
#include <string.h>

void link_table_clear(struct link_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct link_state *link = &t->links[i];

        for (size_t k = 0; k < link->n_altnames; k++)
            free(link->altnames[k]);
        free(link->altnames);
        free(link->alias);
        free(link->addresses);
    }
    free(t->links);
    *t = (struct link_table)LINK_TABLE_INIT;
}

const struct link_state *link_table_find(const struct link_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->links[i].name, name) == 0)
            return &t->links[i];
    return NULL;
}

static int compare_index(const void *a, const void *b)
{
    const struct link_state *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

void link_table_sort(struct link_table *t)
{
    if (t->n > 1)
        qsort(t->links, t->n, sizeof(*t->links), compare_index);
}

struct link_state *link_table_at(const struct link_table *t, unsigned index)
{
    struct link_state key = {.index = index};

    return t->n ? bsearch(&key, t->links, t->n, sizeof(*t->links), compare_index) : NULL;
}

bool link_address_equal(const struct link_address *a, const struct link_address *b)
{
    return prefix_compare(&a->local, &b->local) == 0 && a->peer.family == b->peer.family &&
           (a->peer.family == FAMILY_NONE || prefix_compare(&a->peer, &b->peer) == 0);
}
