/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/identity.h"
#include "agent/netlink.h"
#include "agent/plan.h"
#include "agent/reader.h"
#include "agent/status_agent.h"
#include "agent/status_controller.h"
#include "agent/status_origins.h"
#include "agent/status_print.h"
#include "agent/status_repository.h"
#include "agent/vty.h"
#include "agent/vtysh.h"
#include "common/alloc.h"
#include "common/fs.h"

#define LINK_TIMEOUT_MS 2000
#define FRR_TIMEOUT_MS 5000 /* in the light way */
#define LINKS_TIMEOUT_S 10  /* for all of them together */
#define LOG_MAX (64u << 20)
#define MAX_NAMED 6

/* --- gathering ----------------------------------------------------------------------------------
 */

/* The log remembers the cipher when it has left the process's own short memory, and why a link does
 * not come up. */
static void read_log(const struct status_query *q, struct status_link *l)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct buf log = BUF_INIT;
    char *path;

    if (!q->log_dir || !*l->vpn.state || (*l->vpn.cipher && l->vpn.connected))
        return;
    path = xasprintf("%s/%s.log", q->log_dir, l->link->interface);
    if (fs_read(path, LOG_MAX, &log, &ignored) == 0 && l->vpn.connected)
        openvpn_status_cipher(buf_cstr(&log), log.len, l->vpn.cipher, sizeof(l->vpn.cipher));
    else
        openvpn_status_refusal(buf_cstr(&log), log.len, l->vpn.refusal, sizeof(l->vpn.refusal));
    free(path);
    buf_free(&log);
    error_clear(&ignored);
}

/* What an operator should look at: certificates, the peer and its port, or our own port that it
 * should call.  AUTH is the state in which the peer has answered (management-notes.txt). */
static void add_whom(const struct bundle_link *link, const struct openvpn_status *vpn,
                     struct buf *b)
{
    if (*vpn->refusal)
        buf_printf(b,
                   "the peer's certificate was refused (%s): enroll the one of the two that is "
                   "wrong",
                   vpn->refusal);
    else if (strcmp(vpn->state, "AUTH") == 0)
        buf_str(b, "the peer answers but does not end the handshake: perhaps it refuses the "
                   "certificate of this gateway, and then its own status says why");
    else if (link->remote_host)
        buf_printf(b, "%s does not answer on UDP port %u", link->remote_host, link->remote_port);
    else
        buf_printf(b, "the peer does not call UDP port %u here", link->local_port);
}

static void link_problem(struct status *s, const struct status_link *l, const char *why)
{
    struct buf since = BUF_INIT, whom = BUF_INIT;

    if (!why && l->vpn.since > 0 && l->vpn.since <= s->now) {
        buf_str(&since, " for ");
        status_print_duration((uint64_t)(s->now - l->vpn.since), &since);
    }
    if (why)
        error_add(&s->problems, NULL, 0, NULL, "link %s to %s is down: %s", l->link->interface,
                  l->link->peer, why);
    else {
        add_whom(l->link, &l->vpn, &whom);
        error_add(&s->problems, NULL, 0, NULL,
                  "link %s to %s is down: OpenVPN is in state %s%s%s%s%s; %s", l->link->interface,
                  l->link->peer, l->vpn.state, *l->vpn.reason ? " (" : "", l->vpn.reason,
                  *l->vpn.reason ? ")" : "", buf_cstr(&since), buf_cstr(&whom));
    }
    buf_free(&since);
    buf_free(&whom);
}

/* Whether the interface of a link is there and ours; says so to *why if it is not.  When the kernel
 * cannot be asked, OpenVPN's answer has to do. */
static void judge_interface(const struct bundle *b, const struct bundle_link *link,
                            const struct link_table *table, struct error_list *why)
{
    const struct link_state *is = link_table_find(table, link->interface);
    char *marker = xasprintf(PLAN_MARKER " %s ", b->mesh);

    if (!is)
        error_add(why, NULL, 0, NULL, "there is no interface %s", link->interface);
    else if (strncmp(is->alias, marker, strlen(marker)) != 0)
        error_add(why, NULL, 0, NULL,
                  "something else has an interface of that name: rename that one (ip link set dev "
                  "%s name NEW) or remove it",
                  link->interface);
    free(marker);
}

