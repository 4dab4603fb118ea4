/* SPDX-License-Identifier: Apache-2.0 */
/* The cases go over the same ground as those of the public Mustache specification (which
 * tests/tools/mustache_spec.c runs for whoever has it), in our own words, and over what is
 * different here: names are known at compile time, and values are checked. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/template_json.h"
#include "tests/unit/unit.h"

/* Data and partials are JSON with ' for ", which keeps the tables readable. */
static json_t *parse(const char *text)
{
    char *json = xstrdup(text);
    json_t *result;

    for (char *p = json; *p; p++)
        if (*p == '\'')
            *p = '"';
    result = json_loads(json, JSON_DECODE_ANY, NULL);
    ck_assert_msg(result != NULL, "the test's own data is not JSON: %s", json);
    free(json);
    return result;
}

struct good {
    const char *template, *data, *expected, *partials;
};

static const struct good variables[] = {
    {"no tags { } at all\n", "{}", "no tags { } at all\n"},
    {"", "{}", ""},
    {"lport {{port}}\n", "{'port': 11007}", "lport 11007\n"},
    {"{{n}}", "{'n': 0}", "0"},
    {"{{a}}{{{a}}}{{&a}}", "{'a': 'x'}", "xxx"},
    {"{{a}}", "{'a': '<&>{{b}}'}", "<&>{{b}}"},
    {"[{{a}}]", "{'a': null}", "[]"},
    {"|{{ a }}|{{{ a }}}|{{& a }}|", "{'a': 'x'}", "|x|x|x|"},
    {"  {{a}}  \n", "{'a': 'x'}", "  x  \n"},
    {"{{peer.name}}, {{#peer}}{{name}}{{/peer}}", "{'peer': {'name': 'perth'}}", "perth, perth"},
    {"{{a.b.c.d}}", "{'a': {'b': {'c': {'d': 'deep'}}}}", "deep"},
    {"{{#a}}{{b.c}}{{/a}}", "{'a': {'x': 'y', 'b': {'c': 'in'}}, 'b': {'c': 'out'}}", "in"},
    {"{{.}}!", "'alone'", "alone!"},
};

static const struct good sections[] = {
    {"<{{#yes}}in{{/yes}}>", "{'yes': true}", "<in>"},
    {"<{{#yes}}in{{/yes}}>", "{'yes': false}", "<>"},
    {"<{{#a}}in{{/a}}>", "{'a': null}", "<>"},
    {"<{{#a}}in{{/a}}>", "{'a': ''}", "<>"},
    {"<{{#n}}in{{/n}}><{{#m}}in{{/m}}>", "{'n': 0, 'm': 1}", "<><in>"},
    {"{{#a}}{{.}} is {{a}}{{/a}}", "{'a': 'x'}", "x is x"},
    {"{{#a}}{{b}}{{c}}{{/a}}", "{'a': {'b': 'inner'}, 'b': 'outer', 'c': 'C'}", "innerC"},
    {"{{#l}}{{n}},{{/l}}", "{'l': [{'n': 1}, {'n': 2}, {'n': 3}]}", "1,2,3,"},
    {"<{{#l}}in{{/l}}>", "{'l': []}", "<>"},
    {"{{#l}}({{.}}){{/l}}", "{'l': ['a', 'b', 3]}", "(a)(b)(3)"},
    {"{{#l}}({{#.}}{{.}}{{/.}}){{/l}}", "{'l': [['a', 'b'], [], ['c']]}", "(ab)()(c)"},
    {"{{#.}}{{n}}{{/.}}", "[{'n': 1}, {'n': 2}]", "12"},
    {"{{#a}}{{#b}}{{x}}{{y}}{{z}};{{/b}}{{/a}}",
     "{'x': 'X', 'a': [{'y': 'p', 'b': [{'z': 1}, {'z': 2}]}, {'y': 'q', 'b': [{'z': 3}]}]}",
     "Xp1;Xp2;Xq3;"},
    {"{{#a.b}}here{{/a.b}}", "{'a': {'b': true}}", "here"},
    {"{{#y}}1{{#y}}2{{/y}}3{{/y}}4", "{'y': true}", "1234"},
    {"{{#y}}1{{#y}}2{{/y}}3{{/y}}4", "{'y': false}", "4"},
    {"|{{# y }}={{/ y }}|", "{'y': true}", "|=|"},
};

