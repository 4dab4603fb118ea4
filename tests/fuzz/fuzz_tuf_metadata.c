/* SPDX-License-Identifier: Apache-2.0 */
/* A metadata file of any role: whatever is accepted can be asked everything, and its canonical form
 * is that of the JSON which it is itself. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tuf/canonical.h"
#include "tuf/metadata.h"

static void ask(const struct tuf_metadata *m)
{
    struct tuf_role role;
    struct tuf_error err;
    struct tuf_file file;
    size_t position = 0;

    if (m->type == TUF_ROOT)
        for (enum tuf_type t = 0; t < TUF_TYPES; t++) {
            tuf_root_role(m, t, &role);
            tuf_metadata_verify(m, &role, &err);
        }
    if (m->type == TUF_TARGETS) {
        for (unsigned n = 0; n < 100 && tuf_delegation(m, "a/b", &position, &role); n++)
            tuf_metadata_verify(m, &role, &err);
        if (tuf_target(m, "a", &file))
            tuf_file_check(&file, "a", "x", 1, &err);
    } else if (m->type != TUF_ROOT && tuf_meta_file(m, "snapshot", &file)) {
        tuf_file_check(&file, "snapshot", "x", 1, &err);
    }
}

static void check_canonical(const struct tuf_metadata *m)
{
    struct buf again = BUF_INIT;
    json_t *read = json_loadb(m->canonical.data, m->canonical.len, 0, NULL);

    /* A control character stands in it as it is, which JSON does not allow. */
    if (read && (!tuf_canonical(read, &again) || again.len != m->canonical.len ||
                 memcmp(again.data, m->canonical.data, again.len) != 0))
        abort();
    json_decref(read);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (enum tuf_type t = 0; t < TUF_TYPES; t++) {
        struct tuf_metadata *m = NULL;
        struct tuf_error err = {.text = ""};
        enum tuf_code r = tuf_metadata_parse(data, size, t, &m, &err);

        if ((r == TUF_OK) != (m != NULL) || (r == TUF_OK) != (err.text[0] == '\0'))
            abort();
        if (m) {
            check_canonical(m);
            ask(m);
        }
        tuf_metadata_free(m);
    }
    return 0;
}