static struct status_session session_of(const struct status *s, const struct bundle_link *link,
                                        size_t k, bool bgp_known)
{
    struct status_session n = {
        .link = link, .address = link->peer_addresses[k], .known = bgp_known};

    n.address.len = n.address.family == FAMILY_IPV4 ? 32 : 128;
    n.bgp = bgp_sessions_find(&s->bgp, &n.address, n.address.family);
    n.bfd = bfd_sessions_find(&s->bfd, &n.address);
    return n;
}

/* In the light way: packets come through the tunnel. */
static bool comes_through(const struct status *s, const struct bundle_link *link)
{
    for (size_t k = 0; k < link->n_addresses; k++) {
        struct status_session n = session_of(s, link, k, true);

        if (n.bfd ? n.bfd->up : n.bgp && n.bgp->established)
            return true;
    }
    return false;
}

/* Whether systemd runs it: what somebody who looks for its words has to know. */
static void find_unit(const struct status_query *q, struct status_link *l)
{
    _cleanup_free_ char *path = xasprintf("%s/%s.json", q->run_dir, l->link->interface);
    struct error_list ignored = ERROR_LIST_INIT;
    struct identity id;

    l->unit =
        identity_read(path, &id, &ignored) == 0 && process_is_of_unit(id.pid, l->link->interface);
    error_clear(&ignored);
}

static void ask_link(const struct status_query *q, struct status *s, struct status_link *l,
                     const struct link_table *table, unsigned timeout_ms)
{
    struct error_list why = ERROR_LIST_INIT;
    char *path = xasprintf("%s/%s.sock", q->management_dir, l->link->interface);

    if (table)
        judge_interface(s->bundle, l->link, table, &why);
    if (why.n == 0 && openvpn_status_read(path, timeout_ms, &l->vpn, &why) == 0)
        l->up = l->vpn.connected;
    read_log(q, l);
    if (!q->light)
        find_unit(q, l);
    if (!l->up)
        link_problem(s, l, why.n ? why.items[0].message : NULL);
    free(path);
    error_clear(&why);
}

static void ask_links(const struct status_query *q, struct status *s)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct link_table table = LINK_TABLE_INIT;
    struct netlink *nl = NULL;
    bool known = !q->light && netlink_open(&nl, &ignored) == 0 &&
                 netlink_links(nl, LINKS_COUNTERS, &table, &ignored) == 0;
    time_t give_up = time(NULL) + LINKS_TIMEOUT_S;

    s->n_links = s->bundle->n_links;
    s->links = xcalloc(s->n_links + 1, sizeof(*s->links));
    for (size_t i = 0; i < s->n_links; i++) {
        struct status_link *l = &s->links[i];

        l->link = &s->bundle->links[i];
        if (!q->light || q->no_frr) {
            ask_link(q, s, l, known ? &table : NULL, time(NULL) < give_up ? LINK_TIMEOUT_MS : 1);
            continue;
        }
        l->up = comes_through(s, l->link);
        if (!l->up)
            link_problem(s, l, "no packet comes through");
    }
    link_table_clear(&table);
    netlink_close(nl);
    error_clear(&ignored);
}

/* Asks one daemon into *b, which is emptied first; false: a problem was added. */
static bool ask(const struct status_query *q, struct status *s, const struct vtysh *v,
                const char *daemon, const char *command, struct buf *b)
{
    _cleanup_free_ char *path = q->light ? vtysh_socket(v, daemon) : NULL;

    buf_reset(b);
    if (!q->light)
        return vtysh_show(v, daemon, command, b, &s->problems) == 0;
    if (vty_show(path, command, FRR_TIMEOUT_MS, b) == 0)
        return true;
    error_add(&s->problems, NULL, 0, NULL, "FRR's %s does not answer", daemon);
    return false;
}

static bool open_frr(const struct status_query *q, struct vtysh *v, struct error_list *problems)
{
    if (!q->light)
        return vtysh_open(v, q->frr_namespace, problems) == 0;
    *v = (struct vtysh){.frr_namespace = q->frr_namespace};
    return true;
}

static bool alive(const struct status_query *q, const struct vtysh *v, const char *daemon,
                  struct error_list *problems)
{
    return q->light || vtysh_daemon_alive(v, daemon, problems) == 0;
}

