/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's list of keys: whatever it says, no generation is lowered, nobody who is out
 * comes in, nobody whom the controller keeps out is let in by a file of before, and the file can be
 * read again. */
#include <stdlib.h>

#include "controller/keys_file.h"
#include "controller/sync.h"
#include "tests/fuzz/fuzz.h"

#define KEY "0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef"

static void merge(struct keys_file *k, const struct sync_gateway *g, struct error_list *err)
{
    const struct keys_gateway *is = keys_file_find(k, g->name);
    bool of_before = !is || is->generation <= g->least;

    if (sync_merge(k, g, err) == SYNC_CONFLICT || !g->revoked || !of_before)
        return;
    is = keys_file_find(k, g->name);
    if (!is || !is->revoked)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct keys_gateway before[] = {
        {.name = "in", .generation = 2, .tls_key = KEY},
        {.name = "out", .generation = 2, .tls_key = KEY, .revoked = true},
        {.name = "rekey", .generation = 2, .tls_key = KEY, .rekey = true},
    };
    json_t *answer = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct error_list err = ERROR_LIST_INIT;
    struct keys_file *k = NULL, *again = NULL;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct sync_list *list = NULL;

    if (keys_file_load("/none", &k, &err) < 0)
        abort();
    for (size_t i = 0; i < 3; i++)
        keys_file_put(k, &before[i]);
    if (answer && sync_read(answer, &list, &err) == 0) {
        for (size_t i = 0; i < list->n; i++)
            merge(k, &list->gateways[i], &err);
        keys_file_format(k, &text);
        if (keys_file_parse(buf_cstr(&text), text.len, "fuzz", &again, &err) < 0)
            abort();
        for (size_t i = 0; i < 3; i++) {
            const struct keys_gateway *is = keys_file_find(again, before[i].name);

            if (!is || is->generation < 2 || (before[i].revoked && !is->revoked))
                abort();
        }
    }
    sync_free(list);
    keys_file_free(k);
    keys_file_free(again);
    json_decref(answer);
    error_clear(&err);
    return 0;
}
