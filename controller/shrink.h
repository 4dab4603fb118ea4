/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shrink guard: a model from which much is missing is more often a slip (half a file, a wrong
 * branch, a generator that failed) than what somebody wants.
 *
 * Counted is what was there before and is not there any more: gateways by name, links by the names
 * of their ends and their tunnel, LANs by name.  What was renamed has gone.
 * Too much is more than SHRINK_PERCENT of one of the three and more than SHRINK_COUNT of it; both,
 * so that a small mesh can be rebuilt and a large one loses single sites without a question.
 *
 * Pure.  The texts pointed to are those of the old lock and the old table.
 */
#ifndef P2PVPN_CONTROLLER_SHRINK_H
#define P2PVPN_CONTROLLER_SHRINK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

#define SHRINK_PERCENT 20
#define SHRINK_COUNT 10
#define SHRINK_NAMES 3

struct lock;
struct mesh;
struct origins;

struct shrink_part {
    size_t before, removed;
    const char *names[SHRINK_NAMES]; /* of the first that go; none for links */
};

struct shrink {
    struct shrink_part gateways, links, lans;
};

/* Counts gateways and links. */
void shrink_of_locks(const struct lock *old, const struct lock *now, struct shrink *ret);

/* Counts LANs; an old table is what the last compile left (common/origins.h). */
void shrink_of_lans(const struct origins *old, const struct mesh *now, struct shrink *ret);

/* True: too much of it goes. */
bool shrink_too_much(const struct shrink_part *part);

/* 0, or -EINVAL and an error for each kind of which too much goes. */
int shrink_check(const struct shrink *s, const char *mesh_file, struct error_list *err);

#endif
