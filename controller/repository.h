/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repository: what `p2pvpn-ctl repo` does, on top of tuf/ and of a folder of keys.
 *
 * REPO/metadata and REPO/targets are what a web server or a USB stick carries; REPO/expires is one
 * line that says how many days each role is valid.  Every function leaves the old state or the new
 * one.  All return 0, -EINVAL (the input or the state is wrong, nothing was changed) or another
 * negative errno, with *err filled.
 */
#ifndef P2PVPN_CONTROLLER_REPOSITORY_H
#define P2PVPN_CONTROLLER_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "controller/passphrase.h"
#include "tuf/metadata.h"
#include "tuf/repo_publish.h"

#define REPO_GATEWAYS "gateways/"       /* a gateway's target is gateways/NAME.tar */
#define REPO_ORIGINS "mesh/origins"     /* the table of origins */
#define REPO_NEXT_ROOT "next-root.json" /* beside the folders: a root that waits for signatures */
#define REPO_GRACE_DAYS 1  /* for which what was replaced stays, as somebody may be reading it */
#define REPO_BINS_FROM 500 /* targets; with more they are delegated to bins */
#define REPO_BIN_BITS 8    /* then, and for ever */

struct repository_options {
    const char *dir;
    const char *keys;              /* the folder of keys */
    struct passphrase *passphrase; /* of the keys; asked for if one is needed; NULL: none has one */
    const char *expires;           /* "root=365,targets=90": other days than it says; NULL: none */
    bool allow_shrink;             /* publish, although much of the mesh goes (shrink.h) */
};

struct repository_result {
    int64_t version; /* of timestamp.json, by which clients see something new */
    int64_t root_version;
    int64_t expires[TUF_TYPES]; /* seconds since 1970, the first of the bins', too; 0: not known */
    size_t targets;             /* how many there are now */
    size_t added, changed, removed;
    bool root_waits;            /* for signatures */
    size_t pruned;              /* files that nobody needs any more */
    unsigned bins;              /* bits; 0: none */
    struct error_list warnings; /* what expires soon */
};

/* Makes the keys that are not there, the folders, and the first root. */
int repository_init(const struct repository_options *o, unsigned root_keys, unsigned threshold,
                    struct repository_result *ret, struct error_list *err);

/* What a publish is to be made from, to be asked before the files are read or made; and whether the
 * keys are there. */
int repository_begin(const struct repository_options *o, int64_t *ret, struct error_list *err);

/* The files become all of the targets, unless somebody else has published since `seen`. */
int repository_publish(const struct repository_options *o, const struct tuf_repo_file *files,
                       size_t n, int64_t seen, struct repository_result *ret,
                       struct error_list *err);

/* Freshness, by the two keys that have no passphrase. */
int repository_refresh(const struct repository_options *o, struct repository_result *ret,
                       struct error_list *err);

/* What there is now, going by what it says. */
int repository_show(const struct repository_options *o, struct repository_result *ret,
                    struct error_list *err);

/* The next root: with another key for `role` ("targets", "root-2"; NULL: none), with so many root
 * keys (0: as many as now) of which so many must sign.  It is signed with the keys that are here,
 * and comes into place if those are enough; else it waits in REPO_NEXT_ROOT (ret->root_waits). */
int repository_rotate(const struct repository_options *o, const char *role, unsigned root_keys,
                      unsigned threshold, struct repository_result *ret, struct error_list *err);

/* The root that waits comes into place. */
int repository_finish(const struct repository_options *o, struct repository_result *ret,
                      struct error_list *err);

/* Signs the root in a file with every root key of a folder; `who`: their names, `what`: what it
 * says.  Needs no repository. */
int repository_sign(const char *file, const char *keys, struct passphrase *passphrase,
                    struct buf *who, struct buf *what, struct error_list *err);

/* How many bits of bins a repository with so many has for so many targets.  Pure. */
unsigned repository_bins(unsigned now, size_t targets);

/* "root=365,targets=90,snapshot=7,timestamp=1", each part optional: sets days.  Pure; -EINVAL. */
int repository_days(const char *text, const char *file, unsigned days[static TUF_TYPES],
                    struct error_list *err);

void repository_result_clear(struct repository_result *result);

#endif
