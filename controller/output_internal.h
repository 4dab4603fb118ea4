/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output, inside: what output.c shares with the two forms, output_folder.c and output_archive.c.
 * Not for other modules.
 */
#ifndef P2PVPN_CONTROLLER_OUTPUT_INTERNAL_H
#define P2PVPN_CONTROLLER_OUTPUT_INTERNAL_H

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uthash.h>

#include "common/name.h"
#include "controller/output.h"

#define STAGE_SUFFIX ".new-XXXXXX" /* of ".NAME.new-XXXXXX", for mkdtemp(3) */
#define OLD_SUFFIX ".old-XXXXXX"   /* what it is called from just before the exchange on */
#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct owned;    /* controller/output_tree.h */
struct rendered; /* controller/rendered.h */

/* A gateway of the mesh, or of an earlier one, and what is in DIR of it. */
struct slot {
    UT_hash_handle hh;
    bool folder;  /* NAME/ is ours */
    bool archive; /* NAME.tar is a file; whether it is ours, archive_owner() knows */
    bool given;   /* output_gateway() had it */
    bool changed; /* and staged it */
    char name[];
};

struct output {
    enum output_format format;
    char *mesh;
    char *parent, *base; /* DIR is base in parent, which is canonical */
    char *dir;           /* as the caller wrote it, for messages */
    char *stage;         /* name in parent; NULL: nothing changed so far */
    int parent_fd, old_fd, stage_fd;
    mode_t mask;           /* umask(2) */
    pthread_mutex_t mutex; /* slots and stage, while output_gateway() is called */
    struct slot *slots;
    struct output_result result;
    bool committed;
};

struct slot *output_slot(struct output *o, const char *name, bool add);

/* Calls back with every entry but "." and ".."; a result that is not 0 ends it. */
int output_each_entry(int folder, int (*fn)(void *, const struct dirent *), void *data);

/* Makes the folder beside DIR, once. */
int output_stage(struct output *o, struct error_list *err);
int output_stage_failed(const struct output *o, int errnum, const char *entry,
                        struct error_list *err);

/* What is at DIR/ENTRY is of another mesh. */
int output_other_mesh(const struct output *o, const struct owned *owned, struct error_list *err);

/* output_gateway() in either form: compares with what is there, and stages what differs. */
int folder_gateway(struct output *o, struct slot *s, const struct rendered *rendered,
                   struct error_list *err);
int archive_gateway(struct output *o, struct slot *s, const struct rendered *rendered,
                    struct error_list *err);

/* 1: the archive of that gateway is ours; 0: it is somebody's; -EINVAL: it is of another mesh;
 * another negative errno: it cannot be read. */
int archive_owner(const struct output *o, const char *gateway, struct error_list *err);

/* Puts the archive, which did not change, into the stage. */
int archive_keep(const struct output *o, const char *gateway, struct error_list *err);

#endif
