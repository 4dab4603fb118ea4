/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON that is built here: running out of memory ends the process, as in common/alloc.h.
 */
#ifndef P2PVPN_TUF_JSON_H
#define P2PVPN_TUF_JSON_H

#include <jansson.h>
#include <stdlib.h>

static inline json_t *must(json_t *value)
{
    if (!value)
        abort();
    return value;
}

/* Takes the value. */
static inline void set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, must(value)) != 0)
        abort();
}

#endif
