/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a repository: made, changed and signed by one key after the other, on several
 * machines if need be, and put in place when enough have signed.
 *
 * A root file is a jansson object, {"signatures", "signed"}, here as on disk.  What a key says
 * stands in its object ("keytype", "scheme", "keyval"), so nobody needs the private half of a key
 * to name it.
 */
#ifndef P2PVPN_TUF_REPO_ROOT_H
#define P2PVPN_TUF_REPO_ROOT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tuf/error.h"
#include "tuf/repo.h"

/* Version 1, without keys and signatures. */
json_t *tuf_root_first(int64_t expires);

/* What comes after a root: the same one version on, without signatures. */
json_t *tuf_root_next(const json_t *root, int64_t expires);

/* The key objects become those of the role, in this order; keys that no role has any more go. */
void tuf_root_set_keys(json_t *root, enum tuf_type type, const json_t *const keys[], size_t n,
                       int64_t threshold);

/* The key object of a role at this place; NULL: it has not so many.  keyid may be NULL. */
const json_t *tuf_root_key(const json_t *root, enum tuf_type type, size_t at, const char **keyid);
size_t tuf_root_n_keys(const json_t *root, enum tuf_type type);
int64_t tuf_root_threshold(const json_t *root, enum tuf_type type);

/* Adds the seed's signature, or makes it anew. */
void tuf_root_sign(json_t *root, const struct tuf_seed *seed);

/* TUF_OK: clients that trust `before` would trust `root` next; `before` NULL: it is the first. */
enum tuf_code tuf_root_check(const json_t *before, const json_t *root, struct tuf_error *err);

/* What is put into the file. */
void tuf_root_text(const json_t *root, struct buf *ret);

#endif
