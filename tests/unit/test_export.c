/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/fs.h"
#include "controller/draw.h"
#include "controller/export.h"
#include "tests/unit/build_network.h"

/* What the model would never let through. */
#define HOSTILE "x\" ]; evil [\\\"\\N&lt;\n/%"

static struct mesh *mesh;
static struct network *net;
static struct buf text;

/* Two gateways, the first with a hostile name, and a link. */
static void setup(void)
{
    mesh = build_mesh(2, true, true);
    mesh->gateways[0].name = HOSTILE;
    mesh->gateways[0].description = HOSTILE;
    mesh->gateways[0].short_name = HOSTILE;
    build_group(mesh, 0, HOSTILE);
    mesh->lans[0].name = "lan " HOSTILE;
    mesh->name = HOSTILE;
    net = build(mesh);
}

static void end(void)
{
    net = network_free(net);
    mesh = build_free(mesh);
    buf_free(&text);
    teardown();
}

static json_t *parsed(void)
{
    json_error_t error;
    json_t *root = json_loads(buf_cstr(&text), JSON_REJECT_DUPLICATES, &error);

    ck_assert_msg(root != NULL, "line %d: %s", error.line, error.text);
    return root;
}

START_TEST(dot_escapes)
{
    export_dot(net, &text);
    ck_assert_ptr_nonnull(
        strstr(buf_cstr(&text), "graph \"x\\\" ]; evil [\\\\\\\"\\\\N&lt;\n/%\" {\n"));
    ck_assert_ptr_nonnull(strstr(
        buf_cstr(&text), "label=\"x\\\" ]; evil [\\\\\\\"\\\\N&amp;lt; /%\\nlan x\\\" ]; evil"));
    ck_assert_ptr_nonnull(strstr(
        buf_cstr(&text), "\\nendpoint 203.0.113.1\\nx\\\" ]; evil [\\\\\\\"\\\\N&amp;lt; /%\""));
    ck_assert_ptr_nonnull(
        strstr(buf_cstr(&text), "\n  \"x\\\" ]; evil [\\\\\\\"\\\\N&lt;\n/%\" -- \"g00001\";\n"));
}
END_TEST

START_TEST(json_escapes)
{
    json_t *root;

    export_json(net, &text);
    root = parsed();
    ck_assert_str_eq(json_string_value(json_object_get(root, "mesh")), HOSTILE);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "gateways")), 2);
    json_decref(root);
}
END_TEST

START_TEST(ietf_escapes)
{
    json_t *root;

    export_ietf(net, &text);
    root = parsed();
    json_decref(root);
    ck_assert_ptr_nonnull(
        strstr(buf_cstr(&text),
               "{\"link-id\": \"p2pvpn:x%22%20%5D%3B%20evil%20%5B%5C%22%5CN%26lt%3B%0A%2F%25/"
               "x%22%20%5D%3B%20evil%20%5B%5C%22%5CN%26lt%3B%0A%2F%25/pv2\""));
}
END_TEST

START_TEST(nobody_is_there)
{
    end();
    mesh = build_mesh(1, true, false);
    net = build(mesh);
    export_ietf(net, &text);
    json_decref(parsed());
    buf_reset(&text);
    export_json(net, &text);
    json_decref(parsed());
    ck_assert_uint_eq(export_dot_edges(net), 0);
}
END_TEST

START_TEST(domain_names)
{
    static const char *const good[] = {"a", "perth", "a.b", "a-b.c_d", "_x1"};
    static const char *const bad[] = {
        "",
        ".",
        "a.",
        "a..b",
        "a-",
        "a_",
        "a_.b",
        "a.-b",
        "-a",
        "a b",
        "0123456789012345678901234567890123456789012345678901234567890123"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(export_is_domain_name(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!export_is_domain_name(bad[i]), "%s", bad[i]);
}
END_TEST

/* The drawing program of these tests is a script; draw.c itself starts no shell. */
static int draw_with(const char *script, unsigned timeout_ms)
{
    char folder[UNIT_FOLDER_SIZE];
    char *path;
    int r;

    unit_folder(folder);
    path = xasprintf("%s/dot", folder);
    ck_assert_int_eq(fs_write(path, script, strlen(script), 0755, &err), 0);
    r = draw_svg(net, path, timeout_ms, &text, &err);
    fs_remove_tree(folder, &warnings);
    free(path);
    return r;
}

START_TEST(a_layout_without_end_is_stopped)
{
    ck_assert_int_eq(draw_with("#!/bin/sh\nsleep 600\n", 100), -ETIMEDOUT);
    ck_assert(unit_says(&err, "took more than 0 s and was stopped; write --format dot"));
    ck_assert_uint_eq(text.len, 0);
}
END_TEST

START_TEST(graphviz_crashes)
{
    ck_assert_int_eq(draw_with("#!/bin/sh\necho half; kill -9 $$\n", 10000), -EIO);
    ck_assert(unit_says(&err, "Graphviz was ended by signal 9 (it said nothing)"));
    ck_assert_uint_eq(text.len, 0);
}
END_TEST

START_TEST(graphviz_gets_the_drawing)
{
    _cleanup_buf_ struct buf dot = BUF_INIT;

    export_dot(net, &dot);
    ck_assert_int_eq(draw_with("#!/bin/sh\necho $#$1; cat\n", 10000), 0);
    ck_assert_uint_eq(text.len, strlen("1-Tsvg\n") + dot.len);
    ck_assert_int_eq(memcmp(text.data, "1-Tsvg\n", 7), 0);
    ck_assert_int_eq(memcmp(text.data + 7, dot.data, dot.len), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("export");
    TCase *t = unit_case(s, "export", setup, end);

    tcase_add_test(t, dot_escapes);
    tcase_add_test(t, json_escapes);
    tcase_add_test(t, ietf_escapes);
    tcase_add_test(t, nobody_is_there);
    tcase_add_test(t, domain_names);
    tcase_add_test(t, a_layout_without_end_is_stopped);
    tcase_add_test(t, graphviz_crashes);
    tcase_add_test(t, graphviz_gets_the_drawing);
    return unit_run(s);
}
