/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State: the folders of this agent, the lock, and the copy of the bundle in force.
 *
 * What the agent acts on is always STATE/current: a copy that was verified after it was copied, so
 * that the folder it came from may change, be half written or vanish at any time, and a reboot
 * starts from the last bundle that was good.  The copy is replaced whole or not at all, and the one
 * before it is kept as STATE/previous.
 * STATE/origins is the same for the mesh's table of origins.
 */
#ifndef P2PVPN_AGENT_STATE_H
#define P2PVPN_AGENT_STATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/settings.h"
#include "common/bundle.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/origins.h"

/* Makes the folders with their owners and modes. */
int state_prepare(const struct settings *s, struct error_list *err);
/* A folder with exactly this owner and mode; it may give its group to what is made in it. */
int state_own_dir(const char *path, uid_t uid, gid_t gid, mode_t mode, struct error_list *err);
/* Has what was made, renamed or removed in this folder on the disk. */
int state_sync_dir(const char *path, struct error_list *err);

/* The one agent that may act.  The descriptor in *ret holds the lock until it is closed.  -EINVAL:
 * another agent has it; *err says which process. */
int state_lock(const struct settings *s, int *ret, struct error_list *err);

/* The bundle in force.  -ENOENT (with nothing in *err): there is none yet. */
int state_current(const struct settings *s, struct bundle **ret, struct error_list *err);

/* The bundle that was in force before that one.  -ENOENT: there is none. */
int state_previous(const struct settings *s, struct bundle **ret, struct error_list *err);

/*
 * A new bundle comes in two steps: the stage (state_stage.h), then state_commit(), which puts it in
 * the place of STATE/current, and what was there into STATE/previous; when it fails, what was in
 * force is so again.  Killed in between, state_settle() ends it: with `previous`, the revision that
 * belongs there, in its place, without a stage, and without what a killed write of another file of
 * STATE has left.
 */
int state_commit(const struct settings *s, struct error_list *err);
void state_drop(const struct settings *s); /* the stage is not wanted after all */
int state_settle(const struct settings *s, const char *previous, struct error_list *err);
/* The copy of the bundle in force may be lost or damaged while that runs on.  state_present() only
 * looks whether its bundle.json is there.  state_mend() puts the stage, which is the same bundle,
 * into its place; without a stage there is nothing to mend. */
bool state_present(const struct settings *s);
int state_mend(const struct settings *s, struct error_list *err);
/* After an errno of these functions: adds what to do about a disk that is full, read-only or fails.
 */
void state_advise(const struct settings *s, int r, struct error_list *err);
/*
 * Exchanges STATE/current and STATE/previous; state_sync() has it on the disk.  A disk that does
 * not take that must not keep anybody from going back: then they are exchanged by name only, which
 * RUN/turned says to all that ask for their paths (settings.h), and *err says so, with 0 returned.
 * state_heal() exchanges them on the disk as soon as that can be; after a reboot without that, what
 * the record says holds.
 */
int state_swap(const struct settings *s, struct error_list *err);
int state_heal(const struct settings *s, struct error_list *err);
/* Adds what is wrong with the disk that STATE is on: read-only, full, exchanged by name only. */
void state_trouble(const struct settings *s, struct error_list *err);
int state_sync(const struct settings *s, struct error_list *err);

/* The record of the last change (change.h).  -ENOENT (with nothing in *err): there is none. */
struct change;
int state_change(const struct settings *s, struct change *ret, struct error_list *err);
int state_write_change(const struct settings *s, const struct change *c, struct error_list *err);

/* The table of origins in force, which is of this mesh.  -ENOENT (with nothing in *err): there is
 * none yet. */
int state_origins(const struct settings *s, const char *mesh, struct origins **ret,
                  struct error_list *err);
/* Makes the table in the file `from` the one in force: reads it whole, verifies it, keeps a copy.
 * -EINVAL: it is no intact table, or of another mesh; the one in force stays. */
int state_install_origins(const struct settings *s, const char *from, const char *mesh,
                          struct origins **ret, struct error_list *err);

/* Digest over the certificates that a link's process reads at its start (a new key comes with a new
 * certificate).  A missing file counts as empty. */
void state_keys_digest(const struct settings *s, char ret[static DIGEST_TEXT_LEN + 1]);

/* Whether enrolment was completed: the three files are there.  -EINVAL: what to do. */
int state_check_keys(const struct settings *s, struct error_list *err);

/* Removes the bundle and the table of origins in force and the run-time files; the keys stay. */
int state_forget(const struct settings *s, struct error_list *err);

#endif
