/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity: which process carries a link, so that a later agent adopts what an earlier one started.
 *
 * A process id alone says nothing after a reboot or a wrap-around: with it go the start time that
 * the kernel gave the process (proc(5), field 22 of stat) and the digest of everything the process
 * was started with.  The file is trusted no further than that: a process is ours only if id, start
 * time and executable fit.
 */
#ifndef P2PVPN_AGENT_IDENTITY_H
#define P2PVPN_AGENT_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/started.h"
#include "common/buf.h"
#include "common/error.h"

#define IDENTITY_MAX_BYTES 4096

struct identity {
    pid_t pid;
    unsigned long long start;     /* clock ticks since boot */
    char digest[STARTED_LEN + 1]; /* what the process was started with (started.h) */
};

/* Pure.  -EINVAL with *err filled, *ret untouched. */
int identity_parse(const char *data, size_t len, const char *file, struct identity *ret,
                   struct error_list *err);
void identity_format(const struct identity *id, struct buf *ret);

int identity_read(const char *path, struct identity *ret, struct error_list *err);
int identity_write(const char *path, const struct identity *id, struct error_list *err);

/* Pure: state letter and start time out of the text of /proc/PID/stat.  The name of the program in
 * it may hold blanks and parentheses. */
bool process_stat_parse(const char *text, char *ret_state, unsigned long long *ret_start);

/* The start time of a process; false: there is none of this id, or it is a zombie. */
bool process_start_time(pid_t pid, unsigned long long *ret);

/* The process that started then is still there. */
bool process_runs(pid_t pid, unsigned long long start);

/* Whether the process is of the unit of this link (link_unit.h). */
bool process_is_of_unit(pid_t pid, const char *interface);

/* Whether id still names a living process that runs `program` (an absolute path; a replaced file,
 * as after a package upgrade, still counts). */
bool identity_alive(const struct identity *id, const char *program);

#endif
