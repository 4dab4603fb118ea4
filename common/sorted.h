/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorted: where a name stands in an array that is sorted by names (strcmp()).
 *
 * Each element begins with a pointer to its name, or is one.  For those who also insert, or go on
 * from the first of several with the same name; who only looks up may as well take bsearch().
 */
#ifndef P2PVPN_COMMON_SORTED_H
#define P2PVPN_COMMON_SORTED_H

#include <stdbool.h>
#include <stddef.h>

/* The first of the n elements that is not before the name; n: there is none. */
size_t sorted_place(const void *array, size_t n, size_t size, const char *name);
/* Whether that one has this very name. */
bool sorted_is_at(const void *array, size_t n, size_t size, size_t place, const char *name);

#endif
