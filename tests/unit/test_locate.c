/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "controller/locate.h"
#include "tests/unit/unit.h"

#define MESH "/p2pvpn-mesh:mesh"

static const char json[] = "{\n"
                           " \"p2pvpn-mesh:mesh\": {\n"
                           "  \"name\": \"m\",\n"
                           "  \"gateway\": [\n"
                           "   {\"name\": \"a\"},\n"
                           "   {\n"
                           "    \"name\": \"b/c\",\n"
                           "    \"endpoint\": \"x\"\n"
                           "   }\n"
                           "  ],\n"
                           "  \"topology\": {\"link\": [\n"
                           "   {\"a\": \"b\", \"b\": \"a\"}]}\n"
                           " }\n"
                           "}\n";

static unsigned line_among(const char *text, const char *file, const char *path, unsigned n)
{
    struct error_list list = ERROR_LIST_INIT;
    unsigned found;

    for (unsigned i = 0; i < n; i++)
        error_add(&list, file, 0, path, "x");
    locate_in_text(text, strlen(text), file, &list);
    found = list.items[n - 1].line;
    error_clear(&list);
    return found;
}

/* Few messages are looked up one by one, many in a table. */
static unsigned line(const char *text, const char *file, const char *path)
{
    unsigned found = line_among(text, file, path, 1);

    ck_assert_uint_eq(line_among(text, file, path, 20), found);
    return found;
}

START_TEST(paths)
{
    ck_assert_uint_eq(line(json, "m.json", MESH), 2);
    ck_assert_uint_eq(line(json, "m.json", MESH "/name"), 3);
    ck_assert_uint_eq(line(json, "m.json", MESH "/gateway"), 5);
    ck_assert_uint_eq(line(json, "m.json", MESH "/gateway[name='a']"), 5);
    ck_assert_uint_eq(line(json, "m.json", MESH "/gateway[name='b/c']/endpoint"), 8);
    ck_assert_uint_eq(line(json, "m.json", MESH "/topology/link[a='a'][b='b']"), 12);
    ck_assert_uint_eq(line(json, "m.json", MESH "/topology/link[a='b'][b='a']/b"), 12);
    /* What is not there has the line of where it should be. */
    ck_assert_uint_eq(line(json, "m.json", MESH "/addressing/link-prefix"), 2);
    ck_assert_uint_eq(line(json, "m.json", MESH "/gateway[name='b/c']/asn"), 6);
    ck_assert_uint_eq(line(json, "m.json", "/other:thing"), 0);
    ck_assert_uint_eq(line(json, "m.json", ""), 0);
    ck_assert_uint_eq(line(json, "m.json", "////['"), 0);
}
END_TEST

START_TEST(xml)
{
    static const char text[] = "<mesh xmlns=\"u\">\n<gateway>\n<name>a</name>\n<lan>l</lan>\n"
                               "</gateway></mesh>";

    ck_assert_uint_eq(line(text, "m.xml", MESH "/gateway[name='a']"), 2);
    ck_assert_uint_eq(line(text, "m.xml", MESH "/gateway[name='a']/lan"), 4);
}
END_TEST

START_TEST(others_are_left_alone)
{
    struct error_list list = ERROR_LIST_INIT;

    error_add(&list, "m.json", 7, MESH "/name", "has a line");
    error_add(&list, "other.json", 0, MESH "/name", "of another file");
    error_add(&list, "m.json", 0, NULL, "without a path");
    error_add(&list, "m.json", 0, MESH "/name", "wanted");
    locate_in_text(json, strlen(json), "m.json", &list);
    ck_assert_uint_eq(list.n, 4);
    ck_assert_str_eq(list.items[0].message, "without a path");
    ck_assert_uint_eq(list.items[0].line, 0);
    ck_assert_str_eq(list.items[1].message, "wanted");
    ck_assert_uint_eq(list.items[1].line, 3);
    ck_assert_uint_eq(list.items[2].line, 7);
    ck_assert_uint_eq(list.items[3].line, 0);
    /* No longer a model. */
    error_add(&list, "m.json", 0, MESH "/name", "again");
    locate_in_text("{", 1, "m.json", &list);
    ck_assert_uint_eq(list.items[4].line, 0);
    locate("/nonexistent/m.json", &list);
    ck_assert_uint_eq(list.n, 5);
    error_clear(&list);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("locate");
    TCase *t = unit_case(s, "locate", NULL, NULL);

    tcase_add_test(t, paths);
    tcase_add_test(t, xml);
    tcase_add_test(t, others_are_left_alone);
    return unit_run(s);
}
