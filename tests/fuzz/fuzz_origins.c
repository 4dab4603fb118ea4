/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of origins: whatever is accepted prints to the very same bytes.
 *
 * A fuzzer cannot guess a SHA-256; so the text is tried as it is, and again with the revision that
 * fits it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/origins.h"
#include "tests/fuzz/fuzz.h"

static void check(const char *data, size_t size)
{
    struct error_list err = ERROR_LIST_INIT;
    struct origin_changes changes = ORIGIN_CHANGES_INIT;
    struct buf again = BUF_INIT;
    struct origins *o = NULL;

    if (origins_parse(data, size, "fuzz", &o, &err) == 0) {
        if (!origins_text_intact(data, size, NULL) || err.n)
            abort();
        origins_format(o, &again);
        if (again.len != size || memcmp(again.data, data, size) != 0)
            abort();
        origins_diff(o, o, &changes);
        if (changes.n)
            abort();
        origins_diff(NULL, o, &changes);
        if (changes.n < o->n)
            abort();
    } else if (err.n == 0 || o) {
        abort();
    }
    origins_free(o);
    origin_changes_free(&changes);
    buf_free(&again);
    error_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char revision[] = "\nrevision ";
    char *copy, *at, digest[DIGEST_TEXT_LEN + 1];

    check((const char *)data, size);
    copy = xmalloc(size + !size);
    memcpy(copy, data, size);
    at = memmem(copy, size, revision, strlen(revision));
    if (at && size - (size_t)(at - copy) >= strlen(revision) + DIGEST_TEXT_LEN) {
        at += strlen(revision);
        memset(at, '0', DIGEST_TEXT_LEN);
        digest_sha256_text(copy, size, digest);
        memcpy(at, digest, DIGEST_TEXT_LEN);
        check(copy, size);
    }
    free(copy);
    return 0;
}