static const struct good inverted[] = {
    {"{{^y}}no{{/y}}", "{'y': false}", "no"},
    {"{{^y}}no{{/y}}", "{'y': true}", ""},
    {"{{^a}}no{{/a}}", "{'a': null}", "no"},
    {"{{^a}}no{{/a}}", "{'a': ''}", "no"},
    {"{{^l}}none{{/l}}", "{'l': []}", "none"},
    {"{{^l}}none{{/l}}", "{'l': [1]}", ""},
    {"{{^o}}none{{/o}}", "{'o': {'a': 'x'}}", ""},
    {"{{#l}}{{^o}}-{{/o}}{{#o}}{{a}}{{/o}}{{/l}}", "{'l': [{'o': {'a': 'x'}}, {}]}", "x-"},
    {"{{#l}}[{{o.a}}]{{/l}}", "{'l': [{'o': {'a': 'x'}}, {}]}", "[x][]"},
    {"{{^a.b}}no{{/a.b}}{{#a.b}}yes{{/a.b}}", "{'a': {'b': false}}", "no"},
};

static const struct good comments[] = {
    {"12{{! a note }}34", "{}", "1234"},
    {"12{{! two\nlines }}34\n", "{}", "1234\n"},
    {"a\n{{! alone }}\nb\n", "{}", "a\nb\n"},
    {"a\n  {{! alone\n     and long }}  \nb\n", "{}", "a\nb\n"},
    {"a\r\n{{! alone }}\r\nb", "{}", "a\r\nb"},
    {"  {{! first }}\nb", "{}", "b"},
    {"b\n  {{! last }}", "{}", "b\n"},
    {"  12 {{! not alone }}\n", "{}", "  12 \n"},
    {"{{!a}}{{!b}}\n", "{}", "\n"},
};

static const struct good lines[] = {
    {"a\n{{#y}}\nb\n{{/y}}\nc\n", "{'y': true}", "a\nb\nc\n"},
    {"a\n  {{#y}}  \nb\n\t{{/y}}\nc\n", "{'y': true}", "a\nb\nc\n"},
    {"a\n{{^y}}\nb\n{{/y}}\nc\n", "{'y': false}", "a\nb\nc\n"},
    {"a\r\n{{#y}}\r\nb\r\n{{/y}}\r\nc", "{'y': true}", "a\r\nb\r\nc"},
    {"#{{#y}}\n/\n  {{/y}}", "{'y': true}", "#\n/\n"},
    {" | {{#y}}\t|\t{{/y}} | \n", "{'y': true}", " | \t|\t | \n"},
    {" {{#y}}A{{/y}}\n {{#y}}B{{/y}}\n", "{'y': true}", " A\n B\n"},
    {"{{#l}}\nremote {{.}}\n{{/l}}\nend\n", "{'l': ['a', 'b']}", "remote a\nremote b\nend\n"},
    {"{{#a}}\n{{#b}}\nx\n{{/b}}\n{{/a}}\n", "{'a': true, 'b': true}", "x\n"},
};

static const struct good partials[] = {
    {"<{{>p}}>", "{}", "<in>", "{'p': 'in'}"},
    {"<{{> p }}>", "{'a': 'x'}", "<*x*>", "{'p': '*{{a}}*'}"},
    {"{{>p}}", "{'a': 1}", "(1)", "{'p': '({{>q}})', 'q': '{{a}}'}"},
    {"{{#l}}{{>p}}{{/l}}", "{'l': [1, 2]}", "[1][2]", "{'p': '[{{.}}]'}"},
    {"a\n{{>p}}\nb\n", "{}", "a\nx\ny\nb\n", "{'p': 'x\\ny\\n'}"},
    {"a\n  {{>p}}\nb\n", "{}", "a\n  x\n  y\nb\n", "{'p': 'x\\ny\\n'}"},
    {"  {{>p}}\nb", "{}", "  x\n  yb", "{'p': 'x\\ny'}"},
    {"b\n  {{>p}}", "{}", "b\n  x\n  y", "{'p': 'x\\ny'}"},
    {"  {{a}}  {{>p}}\n", "{'a': '|'}", "  |  x\ny\n", "{'p': 'x\\ny'}"},
    {"a\r\n{{>p}}\r\nb", "{}", "a\r\nxb", "{'p': 'x'}"},
    {"  {{>p}}\n", "{'y': true}", "  a\n  b\n", "{'p': '{{#y}}\\na\\n{{/y}}\\nb\\n'}"},
    {"  {{>p}}\n", "{}", "    x\n", "{'p': '  {{>q}}\\n', 'q': 'x\\n'}"},
};

