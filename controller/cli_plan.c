/* SPDX-License-Identifier: Apache-2.0 */
/* `p2pvpn-ctl plan`: what publishing would do, for a person.  Short where much happens: gateways to
 * which the same happens share a line, and lists end with "and N more". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "controller/cli.h"
#include "controller/preview.h"

#define NAMES_SHOWN 6
#define LINES_SHOWN 20
#define EXIT_CHANGES 2 /* with --detailed-exitcode */

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* --- lists of names --------------------------------------------------------------------------- */

struct list {
    struct buf text;
    size_t n, shown;
};

#define LIST_INIT      \
    {                  \
        BUF_INIT, 0, 0 \
    }

static void list_add(struct list *l, const char *name)
{
    if (l->n++ >= NAMES_SHOWN)
        return;
    buf_printf(&l->text, "%s%s", l->shown++ ? ", " : "", name);
}

/* The names and how many more; frees the list. */
static void list_end(struct list *l, struct buf *b)
{
    buf_str(b, buf_cstr(&l->text));
    if (l->n > l->shown)
        buf_printf(b, " and %zu more", l->n - l->shown);
    buf_free(&l->text);
    *l = (struct list)LIST_INIT;
}

static void add_line(struct buf *b, const char *what, struct list *l)
{
    if (l->n) {
        buf_printf(b, "  %s: ", what);
        list_end(l, b);
        buf_char(b, '\n');
    }
    buf_free(&l->text);
    *l = (struct list)LIST_INIT;
}

/* --- totals ----------------------------------------------------------------------------------- */

static void add_total(struct buf *b, const char *what, const struct change_total *t)
{
    buf_printf(b, "%s: ", what);
    if (t->before != t->now)
        buf_printf(b, "%zu -> ", t->before);
    buf_printf(b, "%zu\n", t->now);
}

static void add_gateway_names(struct buf *b, const struct change *c)
{
    struct list added = LIST_INIT, removed = LIST_INIT;

    add_total(b, "gateways", &c->gateways);
    for (size_t i = 0; i < c->n_gateways; i++)
        if (c->gateway[i].what == CHANGE_ADDED)
            list_add(&added, c->gateway[i].name);
        else if (c->gateway[i].what == CHANGE_REMOVED)
            list_add(&removed, c->gateway[i].name);
    add_line(b, "added", &added);
    add_line(b, "removed", &removed);
}

static void add_links(struct buf *b, const struct change *c)
{
    struct list lists[2] = {LIST_INIT, LIST_INIT};

    add_total(b, "links", &c->links);
    for (size_t i = 0; i < c->n_links; i++) {
        const struct change_link *l = &c->link[i];
        _cleanup_free_ char *text = l->tunnel > 1 ? xasprintf("%s/%s-%u", l->a, l->b, l->tunnel)
                                                  : xasprintf("%s/%s", l->a, l->b);

        list_add(&lists[l->what == CHANGE_REMOVED], text);
    }
    add_line(b, "added", &lists[0]);
    add_line(b, "removed", &lists[1]);
}

static void add_prefixes(struct buf *b, const struct prefix *prefixes, size_t n)
{
    char text[PREFIX_TEXT_MAX];

    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%s", i ? " " : "", prefix_format(&prefixes[i], text));
}

static bool has_prefix(const struct change_lan *l, unsigned now, const struct prefix *p)
{
    for (size_t i = 0; i < l->n_prefixes[now]; i++)
        if (prefix_compare(&l->prefixes[now][i], p) == 0)
            return true;
    return false;
}

static bool has_gateway(const struct change_lan *l, unsigned now, const char *name)
{
    for (const char **g = l->gateways[now]; *g; g++)
        if (strcmp(*g, name) == 0)
            return true;
    return false;
}

