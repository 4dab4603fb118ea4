/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "agent/status.h"
#include "agent/status_repository.h"

/* --- the format --------------------------------------------------------------------------------
 */

static void metric(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Only three bytes mean something in the value of a label. */
static void label(struct buf *b, const char *separator, const char *name, const char *value)
{
    buf_printf(b, "%s%s=\"", separator, name);
    for (const char *p = value; *p; p++) {
        if (*p == '\n')
            buf_str(b, "\\n");
        else if (*p == '"' || *p == '\\')
            buf_printf(b, "\\%c", *p);
        else
            buf_char(b, *p);
    }
    buf_char(b, '"');
}

static void one(struct buf *b, const char *name, const char *type, const char *help, int64_t value)
{
    metric(b, name, type, help);
    buf_printf(b, "%s %" PRId64 "\n", name, value);
}

/* --- the agent ---------------------------------------------------------------------------------
 */

static void add_repairs(struct buf *b, const struct agent_report *r)
{
    metric(b, "p2pvpn_repairs_total", "counter",
           "Things found other than they should be and put right, by kind; counted since boot.");
    for (size_t i = 0; i < REPAIR_KINDS; i++) {
        buf_str(b, "p2pvpn_repairs_total");
        label(b, "{", "kind", repair_names[i]);
        buf_printf(b, "} %" PRIu64 "\n", r->repairs[i].total);
    }
}

static void add_change(struct buf *b, const struct change *c)
{
    metric(b, "p2pvpn_change_state", "gauge",
           "The last change of the bundle: 1 at the state that it is in, 0 at the others.");
    for (enum change_state i = CHANGE_NONE; i <= CHANGE_ROLLED_BACK; i++) {
        buf_str(b, "p2pvpn_change_state");
        label(b, "{", "state", change_state_name(i));
        buf_printf(b, "} %d\n", c->state == i);
    }
    if (c->since)
        one(b, "p2pvpn_change_state_timestamp_seconds", "gauge",
            "When that state began, in seconds since 1970.", c->since);
}

static void add_agent(struct buf *b, const struct status *s)
{
    const struct status_agent *a = &s->agent;

    metric(b, "p2pvpn_agent_info", "gauge", "The version of the agent; always 1.");
    label(b, "p2pvpn_agent_info{", "version", P2PVPN_VERSION);
    buf_str(b, "} 1\n");
    one(b, "p2pvpn_agent_up", "gauge", "Whether the agent runs.", a->running);
    if (a->running)
        one(b, "p2pvpn_agent_start_time_seconds", "gauge",
            "When the agent started, in seconds since 1970.", a->report.since);
    if (a->running && a->report.applied)
        one(b, "p2pvpn_last_apply_timestamp_seconds", "gauge",
            "When the agent last changed something with success, in seconds since 1970.",
            a->report.applied);
    if (a->known) {
        one(b, "p2pvpn_drained", "gauge", "Whether the gateway is drained for maintenance.",
            a->report.drained);
        add_repairs(b, &a->report);
    }
    if (a->change_known)
        add_change(b, &a->change);
    if (a->certificate_expires)
        one(b, "p2pvpn_certificate_expiry_timestamp_seconds", "gauge",
            "When the certificate of this gateway ends, in seconds since 1970.",
            a->certificate_expires);
    one(b, "p2pvpn_problems", "gauge",
        "How many things are wrong, as far as metrics look; \"p2pvpn-agent status\" names them.",
        (int64_t)s->problems.n);
}

static void add_repository(struct buf *b, const struct status *s)
{
    const struct fetch_report *f = &s->repository.report;

    if (!s->repository.wanted)
        return;
    one(b, "p2pvpn_fetcher_up", "gauge", "Whether the fetcher of bundles runs.",
        s->repository.running);
    if (!s->repository.known)
        return;
    if (f->fresh)
        one(b, "p2pvpn_repository_fresh_timestamp_seconds", "gauge",
            "When the repository was last seen to be fresh, in seconds since 1970.", f->fresh);
    if (f->version)
        one(b, "p2pvpn_repository_version", "gauge", "The version of its timestamp.", f->version);
    if (f->expires)
        one(b, "p2pvpn_repository_expiry_timestamp_seconds", "gauge",
            "When what is known of it expires, in seconds since 1970.", f->expires);
    one(b, "p2pvpn_repository_frozen", "gauge", "Whether that is over.",
        status_repository_frozen(s));
    if (!*f->code)
        return;
    metric(b, "p2pvpn_repository_error", "gauge", "Why it was refused last; always 1.");
    label(b, "p2pvpn_repository_error{", "code", f->code);
    buf_str(b, "} 1\n");
}

static void add_controller(struct buf *b, const struct status *s)
{
    const struct report_note *n = &s->controller.note;

    if (!s->controller.url)
        return;
    one(b, "p2pvpn_reporter_up", "gauge", "Whether what tells the controller runs.",
        s->controller.running);
    if (!s->controller.known)
        return;
    if (n->told)
        one(b, "p2pvpn_controller_told_timestamp_seconds", "gauge",
            "When the controller was last told how this gateway is, in seconds since 1970.",
            n->told);
    one(b, "p2pvpn_controller_failed_tries", "gauge", "How often that has failed since then.",
        n->tries);
}

/* --- links, sessions, prefixes -----------------------------------------------------------------
 */

static void add_bundle(struct buf *b, const struct bundle *bundle)
{
    metric(b, "p2pvpn_bundle_info", "gauge", "The bundle in force; always 1.");
    label(b, "p2pvpn_bundle_info{", "mesh", bundle->mesh);
    label(b, ",", "gateway", bundle->gateway);
    label(b, ",", "lan", bundle->lan);
    label(b, ",", "revision", bundle->revision);
    buf_str(b, "} 1\n");
}

static void add_links(struct buf *b, const struct status *s)
{
    static const char name[] = "p2pvpn_link_up";

    metric(b, name, "gauge",
           "Whether packets come through the link: BFD is up in some address family.");
    for (size_t i = 0; i < s->n_links; i++) {
        const struct status_link *l = &s->links[i];

        buf_str(b, name);
        label(b, "{", "interface", l->link->interface);
        label(b, ",", "peer", l->link->peer);
        buf_printf(b, "} %d\n", l->up && !l->silent);
    }
}

static void session_labels(struct buf *b, const char *name, const struct status_session *n)
{
    char address[PREFIX_TEXT_MAX];

    buf_str(b, name);
    label(b, "{", "interface", n->link->interface);
    label(b, ",", "peer", n->link->peer);
    label(b, ",", "neighbor", prefix_format_address(&n->address, address));
    label(b, ",", "family", n->address.family == FAMILY_IPV4 ? "ipv4" : "ipv6");
    buf_str(b, "} ");
}

/* One series for each session that has a value. */
static void per_session(struct buf *b, const struct status *s, const char *name, const char *type,
                        const char *help,
                        bool (*value)(const struct status_session *n, uint32_t *ret))
{
    metric(b, name, type, help);
    for (size_t i = 0; i < s->n_sessions; i++) {
        uint32_t n;

        if (!value(&s->sessions[i], &n))
            continue;
        session_labels(b, name, &s->sessions[i]);
        buf_printf(b, "%u\n", n);
    }
}

static bool bgp_up(const struct status_session *n, uint32_t *ret)
{
    *ret = n->bgp && n->bgp->established;
    return n->known;
}

static bool bfd_up(const struct status_session *n, uint32_t *ret)
{
    *ret = n->bfd && n->bfd->up;
    return n->bfd != NULL;
}

static bool received(const struct status_session *n, uint32_t *ret)
{
    *ret = n->bgp ? n->bgp->received : 0;
    return n->bgp && n->bgp->established;
}

static bool lost(const struct status_session *n, uint32_t *ret)
{
    *ret = n->bgp ? n->bgp->dropped_times : 0;
    return n->bgp != NULL;
}

static void add_sessions(struct buf *b, const struct status *s)
{
    per_session(b, s, "p2pvpn_bgp_session_up", "gauge", "Whether the BGP session is established.",
                bgp_up);
    per_session(b, s, "p2pvpn_bfd_session_up", "gauge", "Whether the BFD session is up.", bfd_up);
    per_session(b, s, "p2pvpn_bgp_session_prefixes_received", "gauge",
                "Prefixes accepted from the neighbor of an established session.", received);
    per_session(b, s, "p2pvpn_bgp_session_resets_total", "counter",
                "How often the BGP session was lost since bgpd started.", lost);
}

void metrics_format(const struct status *s, struct buf *ret)
{
    add_agent(ret, s);
    add_repository(ret, s);
    add_controller(ret, s);
    if (!s->bundle)
        return;
    add_bundle(ret, s->bundle);
    add_links(ret, s);
    if (!s->frr_asked)
        return;
    add_sessions(ret, s);
    one(ret, "p2pvpn_prefixes_expected", "gauge",
        "Prefixes of other LANs that should have a route by BGP.", (int64_t)s->n_expected);
    if (s->routes_known)
        one(ret, "p2pvpn_prefixes_missing", "gauge", "Those of them that have none.",
            (int64_t)s->n_missing);
}
