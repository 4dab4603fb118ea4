/* SPDX-License-Identifier: Apache-2.0 */
#include "common/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_SIZE (64 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    max_align_t data[];
};

__attribute__((noreturn)) static void out_of_memory(void)
{
    static const char text[] = "out of memory\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)n;
    _exit(3);
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *xreallocarray(void *p, size_t n, size_t size)
{
    void *q = reallocarray(p, n ? n : 1, size ? size : 1);

    if (!q)
        out_of_memory();
    return q;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = xmalloc(len + 1);

    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *xasprintf(const char *format, ...)
{
    va_list ap;
    char *s = NULL;
    int n;

    va_start(ap, format);
    n = vasprintf(&s, format, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    return s;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    struct arena_chunk *c = a->chunks;
    void *p;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        out_of_memory();
    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!c || c->size - c->used < bytes) {
        /* Growing with what was needed so far, a large arena has few chunks. */
        size_t want = a->used > CHUNK_SIZE ? a->used : CHUNK_SIZE;

        if (want < bytes)
            want = bytes;

        c = xmalloc(sizeof(*c) + want);
        c->next = a->chunks;
        c->size = want;
        c->used = 0;
        a->chunks = c;
    }
    p = (char *)c->data + c->used;
    c->used += bytes;
    a->used += bytes;
    return memset(p, 0, bytes);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = arena_alloc(a, len + 1, 1);

    memcpy(copy, s, len);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    char shown[128], *copy;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(shown, sizeof(shown), format, ap); /* nearly always enough */
    va_end(ap);
    if (n < 0)
        out_of_memory();
    copy = arena_alloc(a, (size_t)n + 1, 1);
    if ((size_t)n < sizeof(shown))
        return memcpy(copy, shown, (size_t)n + 1);
    va_start(ap, format);
    vsnprintf(copy, (size_t)n + 1, format, ap);
    va_end(ap);
    return copy;
}

void arena_free(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;

        free(a->chunks);
        a->chunks = next;
    }
    a->used = 0;
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *keep = NULL, *next;

    for (struct arena_chunk *c = a->chunks; c; c = next) {
        next = c->next;
        if (keep && keep->size >= c->size) {
            free(c);
            continue;
        }
        free(keep);
        keep = c;
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
    a->chunks = keep;
    a->used = 0;
}
