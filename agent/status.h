/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status: what a person who is paged at night wants to know about this gateway.
 *
 * Collected without the agent's help, so it works while the agent is dead: the bundle in force says
 * what should be, each OpenVPN process, bgpd, bfdd and zebra say what is.  Whatever does not answer
 * becomes a sentence among the problems, and the rest is still shown.
 *
 * Problems are ordered by cause: the agent (status_agent.h), the repository
 * (status_repository.h), the controller (status_controller.h), FRR's daemons, then who may announce
 * what (status_origins.h), then links, then sessions whose link is up; last comes the effect,
 * prefixes without a route.  Sessions of a link that is down are not named.
 */
#ifndef P2PVPN_AGENT_STATUS_H
#define P2PVPN_AGENT_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/agent_report.h"
#include "agent/change.h"
#include "agent/fetch_report.h"
#include "agent/openvpn_status.h"
#include "agent/report_note.h"
#include "agent/rtr.h"
#include "agent/settings.h"
#include "agent/vtysh_json.h"
#include "common/alloc.h"
#include "common/bundle.h"
#include "common/error.h"
#include "common/origins.h"

struct settings;

struct status_query {
    const struct settings *settings; /* whom the reader runs as */
    const char *bundle_dir;          /* STATE/current */
    const char *management_dir;      /* holds pvN.sock */
    const char *log_dir;             /* holds pvN.log; may be NULL */
    const char *origins;             /* STATE/origins */
    const char *origin_report;       /* RUN/origins.json */
    const char *frr_namespace;       /* NULL: the system's FRR */
    const char *keys_dir;            /* STATE/keys */
    const char *state_dir;           /* holds change.json */
    const char *run_dir;             /* holds agent.json */
    const char *firewall;      /* RUN/firewall, what the agent remembers of its table; NULL: off */
    const char *bundle_source; /* where the bundle comes from; an agent that runs knows better */
    bool no_frr;               /* links only */
    /* For metrics, every few seconds: FRR's sockets are read without vtysh, and BFD and BGP say
     * whether a link is up, not its OpenVPN process.  A missing bundle is no error then. */
    bool light;
    bool for_controller;         /* it is told to the controller, and says nothing of it */
    const struct bundle *bundle; /* NULL: the one in bundle_dir */
};

struct status_link {
    const struct bundle_link *link;
    bool unit;   /* its process is of its unit of systemd's */
    bool up;     /* OpenVPN says that it is connected */
    bool silent; /* and yet no BFD packet comes through: OpenVPN does not notice a dead path */
    struct openvpn_status vpn; /* meaningless fields are empty */
};

struct status_session {
    const struct bundle_link *link;
    struct prefix address;         /* the neighbor's */
    bool known;                    /* FRR answered */
    const struct bgp_session *bgp; /* NULL: not configured, or not known */
    const struct bfd_session *bfd;
};

/* Of a bundle that checks origins by a cache: what the agent serves, and what bgpd has of it. */
struct status_origins {
    bool wanted;           /* else nothing of this means anything */
    struct origins *table; /* STATE/origins; NULL: there is no good one */
    bool served;           /* an agent runs, and says: */
    struct rtr_status rtr;
    bool bgpd_known, bgpd_synchronized; /* bgpd goes by a table */
};

enum status_firewall {
    STATUS_FIREWALL_OFF, /* --no-firewall */
    STATUS_FIREWALL_SET, /* by the agent, which watches that it stays */
    STATUS_FIREWALL_MISSING,
};

/* The agent itself, and what it goes by. */
struct status_agent {
    bool known; /* there is a report, perhaps of one that has ended */
    bool running;
    struct agent_report report;
    enum status_firewall firewall;
    bool change_known; /* there is a record of it */
    struct change change;
    int64_t boot_ms;             /* CLOCK_BOOTTIME, which the change's deadline is of */
    int64_t certificate_expires; /* seconds since 1970; 0: unknown */
    char *authorities;           /* of the certificate (key_authorities()); NULL: unknown */
};

/* Where bundles come by themselves: what the fetcher says (status_repository.h). */
struct status_repository {
    bool wanted;           /* else nothing of this means anything */
    bool known;            /* there is a report */
    bool staying, running; /* of a fetcher that was to stay; which does */
    struct fetch_report report;
};

/* Where a controller is known: what the reporter says (status_controller.h). */
struct status_controller {
    char *url;    /* NULL: none is known, and nothing of this means anything */
    bool known;   /* there is a note */
    bool running; /* the reporter that wrote it */
    struct report_note note;
};

struct status {
    const struct bundle *bundle;
    struct bundle *owned; /* it, or NULL: it is the caller's */
    struct status_agent agent;
    struct status_origins origins;
    struct status_repository repository;
    struct status_controller controller;
    int64_t now;               /* seconds since 1970 */
    struct status_link *links; /* the bundle's, in its order */
    size_t n_links;
    struct status_session *sessions; /* by link, then family */
    size_t n_sessions;
    struct prefix *expected; /* prefixes of all other LANs, sorted */
    size_t n_expected;
    struct prefix *missing; /* those of them without a route by BGP */
    size_t n_missing;
    bool routes_known, frr_asked;
    struct error_list problems; /* none: the gateway is healthy */
    struct bgp_sessions bgp;
    struct bfd_sessions bfd;
    struct route_set routes;
};

/* What the settings say; the paths live in *paths. */
struct status_query status_query_of(const struct settings *settings, struct arena *paths);

/* 0 and *ret set, also when everything is down.  -EINVAL: no bundle is in force here. */
int status_collect(const struct status_query *q, struct status **ret, struct error_list *err);

/* The second half of status_collect(): derives expected prefixes, sessions, missing prefixes and
 * problems of links and routes from what was gathered.  Pure. */
void status_judge(struct status *s, bool bgp_known, bool bfd_known);

struct status *status_free(struct status *s); /* NULL ok; returns NULL */

#endif
