/* SPDX-License-Identifier: Apache-2.0 */
/* Small texts: a time, a pattern against a path, and a name as a file. */
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "tests/fuzz/fuzz.h"
#include "tuf/metadata.h"
#include "tuf/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xstrndup((const char *)data, size); /* PATTERN '\n' PATH */
    char *path = strchr(text, '\n');
    char back[TUF_TIME_LEN + 1], *file;
    int64_t seconds;

    if (tuf_time_parse(text, &seconds)) {
        tuf_time_text(seconds, back);
        if (strcmp(text, back) != 0)
            abort();
    }
    if (path) {
        *path++ = '\0';
        tuf_path_matches(text, path);
        if (!strpbrk(text, "[?*") && tuf_path_matches(text, path) != (strcmp(text, path) == 0))
            abort();
    }
    file = tuf_path_file(text);
    if (!*file || strchr(file, '/') || strcmp(file, ".") == 0 || strcmp(file, "..") == 0 ||
        strlen(file) > 200)
        abort();
    free(file);
    tuf_path_safe(text);
    free(text);
    return 0;
}
