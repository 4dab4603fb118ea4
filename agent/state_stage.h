/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage: a bundle from outside becomes STATE/stage, a verified copy that can come into force.
 *
 * The bundle is read by the reader (reader.h), copied file by file, and the copy is verified as it
 * is on the disk: every byte, and what OpenVPN and FRR would be given.  Whether it then comes into
 * force is said elsewhere: state_commit().
 */
#ifndef P2PVPN_AGENT_STATE_STAGE_H
#define P2PVPN_AGENT_STATE_STAGE_H

#include "agent/settings.h"
#include "common/bundle.h"
#include "common/error.h"

/* Reads the bundle at `dir`, a folder or an archive, copies it to STATE/stage and verifies the
 * copy; where that revision is in force already and intact, no copy is made and *ret is what is in
 * force.  -EINVAL: it is no valid bundle, or belongs to another gateway or mesh than the one in
 * force. */
int state_stage(const struct settings *s, const char *dir, struct bundle **ret,
                struct error_list *err);

/* -EINVAL: the bundle at `dir` is of another gateway or mesh than the one in force, or than the
 * certificate. */
int state_belongs(const struct settings *s, const struct bundle *b, const char *dir,
                  struct error_list *err);

#endif
