/* SPDX-License-Identifier: Apache-2.0 */
/* `p2pvpn-ctl plan --json`: all of a change, for programs. */
#include <string.h>

#include "common/buf.h"
#include "controller/cli.h"
#include "controller/preview.h"

static void add_text(struct buf *b, const char *member, const char *value)
{
    buf_printf(b, "\"%s\": ", member);
    if (value)
        buf_json(b, value);
    else
        buf_str(b, "null");
}

/* What stands before an element of a list of lines. */
static const char *before(size_t i)
{
    return i ? ",\n    " : "\n    ";
}

static void end_list(struct buf *b, size_t n)
{
    buf_str(b, n ? "\n  ],\n" : "],\n");
}

static void add_total(struct buf *b, const char *member, const struct change_total *t, bool changed)
{
    buf_printf(b, "  \"%s\": {\"before\": %zu, \"now\": %zu, \"added\": %zu, ", member, t->before,
               t->now, t->n[CHANGE_ADDED]);
    if (changed)
        buf_printf(b, "\"changed\": %zu, ", t->n[CHANGE_CHANGED]);
    buf_printf(b, "\"removed\": %zu},\n", t->n[CHANGE_REMOVED]);
}

static void add_totals(struct buf *b, const struct change *c)
{
    add_total(b, "gateways", &c->gateways, false);
    add_total(b, "links", &c->links, false);
    if (c->lans_known)
        add_total(b, "lans", &c->lans, true);
    if (c->effects_known)
        buf_printf(b,
                   "  \"bundles\": {\"new\": %zu, \"changed\": %zu, \"removed\": %zu, "
                   "\"same\": %zu, \"same-with-other-routes\": %zu},\n",
                   c->bundles[CHANGE_ADDED], c->bundles[CHANGE_CHANGED], c->bundles[CHANGE_REMOVED],
                   c->bundles[CHANGE_NONE], c->rerouted);
    buf_printf(b, "  \"processes\": {\"start\": %zu, ", c->processes[CHANGE_ADDED]);
    if (c->effects_known)
        buf_printf(b, "\"restart\": %zu, ", c->processes[CHANGE_CHANGED]);
    buf_printf(b, "\"stop\": %zu},\n  \"sessions\": {\"come\": %zu, ", c->processes[CHANGE_REMOVED],
               c->sessions[CHANGE_ADDED]);
    if (c->effects_known)
        buf_printf(b, "\"reset\": %zu, ", c->sessions[CHANGE_CHANGED]);
    buf_printf(b, "\"go\": %zu},\n", c->sessions[CHANGE_REMOVED]);
}

static void add_links(struct buf *b, const struct change *c)
{
    buf_str(b, "  \"link\": [");
    for (size_t i = 0; i < c->n_links; i++) {
        const struct change_link *l = &c->link[i];

        buf_printf(b, "%s{", before(i));
        add_text(b, "a", l->a);
        buf_str(b, ", ");
        add_text(b, "b", l->b);
        buf_printf(b, ", \"tunnel\": %u, \"change\": \"%s\"}", l->tunnel, cli_change_word(l->what));
    }
    end_list(b, c->n_links);
}

static void add_side(struct buf *b, const struct change_lan *l, unsigned now)
{
    char text[PREFIX_TEXT_MAX];

    buf_printf(b, ", \"prefixes-%s\": [", now ? "now" : "before");
    for (size_t i = 0; i < l->n_prefixes[now]; i++)
        buf_printf(b, "%s\"%s\"", i ? ", " : "", prefix_format(&l->prefixes[now][i], text));
    buf_printf(b, "], \"gateways-%s\": [", now ? "now" : "before");
    for (const char **g = l->gateways[now]; *g; g++) {
        buf_str(b, g == l->gateways[now] ? "" : ", ");
        buf_json(b, *g);
    }
    buf_char(b, ']');
}

static void add_lans(struct buf *b, const struct change *c)
{
    buf_str(b, "  \"lan\": [");
    for (size_t i = 0; i < c->n_lans; i++) {
        buf_printf(b, "%s{", before(i));
        add_text(b, "name", c->lan[i].name);
        buf_printf(b, ", \"change\": \"%s\"", cli_change_word(c->lan[i].what));
        add_side(b, &c->lan[i], 0);
        add_side(b, &c->lan[i], 1);
        buf_char(b, '}');
    }
    end_list(b, c->n_lans);
}

/* Each once: it is the same at every gateway but those of its LAN. */
static void add_routes(struct buf *b, const struct change *c)
{
    char text[PREFIX_TEXT_MAX];

    buf_str(b, "  \"route\": [");
    for (size_t i = 0; i < c->n_routes; i++) {
        const struct change_route *r = &c->route[i];

        buf_printf(b, "%s{\"prefix\": \"%s\", \"change\": \"%s\", ", before(i),
                   prefix_format(&r->prefix, text), cli_change_word(r->what));
        add_text(b, "lan-before", r->lan_before);
        buf_str(b, ", ");
        add_text(b, "lan-now", r->lan_now);
        buf_char(b, '}');
    }
    end_list(b, c->n_routes);
}

