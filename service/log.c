/* SPDX-License-Identifier: Apache-2.0 */
#include "service/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"

static void emit(enum say_level level, const char *text)
{
    if (getenv("JOURNAL_STREAM"))
        fprintf(stderr, "<%d>%s\n", level, text);
    else
        fprintf(stderr, "%s%s\n", level == SAY_WARNING ? "warning: " : "", text);
}

void say(enum say_level level, const char *format, ...)
{
    _cleanup_buf_ struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, format);
    buf_vprintf(&b, format, ap);
    va_end(ap);
    emit(level, buf_cstr(&b));
}

void say_errors(enum say_level level, struct error_list *err)
{
    for (size_t i = 0; i < err->n; i++) {
        const struct error_item *e = &err->items[i];
        _cleanup_buf_ struct buf b = BUF_INIT;

        if (e->file && e->line)
            buf_printf(&b, "%s:%u: ", e->file, e->line);
        else if (e->file)
            buf_printf(&b, "%s: ", e->file);
        buf_str(&b, e->message);
        emit(level, buf_cstr(&b));
    }
    error_clear(err);
}
