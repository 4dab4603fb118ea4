/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a template, against one shape with everything in it.  What is accepted must render,
 * and what is refused must say why. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "controller/template.h"
#include "tests/fuzz/fuzz.h"

static const struct template_field inner_fields[] = {{"name", &template_text},
                                                     {"port", &template_number}};
static const struct template_type inner = {TEMPLATE_OBJECT, inner_fields, 2, NULL};
static const struct template_type inners = {TEMPLATE_LIST, NULL, 0, &inner};
static const struct template_type texts = {TEMPLATE_LIST, NULL, 0, &template_text};
static const struct template_type lists = {TEMPLATE_LIST, NULL, 0, &texts};
static const struct template_field root_fields[] = {
    {"name", &template_text}, {"n", &template_number}, {"yes", &template_flag},
    {"no", &template_flag},   {"peer", &inner},        {"nobody", &inner},
    {"links", &inners},       {"words", &texts},       {"lists", &lists}};
static const struct template_type root = {TEMPLATE_OBJECT, root_fields, 9, NULL};

static int load(void *userdata, const char *name, struct buf *ret_text, const char **ret_file,
                struct error_list *err)
{
    (void)userdata, (void)err;
    *ret_file = name;
    if (strcmp(name, "p") == 0)
        buf_str(ret_text, "{{name}}\n{{#links}}\n{{>q}}\n{{/links}}\n");
    else if (strcmp(name, "q") == 0)
        buf_str(ret_text, "{{port}}{{>p}}");
    else if (strcmp(name, "r") == 0)
        buf_str(ret_text, "x\n\n{{name}}");
    else
        return -ENOENT;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct template_value words[] = {{"a", 1}, {"bc", 2}}, list[] = {{words, 2}, {0}};
    static const struct template_value links[] = {{"x", 1}, {0, 7}, {"y", 1}, {0, 65535}};
    static const struct template_value values[] = {{"perth", 5}, {NULL, 42}, {NULL, 1},
                                                   {NULL, 0},    {links, 0}, {NULL, 0},
                                                   {links, 2},   {words, 2}, {list, 2}};
    const struct template_loader loader = {.load = load};
    struct error_list err = ERROR_LIST_INIT;
    struct template *t = NULL;
    int r;

    /* Loops within loops multiply; the text would be finite, the patience is not. */
    if (size > 4096)
        return 0;
    r = template_compile((const char *)data, size, "fuzz.tmpl", &root, &loader, &t, &err);
    if ((r == 0) != (t != NULL) || (r == 0) != (err.n == 0))
        abort();
    if (r == 0) {
        struct buf out = BUF_INIT;

        if (template_render(t, values, "the fuzzer", &out, &err) != 0)
            abort();
        buf_free(&out);
    }
    template_free(t);
    error_clear(&err);
    return 0;
}
