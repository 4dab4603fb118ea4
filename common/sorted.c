/* SPDX-License-Identifier: Apache-2.0 */
#include "common/sorted.h"

#include <string.h>

static const char *name_of(const void *array, size_t size, size_t i)
{
    const char *name;

    memcpy(&name, (const char *)array + i * size, sizeof(name));
    return name;
}

size_t sorted_place(const void *array, size_t n, size_t size, const char *name)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(name_of(array, size, middle), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool sorted_is_at(const void *array, size_t n, size_t size, size_t place, const char *name)
{
    return place < n && strcmp(name_of(array, size, place), name) == 0;
}
