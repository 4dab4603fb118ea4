/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model: from a file (JSON or XML instance data of p2pvpn-mesh) to a struct mesh.
 *
 * The flow: document.h reads the text, instance.h checks its shape and values against the YANG
 * module (schema.h, which alone sees libyang), mesh_build.h turns it into a struct mesh, check.h
 * compares entries with each other, and libyang has the last word on the whole file.  Every
 * independent error of a file is reported in one run, sorted, with file, line, data path and what
 * to do: what an error leaves usable goes through the later steps too.
 */
#ifndef P2PVPN_CONTROLLER_MODEL_H
#define P2PVPN_CONTROLLER_MODEL_H

#include <stddef.h>

#include "common/error.h"

#define MODEL_MAX_BYTES (64u << 20)

struct document; /* controller/document.h */
struct mesh;     /* controller/mesh.h */
struct schema;   /* controller/schema.h */

/* Where the YANG modules are: the environment variable P2PVPN_YANG_DIR, else the installed place.
 */
const char *model_yang_dir(void);

/* Reads and checks a file.  0 and *ret set; -EINVAL: the file is wrong; other negative errno: it
 * cannot be read.  *ret is untouched on failure.  Warnings (never fatal) go to *warnings. */
int model_load(const char *file, struct mesh **ret, struct error_list *warnings,
               struct error_list *err);

/* The same for text in memory; `file` is used in messages, and its ending (.xml or not) tells the
 * format.  What the fuzzer calls. */
int model_parse(const char *text, size_t len, const char *file, struct mesh **ret,
                struct error_list *warnings, struct error_list *err);

/* The same with a schema that is already loaded. */
int model_parse_with(const struct schema *schema, const char *text, size_t len, const char *file,
                     struct mesh **ret, struct error_list *warnings, struct error_list *err);

/* Only the text: as the ending of the file's name says, document_read_json() or _xml(). */
int model_read_document(const char *text, size_t len, const char *file, struct document *ret,
                        struct error_list *err);

struct mesh *mesh_free(struct mesh *mesh); /* NULL ok; returns NULL */

#endif
