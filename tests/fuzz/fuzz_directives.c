/* SPDX-License-Identifier: Apache-2.0 */
/* OpenVPN configurations: what is accepted stays accepted line by line, and names no program. */
#include <stdlib.h>
#include <string.h>

#include "common/directives.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const never[] = {"up", "plugin", "tls-verify", "config", "management"};
    struct error_list err = ERROR_LIST_INIT;
    const char *text = (const char *)data;
    int r = directives_check(text, size, "pv7", NULL, "fuzz", &err);

    if ((r == 0) != (err.n == 0))
        abort();
    error_clear(&err);
    for (const char *p = text, *end = text + size; r == 0 && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((newline ? newline : end) - p);

        if (directives_check(p, n, "pv7", NULL, "fuzz", &err) < 0)
            abort();
        for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
            if (n > strlen(never[i]) && memcmp(p, never[i], strlen(never[i])) == 0 &&
                p[strlen(never[i])] == ' ')
                abort();
        p += n + 1;
        if (!newline)
            break;
    }
    error_clear(&err);
    return 0;
}
