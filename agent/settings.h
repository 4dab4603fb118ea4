/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: where this agent keeps its things and whom its links run as.
 *
 * Filled once by cli.c, from defaults, /etc/p2pvpn/agent.conf (settings_file.h, where each has its
 * row) and the command line, and constant from then on.  Several agents live on one machine (in
 * network namespaces) when each has its own state folder and run folder.
 *
 * - STATE/keys/: gateway.key, gateway.link.key, gateway.crt, ca.crt; root's folder, readable by the
 *   link group
 * - STATE/keys/generations: which keys of peers were given up (key_memory.h)
 * - STATE/keys/links/: the tls-crypt keys of the links (link_secret.h)
 * - STATE/current/: verified copy of the bundle in force; STATE/previous/: of the one before
 * - STATE/change.json: what the last change was, and what became of it (change.h)
 * - STATE/origins: verified copy of the table of origins in force
 * - STATE/repository.json: where bundles come from, if they come by themselves (repository.h)
 * - STATE/controller.conf: which controller this gateway has enrolled at (contact.h)
 * - STATE/drained: there while the gateway is drained (drain.h)
 * - STATE/frr-applied.conf: what was last put into FRR
 * - RUN/agent.lock: held by the one agent that acts
 * - RUN/agent.json: what only the running agent knows (agent_report.h)
 * - RUN/origins.json: what it serves to bgpd (origin_report.h)
 * - RUN/controller.json, RUN/report.lock: what the reporter says; held by it (reporter.h)
 * - RUN/pvN.json: identity of the OpenVPN process of link pvN (identity.h)
 * - RUN/pvN.log: what it prints, bounded
 * - RUN/link/pvN.conf: what the unit of a link is started with (link_unit.h)
 * - RUN/firewall, RUN/endpoints: of the guard (guard.h)
 * - RUN/management/pvN.sock: its management socket; the folder is root's and the link
 *   group's, so that both may make and use sockets in it
 */
#ifndef P2PVPN_AGENT_SETTINGS_H
#define P2PVPN_AGENT_SETTINGS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

#define SETTINGS_STATE_DIR "/var/lib/p2pvpn"
#define SETTINGS_RUN_DIR "/run/p2pvpn"
#define SETTINGS_LINK_USER "p2pvpn"
#define SETTINGS_READER_USER "p2pvpn-reader"
#define SETTINGS_FETCH_DIR "/var/lib/p2pvpn-fetch"
#define SETTINGS_FETCH_USER "p2pvpn-fetch"
#define SETTINGS_CONFIRM_TIME_MAX 86400u
#define SETTINGS_POLL_TIME_MAX 86400u

struct settings {
    const char *state_dir, *run_dir;
    const char *bundle;        /* that `run` watches */
    const char *origins;       /* where the mesh's table of origins comes from */
    const char *metrics_file;  /* written for Prometheus; NULL: none */
    const char *links_by;      /* auto, agent or systemd: who runs OpenVPN (supervise.h) */
    const char *frr_namespace; /* vtysh -N; NULL: the machine's FRR */
    const char *link_user;
    uid_t link_uid; /* of link_user, after settings_resolve_user() */
    gid_t link_gid;
    const char *reader_user; /* reads and parses bundles (reader.h) */
    uid_t reader_uid;        /* of it, after settings_resolve_reader() */
    gid_t reader_gid;
    bool no_frr;       /* leave FRR alone: links only */
    bool no_firewall;  /* leave nftables alone */
    const char *reach; /* HOST:PORT that answered before a change must answer after it; or NULL */
    unsigned confirm_time; /* seconds that a change has to prove itself; 0: it stays at once */
    const char *gateway;   /* this gateway's name, for enrolment and fetching; NULL: as enrolled */
    /* Of the fetcher (fetch.h, repository.h); NULL: as repository.json says. */
    const char *repository; /* addresses, with blanks or commas between them */
    const char *repository_ca, *controller;
    const char *pin;       /* of the controller and of the repository's servers */
    const char *proxy;     /* NULL: none */
    const char *fetch_dir; /* the fetcher's own */
    const char *fetch_user;
    unsigned poll_time; /* seconds from one look at the repository to the next */
};

/* Fills link_uid and link_gid.  -EINVAL: there is no such user, or it is root. */
int settings_resolve_user(struct settings *s, struct error_list *err);
/* Fills reader_uid and reader_gid.  -EINVAL also when it is the link user. */
int settings_resolve_reader(struct settings *s, struct error_list *err);

/* Who a user is, for whoever runs as it. */
int settings_resolve_fetcher(const struct settings *s, uid_t *uid, gid_t *gid,
                             struct error_list *err);
/* STATE/current and STATE/previous are exchanged by name only: see state_swap(). */
bool settings_turned(const struct settings *s);
/* What RUN/turned says to make it so: which folder it is that is in force.  -errno. */
int settings_turned_text(const char *folder, char ret[static 48]);

/* Paths on the heap, owned by the caller. */
char *settings_turned_path(const struct settings *s);
char *settings_keys_dir(const struct settings *s);
char *settings_current_dir(const struct settings *s);
char *settings_previous_dir(const struct settings *s);
char *settings_stage_dir(const struct settings *s);
char *settings_origins_copy(const struct settings *s);
char *settings_origin_report(const struct settings *s);
char *settings_identity_path(const struct settings *s, const char *interface);
char *settings_log_path(const struct settings *s, const char *interface);
char *settings_link_dir(const struct settings *s);
char *settings_link_config(const struct settings *s, const char *interface);
char *settings_firewall_record(const struct settings *s);
char *settings_endpoints(const struct settings *s);
char *settings_management_dir(const struct settings *s);
char *settings_management_path(const struct settings *s, const char *interface);

#endif
