/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/document.h"

#include <string.h>

#include "common/name.h"

struct document_node *document_add(struct document *doc, struct document_node *parent,
                                   const char *name, const char *module, uint32_t line)
{
    struct document_node *node;

    if (doc->n_nodes >= DOCUMENT_MAX_NODES)
        return NULL;
    doc->n_nodes++;
    node = arena_alloc(&doc->arena, 1, sizeof(*node));
    node->name = name;
    node->module = module;
    node->line = line;
    node->parent = parent;
    if (parent) {
        if (parent->last_child)
            parent->last_child->next = node;
        else
            parent->children = node;
        parent->last_child = node;
    }
    return node;
}

void document_clear(struct document *doc)
{
    arena_free(&doc->arena);
    *doc = (struct document){0};
}

size_t document_utf8(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (len == 0 || len > n || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, and beyond U+10FFFF. */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

void document_add_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_char(b, (char)c);
    } else if (c < 0x800) {
        buf_char(b, (char)(0xc0 | c >> 6));
        buf_char(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_char(b, (char)(0xe0 | c >> 12));
        buf_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_char(b, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_char(b, (char)(0xf0 | c >> 18));
        buf_char(b, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_char(b, (char)(0x80 | (c & 0x3f)));
    }
}

const struct document_node *document_child(const struct document_node *node, const char *name)
{
    const struct document_node *child = node ? node->children : NULL;

    while (child && !document_named(child, name))
        child = child->next;
    return child;
}

/* "p2pvpn-mesh" of itself and of "urn:p2pvpn:yang:p2pvpn-mesh". */
static const char *module_name(const char *module)
{
    const char *last = module;

    for (const char *p = module; *p; p++)
        if (*p == ':' || *p == '/')
            last = p + 1;
    return last;
}

static void path_step(const struct document_node *node, struct buf *ret)
{
    if (!node->parent)
        return;
    path_step(node->parent, ret);
    buf_char(ret, '/');
    if (!node->parent->parent && node->module)
        buf_printf(ret, "%.*s:", NAME_MAX_LEN, module_name(node->module));
    /* A name that YANG does not know may be anything; its place is told, not its bytes. */
    if (strlen(node->name) <= NAME_MAX_LEN)
        buf_str(ret, node->name);
    else
        buf_printf(ret, "%.*s...", NAME_MAX_LEN, node->name);
    if (node->n_keys) {
        for (unsigned i = 0; i < node->n_keys; i++)
            buf_printf(ret, "[%s='%s']", node->keys[i]->name, node->keys[i]->canonical);
    } else if (node->position) {
        buf_printf(ret, "[%u]", node->position);
    }
}

const char *document_path(const struct document_node *node, struct buf *ret)
{
    path_step(node, ret);
    return buf_cstr(ret);
}
