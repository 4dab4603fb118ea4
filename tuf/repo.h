/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The repository's side: metadata built, signed with Ed25519 and laid where a web server finds it.
 *
 * A body is the "signed" part, a jansson object that the caller owns until tuf_repo_sign() takes
 * it. Building is pure.  Files are written with consistent snapshots: "3.targets.json",
 * "HASH.name"; whoever publishes writes timestamp.json last, which makes the rest be seen.
 */
#ifndef P2PVPN_TUF_REPO_H
#define P2PVPN_TUF_REPO_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "tuf/error.h"
#include "tuf/keys.h"
#include "tuf/metadata.h"

struct tuf_seed {
    uint8_t bytes[TUF_SEED_LEN];
};

/* A body with its common fields; a root has consistent snapshots and no keys yet. */
json_t *tuf_repo_body(enum tuf_type type, int64_t version, int64_t expires);

/* The seeds' keys become those of a role of a root. */
void tuf_repo_set_role(json_t *root, enum tuf_type type, const struct tuf_seed *seeds, size_t n,
                       int64_t threshold);

/* A target of a targets body, with its length and SHA-256; the same when that is known. */
void tuf_repo_add_target(json_t *targets, const char *path, const void *data, size_t len);
void tuf_repo_add_target_hash(json_t *targets, const char *path, size_t len, const char *sha256);

/* Names the keys of hashed bins "PREFIX-NN", 2^bits of them, to which a targets body delegates all
 * paths that it does not list itself; tuf_repo_bin() is the bin of a path. */
void tuf_repo_delegate_bins(json_t *targets, const char *prefix, unsigned bits,
                            const struct tuf_seed *seeds, size_t n, int64_t threshold);
void tuf_repo_bin(const json_t *targets, const char *path, char ret[static TUF_ROLE_NAME_MAX + 1]);

/* Lists a role's file in a snapshot, or the snapshot in a timestamp. */
void tuf_repo_add_meta(json_t *body, const char *role, int64_t version, const void *data,
                       size_t len);

/* The file: body, signed with each seed.  Takes the body. */
void tuf_repo_sign(json_t *body, const struct tuf_seed *seeds, size_t n, struct buf *ret);

/* Writes DIR/VERSION.ROLE.json; a timestamp without its version.  Roots and timestamps are seen at
 * once and therefore flushed; the rest is when tuf_repo_flush() says so. */
enum tuf_code tuf_repo_write(const char *dir, const char *role, int64_t version, const void *data,
                             size_t len, struct tuf_error *err);

/* Writes DIR/HASH.PATH, with the folders of the path, unless it is there.  Not flushed. */
enum tuf_code tuf_repo_write_target(const char *dir, const char *path, const void *data, size_t len,
                                    const char *sha256, struct tuf_error *err);

/* All that was written in the folder's file system is on disk. */
enum tuf_code tuf_repo_flush(const char *dir, struct tuf_error *err);

#endif