static void run_good(const struct good *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct error_list err = ERROR_LIST_INIT;
        struct buf out = BUF_INIT;
        json_t *data = parse(g[i].data), *parts = parse(g[i].partials ? g[i].partials : "{}");
        int r = template_json_render(g[i].template, data, parts, &out, &err);

        ck_assert_msg(r == 0, "%s: %s", g[i].template, err.n ? err.items[0].message : "?");
        ck_assert_msg(strcmp(buf_cstr(&out), g[i].expected) == 0, "%s: '%s' instead of '%s'",
                      g[i].template, buf_cstr(&out), g[i].expected);
        json_decref(data);
        json_decref(parts);
        buf_free(&out);
        error_clear(&err);
    }
}

#define GOOD_TEST(name)                               \
    START_TEST(name##_are_rendered)                   \
    {                                                 \
        run_good(name, sizeof(name) / sizeof(*name)); \
    }                                                 \
    END_TEST
GOOD_TEST(variables)
GOOD_TEST(sections)
GOOD_TEST(inverted)
GOOD_TEST(comments)
GOOD_TEST(lines)
GOOD_TEST(partials)

/* Each wrong template gives exactly this, file and line included. */
static const struct {
    const char *template, *data, *expected, *partials;
} bad[] = {
    {"a\n{{nme}}\n", "{'name': 'x', 'port': 1}",
     "main.tmpl:2: 'nme' is not a name that this template has; it has: name, port"},
    {"{{a}}\n{{b}}\n", "{}",
     "main.tmpl:1: 'a' is not a name that this template has; it has: none\n"
     "main.tmpl:2: 'b' is not a name that this template has; it has: none"},
    {"{{#l}}\n{{n}}{{m}}\n{{/l}}", "{'l': [{'n': 1}], 'z': 1}",
     "main.tmpl:2: 'm' is not a name that this template has; it has: n, l, z"},
    {"{{a.c}}", "{'a': {'b': 'x'}}", "main.tmpl:1: 'c' is not a name within 'a', which has: b"},
    {"{{a.b.c}}", "{'a': {'b': 'x'}}",
     "main.tmpl:1: 'c' is not a name within 'a.b', which has: none"},
    {"\n\n{{name", "{'name': 'x'}",
     "main.tmpl:3: a tag begins here and does not end; close it with }}"},
    {"{{{name}}", "{'name': 'x'}",
     "main.tmpl:1: a tag begins here and does not end; close it with }}}"},
    {"{{}}", "{}", "main.tmpl:1: '' is not a name; a tag is {{name}} or {{#name}}"},
    {"{{a b}}", "{}", "main.tmpl:1: 'a b' is not a name; a tag is {{name}} or {{#name}}"},
    {"{{a..b}}", "{}", "main.tmpl:1: 'a..b' is not a name; a tag is {{name}} or {{#name}}"},
    {"{{=<% %>=}}", "{}",
     "main.tmpl:1: other delimiters than {{ and }} are not supported; remove this tag"},
    {"{{#y}}\n\n", "{'y': true}", "main.tmpl:1: section 'y' is never closed; add {{/y}}"},
    {"\n{{/y}}", "{'y': true}",
     "main.tmpl:2: {{/y}} ends a section that does not begin in this file"},
    {"{{#y}}\n{{#z}}\n{{/y}}{{/z}}", "{'y': true, 'z': true}",
     "main.tmpl:3: {{/y}} stands where section 'z' of line 2 must end first"},
    {"{{#x}}{{a}}{{/x}}", "{'a': 1}",
     "main.tmpl:1: 'x' is not a name that this template has; it has: a"},
    {"{{l}}", "{'l': [1]}", "main.tmpl:1: 'l' is a list, not a value; use {{#l}}...{{/l}}"},
    {"{{y}}", "{'y': true}", "main.tmpl:1: 'y' is a condition, not a value; use {{#y}}...{{/y}}"},
    {"{{o}}", "{'o': {'a': 1}}",
     "main.tmpl:1: 'o' is a group of values, not a value; use {{#o}}...{{/o}}"},
    {"{{.}}", "{'a': 1}",
     "main.tmpl:1: '.' stands for several values here; say which one you mean"},
    {"{{^o}}{{a}}{{/o}}", "{'o': {'a': 1}}",
     "main.tmpl:1: 'a' is not a name that this template has; it has: o"},
    {"\n{{>q}}", "{}", "main.tmpl:2: there is no template 'q' to include; correct the name"},
    {"{{>../q}}", "{}",
     "main.tmpl:1: '../q' is not a template's name; use letters, digits, '-', '_'"},
    {"{{>p}}", "{}", "p.tmpl:1: partial 'p' includes itself; break the circle", "{'p': '{{>p}}'}"},
    {"{{>p}}", "{}", "q.tmpl:2: partial 'p' includes itself; break the circle",
     "{'p': '{{>q}}', 'q': '\\n{{>p}}'}"},
    {"\n  {{>p}}\n", "{}", "p.tmpl:3: 'a' is not a name that this template has; it has: none",
     "{'p': '\\n\\n{{a}}'}"},
    {"{{#y}}{{>p}}", "{'y': true}",
     "p.tmpl:1: {{/y}} ends a section that does not begin in this file", "{'p': '{{/y}}'}"},
    {"{{>p}}{{x}}", "{'l': [{'x': 1}]}",
     "main.tmpl:1: 'x' is not a name that this template has; it has: l\n"
     "p.tmpl:1: section 'l' is never closed; add {{/l}}",
     "{'p': '{{#l}}'}"},
    /* A value is checked where it is emitted, and the error says whose it is. */
    {"a\n\nb {{a}}\n", "{'a': 'x\\ny'}",
     "main.tmpl:3: {{a}} of gateway 'perth' may not stand in a configuration file: 'x\\x0ay' holds "
     "a "
     "control character, a quote, a backslash or broken text; change it in the model"},
    {"{{>p}}", "{'a': 'it`s'}",
     "p.tmpl:2: {{a}} of gateway 'perth' may not stand in a configuration file: 'it`s' holds a "
     "control character, a quote, a backslash or broken text; change it in the model",
     "{'p': '\\n{{{a}}}'}"},
};

static char *errors_text(struct error_list *err)
{
    struct buf text = BUF_INIT;

    error_sort(err);
    for (size_t i = 0; i < err->n; i++)
        buf_printf(&text, "%s%s:%u: %s", i ? "\n" : "", err->items[i].file, err->items[i].line,
                   err->items[i].message);
    return buf_steal(&text);
}

START_TEST(wrong_templates_are_refused)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct error_list err = ERROR_LIST_INIT;
        struct buf out = BUF_INIT;
        json_t *data = parse(bad[i].data), *parts = parse(bad[i].partials ? bad[i].partials : "{}");
        int r = template_json_render(bad[i].template, data, parts, &out, &err);
        char *text = errors_text(&err);

        ck_assert_msg(r == -EINVAL, "accepted: %s", bad[i].template);
        ck_assert_str_eq(text, bad[i].expected);
        free(text);
        json_decref(data);
        json_decref(parts);
        buf_free(&out);
        error_clear(&err);
    }
}
END_TEST

