/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a template's data written as JSON.  The shape is read off the data: the items of a
 * list of objects have the names of all of them, null is absent text.
 */
#ifndef P2PVPN_TESTS_TEMPLATE_JSON_H
#define P2PVPN_TESTS_TEMPLATE_JSON_H

#include "common/alloc.h"
#include "common/buf.h"
#include "controller/template.h"

struct json_t;

/* The type and value of `json`, in `arena`.  *ret_value is what template_render() takes. */
const struct template_type *template_json(struct json_t *json, struct arena *arena,
                                          const struct template_value **ret_value);

/* Compiles and renders; `partials` (NULL: none) is an object of texts, named NAME.tmpl in messages.
 * 0 and the text in *out, or -EINVAL and *err filled. */
int template_json_render(const char *text, struct json_t *data, struct json_t *partials,
                         struct buf *out, struct error_list *err);

#endif
