/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/journal.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/name.h"

/* Random once and for ever (sd_id128_randomize(3)): people search and alert by them. */
static const char *const event_ids[] = {
    [LOG_EVENT_NONE] = "",
    [LOG_EVENT_IN_FORCE] = "730f4bcc4e8db9f7a0e9baf681380623",
    [LOG_EVENT_CONFIRMED] = "6391f784448e5011969be425a6e6a20d",
    [LOG_EVENT_ROLLED_BACK] = "768188e48f1420795b2996418603a5e7",
    [LOG_EVENT_BUNDLE_REFUSED] = "74a25f8862b88779e85a89e69126b5a1",
    [LOG_EVENT_LINK_DIED] = "0b4bb71bdb49b6fe69ea7cfa5cd56168",
    [LOG_EVENT_FRR_FAILED] = "20ace2f18885759c3d67596ff912581f",
    [LOG_EVENT_LINKS_FAILED] = "db9f775fbe83adbc025216577e72aa11",
    [LOG_EVENT_REPAIRED] = "70e93635798927ff003c852ea91dd49b",
    [LOG_EVENT_FOUGHT] = "db09d9724fdff973a90f38031f102b0d",
    [LOG_EVENT_REPOSITORY] = "82bfec37780ae375f37adb77e92e441e",
};

static char gateway[NAME_MAX_LEN + 1], revision[DIGEST_TEXT_LEN + 1];

const char *log_event_id(enum log_event event)
{
    return event_ids[event];
}

void log_set_bundle(const char *name, const char *rev)
{
    snprintf(gateway, sizeof(gateway), "%s", name);
    snprintf(revision, sizeof(revision), "%s", rev);
}

static void emit(enum log_event event, enum log_level level, const char *interface,
                 const char *peer, const char *text)
{
    char priority[2] = {(char)('0' + level), '\0'};
    const struct journal_field fields[] = {
        {"MESSAGE", text},
        {"PRIORITY", priority},
        {"SYSLOG_IDENTIFIER", "p2pvpn-agent"},
        {"MESSAGE_ID", event_ids[event]},
        {"P2PVPN_GATEWAY", gateway},
        {"P2PVPN_REVISION", revision},
        {"P2PVPN_LINK", interface},
        {"P2PVPN_PEER", peer},
        {NULL, NULL},
    };
    _cleanup_buf_ struct buf entry = BUF_INIT;

    if (!journal_is_ours()) {
        fprintf(stderr, "%s%s\n", level == LOG_LEVEL_WARNING ? "warning: " : "", text);
        return;
    }
    journal_format(fields, &entry);
    if (!journal_send(JOURNAL_SOCKET, &entry))
        fprintf(stderr, "<%d>%s\n", level, text);
}

static void say(enum log_event event, enum log_level level, const char *interface, const char *peer,
                const char *format, va_list ap) __attribute__((format(printf, 5, 0)));

static void say(enum log_event event, enum log_level level, const char *interface, const char *peer,
                const char *format, va_list ap)
{
    _cleanup_buf_ struct buf b = BUF_INIT;

    buf_vprintf(&b, format, ap);
    emit(event, level, interface, peer, buf_cstr(&b));
}

void log_say(enum log_level level, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say(LOG_EVENT_NONE, level, NULL, NULL, format, ap);
    va_end(ap);
}

void log_event(enum log_event event, enum log_level level, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say(event, level, NULL, NULL, format, ap);
    va_end(ap);
}

void log_link(enum log_event event, enum log_level level, const char *interface, const char *peer,
              const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say(event, level, interface, peer, format, ap);
    va_end(ap);
}

void log_lines(enum log_event event, enum log_level level, const char *prefix, const char *text)
{
    size_t n = 0;

    for (const char *p = text; *p; p++)
        n += *p == '\n';
    if (n > LOG_LINES_MAX) {
        log_event(event, level, "%s%zu changes", prefix, n);
        return;
    }
    while (*text) {
        int len = (int)strcspn(text, "\n");

        log_event(event, level, "%s%.*s", prefix, len, text);
        text += len + (text[len] == '\n');
    }
}

static void emit_errors(enum log_event event, enum log_level level, const struct error_list *err)
{
    for (size_t i = 0; i < err->n; i++) {
        _cleanup_buf_ struct buf b = BUF_INIT;

        error_text(&err->items[i], &b);
        emit(event, level, NULL, NULL, buf_cstr(&b));
    }
}

void log_errors(enum log_level level, const struct error_list *err)
{
    emit_errors(LOG_EVENT_NONE, level, err);
}

void log_report(enum log_event event, char **told, const struct error_list *err)
{
    _cleanup_buf_ struct buf all = BUF_INIT;

    for (size_t i = 0; i < err->n; i++)
        buf_printf(&all, "%s\n", err->items[i].message);
    if (strcmp(*told ? *told : "", buf_cstr(&all)) == 0)
        return;
    if (err->n)
        emit_errors(event, LOG_LEVEL_ERROR, err);
    else
        log_say(LOG_LEVEL_NOTICE, "what was reported before is repaired");
    free(*told);
    *told = buf_steal(&all);
}
