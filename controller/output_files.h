/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of one gateway, for output.c: compared with what is on disk, and staged.
 *
 * `name` is the gateway's folder as messages show it.  No symbolic link is followed.
 */
#ifndef P2PVPN_CONTROLLER_OUTPUT_FILES_H
#define P2PVPN_CONTROLLER_OUTPUT_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct owned;         /* controller/output_owned.h */
struct rendered_file; /* controller/render.h */

enum file_state { FILE_NEW, FILE_DIFFERS, FILE_SAME, FILE_FOREIGN };

/* Sets states[i] to FILE_NEW, FILE_DIFFERS or FILE_SAME.  folder -1: there is none.  -EINVAL: where
 * a file must go there is something that is not ours. */
int files_compare(int folder, const char *name, const struct owned *owned,
                  const struct rendered_file *files, size_t n, uint8_t *states,
                  struct error_list *err);

/* Fills an empty folder: a file that is the same is hard-linked from `old`, every other is written.
 * bundle.json comes first, so that a stage that is cut short says what of it is ours. */
int files_stage(int folder, const char *name, int old, const struct rendered_file *files, size_t n,
                const uint8_t *states, struct error_list *err);

#endif
