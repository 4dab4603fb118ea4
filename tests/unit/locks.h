/* SPDX-License-Identifier: Apache-2.0 */
/* Locks, for the tests of allocate.h: from text, through text, and a gateway of one. */
#ifndef P2PVPN_TESTS_LOCKS_H
#define P2PVPN_TESTS_LOCKS_H

#include <stdio.h>

#include "controller/allocate.h"
#include "controller/lock.h"
#include "tests/unit/build_mesh.h"

/* How the text of a lock begins. */
#define HEAD "{\"p2pvpn-lock:lock\":{\"mesh\":\"m\","

static struct error_list warnings, err;

static inline void teardown(void)
{
    error_clear(&warnings);
    error_clear(&err);
}

static inline struct lock *parse(const char *text)
{
    struct lock *lock = NULL;

    if (lock_parse(text, strlen(text), "m.lock.json", &lock, &err) != 0)
        error_print(&err, stderr);
    ck_assert_ptr_nonnull(lock);
    return lock;
}

/* Through the text, as between two runs of the compiler. */
static inline struct lock *written_and_read(struct lock *lock)
{
    struct buf text = BUF_INIT;
    struct lock *again;

    lock_format(lock, &text);
    again = parse(buf_cstr(&text));
    buf_free(&text);
    lock_free(lock);
    return again;
}

static inline const struct lock_gateway *find(const struct lock *lock, const char *name)
{
    for (size_t i = 0; i < lock->n_gateways; i++)
        if (strcmp(lock->gateways[i].name, name) == 0)
            return &lock->gateways[i];
    return NULL;
}

#endif
