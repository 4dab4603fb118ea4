/* SPDX-License-Identifier: Apache-2.0 */
/* Identity files and /proc/PID/stat: what is accepted prints to what is accepted. */
#include <stdlib.h>
#include <string.h>

#include "agent/identity.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_list err = ERROR_LIST_INIT;
    struct buf text = BUF_INIT;
    struct identity id, again;
    unsigned long long start;
    char *copy = malloc(size + 1), state;

    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    if (identity_parse(copy, size, "fuzz", &id, &err) == 0) {
        if (id.pid < 2 || started_len(id.digest) != strlen(id.digest))
            abort();
        identity_format(&id, &text);
        if (identity_parse(text.data, text.len, "again", &again, &err) < 0 || again.pid != id.pid ||
            again.start != id.start || strcmp(again.digest, id.digest) != 0)
            abort();
    } else if (err.n == 0) {
        abort();
    }
    process_stat_parse(copy, &state, &start);
    free(copy);
    buf_free(&text);
    error_clear(&err);
    return 0;
}
