/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Document: the text of a model as a light tree in which every node knows its line.
 *
 * libyang 2.1 gives its nodes no line numbers, stops at the first error, and its way of going on
 * after one (opaque nodes) takes a list entry with a late key for a wrong one.  So the text is read
 * here, strictly: JSON as in RFC 8259, XML without a document type.  What the values mean is
 * instance.h's business.
 *
 * Any input is safe: depth and number of nodes are bounded, text is valid UTF-8 without NUL.  One
 * arena owns everything.
 */
#ifndef P2PVPN_CONTROLLER_DOCUMENT_H
#define P2PVPN_CONTROLLER_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"

#define DOCUMENT_MAX_DEPTH 32
#define DOCUMENT_MAX_NODES (8u << 20)

enum document_kind {
    DOCUMENT_OBJECT, /* has children; in XML also an element without text */
    DOCUMENT_STRING,
    DOCUMENT_NUMBER,
    DOCUMENT_BOOLEAN,
    DOCUMENT_NULL,
    DOCUMENT_TEXT,       /* XML: the type is not visible */
    DOCUMENT_EMPTY_LIST, /* JSON: [] */
};

struct document_node {
    const char *name;
    const char *module;    /* JSON: the module in "module:name", XML: the namespace; NULL: none */
    const char *value;     /* what a leaf says, as written; NULL for an object */
    const char *canonical; /* instance.c: the value in YANG's canonical form; NULL: not valid */
    struct document_node *parent, *children, *last_child, *next;
    uint32_t line;     /* 1-based */
    uint32_t position; /* among the siblings of its name, 1-based; 0: the only one by its kind */
    uint8_t kind;      /* enum document_kind */
    bool in_array;     /* JSON: an element of an array */
    bool bad;          /* instance.c: reported, not to be looked at again */
    uint8_t n_keys; /* instance.c: of a list entry with valid keys, the number of its first children
                       named in keys[] */
    const struct document_node *keys[2];
};

struct document {
    struct document_node *root; /* nameless; its children are the top-level nodes */
    uint32_t n_nodes;
    struct arena arena;
};

/* 0 and *ret filled, or -EINVAL with one error: text that is not JSON or XML ends at its first
 * mistake.  `text` is NUL-terminated; `file` is for messages.  document_clear() also after failure.
 */
int document_read_json(const char *text, size_t len, const char *file, struct document *ret,
                       struct error_list *err);
int document_read_xml(const char *text, size_t len, const char *file, struct document *ret,
                      struct error_list *err);
void document_clear(struct document *doc);

/* For the two readers. NULL: too many nodes. */
struct document_node *document_add(struct document *doc, struct document_node *parent,
                                   const char *name, const char *module, uint32_t line);
/* The length of the valid UTF-8 sequence (RFC 3629) at s, of at most n bytes; 0: malformed. */
size_t document_utf8(const char *s, size_t n);
/* Appends one character. */
void document_add_utf8(struct buf *b, uint32_t c);

/* Is it of this name?  The first byte first: this is asked millions of times. */
static inline bool document_named(const struct document_node *node, const char *name)
{
    return node->name[0] == name[0] && strcmp(node->name, name) == 0;
}

/* The first child of this name; NULL: none, or node is NULL. */
const struct document_node *document_child(const struct document_node *node, const char *name);

/* The data path of a node, "/p2pvpn-mesh:mesh/lan[name='perth']/prefix"; list entries without valid
 * keys by position, "lan[3]".  Appends to *ret, returns its text. */
const char *document_path(const struct document_node *node, struct buf *ret);

#endif
