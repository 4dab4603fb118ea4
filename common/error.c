/* SPDX-License-Identifier: Apache-2.0 */
#include "common/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/visible.h"

/* The longest message that is kept: hostile input is quoted in errors and may be very long. */
#define MESSAGE_MAX 2000

static char *printable(const char *text)
{
    struct buf b = BUF_INIT;

    visible_add(&b, text, MESSAGE_MAX);
    return buf_steal(&b);
}

int error_vadd(struct error_list *list, const char *file, unsigned line, const char *path,
               const char *format, va_list ap)
{
    struct buf b = BUF_INIT;

    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 8;
        list->items = xreallocarray(list->items, list->cap, sizeof(*list->items));
    }
    buf_vprintf(&b, format, ap);
    list->items[list->n++] = (struct error_item){
        .file = file ? printable(file) : NULL,
        .line = line,
        .path = path ? printable(path) : NULL,
        .message = printable(buf_cstr(&b)),
    };
    buf_free(&b);
    return -EINVAL;
}

int error_add(struct error_list *list, const char *file, unsigned line, const char *path,
              const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    error_vadd(list, file, line, path, format, ap);
    va_end(ap);
    return -EINVAL;
}

int error_sys(struct error_list *list, int errnum, const char *file, const char *format, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, format);
    buf_vprintf(&b, format, ap);
    va_end(ap);
    error_add(list, file, 0, NULL, "%s: %s", buf_cstr(&b), strerror(errnum));
    buf_free(&b);
    return -errnum;
}

void error_take(struct error_list *to, struct error_list *from)
{
    if (from->n) {
        to->items = xreallocarray(to->items, to->n + from->n, sizeof(*to->items));
        memcpy(to->items + to->n, from->items, from->n * sizeof(*to->items));
        to->n += from->n;
        to->cap = to->n;
    }
    free(from->items);
    *from = (struct error_list)ERROR_LIST_INIT;
}

static int compare_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int compare_items(const void *pa, const void *pb)
{
    const struct error_item *a = pa, *b = pb;
    int r = compare_text(a->file, b->file);

    if (!r)
        r = a->line < b->line ? -1 : a->line > b->line;
    if (!r)
        r = compare_text(a->path, b->path);
    return r ? r : compare_text(a->message, b->message);
}

static void item_free(struct error_item *item)
{
    free(item->file);
    free(item->path);
    free(item->message);
}

void error_sort(struct error_list *list)
{
    size_t kept = 0;

    if (list->n < 2)
        return;
    qsort(list->items, list->n, sizeof(*list->items), compare_items);
    for (size_t i = 1; i < list->n; i++) {
        if (compare_items(&list->items[kept], &list->items[i]) == 0)
            item_free(&list->items[i]);
        else
            list->items[++kept] = list->items[i];
    }
    list->n = kept + 1;
}

void error_text(const struct error_item *item, struct buf *ret)
{
    if (item->file && item->line)
        buf_printf(ret, "%s:%u: ", item->file, item->line);
    else if (item->file)
        buf_printf(ret, "%s: ", item->file);
    if (item->path)
        buf_printf(ret, "%s: ", item->path);
    buf_str(ret, item->message);
}

void error_print(const struct error_list *list, FILE *out)
{
    for (size_t i = 0; i < list->n; i++) {
        _cleanup_buf_ struct buf b = BUF_INIT;

        error_text(&list->items[i], &b);
        fprintf(out, "%s\n", buf_cstr(&b));
    }
}

void error_clear(struct error_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        item_free(&list->items[i]);
    free(list->items);
    *list = (struct error_list)ERROR_LIST_INIT;
}

int error_exit_code(int r)
{
    if (r >= 0)
        return EXIT_DONE;
    return r == -EINVAL ? EXIT_INPUT : EXIT_SYSTEM;
}
