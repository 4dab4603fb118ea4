/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trusted metadata: the state machine of section 5 of the specification, step by step.
 *
 * It is given bytes and says whether they are trusted now; it reads no file, asks no mirror and no
 * clock (`now` is the fixed start of the update).  What is refused changes nothing.  The order is
 * root, timestamp, snapshot, targets; out of order is TUF_STATE.  "Local" bytes are those that were
 * trusted at an earlier time: they only say what must not be rolled back, and may have expired.
 */
#ifndef P2PVPN_TUF_TRUSTED_H
#define P2PVPN_TUF_TRUSTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tuf/error.h"
#include "tuf/metadata.h"

#define TUF_SEARCH_ROLES_MAX 32 /* delegated roles that are read for one target */

struct tuf_trusted {
    int64_t now;
    struct tuf_metadata *root, *timestamp, *snapshot, *targets;
    bool root_done;     /* 5.3.10: the root is the newest and has not expired */
    bool snapshot_done; /* the snapshot is the one that the timestamp means */
};

void tuf_trusted_free(struct tuf_trusted *t);

/* 5.2: the root that this gateway was given. */
enum tuf_code tuf_trusted_first_root(struct tuf_trusted *t, const void *data, size_t len,
                                     struct tuf_error *err);

/* 5.3.4 to 5.3.7: version N+1.  *rotated is set when the keys of timestamp or snapshot are others:
 * local files of both must then be removed (5.3.11), best before this root is stored. */
enum tuf_code tuf_trusted_next_root(struct tuf_trusted *t, const void *data, size_t len,
                                    bool *rotated, struct tuf_error *err);

/* 5.3.10: there is no newer root. */
enum tuf_code tuf_trusted_root_done(struct tuf_trusted *t, struct tuf_error *err);

/* 5.4.  *newer: it is newer than the local one and is to be stored; otherwise that one stays. */
enum tuf_code tuf_trusted_local_timestamp(struct tuf_trusted *t, const void *data, size_t len,
                                          struct tuf_error *err);
enum tuf_code tuf_trusted_timestamp(struct tuf_trusted *t, const void *data, size_t len,
                                    bool *newer, struct tuf_error *err);

/* 5.5.  A local one that is what the timestamp means sets snapshot_done, and none need be fetched.
 */
enum tuf_code tuf_trusted_local_snapshot(struct tuf_trusted *t, const void *data, size_t len,
                                         struct tuf_error *err);
enum tuf_code tuf_trusted_snapshot(struct tuf_trusted *t, const void *data, size_t len,
                                   struct tuf_error *err);

/* What the snapshot says of the file of a role that speaks of targets. */
enum tuf_code tuf_trusted_listed(const struct tuf_trusted *t, const char *role,
                                 struct tuf_file *ret, struct tuf_error *err);

/* 5.6.2 to 5.6.5 for any role: it is checked against whoever delegated to it this time. */
enum tuf_code tuf_trusted_role(const struct tuf_trusted *t, const struct tuf_role *role,
                               const void *data, size_t len, struct tuf_metadata **ret,
                               struct tuf_error *err);

/* The same for the top-level targets. */
enum tuf_code tuf_trusted_targets(struct tuf_trusted *t, const void *data, size_t len,
                                  struct tuf_error *err);

/* 5.6.7: who speaks of a target, in pre-order, the first delegation first.  `load` gets a delegated
 * role, checked with tuf_trusted_role().  *ret_role is to be freed and *ret points into it; NULL
 * when the top-level targets themselves say it. */
typedef enum tuf_code (*tuf_load)(void *ctx, const struct tuf_role *role, struct tuf_metadata **ret,
                                  struct tuf_error *err);
enum tuf_code tuf_trusted_find(const struct tuf_trusted *t, const char *path, tuf_load load,
                               void *ctx, struct tuf_metadata **ret_role, struct tuf_file *ret,
                               struct tuf_error *err);

#endif