/* "perth (+10.5.0.0/16, at perth-b, no longer at perth-a)". */
static void add_lan(struct list *to, const struct change_lan *l)
{
    _cleanup_buf_ struct buf b = BUF_INIT, details = BUF_INIT;
    char text[PREFIX_TEXT_MAX];

    if (l->what != CHANGE_CHANGED) {
        unsigned now = l->what == CHANGE_ADDED;

        add_prefixes(&details, l->prefixes[now], l->n_prefixes[now]);
        buf_printf(&b, "%s (%s)", l->name, buf_cstr(&details));
        list_add(to, buf_cstr(&b));
        return;
    }
    for (unsigned now = 2; now-- > 0;)
        for (size_t i = 0; i < l->n_prefixes[now]; i++)
            if (!has_prefix(l, !now, &l->prefixes[now][i]))
                buf_printf(&details, "%s%c%s", details.len ? ", " : "", now ? '+' : '-',
                           prefix_format(&l->prefixes[now][i], text));
    for (unsigned now = 2; now-- > 0;)
        for (const char **g = l->gateways[now]; *g; g++)
            if (!has_gateway(l, !now, *g))
                buf_printf(&details, "%s%s %s", details.len ? ", " : "",
                           now ? "also at" : "no longer at", *g);
    buf_printf(&b, "%s (%s)", l->name, buf_cstr(&details));
    list_add(to, buf_cstr(&b));
}

static void add_lans(struct buf *b, const struct change *c)
{
    struct list lists[N_CHANGES] = {LIST_INIT, LIST_INIT, LIST_INIT, LIST_INIT};

    add_total(b, "LANs", &c->lans);
    for (size_t i = 0; i < c->n_lans; i++)
        add_lan(&lists[c->lan[i].what], &c->lan[i]);
    add_line(b, "added", &lists[CHANGE_ADDED]);
    add_line(b, "changed", &lists[CHANGE_CHANGED]);
    add_line(b, "removed", &lists[CHANGE_REMOVED]);
}

static void add_routes(struct buf *b, const struct change *c)
{
    static const char *const words[] = {[CHANGE_ADDED] = "appear",
                                        [CHANGE_CHANGED] = "come from other gateways than before",
                                        [CHANGE_REMOVED] = "vanish"};
    struct list lists[N_CHANGES] = {LIST_INIT, LIST_INIT, LIST_INIT, LIST_INIT};
    char text[PREFIX_TEXT_MAX];

    if (c->n_routes == 0)
        return;
    buf_str(b, "routes, at every gateway outside of their LAN:\n");
    for (size_t i = 0; i < c->n_routes; i++)
        list_add(&lists[c->route[i].what], prefix_format(&c->route[i].prefix, text));
    for (unsigned what = CHANGE_ADDED; what < N_CHANGES; what++)
        add_line(b, words[what], &lists[what]);
}

static void add_effects(struct buf *b, const struct preview *preview)
{
    const struct change *c = preview->change;
    const size_t *p = c->processes, *s = c->sessions;

    if (c->effects_known) {
        buf_printf(b,
                   "OpenVPN processes: %zu start, %zu restart, %zu stop\n"
                   "BGP sessions: %zu come up, %zu reset, %zu go\n",
                   p[CHANGE_ADDED], p[CHANGE_CHANGED], p[CHANGE_REMOVED], s[CHANGE_ADDED],
                   s[CHANGE_CHANGED], s[CHANGE_REMOVED]);
        buf_printf(b, "bundles: %zu new, %zu changed, %zu removed, %zu the same to the byte%s\n",
                   c->bundles[CHANGE_ADDED], c->bundles[CHANGE_CHANGED], c->bundles[CHANGE_REMOVED],
                   c->bundles[CHANGE_NONE],
                   preview->origins_change ? "; the table of origins changes" : "");
        if (c->rerouted)
            buf_printf(b,
                       "  at %zu gateways whose bundle stays the same routes change as well: the "
                       "table of origins tells them\n",
                       c->rerouted);
        return;
    }
    buf_printf(b,
               "OpenVPN processes: %zu start, %zu stop\n"
               "BGP sessions: %zu come up, %zu go\n",
               p[CHANGE_ADDED], p[CHANGE_REMOVED], s[CHANGE_ADDED], s[CHANGE_REMOVED]);
}

/* --- one gateway ------------------------------------------------------------------------------ */

