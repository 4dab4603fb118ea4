/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Template: text with holes, compiled once and rendered many times.
 *
 * The syntax is Mustache (its manual page mustache(5), and the cases of its public specification):
 * {{x}} variable, {{#x}}...{{/x}} section, {{^x}}...{{/x}} inverted section, {{!...}} comment,
 * {{>x}} partial, {{a.b}} dotted name, {{.}} implicit iterator, and its rules for tags that stand
 * alone on a line.  Different on purpose:
 * - C declares the shape of the data (struct template_type).  Names are resolved against it when
 * the template is compiled, so an unknown name is an error with file and line, never empty text.
 * - Nothing is HTML-escaped: {{x}}, {{{x}}} and {{&x}} are the same.  Instead every text value is
 *   checked as it is emitted (value_valid() in common/name.h).
 * - A partial cannot include itself; it must close the sections that it opens.  There are no
 *   lambdas and no other delimiters.
 *
 * Compiling needs memory and a loader for partials; rendering is a walk over a flat list of
 * operations that allocates nothing but the text itself.  Both are pure.
 */
#ifndef P2PVPN_CONTROLLER_TEMPLATE_H
#define P2PVPN_CONTROLLER_TEMPLATE_H

#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

enum template_kind {
    TEMPLATE_TEXT,   /* variable; as a section: is it there and not empty? */
    TEMPLATE_NUMBER, /* variable; as a section: is it not zero? */
    TEMPLATE_FLAG,   /* section only */
    TEMPLATE_OBJECT, /* section that enters it, if it is there; holder of dotted names */
    TEMPLATE_LIST,   /* section, once for each item */
};

struct template_type {
    enum template_kind kind;
    const struct template_field *fields; /* of an object, in the order of its values */
    size_t n_fields;
    const struct template_type *item; /* of a list */
};

struct template_field {
    const char *name; /* [A-Za-z_][A-Za-z0-9_]* */
    const struct template_type *type;
};

extern const struct template_type template_text, template_number, template_flag;

/* One value.  Text: `data` is n bytes, NULL is absent.  Number: n.  Flag: n is 0 or not.  Object:
 * `data` is an array with one value for each field, NULL is absent.  List: `data` is an array of n
 * items; an item that is an object is its n_fields values, side by side; any other is one value. */
struct template_value {
    const void *data;
    size_t n;
};

/* Finds a partial's text.  0; -ENOENT: there is none of that name; another negative errno with *err
 * filled.  `*ret_file` is for messages and must live until the loader returns no more. */
struct template_loader {
    int (*load)(void *userdata, const char *name, struct buf *ret_text, const char **ret_file,
                struct error_list *err);
    void *userdata;
};

struct template;

/* 0 and *ret set; -EINVAL: errors with file:line, as many as could be told apart, *ret untouched.
 * `root` must outlive the template; `loader` may be NULL: no partials. */
int template_compile(const char *text, size_t len, const char *file,
                     const struct template_type *root, const struct template_loader *loader,
                     struct template **ret, struct error_list *err);
struct template *template_free(struct template *t); /* NULL ok; returns NULL */

/* Appends to *out.  `root` is the value of the root type: for an object its array of fields.
 * -EINVAL: a value may not stand in a configuration file; the error names the template's file and
 * line, the variable and `subject` ("gateway 'perth'"); what was appended is then of no use. */
int template_render(const struct template *t, const struct template_value *root,
                    const char *subject, struct buf *out, struct error_list *err);

#endif
