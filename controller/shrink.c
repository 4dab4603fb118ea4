/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/shrink.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/origins.h"
#include "controller/lock.h"
#include "controller/mesh.h"

static void count(struct shrink_part *part, bool gone, const char *name)
{
    part->before++;
    if (!gone)
        return;
    if (name && part->removed < SHRINK_NAMES)
        part->names[part->removed] = name;
    part->removed++;
}

/* --- gateways --------------------------------------------------------------------------------- */

static int compare_gateways(const void *pa, const void *pb)
{
    const struct lock_gateway *const *a = pa, *const *b = pb;

    return strcmp((*a)->name, (*b)->name);
}

static const struct lock_gateway **by_name(const struct lock *lock)
{
    const struct lock_gateway **list = xcalloc(lock->n_gateways + 1, sizeof(*list));

    for (size_t i = 0; i < lock->n_gateways; i++)
        list[i] = &lock->gateways[i];
    qsort(list, lock->n_gateways, sizeof(*list), compare_gateways);
    return list;
}

/* ret_numbers[number before] is the number now, 0: the gateway has gone. */
static void compare_all_gateways(const struct lock *old, const struct lock *now,
                                 uint32_t *ret_numbers, struct shrink_part *part)
{
    const struct lock_gateway **was = by_name(old), **is = by_name(now);

    for (size_t i = 0, k = 0; i < old->n_gateways; i++) {
        bool gone;

        while (k < now->n_gateways && strcmp(is[k]->name, was[i]->name) < 0)
            k++;
        gone = k == now->n_gateways || strcmp(is[k]->name, was[i]->name) != 0;
        count(part, gone, was[i]->name);
        if (!gone)
            ret_numbers[was[i]->number] = is[k]->number;
    }
    free(was);
    free(is);
}

/* --- links ------------------------------------------------------------------------------------ */

/* A number of a gateway has sixteen bits. */
static uint64_t link_key(uint32_t a, uint32_t b, uint8_t tunnel)
{
    return (uint64_t)(a < b ? a : b) << 40 | (uint64_t)(a < b ? b : a) << 8 | tunnel;
}

static int compare_keys(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

    return (a > b) - (a < b);
}

/* Almost every link keeps its index, so both lists are walked by it; what does not fit is sorted
 * out afterwards. */
static void compare_all_links(const struct lock *old, const struct lock *now,
                              const uint32_t *numbers, struct shrink_part *part)
{
    uint64_t *was = xcalloc(old->n_links + 1, sizeof(*was));
    uint64_t *is = xcalloc(now->n_links + 1, sizeof(*is));
    size_t n_was = 0, n_is = 0, i = 0, k = 0;

    part->before = old->n_links;
    while (i < old->n_links || k < now->n_links) {
        const struct lock_link *o = i < old->n_links ? &old->links[i] : NULL;
        const struct lock_link *n = k < now->n_links ? &now->links[k] : NULL;
        bool take_old = o && (!n || o->index <= n->index);
        bool take_new = n && (!o || n->index <= o->index);
        uint64_t before = 0, after = take_new ? link_key(n->a, n->b, n->tunnel) : 0;

        if (take_old && (!numbers[o->a] || !numbers[o->b]))
            part->removed++;
        else if (take_old)
            before = link_key(numbers[o->a], numbers[o->b], o->tunnel);
        if (before && before != after)
            was[n_was++] = before;
        if (after && before != after)
            is[n_is++] = after;
        i += take_old;
        k += take_new;
    }
    qsort(was, n_was, sizeof(*was), compare_keys);
    qsort(is, n_is, sizeof(*is), compare_keys);
    for (i = k = 0; i < n_was; i++) {
        while (k < n_is && is[k] < was[i])
            k++;
        part->removed += k == n_is || is[k] != was[i];
    }
    free(was);
    free(is);
}

void shrink_of_locks(const struct lock *old, const struct lock *now, struct shrink *ret)
{
    uint32_t *numbers = xcalloc(GATEWAY_MAX_NUMBER + 1, sizeof(*numbers));

    ret->gateways = ret->links = (struct shrink_part){0};
    compare_all_gateways(old, now, numbers, &ret->gateways);
    compare_all_links(old, now, numbers, &ret->links);
    free(numbers);
}

/* --- LANs ------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void shrink_of_lans(const struct origins *old, const struct mesh *now, struct shrink *ret)
{
    const char **was = xcalloc(old->n + 1, sizeof(*was));

    ret->lans = (struct shrink_part){0};
    for (size_t i = 0; i < old->n; i++)
        was[i] = old->entries[i].lan;
    qsort(was, old->n, sizeof(*was), compare_names);
    for (size_t i = 0, k = 0; i < old->n; i++) {
        if (i && strcmp(was[i - 1], was[i]) == 0)
            continue; /* another prefix of it */
        while (k < now->n_lans && strcmp(now->lans[k].name, was[i]) < 0)
            k++;
        count(&ret->lans, k == now->n_lans || strcmp(now->lans[k].name, was[i]) != 0, was[i]);
    }
    free(was);
}

/* --- the verdict ------------------------------------------------------------------------------ */

bool shrink_too_much(const struct shrink_part *part)
{
    return part->removed > SHRINK_COUNT && part->removed * 100 > part->before * SHRINK_PERCENT;
}

static int check_part(const struct shrink_part *part, const char *what, const char *mesh_file,
                      struct error_list *err)
{
    _cleanup_buf_ struct buf names = BUF_INIT;
    size_t shown = 0;

    if (!shrink_too_much(part))
        return 0;
    for (; shown < SHRINK_NAMES && shown < part->removed && part->names[shown]; shown++)
        buf_printf(&names, "%s%s", shown ? ", " : ": ", part->names[shown]);
    if (shown && part->removed > shown)
        buf_printf(&names, " and %zu more", part->removed - shown);
    return error_add(err, mesh_file, 0, NULL,
                     "%zu of the %zu %s that there were (%zu %%) would be removed%s; put back into "
                     "the model what is missing, or say --allow-shrink if this is meant",
                     part->removed, part->before, what,
                     (part->removed * 100 + part->before / 2) / part->before, buf_cstr(&names));
}

int shrink_check(const struct shrink *s, const char *mesh_file, struct error_list *err)
{
    int r = check_part(&s->gateways, "gateways", mesh_file, err);

    if (check_part(&s->links, "links", mesh_file, err) < 0)
        r = -EINVAL;
    if (check_part(&s->lans, "LANs", mesh_file, err) < 0)
        r = -EINVAL;
    return r;
}
