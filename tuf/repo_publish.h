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
    unsigned bins; /* bits: the targets lie in 2^bins roles "bin-NN"; 0: all in targets.json */
    int64_t expires[TUF_TYPES]; /* of what is written now */
    int64_t keep_until; /* a role that says the same stays if it expires no sooner than this */
};

struct tuf_repo_file {
    const char *path;
    const void *data;
    size_t len;
};

/* Writes 1.root.json, which names the seeds' keys; TUF_STATE: there is one. */
enum tuf_code tuf_repo_init(const struct tuf_repo *repo, struct tuf_error *err);

/* The version of timestamp.json; 0: nothing was published yet. */
enum tuf_code tuf_repo_version(const struct tuf_repo *repo, int64_t *ret, struct tuf_error *err);

/* The files become all of the targets.  `seen` is the version that they were made from. */
enum tuf_code tuf_repo_publish(const struct tuf_repo *repo, const struct tuf_repo_file *files,
                               size_t n, int64_t seen, struct tuf_error *err);

/* The next root names other keys for one role: made from the newest root that is there, signed with
 * the seeds of `repo` as the root has them, and with the new ones if it is the root's own that
 * change. Whoever rotates then publishes with the new seeds. */
enum tuf_code tuf_repo_rotate(const struct tuf_repo *repo, enum tuf_type type,
                              const struct tuf_seed *to, struct tuf_error *err);

/* Freshness alone: the same snapshot, signed for longer. */
enum tuf_code tuf_repo_refresh(const struct tuf_repo *repo, struct tuf_error *err);

#endif
