/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children: the links of a supervisor, each with its process or without; what may happen to one.
 *
 * A child is started, by a fork or as its unit, is watched through a descriptor in the supervisor's
 * epoll, is asked to stop, and dies.  Which of this is wanted is the business of supervise.h: this
 * is its inner half, and nobody else includes it.
 *
 * Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef P2PVPN_AGENT_CHILDREN_H
#define P2PVPN_AGENT_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/backoff.h"
#include "agent/identity.h"
#include "agent/netlink.h"
#include "agent/settings.h"

#define CHILD_CONFIG_MAX (1u << 20)
/* After a death: systemd has mostly started it again by then, or not at all. */
#define CHILD_ASK_MS 200

struct units;

struct child {
    char interface[LINK_NAME_SIZE];
    char *peer, *config;          /* NULL until wanted */
    char digest[STARTED_LEN + 1]; /* that a new process gets */
    bool wanted, ours;            /* ours: we forked it, so we reap it */
    bool fresh;                   /* started by us and not yet seen to work */
    bool gone;                    /* the link left: its log goes with its process */
    bool unit;                    /* its process is or was its unit's */
    bool waits;                   /* for what systemd makes of its unit */
    struct identity id;           /* pid 0: no process */
    int pidfd;
    struct backoff backoff;
    int64_t started, start_at, kill_at; /* SUPERVISE_NEVER: no such plan */
};

struct supervisor {
    const struct settings *settings;
    int epoll;
    struct child **children; /* by interface name */
    size_t n, cap;
    struct units *units; /* NULL: there are none on this machine */
    bool by_units;       /* what is started becomes one */
    unsigned deaths;
};

/* NULL: there is none of this name. */
struct child *child_find(const struct supervisor *sv, const char *interface);
/* The one of this name, which may be new. */
struct child *child_insert(struct supervisor *sv, const char *interface);
void child_free(struct child *c);
/* Forgets the links that are neither wanted nor have a process. */
void children_sweep(struct supervisor *sv);

/* Has the end of the process in c->id heard of.  A negative errno: it has ended already, or there
 * is no descriptor left. */
int child_watch(struct supervisor *sv, struct child *c);
/* It has no process any more; its identity file is removed. */
void child_forget_process(struct supervisor *sv, struct child *c);
/* Its process has ended: says so and plans the next one, where that is wanted. */
void child_died(struct supervisor *sv, struct child *c);

void child_start(struct supervisor *sv, struct child *c);
/* Asks its process to end; SUPERVISE_TERM_MS later it is killed. */
void child_stop(struct supervisor *sv, struct child *c);

#endif
