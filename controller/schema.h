/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schema: yang/p2pvpn-mesh.yang as plain data, and libyang's verdict on values and files.
 *
 * The only module that sees libyang (2.1 and newer).  It is silent: libyang's own log stays inside.
 * Several threads may ask one schema at the same time.
 */
#ifndef P2PVPN_CONTROLLER_SCHEMA_H
#define P2PVPN_CONTROLLER_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "controller/plain.h"

#define SCHEMA_MODULE "p2pvpn-mesh"
#define SCHEMA_MAX_CHILDREN 32

enum schema_kind { SCHEMA_CONTAINER, SCHEMA_LIST, SCHEMA_LEAF, SCHEMA_LEAF_LIST };
enum schema_encoding { SCHEMA_STRING, SCHEMA_NUMBER, SCHEMA_BOOLEAN }; /* in JSON, RFC 7951 */

struct schema_node {
    const char *name;
    enum schema_kind kind;
    enum schema_encoding encoding;
    bool mandatory;                    /* a key, `mandatory` or at least `min-elements` 1 */
    bool has_default;                  /* itself or a node in it, lists not counted */
    const char *default_text;          /* canonical; NULL: none */
    struct plain plain;                /* values that need not go through schema_value() */
    const struct schema_node *keys[2]; /* of a list */
    unsigned n_keys;
    struct schema_node *children;
    unsigned n_children;
    const void *handle; /* libyang's node */
};

struct schema;

/* Loads the module from model_yang_dir().  0, or a negative errno with *err filled. */
int schema_new(struct schema **ret, struct error_list *err);
struct schema *schema_free(struct schema *s); /* NULL ok; returns NULL */

/* The nameless node above /p2pvpn-mesh:mesh. */
const struct schema_node *schema_root(const struct schema *s);
const char *schema_namespace(const struct schema *s);
const struct schema_node *schema_child(const struct schema_node *node, const char *name);

/* Does the type of a leaf or leaf-list accept this text?  True: the canonical form is appended to
 * *ret.  False: what is wrong with it is, as the second half of a sentence: "is not a ...". Leaf
 * references are not followed. */
bool schema_value(const struct schema *s, const struct schema_node *node, const char *text,
                  struct buf *ret);

/* Parses and validates a whole file.  True, or what libyang has to say, with the line (0: not
 * known). */
bool schema_verdict(const struct schema *s, const char *text, bool xml, struct buf *reason,
                    uint32_t *line);

#endif
