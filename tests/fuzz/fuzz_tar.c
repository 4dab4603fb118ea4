/* SPDX-License-Identifier: Apache-2.0 */
/* An archive: whatever is accepted is, to the byte, what the writer makes of its files. */
#include <stdlib.h>
#include <string.h>

#include "common/tar.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tar_reader r = {.data = (const char *)data, .len = size, .file = "fuzz.tar"};
    struct error_list err = ERROR_LIST_INIT;
    struct buf again = BUF_INIT;
    struct tar_entry e;
    int k;

    while ((k = tar_next(&r, &e, &err)) > 0)
        tar_add(&again, e.path, e.data, e.size);
    if (k == 0) {
        tar_end(&again);
        if (again.len != size || memcmp(again.data, data, size) != 0)
            abort();
    } else if (err.n != 1) {
        abort();
    }
    buf_free(&again);
    error_clear(&err);
    return 0;
}