static void ask_frr(const struct status_query *q, struct status *s, bool *bgp, bool *bfd)
{
    struct error_list *p = &s->problems;
    struct buf b = BUF_INIT;
    struct vtysh v;
    bool zebra;

    *bgp = *bfd = false;
    s->frr_asked = !q->no_frr;
    if (q->no_frr || !open_frr(q, &v, p)) {
        status_origins_collect(q, NULL, s);
        return;
    }
    zebra = alive(q, &v, "zebra", p);
    *bgp = alive(q, &v, "bgpd", p) && ask(q, s, &v, "bgpd", "show bgp summary json", &b) &&
           vtysh_json_bgp_summary(buf_cstr(&b), &s->bgp, p) == 0;
    *bfd = alive(q, &v, "bfdd", p) && ask(q, s, &v, "bfdd", "show bfd peers json", &b) &&
           vtysh_json_bfd_peers(buf_cstr(&b), &s->bfd, p) == 0;
    s->routes_known = zebra && ask(q, s, &v, "zebra", "show ip route bgp json", &b) &&
                      vtysh_json_routes(buf_cstr(&b), &s->routes, p) == 0 &&
                      ask(q, s, &v, "zebra", "show ipv6 route bgp json", &b) &&
                      vtysh_json_routes(buf_cstr(&b), &s->routes, p) == 0;
    buf_free(&b);
    status_origins_collect(q, *bgp && !q->light ? &v : NULL, s);
}

/* --- judging ------------------------------------------------------------------------------------
 */

static void session_problem(struct status *s, const struct status_session *n, bool bfd_known)
{
    char address[PREFIX_TEXT_MAX];
    struct buf since = BUF_INIT;

    prefix_format_address(&n->address, address);
    if (!n->bgp) {
        error_add(&s->problems, NULL, 0, NULL,
                  "BGP has no neighbor %s (%s over %s): FRR does not hold the mesh's "
                  "configuration; look at \"journalctl -u p2pvpn-agent\"",
                  address, n->link->peer, n->link->interface);
    } else if (!n->bgp->established) {
        if (n->bgp->up_ms >= 1000) {
            buf_str(&since, " for ");
            status_print_duration(n->bgp->up_ms / 1000, &since);
        }
        error_add(&s->problems, NULL, 0, NULL,
                  "BGP with %s (%s, over %s) is in state %s%s, though the link is up: see \"vtysh "
                  "-c 'show bgp neighbors %s'\"",
                  n->link->peer, address, n->link->interface, n->bgp->state, buf_cstr(&since),
                  address);
    } else if (bfd_known && n->bfd && !n->bfd->up) {
        error_add(
            &s->problems, NULL, 0, NULL,
            "BFD with %s (%s, over %s) is %s, though BGP is up: see \"vtysh -c 'show bfd peer "
            "%s'\" here and there",
            n->link->peer, address, n->link->interface, n->bfd->status, address);
    }
    buf_free(&since);
}

/* OpenVPN is connected, but BFD is down in every family, and BGP too. */
static bool is_silent(const struct status_session *sessions, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!sessions[i].bfd || sessions[i].bfd->up ||
            (sessions[i].bgp && sessions[i].bgp->established))
            return false;
    return n > 0;
}

static void silence_problem(struct status *s, const struct status_link *l,
                            const struct status_session *session)
{
    struct buf since = BUF_INIT;

    if (session->bfd->seconds > 0) {
        buf_str(&since, " for ");
        status_print_duration(session->bfd->seconds, &since);
    }
    error_add(&s->problems, NULL, 0, NULL,
              "link %s to %s is silent%s: OpenVPN has a session, but BFD and BGP are down, so UDP "
              "packets between here and %s are lost on the way, or the other end does not run",
              l->link->interface, l->link->peer, buf_cstr(&since),
              *l->vpn.remote ? l->vpn.remote : "the peer");
    buf_free(&since);
}

static void judge_sessions(struct status *s, bool bgp_known, bool bfd_known)
{
    size_t most = 0;

    for (size_t i = 0; i < s->n_links; i++)
        most += s->links[i].link->n_addresses;
    s->sessions = xcalloc(most + 1, sizeof(*s->sessions));
    for (size_t i = 0; i < s->n_links; i++) {
        struct status_link *l = &s->links[i];
        struct status_session *first = &s->sessions[s->n_sessions];
        size_t n = l->link->n_addresses;

        for (size_t k = 0; k < n; k++)
            s->sessions[s->n_sessions++] = session_of(s, l->link, k, bgp_known);
        l->silent = l->up && bgp_known && bfd_known && is_silent(first, n);
        if (l->silent)
            silence_problem(s, l, first);
        for (size_t k = 0; k < n && bgp_known && l->up && !l->silent; k++)
            session_problem(s, &first[k], bfd_known);
    }
}

