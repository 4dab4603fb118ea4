/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a repository's folder says now, for those who publish into it.
 *
 * The files are the publisher's own and are not verified here (controller/repo_check.h does that as
 * a client would).  A file is a jansson object that the caller owns; `body` is its "signed" part.
 */
#ifndef P2PVPN_TUF_REPO_READ_H
#define P2PVPN_TUF_REPO_READ_H

#include <jansson.h>
#include <stdint.h>

#include "tuf/error.h"

/* TUF_OK with *ret NULL: there is no such file. */
enum tuf_code tuf_repo_read(const char *dir, const char *name, json_t **ret, struct tuf_error *err);
/* VERSION.ROLE.json, which must be there. */
enum tuf_code tuf_repo_read_role(const char *dir, const char *role, int64_t version, json_t **ret,
                                 struct tuf_error *err);

/* The newest root; TUF_STATE: there is no repository. */
enum tuf_code tuf_repo_read_root(const char *dir, json_t **ret, struct tuf_error *err);

/* timestamp.json and the snapshot that it means; both NULL: nothing was published yet. */
enum tuf_code tuf_repo_read_state(const char *dir, json_t **ret_timestamp, json_t **ret_snapshot,
                                  struct tuf_error *err);

/* Every target that the snapshot's roles list: path -> {"length", "hashes"}.  *ret_expires, unless
 * NULL: when the first of these roles, targets.json and the bins, expires; 0: there are none. */
enum tuf_code tuf_repo_read_targets(const char *dir, const json_t *snapshot, json_t **ret,
                                    int64_t *ret_expires, struct tuf_error *err);

/* Bits of the hashed bins to which the snapshot's targets delegate; 0: none. */
enum tuf_code tuf_repo_read_bins(const char *dir, const json_t *snapshot, unsigned *ret,
                                 struct tuf_error *err);

json_t *tuf_repo_body_of(const json_t *file);
int64_t tuf_repo_version_of(const json_t *body);                /* or of what a "meta" says */
int64_t tuf_repo_expires_of(const json_t *body);                /* 0: it does not say */
json_t *tuf_repo_meta_of(const json_t *file, const char *role); /* what its "meta" says; or NULL */

#endif
