/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/error.h"

#include <stdarg.h>
#include <stdio.h>

enum tuf_code tuf_fail(struct tuf_error *err, enum tuf_code code, const char *format, ...)
{
    va_list ap;

    err->code = code;
    va_start(ap, format);
    vsnprintf(err->text, sizeof(err->text), format, ap);
    va_end(ap);
    for (char *p = err->text; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
    return code;
}

const char *tuf_code_name(enum tuf_code code)
{
    static const char *const names[TUF_CODES] = {
        [TUF_OK] = "ok",
        [TUF_FORMAT] = "format",
        [TUF_TYPE] = "type",
        [TUF_SPEC_VERSION] = "spec-version",
        [TUF_DUPLICATE] = "duplicate",
        [TUF_KEYID] = "keyid",
        [TUF_THRESHOLD] = "threshold",
        [TUF_SIGNATURE] = "signature",
        [TUF_VERSION] = "version",
        [TUF_ROLLBACK] = "rollback",
        [TUF_VANISHED] = "vanished",
        [TUF_EXPIRED] = "expired",
        [TUF_MIXED] = "mixed",
        [TUF_HASH] = "hash",
        [TUF_LENGTH] = "length",
        [TUF_TOO_LARGE] = "too-large",
        [TUF_NOT_FOUND] = "not-found",
        [TUF_NOT_LISTED] = "not-listed",
        [TUF_NO_TARGET] = "no-target",
        [TUF_NETWORK] = "network",
        [TUF_TIMEOUT] = "timeout",
        [TUF_STORAGE] = "storage",
        [TUF_STATE] = "state",
        [TUF_CLOCK] = "clock",
    };

    return (unsigned)code < TUF_CODES ? names[code] : "?";
}
