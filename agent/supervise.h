/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervise: one OpenVPN process per wanted link; started, adopted, restarted, stopped.
 *
 * Nothing here blocks: a descriptor becomes readable when a process ends, and a deadline says when
 * to look again.  Deaths of wanted processes are answered with backoff.h.  Freeing a supervisor
 * leaves all processes running; the next one adopts them by their identity files.  It speaks
 * through log.h, because what it has to say arises between calls.
 *
 * A process is either started here (openvpn.h) or by systemd, as the link's unit (units.h,
 * link_unit.h): that is so where systemd manages the machine, unless links-by says otherwise.  One
 * that runs is left as it is, whoever started it; the next one is started as it is done now.
 *
 * Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef P2PVPN_AGENT_SUPERVISE_H
#define P2PVPN_AGENT_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/settings.h"
#include "common/error.h"

#define SUPERVISE_NEVER INT64_MAX
#define SUPERVISE_TERM_MS 5000 /* from SIGTERM to SIGKILL: time for the exit notification */

struct supervisor;

int64_t monotonic_ms(void);

/* -EINVAL: links-by is not one of its words, or systemd where that cannot be. */
int supervisor_check(const struct settings *s, struct error_list *err);

/* Adopts every living process that an identity file of RUN names; dead ones' files are removed. */
int supervisor_new(const struct settings *s, struct supervisor **ret, struct error_list *err);
/* For those who only want to know what runs, beside whoever supervises it: nothing is adopted and
 * no file is touched.  There may be no RUN yet. */
int supervisor_peek(const struct settings *s, struct supervisor **ret, struct error_list *err);
struct supervisor *supervisor_free(struct supervisor *sv); /* NULL ok; returns NULL */

/* The digest that the link's process was started with, or will be when it is being replaced or
 * waits for its next try; NULL: it has none and gets none. */
const char *supervisor_digest(const struct supervisor *sv, const char *interface);
/* All links of which supervisor_digest() is not NULL, in order of their names. */
void supervisor_each(const struct supervisor *sv,
                     void (*each)(void *arg, const char *interface, const char *digest), void *arg);

/* From now on this link has a process with this configuration and digest.  A process with another
 * digest is stopped first; one with the same is left in peace. */
void supervisor_want(struct supervisor *sv, const char *interface, const char *peer,
                     const char *config, const char *digest);
/* The interface is about to be made anew: a process attached to the old one is of no use. */
void supervisor_detach(struct supervisor *sv, const char *interface);
/* From now on it has none. */
void supervisor_unwant(struct supervisor *sv, const char *interface);

/* Readable when supervisor_run() should be called; also call it at the deadline. */
int supervisor_fd(const struct supervisor *sv);
int64_t supervisor_deadline(const struct supervisor *sv);
void supervisor_run(struct supervisor *sv);

/* How many processes of wanted links have ended by themselves so far. */
unsigned supervisor_deaths(const struct supervisor *sv);

/* Whether the process of an unwanted link is gone: its interface may be removed. */
bool supervisor_idle(const struct supervisor *sv, const char *interface);

/* For one-shot use: runs until every stop is done and every process that was started has opened its
 * management socket or died.  -EIO with *err filled: some link has no process. */
int supervisor_settle(struct supervisor *sv, int64_t patience_ms, struct error_list *err);

/* Bounds the logs of all links. */
void supervisor_bound_logs(struct supervisor *sv);

#endif
