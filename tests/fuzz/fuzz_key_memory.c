/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of peers' keys: whatever is in the file, it is a sorted list of names, the
 * highest generation of each counts, and what is written says the same when it is read again. */
#include <stdlib.h>
#include <string.h>

#include "agent/key_memory.h"
#include "common/alloc.h"
#include "common/name.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct key_memory *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (!name_valid(m->peers[i].gateway) || m->peers[i].generation < 2 ||
            key_memory_of(m, m->peers[i].gateway) != m->peers[i].generation ||
            (i && strcmp(m->peers[i - 1].gateway, m->peers[i].gateway) >= 0))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    _cleanup_buf_ struct buf first = BUF_INIT, second = BUF_INIT;
    struct key_memory m = KEY_MEMORY_INIT, again = KEY_MEMORY_INIT;

    key_memory_parse(text, &m);
    check(&m);
    key_memory_format(&m, &first);
    key_memory_parse(buf_cstr(&first), &again);
    key_memory_format(&again, &second);
    if (strcmp(buf_cstr(&first), buf_cstr(&second)) != 0)
        abort();
    /* A line more lowers nothing. */
    key_memory_parse(text, &again);
    for (size_t i = 0; i < m.n; i++)
        if (key_memory_of(&again, m.peers[i].gateway) != m.peers[i].generation)
            abort();
    key_memory_clear(&m);
    key_memory_clear(&again);
    return 0;
}
