/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loop parts: what the pieces of the agent's loop share.  Nobody else includes this.
 *
 * - loop.c: waits, and gives each event to whom it belongs
 * - loop_bundle.c: what comes from the source, into force and back; what an operator says
 * - loop_links.c: interfaces, processes, firewall: look, plan, act
 * - loop_frr.c: FRR, in a worker; what it found
 */
#ifndef P2PVPN_AGENT_LOOP_PARTS_H
#define P2PVPN_AGENT_LOOP_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/agent_report.h"
#include "agent/control.h"
#include "agent/firewall.h"
#include "agent/key_memory.h"
#include "agent/repairs.h"
#include "agent/settings.h"
#include "agent/staging.h"
#include "agent/started.h"
#include "agent/supervise.h"
#include "agent/worker.h"
#include "common/bundle.h"
#include "common/notify.h"

#define SETTLE_MS 100 /* from the first event to the look, so that a burst is one */
#define RETRY_MS 5000 /* after a failure */
/* A link that left the bundle goes even if FRR cannot be configured, but not at the first try. */
#define FRR_PATIENCE 3

/* What a worker found out about FRR, in memory that both see. */
struct found {
    uint64_t running, differs; /* vty_digest() of what FRR has; of what is wrong about it */
};

struct loop {
    const struct settings *settings;
    const char *dir;
    struct bundle *bundle; /* in force; NULL: none yet */
    struct bundle *before; /* what was, until everything is as the bundle in force says */
    char (*digests)[STARTED_LEN + 1]; /* of its links' processes; NULL: to be computed */
    char digests_keys[DIGEST_TEXT_LEN + 1];
    struct key_memory known; /* of the peers' keys */
    bool secrets_there;      /* the links' tls-crypt keys (link_secret.h), when last looked */
    struct netlink *netlink;
    struct netlink_monitor *monitor;
    struct supervisor *supervisor;
    struct drain *drain;
    struct origin_cache *origins;
    struct frr_watch *frr_watch;
    struct repairs repairs, frr_repairs; /* since this bundle is in force */
    struct found *found;
    bool settled;     /* everything was found as this bundle says: what changes now has drifted */
    bool frr_settled; /* FRR held what is wanted: what it lacks now has drifted */
    unsigned deaths;  /* of processes, that were counted */
    struct metrics_file *metrics;
    struct agent_report report;
    struct agent_report_file report_file;
    struct transaction *transaction;
    struct notify notify;
    struct control *control;
    struct guard *guard;
    struct worker worker;
    bool worker_applies;   /* else it checks */
    bool worker_repairs;   /* what it applies was right before */
    bool frr_in_force;     /* as far as we know */
    bool frr_stale;        /* something changed while the worker was at it */
    unsigned frr_failures; /* in a row */
    uint64_t daemons;      /* routing_incarnation() */
    struct source *source;
    struct staging staging;
    char staged_over[DIGEST_TEXT_LEN + 1]; /* what was in force when it began; "": nothing */
    struct stat certificate;               /* gateway.crt as it was seen last */
    time_t certificate_day;                /* when it was last looked for its end */
    bool dir_missing, waits, copy_lost;    /* and said */
    /* The last reports of trouble, not to be repeated. */
    char *told_links, *told_frr, *told_bundle, *told_disk;
    char *failing; /* a plan that was announced, and failed or waits: it is not announced again */
    int epoll, signals, lock;
    int64_t worker_began;
    int64_t check_took; /* of the last check, if it found nothing wrong */
    int64_t look_at, converge_at, converged, repeat_at, frr_at, logs_at;
    unsigned repeats;     /* still to come soon */
    bool heard;           /* of links, since they were looked at */
    int64_t addresses_at; /* when all addresses are read, whether or not something was heard */
    bool heap_grew;
    bool leave;
    bool repository_told; /* that there is one now */
};

static inline int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- loop_bundle.c --- */

void loop_look_at_bundle(struct loop *l);
void loop_source(struct loop *l);
void loop_staged(struct loop *l);
void loop_transaction(struct loop *l);
int loop_reload(void *arg, const char *word, struct buf *said, struct error_list *err);
extern const struct control_verb loop_verbs[];

/* --- loop_links.c --- */

void loop_converge(struct loop *l);
void loop_converge_soon(struct loop *l);
void loop_drain(struct loop *l, int64_t now);
struct firewall loop_firewall(const struct loop *l);

/* --- loop_frr.c --- */

void loop_frr_start(struct loop *l, bool apply);
void loop_frr_collect(struct loop *l);
void loop_frr_due(struct loop *l);
void loop_frr_watch(struct loop *l);
void loop_frr_changes(struct loop *l);

#endif