static void add_part(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_part(struct buf *b, const char *format, ...)
{
    va_list ap;

    if (b->len)
        buf_str(b, "; ");
    va_start(ap, format);
    buf_vprintf(b, format, ap);
    va_end(ap);
}

static void add_process_part(struct buf *b, const struct change_gateway *g, enum change_what what,
                             const char *verb)
{
    struct list l = LIST_INIT;

    for (size_t i = 0; i < g->n_processes; i++) {
        const struct change_process *p = &g->processes[i];
        _cleanup_free_ char *text =
            p->was_peer ? xasprintf("%s to %s, before to %s", p->interface, p->peer, p->was_peer)
                        : xasprintf("%s to %s", p->interface, p->peer);

        if (p->what == what)
            list_add(&l, text);
    }
    if (l.n) {
        add_part(b, "%s %s", verb, g->what == CHANGE_ADDED ? "OpenVPN of " : "");
        list_end(&l, b);
    }
}

static int compare_peers(const void *pa, const void *pb)
{
    const struct change_session *const *a = pa, *const *b = pb;
    const char *x = (*a)->peer ? (*a)->peer : "", *y = (*b)->peer ? (*b)->peer : "";

    return strcmp(x, y);
}

/* Sessions by the peers that they are with; why, when it is one reason for all of them. */
static void add_session_part(struct buf *b, const struct change_gateway *g, enum change_what what,
                             const char *verb, const char *verbs)
{
    const struct change_session **list = xcalloc(g->n_sessions + 1, sizeof(*list));
    const char *why = NULL;
    struct list peers = LIST_INIT;
    bool one = true;
    size_t n = 0;

    for (size_t i = 0; i < g->n_sessions; i++)
        if (g->sessions[i].what == what)
            list[n++] = &g->sessions[i];
    qsort(list, n, sizeof(*list), compare_peers);
    for (size_t i = 0; i < n; i++) {
        one = one && (i == 0 || !why || strcmp(list[i]->why, why) == 0);
        why = list[i]->why;
        if (list[i]->peer && (i == 0 || compare_peers(&list[i - 1], &list[i]) != 0))
            list_add(&peers, list[i]->peer);
    }
    free(list);
    if (n == 0)
        return;
    add_part(b, "%zu BGP session%s%s", n, plural(n), peers.n ? " with " : "");
    list_end(&peers, b);
    buf_printf(b, " %s", n == 1 ? verb : verbs);
    if (one && why)
        buf_printf(b, " (%s)", why);
}

static void add_routes_part(struct buf *b, const struct change_routes *r)
{
    static const char *const words[][2] = {
        [CHANGE_ADDED] = {"appears", "appear"},
        [CHANGE_CHANGED] = {"comes from another gateway", "come from other gateways"},
        [CHANGE_REMOVED] = {"vanishes", "vanish"}};

    for (unsigned what = CHANGE_ADDED; what < N_CHANGES; what++)
        if (r->n[what])
            add_part(b, "%zu route%s %s", r->n[what], plural(r->n[what]),
                     words[what][r->n[what] != 1]);
}

static size_t count(const struct change_gateway *g, bool sessions)
{
    return sessions ? g->n_sessions : g->n_processes;
}

/* What happens at a gateway, in one line. */
static void describe(const struct change *c, const struct change_gateway *g, struct buf *b)
{
    if (g->what == CHANGE_REMOVED) {
        add_part(b, "leaves the mesh; nothing tells its agent, stop it there");
        return;
    }
    if (g->what == CHANGE_ADDED) {
        add_part(b, "new");
        if (count(g, false))
            add_part(b, "%zu OpenVPN process%s start%s", count(g, false),
                     count(g, false) == 1 ? "" : "es", count(g, false) == 1 ? "s" : "");
        if (count(g, true))
            add_part(b, "%zu BGP session%s come%s up", count(g, true), plural(count(g, true)),
                     count(g, true) == 1 ? "s" : "");
        add_routes_part(b, &g->routes);
        return;
    }
    if (g->unknown)
        add_part(b, "%s", g->unknown);
    for (size_t i = 0; i < g->n_notes; i++)
        add_part(b, "%s", g->notes[i]);
    add_process_part(b, g, CHANGE_ADDED, "starts");
    add_process_part(b, g, CHANGE_CHANGED, "restarts");
    add_process_part(b, g, CHANGE_REMOVED, "stops");
    add_session_part(b, g, CHANGE_ADDED, "comes up", "come up");
    add_session_part(b, g, CHANGE_CHANGED, "resets", "reset");
    add_session_part(b, g, CHANGE_REMOVED, "goes", "go");
    add_routes_part(b, &g->routes);
    if (c->effects_known && g->bundle && !g->unknown && !g->n_processes && !g->n_sessions)
        add_part(b, g->frr_added || g->frr_removed ? "FRR's policy only, no process and no session"
                                                   : "no process and no session");
}

/* Gateways to which the same happens. */
struct group {
    UT_hash_handle hh;
    struct list names;
    size_t names_len;
    char text[];
};

static struct group *group_of(struct group **groups, const char *text)
{
    size_t n = strlen(text);
    struct group *g;

    HASH_FIND(hh, *groups, text, n, g);
    if (!g) {
        g = xcalloc(1, sizeof(*g) + n + 1);
        memcpy(g->text, text, n + 1);
        HASH_ADD(hh, *groups, text, n, g);
    }
    return g;
}

static void add_groups(struct buf *b, const struct change *c, enum change_what what, bool bundle,
                       const char *title)
{
    struct group *groups = NULL, *g, *next;
    size_t lines = 0, left = 0;

    for (size_t i = 0; i < c->n_gateways; i++) {
        _cleanup_buf_ struct buf text = BUF_INIT;

        if (c->gateway[i].what != what || c->gateway[i].bundle != bundle)
            continue;
        describe(c, &c->gateway[i], &text);
        list_add(&group_of(&groups, buf_cstr(&text))->names, c->gateway[i].name);
    }
    if (groups)
        buf_printf(b, "\n%s:\n", title);
    HASH_ITER(hh, groups, g, next)
    {
        if (lines++ < LINES_SHOWN) {
            buf_str(b, "  ");
            list_end(&g->names, b);
            buf_printf(b, ": %s\n", g->text);
        } else {
            left += g->names.n;
        }
        HASH_DEL(groups, g);
        buf_free(&g->names.text);
        free(g);
    }
    if (left)
        buf_printf(b, "  and %zu more gateways; --gateway NAME shows one, --json all\n", left);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void add_head(struct buf *b, const struct preview *p)
{
    buf_printf(b, "mesh %s, compared with %s", p->change->mesh, p->against);
    if (p->missing)
        buf_str(b, ", which is not there yet: everything is new");
    buf_char(b, '\n');
    if (!p->bundles)
        buf_str(b,
                "A lock says which gateways and links there were, and nothing else: what restarts "
                "and resets,\nLANs and routes are known with --against DIR, the output that is "
                "published.\n");
    else if (!p->change->routes_known)
        buf_printf(b,
                   "There is no table of origins in %s, so routes are not known; compile writes "
                   "it.\n",
                   p->against);
    buf_char(b, '\n');
}

static void add_plan(struct buf *b, const struct preview *p)
{
    const struct change *c = p->change;

    if (!preview_any(p)) {
        buf_printf(b,
                   p->bundles ? "nothing to do: all %zu bundles are the same to the byte\n"
                              : "no gateway and no link comes or goes (%zu gateways)\n",
                   c->gateways.now);
        return;
    }
    add_gateway_names(b, c);
    add_links(b, c);
    if (c->lans_known)
        add_lans(b, c);
    add_routes(b, c);
    add_effects(b, p);
    add_groups(b, c, CHANGE_REMOVED, true, "gateways that leave");
    add_groups(b, c, CHANGE_ADDED, true, "new gateways");
    add_groups(b, c, CHANGE_CHANGED, true, "gateways that get another bundle");
    add_groups(b, c, CHANGE_NONE, false, "gateways that feel it, with the same bundle as before");
}

void cli_add_plan_text(struct buf *b, const struct preview *p)
{
    add_head(b, p);
    add_plan(b, p);
}

const char *cli_change_word(int what)
{
    static const char *const words[] = {[CHANGE_NONE] = "none",
                                        [CHANGE_ADDED] = "added",
                                        [CHANGE_CHANGED] = "changed",
                                        [CHANGE_REMOVED] = "removed"};

    return words[what];
}

static void add_gateway_routes(struct buf *b, const struct change *c, const char *before,
                               const char *now)
{
    static const char *const words[] = {[CHANGE_ADDED] = "appears",
                                        [CHANGE_CHANGED] = "comes from another gateway",
                                        [CHANGE_REMOVED] = "vanishes"};
    char text[PREFIX_TEXT_MAX];

    for (size_t i = 0; before && now && i < c->n_routes; i++) {
        const struct change_route *r = &c->route[i];
        enum change_what what = change_route_at(r, before, now);

        if (what != CHANGE_NONE)
            buf_printf(b, "  route %s (%s) %s\n", prefix_format(&r->prefix, text),
                       r->lan_now ? r->lan_now : r->lan_before, words[what]);
    }
}

/* Everything about one gateway. */
static void add_one(struct buf *b, const struct preview *p, const char *name)
{
    static const char *const starts[] = {
        [CHANGE_ADDED] = "starts", [CHANGE_CHANGED] = "restarts", [CHANGE_REMOVED] = "stops"};
    static const char *const comes[] = {
        [CHANGE_ADDED] = "comes up", [CHANGE_CHANGED] = "resets", [CHANGE_REMOVED] = "goes"};
    const struct change_gateway *g = change_find(p->change, name);
    const struct change_quiet *quiet = change_find_quiet(p->change, name);
    _cleanup_buf_ struct buf text = BUF_INIT;

    if (g)
        describe(p->change, g, &text);
    else
        buf_str(&text, p->bundles ? "the same bundle to the byte"
                                  : "the lock does not tell of any change");
    if (!g && quiet)
        add_routes_part(&text, &quiet->routes);
    buf_printf(b, "gateway %s: %s\n", name, buf_cstr(&text));
    for (size_t i = 0; g && i < g->n_processes; i++)
        buf_printf(b, "  OpenVPN of %s to %s %s\n", g->processes[i].interface, g->processes[i].peer,
                   starts[g->processes[i].what]);
    for (size_t i = 0; g && i < g->n_sessions; i++) {
        const struct change_session *s = &g->sessions[i];

        buf_printf(b, "  BGP session with %s%s%s%s %s%s%s\n", s->peer ? s->peer : "?",
                   s->neighbor ? " (" : "", s->neighbor ? s->neighbor : "", s->neighbor ? ")" : "",
                   comes[s->what], s->why ? ": " : "", s->why ? s->why : "");
    }
    if (g && (g->frr_added || g->frr_removed))
        buf_printf(b, "  FRR: %zu lines added, %zu removed\n", g->frr_added, g->frr_removed);
    if (g)
        add_gateway_routes(b, p->change, g->lan_before, g->lan_now);
    else if (quiet)
        add_gateway_routes(b, p->change, quiet->lan, quiet->lan);
}

int cli_plan(const struct cli_args *args)
{
    const struct preview_options options = {
        .mesh_file = args->argument,
        .against = args->against,
        .lock_file = args->lock,
        .keys_file = args->keys,
        .template_dir = args->templates,
        .gateway = args->gateway,
        .allow_shrink = args->allow_shrink,
        .progress = isatty(STDERR_FILENO) ? cli_progress : NULL,
    };
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct preview p;
    int r, code;

    cli_progress(0, 0);
    r = preview(&options, &p, &err);
    cli_print_warnings(&p.summary.warnings);
    error_print(&err, stderr);
    code = error_exit_code(r);
    if (r == 0) {
        if (args->json)
            cli_add_plan(&text, &p, args->gateway);
        else
            add_head(&text, &p);
        if (!args->json && args->gateway)
            add_one(&text, &p, args->gateway);
        else if (!args->json)
            add_plan(&text, &p);
        fputs(buf_cstr(&text), stdout);
        if (args->detailed && preview_any(&p))
            code = EXIT_CHANGES;
    }
    preview_clear(&p);
    error_clear(&err);
    return code;
}
