/* SPDX-License-Identifier: Apache-2.0 */
/* repository.json: what is accepted has only addresses and names that may be used. */
#include <stdlib.h>
#include <string.h>

#include "agent/repository.h"
#include "common/name.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct repository r = REPOSITORY_INIT;
    struct error_list err = ERROR_LIST_INIT;

    if (repository_parse((const char *)data, size, "fuzz", &r, &err) == 0) {
        if (r.root.len == 0 || r.n_mirrors > URL_MIRRORS_MAX ||
            (r.gateway && !name_valid(r.gateway)))
            abort();
        for (size_t i = 0; i < r.n_mirrors; i++)
            if (strpbrk(r.mirrors[i], " \n\r?#@") || !*r.mirrors[i])
                abort();
    } else if (err.n == 0) {
        abort();
    }
    repository_clear(&r);
    error_clear(&err);
    return 0;
}
