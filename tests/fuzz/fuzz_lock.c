/* SPDX-License-Identifier: Apache-2.0 */
/* The lock file: whatever is accepted is written and read back as the same text. */
#include <stdlib.h>
#include <string.h>

#include "controller/lock.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_list err = ERROR_LIST_INIT;
    struct lock *first = NULL, *second = NULL;
    struct buf a = BUF_INIT, b = BUF_INIT;

    if (lock_parse((const char *)data, size, "fuzz.lock.json", &first, &err) == 0) {
        lock_format(first, &a);
        if (lock_parse(buf_cstr(&a), a.len, "again.lock.json", &second, &err) != 0)
            abort();
        lock_format(second, &b);
        if (strcmp(buf_cstr(&a), buf_cstr(&b)) != 0)
            abort();
    } else if (err.n == 0) {
        abort(); /* refused without a word */
    }
    lock_free(first);
    lock_free(second);
    buf_free(&a);
    buf_free(&b);
    error_clear(&err);
    return 0;
}
