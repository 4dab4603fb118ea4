/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rendered: the files of one gateway in memory, before they go to disk in one form or the other.
 *
 * They stand one behind the other in `text` just as in an archive (common/tar.h), each with its
 * header and padding, bundle.json last.  So an archive is bundle.json's piece, then what is before
 * it, then zeros, and nothing is copied.
 */
#ifndef P2PVPN_CONTROLLER_RENDERED_H
#define P2PVPN_CONTROLLER_RENDERED_H

#include <stddef.h>

#include "common/alloc.h"
#include "common/buf.h"

struct render_job; /* controller/render_parts.h */

struct rendered_file {
    const char *path; /* relative: "frr/frr.conf", "openvpn/pv7.conf" */
    const char *data; /* not terminated */
    size_t len;
    size_t at; /* of data in the text */
};

/* Reused from gateway to gateway: rendered_reset() keeps the memory. */
struct rendered {
    struct rendered_file *files; /* sorted by path, bundle.json last */
    size_t n_files, cap_files;
    struct buf text;
    const char *base; /* of the text, when data was set */
    struct arena arena;
    const struct render_job *job; /* what was rendered, until it is sealed; in the arena */
};

/* What is appended to r->text between the two is a file's content.  rendered_begin() returns where
 * it begins.  The `data` of the files so far is good until the next one begins.  `path`, which
 * must be tar_path_valid(), lives as long as *r. */
size_t rendered_begin(struct rendered *r);
void rendered_end(struct rendered *r, const char *path);

/* The archive of what has been sealed, in pieces that stand one behind the other. */
#define RENDERED_PIECES 3u
struct rendered_piece {
    const char *data;
    size_t len;
};

void rendered_archive(const struct rendered *r, struct rendered_piece ret[static RENDERED_PIECES]);
size_t rendered_size(const struct rendered_piece pieces[static RENDERED_PIECES]); /* of them all */

void rendered_reset(struct rendered *r);
void rendered_free(struct rendered *r);

#endif
