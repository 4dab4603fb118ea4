/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instance: does a document have the shape that the schema asks for?
 *
 * Goes on after every error, so that all of them are told at once: unknown names, wrong kinds of
 * values, values their type refuses, what is missing, what is there twice.  What compares entries
 * of different lists is check.h's.
 */
#ifndef P2PVPN_CONTROLLER_INSTANCE_H
#define P2PVPN_CONTROLLER_INSTANCE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"

struct document;
struct document_node;
struct schema;

/* Fills in canonical values, keys and positions, marks what was reported as bad and adds the
 * schema's default values.  0, or -EINVAL with errors; what is not bad can be used in either case.
 */
int instance_check(const struct schema *s, struct document *doc, bool xml, const char *file,
                   struct error_list *err);

/* A value from the file, in single quotes and cut to a readable length.  Appends; returns the text.
 */
const char *instance_quote(const char *value, struct buf *ret);

/* The best guess at what was meant by a misspelt name; NULL: no idea. */
struct instance_guess {
    const char *name;
    unsigned distance;
};
void instance_guess(struct instance_guess *g, const char *written, const char *candidate);

#endif
