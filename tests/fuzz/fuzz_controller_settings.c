/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's settings file: what is accepted prints to what is accepted and says the same. */
#include <stdlib.h>
#include <string.h>

#include "service/settings.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT, twice = BUF_INIT;
    struct arena keep = ARENA_INIT;
    struct controller_settings s, again;

    controller_settings_defaults(&s);
    controller_settings_defaults(&again);
    if (controller_settings_parse((const char *)data, size, "fuzz", &keep, &s, &err) == 0) {
        controller_settings_format(&s, &text);
        if (controller_settings_parse(buf_cstr(&text), text.len, "again", &keep, &again, &err) < 0)
            abort();
        controller_settings_format(&again, &twice);
        if (strcmp(buf_cstr(&text), buf_cstr(&twice)) != 0)
            abort();
    } else if (err.n == 0 || memcmp(&s, &again, sizeof(s)) != 0) {
        abort();
    }
    error_clear(&err);
    arena_free(&keep);
    return 0;
}
