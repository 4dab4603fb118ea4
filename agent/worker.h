/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker: runs one slow function in a process of its own, so that the loop stays awake.
 *
 * vtysh may take seconds, or its whole time limit when a daemon hangs; a link whose process dies
 * meanwhile must not wait for that.  The worker is a fork of the agent: it sees everything as it is
 * now but for open descriptors, changes nothing in the agent's memory but what is shared, and dies
 * with the agent.  Its result and what it had to say come back through a pipe; for more there is
 * handover.h.
 */
#ifndef P2PVPN_AGENT_WORKER_H
#define P2PVPN_AGENT_WORKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/error.h"

struct worker {
    pid_t pid; /* 0: none is running */
    int fd;    /* readable when there is something to collect; -1 */
    struct buf output;
};

#define WORKER_INIT    \
    {                  \
        0, -1,         \
        {              \
            NULL, 0, 0 \
        }              \
    }

/* Zeroed memory that it shares with the workers that are forked after it, for what they find out;
 * given back by munmap().  NULL, and *err says why. */
void *worker_share(size_t size, struct error_list *err);

/* Starts run(arg, err) in a worker.  There must be none running. */
int worker_start(struct worker *w, int (*run)(void *arg, struct error_list *err), void *arg,
                 struct error_list *err);

/* The same, with this descriptor open as well: a lock that is held until the worker has ended, too.
 */
int worker_start_locked(struct worker *w, int (*run)(void *arg, struct error_list *err), void *arg,
                        int lock, struct error_list *err);

/* Call when fd is readable.  True: it is done, *ret is what run() returned (-ECHILD: it died), *err
 * has what it said; the worker can be started again. */
bool worker_collect(struct worker *w, int *ret, struct error_list *err);

/* Runs it to its end: what it returned, and what it said.  For what is quick, but would leave the
 * agent fat: a library's tables, once they were touched, stay in a process until it ends. */
int worker_do(int (*run)(void *arg, struct error_list *err), void *arg, struct error_list *err);

/* Ends it, if there is one. */
void worker_kill(struct worker *w);

#endif
