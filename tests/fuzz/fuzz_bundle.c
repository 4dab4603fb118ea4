/* SPDX-License-Identifier: Apache-2.0 */
/* bundle.json: whatever is accepted prints to a text that is accepted and prints the same. */
#include <stdlib.h>
#include <string.h>

#include "common/bundle.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_list err = ERROR_LIST_INIT;
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct bundle *b = NULL, *again = NULL;

    if (bundle_parse((const char *)data, size, "fuzz", &b, &err) == 0) {
        bundle_format(b, &first);
        if (bundle_parse(first.data, first.len, "again", &again, &err) < 0)
            abort();
        bundle_format(again, &second);
        if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
            abort();
    } else if (err.n == 0 || b) {
        abort();
    }
    bundle_free(b);
    bundle_free(again);
    buf_free(&first);
    buf_free(&second);
    error_clear(&err);
    return 0;
}
