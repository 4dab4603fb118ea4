/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Updater: the client's workflow over a mirror and a folder of files.
 *
 * It asks for bytes through `fetch` with a cap for each, gives them to tuf/trusted.h and stores
 * only what that trusts, whole or not at all, under names that no repository chooses (tuf/path.h).
 * A failure leaves the files so that the next refresh works.  The folder holds root.json,
 * timestamp.json, snapshot.json, targets.json and one file for each delegated role that was needed;
 * only one updater may use it at a time.
 */
#ifndef P2PVPN_TUF_UPDATER_H
#define P2PVPN_TUF_UPDATER_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "tuf/error.h"
#include "tuf/trusted.h"

/* Appends what is at the URL to *ret, at most max bytes.  TUF_NOT_FOUND: the mirror says that there
 * is no such file; anything else: it could not be asked, or said too much. */
typedef enum tuf_code (*tuf_fetch)(void *ctx, const char *url, size_t max, struct buf *ret,
                                   struct tuf_error *err);

struct tuf_updater {
    const char *metadata_dir, *metadata_url; /* owned by the caller, as are all texts here */
    const char *target_url;                  /* NULL: none are fetched */
    int64_t now;                             /* the fixed start of the update */
    tuf_fetch fetch;
    void *fetch_ctx;
    size_t target_max; /* bytes of a target; 0: 64 MiB */

    struct tuf_trusted trusted; /* zero at first */
    int64_t roles_expire;       /* the first of the delegated roles that were read; 0: none was */
};

/* Bytes, where nobody signed for a length. */
#define TUF_ROOT_MAX ((size_t)512 << 10)
#define TUF_TIMESTAMP_MAX ((size_t)16 << 10)
#define TUF_SNAPSHOT_MAX ((size_t)2 << 20)
#define TUF_TARGETS_MAX ((size_t)5 << 20)
#define TUF_ROOTS_MAX 1024 /* newer roots in one refresh */

/* Stores the root that everything else hangs on.  It must be signed as it says itself. */
enum tuf_code tuf_updater_init(const char *metadata_dir, const void *root, size_t len,
                               struct tuf_error *err);

/* 5.2 to 5.6.6.  To be called once, before the others. */
enum tuf_code tuf_updater_refresh(struct tuf_updater *u, struct tuf_error *err);

/* 5.6.7 and 5.7: the bytes of a target, as they were signed for, into *ret (emptied first).  With
 * `have`, bytes from an earlier time, nothing is fetched if they are still the right ones. */
enum tuf_code tuf_updater_target(struct tuf_updater *u, const char *path, const struct buf *have,
                                 struct buf *ret, struct tuf_error *err);

/* The same, to a file DIR/NAME (tuf_path_file()), which stays as it is when it is right. */
enum tuf_code tuf_updater_download(struct tuf_updater *u, const char *path, const char *dir,
                                   struct tuf_error *err);

void tuf_updater_close(struct tuf_updater *u);

#endif
