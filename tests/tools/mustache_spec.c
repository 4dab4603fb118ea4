/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the public Mustache specification's case files (specs/NAME.json of its repository) against
 * our engine, and says which differ and how.  The files are not ours and not in this tree:
 *     mustache_spec specs/interpolation.json specs/sections.json ... */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/tools/template_json.h"

static bool run(json_t *test)
{
    const char *expected = json_string_value(json_object_get(test, "expected"));
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf out = BUF_INIT;
    int r = template_json_render(json_string_value(json_object_get(test, "template")),
                                 json_object_get(test, "data"), json_object_get(test, "partials"),
                                 &out, &err);
    bool same = r == 0 && strcmp(buf_cstr(&out), expected) == 0;

    if (!same) {
        printf("  differs: %s: ", json_string_value(json_object_get(test, "name")));
        if (r == 0)
            printf("'%s' instead of '%s'\n", buf_cstr(&out), expected);
        else
            error_print(&err, stdout);
    }
    error_clear(&err);
    return same;
}

int main(int argc, char **argv)
{
    size_t passed = 0, total = 0;

    for (int i = 1; i < argc; i++) {
        json_error_t error;
        json_t *file = json_load_file(argv[i], 0, &error), *test;
        size_t at, here = 0, n;

        if (!file) {
            fprintf(stderr, "%s:%d: %s\n", argv[i], error.line, error.text);
            return EXIT_INPUT;
        }
        n = json_array_size(json_object_get(file, "tests"));
        json_array_foreach(json_object_get(file, "tests"), at, test) here += run(test);
        printf("%s: %zu of %zu\n", argv[i], here, n);
        passed += here;
        total += n;
        json_decref(file);
    }
    printf("%zu of %zu\n", passed, total);
    return 0;
}
