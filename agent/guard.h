/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guard: keeps the table of firewall.h in the kernel: sets it, notices when somebody changes or
 * removes it, and follows what the peers' names resolve to.
 *
 * What differs between wanted and there is for plan.h to say; guard_apply() is that step's act.
 * Nothing here blocks: nft and DNS are a worker's, a descriptor becomes readable when guard_run()
 * should be called, and a deadline says when at the latest.  It speaks through log.h.
 *
 * RUN/firewall holds the digest of the table as nft listed it after the last change of ours;
 * RUN/endpoints what names resolved to.
 */
#ifndef P2PVPN_AGENT_GUARD_H
#define P2PVPN_AGENT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/firewall.h"
#include "agent/settings.h"
#include "common/error.h"

struct guard;
struct observed;     /* observe.h */
struct plan_context; /* plan.h */

int guard_new(const struct settings *s, struct guard **ret, struct error_list *err);
struct guard *guard_free(struct guard *g); /* the table stays.  NULL ok; returns NULL */

/* Fills in what a plan wants to know of the table; nothing is wanted while it is being set, soon
 * after that failed, and while somebody fights over it (repairs.h). */
int guard_look(struct guard *g, const struct firewall *f, struct plan_context *c,
               struct observed *have, struct error_list *err);

/* Compares the table and resolves the names without waiting for their time; forgets fights. */
void guard_look_again(struct guard *g);

/* Starts to set the table.  True: it was right before, so this is a repair. */
bool guard_apply(struct guard *g, const struct firewall *f);
bool guard_applying(const struct guard *g);
/* What it could not do and will try again, as it was told; NULL: nothing. */
const char *guard_trouble(const struct guard *g);

int guard_fd(const struct guard *g);
int64_t guard_deadline(const struct guard *g);
/* `f` may be NULL: nothing is in force.  True: look and plan again. */
bool guard_run(struct guard *g, const struct firewall *f);

/* The same at once, for those who do their work and end.  guard_look_once() also compares what the
 * table holds.  guard_set() says what may be in the way (log.h). */
int guard_look_once(const struct settings *s, const struct firewall *f, struct plan_context *c,
                    struct observed *have, struct error_list *err);
int guard_set(const struct settings *s, const struct firewall *f, struct error_list *err);
int guard_remove(const struct settings *s, struct error_list *err);

/* Appends what guard_set() would give to nft. */
int guard_text(const struct settings *s, const struct firewall *f, struct buf *ret,
               struct error_list *err);

#endif
