/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/sorted.h"
#include "tests/unit/unit.h"

struct entry {
    const char *name;
    int value;
};

static const struct entry entries[] = {{"a", 1}, {"ab", 2}, {"b", 3}, {"b", 4}, {"d", 5}};
#define N (sizeof(entries) / sizeof(entries[0]))

static size_t place(size_t n, const char *name)
{
    return sorted_place(entries, n, sizeof(entries[0]), name);
}

static bool is_at(size_t n, size_t i, const char *name)
{
    return sorted_is_at(entries, n, sizeof(entries[0]), i, name);
}

START_TEST(what_is_there)
{
    for (size_t n = 1; n <= N; n++)
        for (size_t i = 0; i < n; i++) {
            size_t first = i == 3 ? 2 : i;

            ck_assert_uint_eq(place(n, entries[i].name), first);
            ck_assert(is_at(n, first, entries[i].name));
        }
}
END_TEST

START_TEST(what_is_not_there)
{
    ck_assert_uint_eq(place(N, ""), 0);
    ck_assert_uint_eq(place(N, "aa"), 1);
    ck_assert_uint_eq(place(N, "c"), 4);
    ck_assert_uint_eq(place(N, "e"), N);
    ck_assert(!is_at(N, 1, "aa"));
    ck_assert(!is_at(N, N, "e"));
    ck_assert_uint_eq(sorted_place(NULL, 0, sizeof(entries[0]), "a"), 0);
    ck_assert(!sorted_is_at(NULL, 0, sizeof(entries[0]), 0, "a"));
}
END_TEST

START_TEST(names_alone)
{
    const char *const names[] = {"east", "north", "west"};

    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(sorted_place(names, 3, sizeof(names[0]), names[i]), i);
        ck_assert(sorted_is_at(names, 3, sizeof(names[0]), i, names[i]));
    }
    ck_assert_uint_eq(sorted_place(names, 3, sizeof(names[0]), "south"), 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sorted");
    TCase *t = unit_case(s, "place", NULL, NULL);

    tcase_add_test(t, what_is_there);
    tcase_add_test(t, what_is_not_there);
    tcase_add_test(t, names_alone);
    return unit_run(s);
}
