/* SPDX-License-Identifier: Apache-2.0 */
/* FRR's text while traffic is moved away: whatever the bundle and the record say, it ends, and
 * where nothing is asked for it is the bundle's.  The first byte chooses what is asked; a NUL parts
 * the two texts. */
#include <stdlib.h>
#include <string.h>

#include "agent/drain_text.h"
#include "common/alloc.h"
#include "tests/fuzz/fuzz.h"

static const char *const interfaces[] = {"pv2", "pv3"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct drain_request request = DRAIN_REQUEST_INIT;
    _cleanup_buf_ struct buf once = BUF_INIT, twice = BUF_INIT;
    _cleanup_free_ char *both = xstrndup((const char *)data + !!size, size - !!size);
    const char *nul = size ? memchr(data + 1, '\0', size - 1) : NULL;
    _cleanup_free_ char *record =
        nul ? xstrndup(nul + 1, size - (size_t)(nul + 1 - (const char *)data)) : xstrdup("");
    unsigned what = size ? data[0] : 0;

    request.all = what & 1;
    for (size_t i = 0; i < 2; i++) {
        if (what & 2u << i)
            drain_names_add(&request.drain, interfaces[i]);
        if (what & 8u << i)
            drain_names_add(&request.ask, interfaces[i]);
        if (what & 32u << i)
            drain_names_add(&request.keep, interfaces[i]);
    }
    drain_text(both, record, &request, &once);
    drain_text(both, record, &request, &twice);
    if (strcmp(buf_cstr(&once), buf_cstr(&twice)) != 0 || strlen(buf_cstr(&once)) != once.len)
        abort();
    if ((what & 127) == 0 && strcmp(buf_cstr(&once), both) != 0)
        abort();
    drain_request_clear(&request);
    return 0;
}
