/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the gateways: whatever is taken is printed, and read again, to the same text. */
#include <stdlib.h>
#include <string.h>

#include "controller/keys_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_list err = ERROR_LIST_INIT;
    struct keys_file *k = NULL, *again = NULL;
    _cleanup_buf_ struct buf text = BUF_INIT, same = BUF_INIT;

    if (keys_file_parse((const char *)data, size, "fuzz", &k, &err) == 0) {
        keys_file_format(k, &text);
        if (keys_file_parse(buf_cstr(&text), text.len, "fuzz", &again, &err) < 0)
            abort();
        keys_file_format(again, &same);
        if (strcmp(buf_cstr(&text), buf_cstr(&same)) != 0)
            abort();
    }
    keys_file_free(k);
    keys_file_free(again);
    error_clear(&err);
    return 0;
}
