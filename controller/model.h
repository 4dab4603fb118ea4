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
#define MODEL_JUDGED_BYTES (1u << 20) /* larger files go through libyang value by value only */

struct document; /* controller/document.h */
struct mesh;     /* controller/mesh.h */
struct schema;   /* controller/schema.h */
struct model_verdict;

/* How libyang's last word begins, where our own checks had nothing to say. */
#define MODEL_VERDICT "the YANG module does not allow this: "

/* Where the time went, in seconds.  load and validate are of the caller's thread and add up;
 * verdict is libyang's, which runs beside whatever the caller does next. */
struct model_times {
    double load;     /* reading: the file, the YANG modules, the text, the references */
    double validate; /* our checks, and waiting for the verdict */
    double verdict;
};

/* Where the YANG modules are: the environment variable P2PVPN_YANG_DIR, else the installed place.
 */
const char *model_yang_dir(void);

/* Reads and checks a file.  0 and *ret set; -EINVAL: the file is wrong; other negative errno: it
 * cannot be read.  *ret is untouched on failure.  Warnings (never fatal) go to *warnings. */
int model_load(const char *file, struct mesh **ret, struct error_list *warnings,
               struct error_list *err);

/* The same in two halves.
 *
 * Each value is judged when it is read, by libyang where it is not plain (plain.h).  Then libyang
 * has the last word on the file as a whole, beside whatever the caller does next, because that
 * takes longer than all the rest: a quarter of a second for ten thousand gateways.  It is a net
 * below our own checks, which accept nothing that it refuses (tests/fuzz/fuzz_model.c looks for
 * such a thing); above MODEL_JUDGED_BYTES they stand alone.
 *
 * After begin *ret is what passed our own checks, and can be worked with; what comes of it counts
 * only once end has returned 0, and is thrown away otherwise.  On failure of begin nothing is left
 * to end. end frees the verdict; NULL: 0.  `times` may be NULL; begin sets it, end completes it. */
int model_load_begin(const char *file, struct mesh **ret, struct model_verdict **ret_verdict,
                     struct model_times *times, struct error_list *warnings,
                     struct error_list *err);
int model_load_end(struct model_verdict *verdict, struct model_times *times,
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
