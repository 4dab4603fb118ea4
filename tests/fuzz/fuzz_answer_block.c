/* SPDX-License-Identifier: Apache-2.0 */
/* The repository's block of an answer: what is found is found again when it is written. */
#include <stdlib.h>
#include <string.h>

#include "common/answer_block.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf found = BUF_INIT, text = BUF_INIT, again = BUF_INIT;

    if (answer_block_find((const char *)data, size, &found) == 1 &&
        (!answer_block_add(&text, found.data, found.len) ||
         answer_block_find(text.data, text.len, &again) != 1 || again.len != found.len ||
         memcmp(again.data, found.data, found.len) != 0))
        abort();
    buf_free(&found);
    buf_free(&text);
    buf_free(&again);
    return 0;
}
