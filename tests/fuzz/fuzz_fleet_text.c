/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's answers on an operator's terminal: whatever they hold, nothing moves a cursor.
 */
#include <stdlib.h>
#include <string.h>

#include "common/visible.h"
#include "controller/fleet_text.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct buf *text)
{
    _cleanup_buf_ struct buf line = BUF_INIT, seen = BUF_INIT;

    for (const char *p = buf_cstr(text), *end; (end = strchr(p, '\n')); p = end + 1) {
        buf_reset(&line);
        buf_reset(&seen);
        buf_add(&line, p, (size_t)(end - p));
        visible_add(&seen, buf_cstr(&line), line.len);
        if (strcmp(buf_cstr(&line), buf_cstr(&seen)) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const formats[])(const json_t *, struct buf *) = {
        fleet_text_tokens, fleet_text_fleet, fleet_text_gateway};
    json_t *answer = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);

    for (size_t i = 0; answer && i < sizeof(formats) / sizeof(formats[0]); i++) {
        _cleanup_buf_ struct buf text = BUF_INIT;

        formats[i](answer, &text);
        check(&text);
    }
    json_decref(answer);
    return 0;
}
