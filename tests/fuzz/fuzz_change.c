/* SPDX-License-Identifier: Apache-2.0 */
/* The record of the last change: what is accepted prints to what is accepted. */
#include <stdlib.h>
#include <string.h>

#include "agent/change.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct change change = {0}, again = {0};
    struct error_list err = ERROR_LIST_INIT;
    struct buf text = BUF_INIT, twice = BUF_INIT;

    if (change_parse((const char *)data, size, "fuzz", &change, &err) == 0) {
        change_format(&change, &text);
        if (change_parse(text.data, text.len, "again", &again, &err) < 0)
            abort();
        change_format(&again, &twice);
        if (strcmp(buf_cstr(&text), buf_cstr(&twice)) != 0)
            abort();
    } else if (err.n == 0) {
        abort();
    }
    change_clear(&change);
    change_clear(&again);
    buf_free(&text);
    buf_free(&twice);
    error_clear(&err);
    return 0;
}