static void judge_routes(struct status *s)
{
    struct buf names = BUF_INIT;

    s->missing = xcalloc(s->n_expected + 1, sizeof(*s->missing));
    if (!s->routes_known)
        return;
    for (size_t i = 0; i < s->n_expected; i++)
        if (!route_set_has(&s->routes, &s->expected[i]))
            s->missing[s->n_missing++] = s->expected[i];
    for (size_t i = 0; i < s->n_missing && i < MAX_NAMED; i++) {
        char text[PREFIX_TEXT_MAX];

        buf_printf(&names, "%s%s", i ? ", " : "", prefix_format(&s->missing[i], text));
    }
    if (s->n_missing > 0)
        error_add(&s->problems, NULL, 0, NULL,
                  "%zu of the %zu prefixes of other LANs have no route by BGP: %s%s", s->n_missing,
                  s->n_expected, buf_cstr(&names), s->n_missing > MAX_NAMED ? ", ..." : "");
    buf_free(&names);
}

void status_judge(struct status *s, bool bgp_known, bool bfd_known)
{
    status_origins_expect(s);
    judge_sessions(s, bgp_known, bfd_known);
    judge_routes(s);
}

static const char *kept(struct arena *paths, char *path)
{
    const char *copy = arena_strdup(paths, path);

    free(path);
    return copy;
}

struct status_query status_query_of(const struct settings *s, struct arena *paths)
{
    return (struct status_query){
        .settings = s,
        .bundle_dir = kept(paths, settings_current_dir(s)),
        .management_dir = kept(paths, settings_management_dir(s)),
        .log_dir = s->run_dir,
        .origins = kept(paths, settings_origins_copy(s)),
        .origin_report = kept(paths, settings_origin_report(s)),
        .frr_namespace = s->frr_namespace,
        .keys_dir = kept(paths, settings_keys_dir(s)),
        .run_dir = s->run_dir,
        .state_dir = s->state_dir,
        .firewall = s->no_firewall ? NULL : kept(paths, settings_firewall_record(s)),
        .bundle_source = s->bundle,
        .no_frr = s->no_frr,
    };
}

static int get_bundle(const struct status_query *q, struct status *s, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/%s", q->bundle_dir, BUNDLE_FILE);
    int r;

    s->bundle = q->bundle;
    if (s->bundle)
        return 0;
    if (access(file, F_OK) < 0 && errno == ENOENT)
        return q->light ? 0
                        : error_add(err, NULL, 0, NULL,
                                    "no bundle is in force on this gateway (there is no %s): run "
                                    "\"p2pvpn-agent apply BUNDLE\", or start the service "
                                    "p2pvpn-agent",
                                    file);
    r = reader_load(q->settings, q->bundle_dir, &s->owned, err);
    s->bundle = s->owned;
    return r;
}

int status_collect(const struct status_query *q, struct status **ret, struct error_list *err)
{
    struct status *s = xcalloc(1, sizeof(*s));
    bool bgp, bfd;
    int r = get_bundle(q, s, err);

    if (r == 0) {
        s->now = time(NULL);
        status_agent_collect(q, s);
        status_agent_judge(s);
        status_repository_collect(q, s);
        status_repository_judge(s);
        status_controller_collect(q, s);
        status_controller_judge(s);
        if (s->bundle) {
            ask_frr(q, s, &bgp, &bfd);
            ask_links(q, s);
            status_judge(s, bgp, bfd);
        }
        *ret = s;
        s = NULL;
    }
    status_free(s);
    return r;
}

struct status *status_free(struct status *s)
{
    if (!s)
        return NULL;
    bundle_free(s->owned);
    status_agent_clear(&s->agent);
    status_controller_clear(&s->controller);
    free(s->links);
    free(s->sessions);
    free(s->expected);
    free(s->missing);
    origins_free(s->origins.table);
    error_clear(&s->problems);
    bgp_sessions_free(&s->bgp);
    bfd_sessions_free(&s->bfd);
    route_set_free(&s->routes);
    free(s);
    return NULL;
}
