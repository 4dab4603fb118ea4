/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: every problem found in one run, each with where it is and what to do.
 *
 * Libraries never print and never exit: they add to an error_list that the caller owns, and return
 * a negative errno.  -EINVAL means "the input or the state is wrong"; every other value means "the
 * system failed".  main.c turns that into the exit codes of docs/architecture.md.
 *
 * Printed form:  FILE:LINE: DATA-PATH: message        (each part only where it is known)
 */
#ifndef P2PVPN_COMMON_ERROR_H
#define P2PVPN_COMMON_ERROR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* Exit codes of every program (design, "Programs"). */
enum { EXIT_DONE = 0, EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_SYSTEM = 3 };

struct buf;

struct error_item {
    char *file;    /* NULL: not about a file */
    unsigned line; /* 1-based; 0: unknown */
    char *path;    /* YANG data path; NULL: not about a data node */
    char *message; /* one sentence, no newline; says what to do */
};

struct error_list {
    struct error_item *items;
    size_t n, cap;
};

#define ERROR_LIST_INIT \
    {                   \
        NULL, 0, 0      \
    }

/* Adds one problem; the strings are copied.  Bytes that a terminal must not see are shown as \xNN.
 * Returns -EINVAL, so that "return error_add(...)" reads well. */
int error_add(struct error_list *list, const char *file, unsigned line, const char *path,
              const char *format, ...) __attribute__((format(printf, 5, 6)));
int error_vadd(struct error_list *list, const char *file, unsigned line, const char *path,
               const char *format, va_list ap) __attribute__((format(printf, 5, 0)));

/* Adds a system failure: "message: strerror(errnum)".  Returns -errnum. */
int error_sys(struct error_list *list, int errnum, const char *file, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Moves all of `from` behind what is in `to`. */
void error_take(struct error_list *to, struct error_list *from);

/* Orders by file, line, path, message, and drops exact repetitions. */
void error_sort(struct error_list *list);
void error_print(const struct error_list *list, FILE *out);
/* One of them in the printed form, without a newline, behind what is in *ret. */
void error_text(const struct error_item *item, struct buf *ret);
void error_clear(struct error_list *list);

/* 0 -> EXIT_DONE, -EINVAL -> EXIT_INPUT, anything else -> EXIT_SYSTEM. */
int error_exit_code(int r);

#endif
