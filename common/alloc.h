/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: allocation that cannot return NULL, and an arena that is freed whole.
 *
 * Running out of memory ends the process with a message on standard error (exit 3).  That is safe
 * by design: every program writes its state whole or not at all, so dying at any point leaves old
 * or new, and a process that limps on with half a mesh would be worse.
 */
#ifndef P2PVPN_COMMON_ALLOC_H
#define P2PVPN_COMMON_ALLOC_H

#include <stddef.h>
#include <stdlib.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...) __attribute__((malloc, format(printf, 1, 2)));

static inline void free_ptr(void *p)
{
    free(*(void **)p);
}
#define _cleanup_free_ __attribute__((cleanup(free_ptr)))

/* An arena owns everything allocated from it; nothing in it is freed alone. */
struct arena {
    struct arena_chunk *chunks;
    size_t used; /* bytes handed out, for the curious */
};

#define ARENA_INIT \
    {              \
        NULL, 0    \
    }

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a);

/* Frees everything in it and keeps some memory for what comes. */
void arena_reset(struct arena *a);

#endif
