/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a publish makes targets of: each gateway's archive and the table of origins, from
 * the output of `compile --format bundle`.
 *
 * Every archive must be intact as far as bundle.json goes and of the gateway whose name it has, and
 * all must be of one mesh.  The contents are mapped, not copied; compile replaces its output as a
 * whole, so they stay what they were.
 */
#ifndef P2PVPN_CONTROLLER_PUBLISH_FILES_H
#define P2PVPN_CONTROLLER_PUBLISH_FILES_H

#include <stddef.h>

#include "common/error.h"
#include "tuf/repo_publish.h"

struct publish_files {
    struct tuf_repo_file *files; /* by path, with their hashes */
    size_t n, gateways;
    char *mesh;
};

/* -EINVAL: the folder is no such output. */
int publish_files_open(const char *dir, struct publish_files *ret, struct error_list *err);
void publish_files_close(struct publish_files *f);

#endif
