/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output: DIR, replaced as a whole or not at all.
 *
 * In the form OUTPUT_TREE, DIR/GATEWAY/... is a folder for each gateway; in the form OUTPUT_BUNDLE,
 * DIR/GATEWAY.tar is an archive of the same files (common/tar.h), bundle.json first.  In both,
 * DIR/@mesh/origins is what is the whole mesh's.  What is left of the other form goes.
 *
 * Everything is staged in a folder beside DIR, `.NAME.new-XXXXXX`, flushed with one syncfs(2), and
 * then exchanged with DIR in one renameat2(2): a compile that is killed anywhere leaves the old
 * output or the new one, never a mixture, not even until the next run.  What a killed run left
 * lying is put in order by the next: a stage goes; an old output, which is called
 * `.NAME.old-XXXXXX` from just before the exchange on, is searched for files that somebody put
 * there meanwhile.
 *
 * Ours is what an intact GATEWAY/bundle.json lists, an archive that begins with one, and an intact
 * @mesh/origins (common/origins.h).  Everything else in DIR is somebody else's: it is carried over
 * as it is (hard links, so nothing is copied and nothing can get lost between), and it is never
 * overwritten.  What did not change is hard-linked too; if nothing changed, nothing is touched, not
 * even a time stamp.  "Did not change" is decided by comparing every byte.  Mode and owner of
 * existing folders are kept, their extended attributes are not.
 *
 * One process at a time: output_begin() waits for the lock (flock(2)) on the folder that DIR is in.
 */
#ifndef P2PVPN_CONTROLLER_OUTPUT_H
#define P2PVPN_CONTROLLER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

struct output;
struct rendered; /* controller/rendered.h */

enum output_format { OUTPUT_TREE, OUTPUT_BUNDLE };

struct output_names {
    const char **names; /* in ascending order */
    size_t n;
};

/* Lives as long as the output. */
struct output_result {
    struct output_names changed; /* gateways whose files are new or differ */
    struct output_names removed; /* gateways that the mesh no longer has */
    bool mesh_changed;           /* what output_mesh() was given is new or differs */
};

/* Takes the lock and looks at what is there.  -EINVAL: DIR cannot be the output (it holds another
 * mesh's, or is no folder of its own). */
int output_begin(const char *dir, const char *mesh, enum output_format format, struct output **ret,
                 struct error_list *err);

/* The files of one gateway, bundle.json among them; each gateway once, in any order, from several
 * threads at a time.  Nothing is kept of them in memory.  -EINVAL: something foreign stands where a
 * file must go. */
int output_gateway(struct output *o, const char *name, const struct rendered *rendered,
                   struct error_list *err);

/* What is the whole mesh's: the text of ORIGINS_DIR/ORIGINS_NAME. */
int output_mesh(struct output *o, const struct buf *origins, struct error_list *err);

/* After the last gateway: stages the rest and flushes it.  DIR is still untouched. */
int output_prepare(struct output *o, struct output_result *ret, struct error_list *err);

/* The exchange.  On failure DIR is still untouched. */
int output_commit(struct output *o, struct error_list *warnings, struct error_list *err);

/* Before output_commit(): takes everything back.  NULL ok; returns NULL. */
struct output *output_free(struct output *o);

#endif
