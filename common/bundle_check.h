/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundle check: whether the values of a bundle are ones that a gateway may act on.  Pure.
 *
 * Two readers make a struct bundle out of something from outside: that of bundle.json
 * (bundle_parse.c), and the agent's of what its unprivileged reader says (agent/wire.h).  Neither
 * believes a value; what a value may be is said here, once for both.
 */
#ifndef P2PVPN_COMMON_BUNDLE_CHECK_H
#define P2PVPN_COMMON_BUNDLE_CHECK_H

#include <stdarg.h>
#include <stddef.h>

#include "common/bundle.h"

#define BUNDLE_MAX_PREFIXES 100000u /* of one list */
#define BUNDLE_MAX_ADDRESSES 2u     /* of one link: one of each family */
#define BUNDLE_MAX_ERRORS 20u       /* more are counted, not kept */

/* Who complains, and about which object. */
struct bundle_checker {
    const char *file;
    struct error_list *err;
    size_t errors;  /* so far, also those not kept */
    char path[160]; /* of the object in hand */
};

/* About one member of that object; NULL: about the object. */
void bundle_complain(struct bundle_checker *c, const char *member, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Everything about a bundle in memory: names, addresses, ranges, order, duplicates, what points to
 * what, and at last the revision.  No pointer may be NULL but remote_host and those of empty lists;
 * nothing else is presumed.  b is printed on the way and so gets the revision that it should have.
 * Complaints are counted in c; none: the bundle is good.
 */
void bundle_check(struct bundle_checker *c, struct bundle *b);

#endif
