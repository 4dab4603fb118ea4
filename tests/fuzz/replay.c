/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds every file of a corpus folder to the fuzz target, and every file's prefixes, so that each
 * corpus also covers truncation.  Fails when the folder is missing or empty. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/fs.h"
#include "tests/fuzz/fuzz.h"

#define MAX_TRUNCATIONS 64 /* per file, evenly spread */

static void feed(const char *data, size_t size)
{
    /* A copy of exactly this size, so that a sanitizer sees a read past its end. */
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

int main(int argc, char **argv)
{
    struct error_list err = ERROR_LIST_INIT;
    struct dirent **names;
    unsigned runs = 0;
    int n;

    if (argc != 2 || (n = scandir(argv[1], &names, NULL, alphasort)) < 0) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return EXIT_USAGE;
    }
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", argv[1], names[i]->d_name);
        _cleanup_buf_ struct buf text = BUF_INIT;

        if (names[i]->d_name[0] != '.' && fs_read(path, 1u << 24, &text, &err) == 0) {
            size_t step = text.len / MAX_TRUNCATIONS + 1;

            for (size_t cut = 0; cut < text.len; cut += step, runs++)
                feed(buf_cstr(&text), cut);
            feed(buf_cstr(&text), text.len);
            runs++;
        }
        free(names[i]);
    }
    free(names);
    error_print(&err, stderr);
    error_clear(&err);
    printf("%u inputs replayed\n", runs);
    return runs ? 0 : 1;
}
