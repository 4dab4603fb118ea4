/* SPDX-License-Identifier: Apache-2.0 */
/* An FRR daemon's answer: the first byte says how large the portions are; in whatever portions it
 * comes, it is the same answer. */
#include <stdlib.h>
#include <string.h>

#include "agent/vty.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t portion = size ? data[0] % 7 + 1 : 1, ignored = size > 0;
    const char *text = (const char *)data + ignored;
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    struct vty_answer a = VTY_ANSWER(&whole, VTY_DIGEST_START),
                      b = VTY_ANSWER(&parts, VTY_DIGEST_START);
    bool done = vty_take(&a, text, size - ignored), end = false;

    for (size_t at = 0; at < size - ignored; at += portion) {
        size_t n = size - ignored - at < portion ? size - ignored - at : portion;

        end = vty_take(&b, text + at, n);
    }
    if (done != end || a.digest != b.digest || a.status != b.status || whole.len != parts.len ||
        a.digest != vty_digest(VTY_DIGEST_START, buf_cstr(&whole), whole.len) ||
        memchr(buf_cstr(&whole), '\0', whole.len))
        abort();
    buf_free(&whole);
    buf_free(&parts);
    return 0;
}
