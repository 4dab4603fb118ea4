/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: a folder that any web server serves goes from one consistent state to the next.
 *
 * Files are versioned and never changed once they are seen; timestamp.json is replaced last, so a
 * publisher that dies leaves the old state, and a client reads the old or the new one whole.  Of
 * two publishers who both saw version N one wins, and the other is told (TUF_VERSION).
 */
#ifndef P2PVPN_TUF_REPO_PUBLISH_H
#define P2PVPN_TUF_REPO_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

#include "tuf/error.h"
#include "tuf/repo.h"

struct tuf_repo {
    const char *metadata_dir;
    const char *target_dir; /* NULL: the targets' bytes are brought there by others */
    struct tuf_seed seeds[TUF_TYPES];
    const struct tuf_seed *next[TUF_TYPES]; /* that will be the role's: signs, too; NULL: none */
    unsigned bins; /* bits: the targets lie in 2^bins roles "bin-NN"; 0: all in targets.json */
    int64_t expires[TUF_TYPES];    /* of what is written now */
    int64_t keep_until[TUF_TYPES]; /* what says the same stays if it expires no sooner than this */
};

struct tuf_repo_file {
    const char *path;
    const void *data; /* NULL: the bytes are there */
    size_t len;
    const char *sha256; /* of the data, in hexadecimal; NULL: not known yet */
};

/* Writes 1.root.json, which names the seeds' keys; TUF_STATE: there is one. */
enum tuf_code tuf_repo_init(const struct tuf_repo *repo, struct tuf_error *err);

/* The root file (tuf/repo_root.h) comes into place if clients would trust it after the newest. */
enum tuf_code tuf_repo_put_root(const struct tuf_repo *repo, const json_t *root,
                                struct tuf_error *err);

/* The version of timestamp.json; 0: nothing was published yet. */
enum tuf_code tuf_repo_version(const struct tuf_repo *repo, int64_t *ret, struct tuf_error *err);

/* What a publish is made from: the version of the snapshot, which no refresh of freshness alone
 * changes; 0: nothing was published yet. */
enum tuf_code tuf_repo_seen(const struct tuf_repo *repo, int64_t *ret, struct tuf_error *err);

/* The files become all of the targets.  `seen` is what they were made from. */
enum tuf_code tuf_repo_publish(const struct tuf_repo *repo, const struct tuf_repo_file *files,
                               size_t n, int64_t seen, struct tuf_error *err);

/* Freshness alone: the same targets, signed for longer; the snapshot only if it expires sooner than
 * it is to be kept. */
enum tuf_code tuf_repo_refresh(const struct tuf_repo *repo, struct tuf_error *err);

#endif
