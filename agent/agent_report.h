/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agent report: what the running agent knows and nobody else could find out, written for
 * `p2pvpn-agent status` and the metrics.
 *
 * loop.c holds one and lets its parts change it; agent_report_run() writes RUN/agent.json when it
 * differs from what was written, at most once a second.  An agent that starts anew goes on counting
 * where the one before it ended.  Whether the agent runs is told by the process, not by the file.
 */
#ifndef P2PVPN_AGENT_AGENT_REPORT_H
#define P2PVPN_AGENT_AGENT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/error.h"

#define AGENT_REPORT_FILE "agent.json"
#define AGENT_REPORT_MAX_BYTES 65536u

/* What was found other than it should be and was put right, without a new bundle. */
enum repair_kind {
    REPAIR_INTERFACE, /* a tun that was gone or set otherwise */
    REPAIR_PROCESS,   /* an OpenVPN process that had ended */
    REPAIR_ADDRESS,
    REPAIR_SETTING, /* of the kernel, by sysctl */
    REPAIR_FRR,
    REPAIR_FIREWALL,
    REPAIR_KINDS,
};
extern const char *const repair_names[REPAIR_KINDS];

/* What the agent complains of in its log and could not put right yet. */
enum trouble_kind {
    TROUBLE_BUNDLE, /* what lies at the source is not taken */
    TROUBLE_LINKS,
    TROUBLE_FRR,
    TROUBLE_FIREWALL,
    TROUBLE_DISK, /* that STATE is on */
    TROUBLE_KINDS,
};
extern const char *const trouble_names[TROUBLE_KINDS];

struct repair_count {
    uint64_t total;
    int64_t last; /* seconds since 1970; 0: never */
};

struct agent_report {
    pid_t pid; /* of the agent */
    unsigned long long start;
    int64_t since;   /* seconds since 1970: when it started */
    int64_t applied; /* when it last changed something, and all of it succeeded; 0: not yet */
    bool drained;    /* by drain, until undrain */
    struct repair_count repairs[REPAIR_KINDS];
    char *source;                 /* where bundles come from; NULL: unknown */
    char *trouble[TROUBLE_KINDS]; /* one line or more; NULL: none */
};

/* Pure. */
void agent_report_format(const struct agent_report *r, struct buf *ret);
/* -EINVAL with *err filled, *ret untouched.  Free what is in *ret with agent_report_clear(). */
int agent_report_parse(const char *data, size_t len, const char *file, struct agent_report *ret,
                       struct error_list *err);
void agent_report_clear(struct agent_report *r);

/* Counts one repair that was just made. */
void agent_report_repaired(struct agent_report *r, enum repair_kind kind);

/* What it complains of now (NULL or empty: nothing); of a long text only the beginning is kept. */
void agent_report_trouble(struct agent_report *r, enum trouble_kind kind, const char *text);

/* The agent that wrote it still runs. */
bool agent_report_alive(const struct agent_report *r);

/* Reads RUN/agent.json.  -ENOENT: no agent ran since the last boot. */
int agent_report_read(const char *run_dir, struct agent_report *ret, struct error_list *err);

/* The writer's side. */
struct agent_report_file {
    char *path;
    char *written; /* NULL: nothing yet */
    int64_t next;  /* not earlier, in monotonic_ms() */
    bool waits;    /* something is to be written then */
};

/* *report becomes that of this process, with the counts of the one before. */
void agent_report_open(const char *run_dir, const char *source, struct agent_report *report,
                       struct agent_report_file *ret);
/* Writes what is new, at once if nothing was written in the last second; it is no trouble if that
 * fails. */
void agent_report_run(struct agent_report_file *f, const struct agent_report *r);
/* When agent_report_run() has to be called again, in monotonic_ms(); SUPERVISE_NEVER: need not. */
int64_t agent_report_deadline(const struct agent_report_file *f);
/* Writes what has not been written yet. */
void agent_report_close(struct agent_report_file *f, const struct agent_report *r);

#endif