START_TEST(nul_and_depth_are_refused)
{
    struct error_list err = ERROR_LIST_INIT;
    struct template *t = NULL;
    struct buf text = BUF_INIT;

    ck_assert_int_eq(template_compile("a\n\0b", 4, "nul.tmpl", &template_text, NULL, &t, &err),
                     -EINVAL);
    ck_assert_uint_eq(err.items[0].line, 2);
    error_clear(&err);
    for (int i = 0; i < 40; i++)
        buf_str(&text, "{{#.}}");
    ck_assert_int_eq(
        template_compile(text.data, text.len, "deep.tmpl", &template_text, NULL, &t, &err),
        -EINVAL);
    ck_assert_ptr_null(strstr(err.items[0].message, "never closed"));
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "nested more than"));
    ck_assert_ptr_null(t);
    error_clear(&err);
    buf_free(&text);
}
END_TEST

/* Partials that double at every level must not take all memory. */
static int load_doubling(void *userdata, const char *name, struct buf *ret_text,
                         const char **ret_file, struct error_list *err)
{
    (void)userdata, (void)err;
    *ret_file = "doubling.tmpl";
    for (int i = 0; i < 1000; i++)
        if (name[0] == 'h')
            buf_str(ret_text, "some text that is long {{.}} enough");
        else
            buf_printf(ret_text, "{{>%c}}", name[0] + 1);
    return 0;
}

START_TEST(growth_is_bounded)
{
    const struct template_loader loader = {.load = load_doubling};
    struct error_list err = ERROR_LIST_INIT;
    struct template *t = NULL;

    ck_assert_int_eq(template_compile("{{>a}}", 6, "a.tmpl", &template_text, &loader, &t, &err),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "too large"));
    error_clear(&err);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("template");
    TCase *t = unit_case(s, "template", NULL, NULL);

    tcase_add_test(t, variables_are_rendered);
    tcase_add_test(t, sections_are_rendered);
    tcase_add_test(t, inverted_are_rendered);
    tcase_add_test(t, comments_are_rendered);
    tcase_add_test(t, lines_are_rendered);
    tcase_add_test(t, partials_are_rendered);
    tcase_add_test(t, wrong_templates_are_refused);
    tcase_add_test(t, nul_and_depth_are_refused);
    tcase_add_test(t, growth_is_bounded);
    return unit_run(s);
}
