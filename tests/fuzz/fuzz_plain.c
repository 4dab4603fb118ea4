/* SPDX-License-Identifier: Apache-2.0 */
/* Each line as a value of every leaf: what plain_value() accepts, libyang accepts too and leaves as
 * it is.  tests/unit/test_plain.c feeds it with many more lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "controller/schema.h"
#include "tests/fuzz/fuzz.h"

static void compare(const struct schema *s, const struct schema_node *leaf, const char *text)
{
    _cleanup_buf_ struct buf canonical = BUF_INIT;

    if (!plain_value(&leaf->plain, text))
        return;
    if (schema_value(s, leaf, text, &canonical) && strcmp(buf_cstr(&canonical), text) == 0)
        return;
    fprintf(stderr, "'%s' is plain for %s, and for libyang: %s\n", text, leaf->name,
            buf_cstr(&canonical));
    abort();
}

static void each_leaf(const struct schema *s, const struct schema_node *node, const char *text)
{
    for (unsigned i = 0; i < node->n_children; i++) {
        const struct schema_node *child = &node->children[i];

        if (child->kind == SCHEMA_LEAF || child->kind == SCHEMA_LEAF_LIST)
            compare(s, child, text);
        else
            each_leaf(s, child, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct schema *schema;
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf line = BUF_INIT;

    if (!schema && schema_new(&schema, &err) < 0) {
        error_print(&err, stderr);
        abort();
    }
    for (size_t i = 0; i <= size; i++) {
        if (i < size && data[i] != '\n' && data[i] != '\0') {
            buf_char(&line, (char)data[i]);
            continue;
        }
        each_leaf(schema, schema_root(schema), buf_cstr(&line));
        buf_reset(&line);
    }
    return 0;
}
