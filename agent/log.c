/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"

/* JOURNAL_STREAM is inherited by everything that a service starts; it names the device and inode of
 * the stream, so that a program can see whether its own output is the journal's. */
static bool to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void emit(enum log_level level, const char *text)
{
    if (to_journal())
        fprintf(stderr, "<%d>%s\n", level, text);
    else
        fprintf(stderr, "%s%s\n", level == LOG_LEVEL_WARNING ? "warning: " : "", text);
}

void log_say(enum log_level level, const char *format, ...)
{
    _cleanup_buf_ struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, format);
    buf_vprintf(&b, format, ap);
    va_end(ap);
    emit(level, buf_cstr(&b));
}

void log_lines(enum log_level level, const char *prefix, const char *text)
{
    size_t n = 0;

    for (const char *p = text; *p; p++)
        n += *p == '\n';
    if (n > LOG_LINES_MAX) {
        log_say(level, "%s%zu changes", prefix, n);
        return;
    }
    while (*text) {
        int len = (int)strcspn(text, "\n");

        log_say(level, "%s%.*s", prefix, len, text);
        text += len + (text[len] == '\n');
    }
}

void log_errors(enum log_level level, const struct error_list *err)
{
    for (size_t i = 0; i < err->n; i++) {
        const struct error_item *e = &err->items[i];
        _cleanup_buf_ struct buf b = BUF_INIT;

        if (e->file && e->line)
            buf_printf(&b, "%s:%u: ", e->file, e->line);
        else if (e->file)
            buf_printf(&b, "%s: ", e->file);
        if (e->path)
            buf_printf(&b, "%s: ", e->path);
        buf_str(&b, e->message);
        emit(level, buf_cstr(&b));
    }
}

void log_report(char **told, const struct error_list *err)
{
    _cleanup_buf_ struct buf all = BUF_INIT;

    for (size_t i = 0; i < err->n; i++)
        buf_printf(&all, "%s\n", err->items[i].message);
    if (strcmp(*told ? *told : "", buf_cstr(&all)) == 0)
        return;
    if (err->n)
        log_errors(LOG_LEVEL_ERROR, err);
    else
        log_say(LOG_LEVEL_NOTICE, "what was reported before is repaired");
    free(*told);
    *told = buf_steal(&all);
}