static void add_processes(struct buf *b, const struct change_gateway *g)
{
    static const char *const words[] = {
        [CHANGE_ADDED] = "start", [CHANGE_CHANGED] = "restart", [CHANGE_REMOVED] = "stop"};

    buf_str(b, ", \"processes\": [");
    for (size_t i = 0; i < g->n_processes; i++) {
        const struct change_process *p = &g->processes[i];

        buf_str(b, i ? ", {" : "{");
        add_text(b, "interface", p->interface);
        buf_str(b, ", ");
        add_text(b, "peer", p->peer);
        if (p->was_peer) {
            buf_str(b, ", ");
            add_text(b, "peer-before", p->was_peer);
        }
        buf_printf(b, ", \"change\": \"%s\"}", words[p->what]);
    }
    buf_char(b, ']');
}

static void add_sessions(struct buf *b, const struct change_gateway *g)
{
    static const char *const words[] = {
        [CHANGE_ADDED] = "come", [CHANGE_CHANGED] = "reset", [CHANGE_REMOVED] = "go"};

    buf_str(b, ", \"sessions\": [");
    for (size_t i = 0; i < g->n_sessions; i++) {
        const struct change_session *s = &g->sessions[i];

        buf_str(b, i ? ", {" : "{");
        add_text(b, "neighbor", s->neighbor);
        buf_str(b, ", ");
        add_text(b, "interface", s->interface);
        buf_str(b, ", ");
        add_text(b, "peer", s->peer);
        buf_printf(b, ", \"change\": \"%s\"", words[s->what]);
        if (s->why) {
            buf_str(b, ", ");
            add_text(b, "why", s->why);
        }
        buf_char(b, '}');
    }
    buf_char(b, ']');
}

static void add_gateway(struct buf *b, const struct change *c, const struct change_gateway *g)
{
    buf_char(b, '{');
    add_text(b, "name", g->name);
    buf_printf(b, ", \"change\": \"%s\", \"bundle\": \"%s\"", cli_change_word(g->what),
               g->bundle ? "changes" : "same");
    if (g->unknown) {
        buf_str(b, ", ");
        add_text(b, "unknown", g->unknown);
    }
    buf_str(b, ", \"notes\": [");
    for (size_t i = 0; i < g->n_notes; i++) {
        buf_str(b, i ? ", " : "");
        buf_json(b, g->notes[i]);
    }
    buf_char(b, ']');
    add_processes(b, g);
    add_sessions(b, g);
    if (c->effects_known)
        buf_printf(b, ", \"frr-lines\": {\"added\": %zu, \"removed\": %zu}", g->frr_added,
                   g->frr_removed);
    if (c->routes_known)
        buf_printf(b, ", \"routes\": {\"appear\": %zu, \"move\": %zu, \"vanish\": %zu}",
                   g->routes.n[CHANGE_ADDED], g->routes.n[CHANGE_CHANGED],
                   g->routes.n[CHANGE_REMOVED]);
    buf_char(b, '}');
}

void cli_add_plan(struct buf *b, const struct preview *p, const char *gateway)
{
    const struct change *c = p->change;
    size_t n = 0;

    buf_str(b, "{\n  ");
    add_text(b, "mesh", c->mesh);
    buf_str(b, ",\n  ");
    add_text(b, "against", p->against);
    buf_printf(b, ",\n  \"against-kind\": \"%s\",\n  \"against-missing\": %s,\n",
               p->bundles ? "bundles" : "lock", p->missing ? "true" : "false");
    buf_printf(b, "  \"changes\": %s,\n  \"effects-known\": %s,\n  \"routes-known\": %s,\n",
               preview_any(p) ? "true" : "false", c->effects_known ? "true" : "false",
               c->routes_known ? "true" : "false");
    if (p->bundles)
        buf_printf(b, "  \"origins\": \"%s\",\n", p->origins_change ? "changes" : "same");
    add_totals(b, c);
    add_links(b, c);
    if (c->lans_known)
        add_lans(b, c);
    if (c->routes_known)
        add_routes(b, c);
    buf_str(b, "  \"gateway\": [");
    for (size_t i = 0; i < c->n_gateways; i++)
        if (!gateway || strcmp(gateway, c->gateway[i].name) == 0) {
            buf_str(b, before(n++));
            add_gateway(b, c, &c->gateway[i]);
        }
    end_list(b, n);
    buf_str(b, "  \"warnings\": [");
    cli_add_warnings(b, &p->summary.warnings);
    buf_str(b, "]\n}\n");
}
