/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init: a folder with all that a new mesh needs.
 *
 *   FOLDER/mesh.json     two LANs with a gateway each: a model that compiles, to be changed
 *   FOLDER/ca/           the certificate authority (ca.h); repository.json in it says where
 * gateways find the repository (ca_repository.h), if an address was given FOLDER/keys/         the
 * keys of the repository's roles (repo_keys.h), one for the root FOLDER/repository/   the signed
 * repository, with nothing published yet FOLDER/.gitignore    keeps secrets, and what can be made
 * anew, out of git
 *
 * All is made beside its place first.  A folder that was not there comes into being as a whole.  In
 * one that was, each part is moved in without replacing anything, mesh.json last, and out again if
 * one fails; only a kill between two of these leaves some, which the next run names.
 */
#ifndef P2PVPN_CONTROLLER_INIT_H
#define P2PVPN_CONTROLLER_INIT_H

#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "controller/passphrase.h"

struct init_options {
    const char *folder;
    const char *mesh;              /* its name; NULL: the folder's, or "mesh" if that is none */
    struct passphrase *passphrase; /* of all keys; NULL: they are not encrypted */
    const char *const *urls;
    size_t n_urls;
};

/* *ret: the name of the mesh, on the heap.  -EINVAL: something is there already, or an option is
 * wrong; nothing was changed. */
int init_folder(const struct init_options *o, char **ret, struct error_list *err);

/* The text of mesh.json for a name that is valid.  Pure. */
void init_model(const char *mesh, struct buf *ret);

#endif
