/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata: one signed file of a repository, checked whole before anything of it is used.
 *
 * tuf_metadata_parse() takes bytes that nobody has vouched for.  What it returns has every field
 * that the specification (1.0.34) asks for, of the right kind and within bounds; unknown fields are
 * part of what is signed and otherwise ignored.  It owns a copy of all it needs.  Views (tuf_role,
 * tuf_file) point into the metadata that they came from and live as long.  Pure.
 */
#ifndef P2PVPN_TUF_METADATA_H
#define P2PVPN_TUF_METADATA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "tuf/error.h"

enum tuf_type { TUF_ROOT, TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS, TUF_TYPES };

#define TUF_SIGNATURES_MAX 256
#define TUF_KEYS_MAX 1024        /* in one file */
#define TUF_ROLES_MAX 65536      /* delegations of one file, or files that a snapshot lists */
#define TUF_ROLE_NAME_MAX 200    /* bytes */
#define TUF_TARGET_PATH_MAX 1024 /* bytes */
#define TUF_BIN_BITS_MAX 16

struct tuf_metadata {
    enum tuf_type type;
    int64_t version; /* 1 to INT64_MAX - 1 */
    int64_t expires; /* seconds since 1970, UTC */
    json_t *doc;
    const json_t *body;   /* "signed", within doc */
    struct buf canonical; /* of body */
};

/* Who may sign a file, as its delegator says. */
struct tuf_role {
    char name[TUF_ROLE_NAME_MAX + 1];
    const json_t *keyids, *keys;
    int64_t threshold;
    bool terminating;
};

/* What a file must be, as its delegator says. */
struct tuf_file {
    int64_t version;      /* 0: not said */
    int64_t length;       /* -1: not said */
    const json_t *hashes; /* NULL: not said */
};

const char *tuf_type_name(enum tuf_type type);

enum tuf_code tuf_metadata_parse(const void *data, size_t len, enum tuf_type type,
                                 struct tuf_metadata **ret, struct tuf_error *err);
struct tuf_metadata *tuf_metadata_free(struct tuf_metadata *m); /* NULL ok; returns NULL */

/* Enough different keys of the role have signed it.  One key counts once, whatever its names. */
enum tuf_code tuf_metadata_verify(const struct tuf_metadata *m, const struct tuf_role *role,
                                  struct tuf_error *err);

/* The role of a type in a root. */
void tuf_root_role(const struct tuf_metadata *root, enum tuf_type type, struct tuf_role *ret);
bool tuf_root_consistent(const struct tuf_metadata *root);
bool tuf_root_same_keys(const struct tuf_metadata *a, const struct tuf_metadata *b,
                        enum tuf_type type);

/* What a timestamp or a snapshot says of "NAME.json"; false: nothing. */
bool tuf_meta_file(const struct tuf_metadata *m, const char *role, struct tuf_file *ret);

/* What a targets file says of a target itself; false: nothing. */
bool tuf_target(const struct tuf_metadata *m, const char *path, struct tuf_file *ret);

/* The delegations of a targets file that may speak of this path, in order: *position begins at 0;
 * false: no more. */
bool tuf_delegation(const struct tuf_metadata *m, const char *path, size_t *position,
                    struct tuf_role *ret);

/* The bytes are those that the delegator means: their length and every hash that is known, of which
 * there is at least one if any is given. */
enum tuf_code tuf_file_check(const struct tuf_file *file, const char *what, const void *data,
                             size_t len, struct tuf_error *err);

/* Shell patterns, in which no wildcard matches a slash; bounded in time by the two lengths. */
bool tuf_path_matches(const char *pattern, const char *path);

/* "2026-01-02T03:04:05Z" to seconds since 1970, and back. */
bool tuf_time_parse(const char *text, int64_t *ret);
#define TUF_TIME_LEN 20
void tuf_time_text(int64_t seconds, char ret[static TUF_TIME_LEN + 1]);

#endif
