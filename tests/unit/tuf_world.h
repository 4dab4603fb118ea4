/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A repository in memory, a gateway's folder, and a clock: what the tests of tuf/ play with.
 *
 * A test changes fields of `world`, publishes, and says what a refresh must answer.
 */
#ifndef P2PVPN_TESTS_TUF_WORLD_H
#define P2PVPN_TESTS_TUF_WORLD_H

#include "common/buf.h"
#include "tests/unit/unit.h"
#include "tuf/repo.h"
#include "tuf/updater.h"

#define WORLD_NOW 1800000000
#define WORLD_LATER (WORLD_NOW + 86400)
#define WORLD_FILES 512

struct world {
    /* What is published next. */
    int64_t version[TUF_TYPES], expires[TUF_TYPES];
    uint8_t key[TUF_TYPES];    /* the seed whose key the root names */
    uint8_t signer[TUF_TYPES]; /* the seed that signs; usually the same */
    uint8_t old_root_key;      /* signs the root, too; 0: none */
    const char *path;          /* of the target; "dir/a" at first */
    const char *content;
    int64_t listed_as;   /* the version that the timestamp gives the snapshot; 0: its own */
    unsigned bins;       /* bits of hashed bins, which then hold it; 0: none */
    json_t *delegations; /* of the targets; owned */

    /* The mirror. */
    struct world_file {
        char *name; /* behind the mirror's address */
        struct buf data;
    } files[WORLD_FILES];
    size_t n_files;
    unsigned requests, fail_at; /* the request that fails; 0: none */
    char asked[4096];           /* names, each with a space behind it */

    char folder[UNIT_FOLDER_SIZE], target_folder[UNIT_FOLDER_SIZE];
    struct tuf_error err; /* of what happened last */
};

extern struct world world;

void world_setup(void);
void world_teardown(void);

/* Writes all four roles, and the target, to the mirror. */
void world_publish(void);

/* One file of the mirror; data NULL takes it away. */
void world_put(const char *name, const void *data, size_t len);
struct buf *world_file(const char *name); /* NULL: not there */

/* Signs a targets file of any name with a seed and lists it in what is published next. */
void world_put_role(const char *name, int64_t version, json_t *body, uint8_t signer);

/* Starts the gateway with what is root version 1 now. */
void world_init(void);

/* With a new updater each: as a gateway does after a reboot. */
enum tuf_code world_refresh(void);
enum tuf_code world_download(const char *path);

/* The version of a role that is stored; 0: none. */
int64_t world_stored(const char *role);

/* The bytes of the last world_download(). */
bool world_has_target(const char *path, const char *content);

#endif
