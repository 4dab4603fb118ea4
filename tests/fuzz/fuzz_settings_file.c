/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's settings file: what is accepted prints to what is accepted and says the same. */
#include <stdlib.h>
#include <string.h>

#include "agent/settings_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_list err = ERROR_LIST_INIT;
    struct buf text = BUF_INIT, twice = BUF_INIT;
    struct arena keep = ARENA_INIT;
    struct settings s, again;

    settings_defaults(&s);
    settings_defaults(&again);
    if (settings_file_parse((const char *)data, size, "fuzz", &keep, &s, &err) == 0) {
        settings_file_format(&s, &text);
        if (settings_file_parse(text.data, text.len, "again", &keep, &again, &err) < 0)
            abort();
        settings_file_format(&again, &twice);
        if (strcmp(buf_cstr(&text), buf_cstr(&twice)) != 0)
            abort();
    } else if (err.n == 0 || memcmp(&s, &again, sizeof(s)) != 0) {
        abort();
    }
    buf_free(&text);
    buf_free(&twice);
    error_clear(&err);
    arena_free(&keep);
    return 0;
}
