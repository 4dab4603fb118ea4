/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TCase *unit_case(Suite *s, const char *name, void (*setup)(void), void (*teardown)(void))
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, setup, teardown);
    suite_add_tcase(s, t);
    return t;
}

int unit_run(Suite *s)
{
    SRunner *r = srunner_create(s);
    int failed;

    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

bool unit_says(const struct error_list *err, const char *part)
{
    for (size_t i = 0; i < err->n; i++)
        if (strstr(err->items[i].message, part))
            return true;
    error_print(err, stderr);
    return false;
}

void unit_folder(char ret[static UNIT_FOLDER_SIZE])
{
    strcpy(ret, "/tmp/p2pvpn-unit-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(ret));
}

struct prefix unit_prefix(const char *text)
{
    struct prefix p = {0};

    ck_assert_msg(prefix_parse(text, &p), "refused: %s", text);
    return p;
}

void unit_without_heap_cache(char **argv)
{
    if (getenv("GLIBC_TUNABLES"))
        return;
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    execv("/proc/self/exe", argv);
}
