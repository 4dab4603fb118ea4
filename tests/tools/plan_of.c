/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `p2pvpn-agent plan` would print, for tests/golden/plan.py: of a bundle (a folder; "-": none)
 * on a gateway that is described by lines of the standard input.
 *
 *   like BUNDLE             it is as this bundle says, and FRR has what its frr.conf says
 *   no interface NAME       and then this is not so
 *   no process NAME
 *   no address NAME
 *   down NAME
 *   mtu NAME N
 *   alias NAME WORDS
 *   altname NAME WORD       instead of the one that it has
 *   owner NAME UID
 *   set NAME N              a setting of the machine
 *   interface NAME KIND     an interface that is not ours
 *   firewall WORD           our table is gone or changed, or one that is not ours has its name
 *   certificate             the gateway has another one
 *
 * usage: plan_of MESH BUNDLE < LINES
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/firewall.h"
#include "agent/observe.h"
#include "agent/plan.h"
#include "agent/routing.h"
#include "common/alloc.h"
#include "common/frr_diff.h"
#include "common/fs.h"

#define UID 998

struct gateway {
    struct plan_context context;
    struct observed have;
    struct bundle *in_force; /* NULL: none */
    struct buf frr;          /* its configuration */
    struct error_list err;
};

/* --- the gateway ---------------------------------------------------------------------------- */

static struct link_state *add_link(struct gateway *g, const char *name, const char *kind,
                                   char *alias)
{
    struct link_table *t = &g->have.links;
    struct link_state *link;

    t->links = xreallocarray(t->links, t->n + 1, sizeof(*t->links));
    link = &t->links[t->n];
    *link = (struct link_state){
        .index = (unsigned)++t->n,
        .alias = alias,
        .mtu = 1500,
        .queue_length = 1000,
        .up = true,
        .owner = -1,
        .settings = {1, 1, 1, 1, 0, 0, 0},
    };
    snprintf(link->name, sizeof(link->name), "%s", name);
    snprintf(link->kind, sizeof(link->kind), "%s", kind);
    return link;
}

static void add_our_link(struct gateway *g, const struct bundle *b, size_t i)
{
    static const int32_t settings[LINK_SETTINGS] = {2, 0, 0, 0, 1, 0, 3};
    const struct bundle_link *of = &b->links[i];
    struct link_state *link =
        add_link(g, of->interface, "tun", xasprintf(PLAN_MARKER " %s %s", b->mesh, of->peer));
    char digest[STARTED_LEN + 1];

    link->mtu = of->mtu;
    link->queue_length = of->queue_length;
    link->carrier = link->persistent = link->link_local = true;
    link->owner = UID;
    memcpy(link->settings, settings, sizeof(settings));
    link->altnames = xcalloc(1, sizeof(char *));
    link->altnames[link->n_altnames++] = xstrdup(of->alias);
    link->addresses = xcalloc(of->n_addresses, sizeof(*link->addresses));
    for (size_t k = 0; k < of->n_addresses; k++)
        link->addresses[link->n_addresses++] = plan_link_address(of, k);
    plan_link_digest(b, of, &g->context, digest);
    observed_add_process(&g->have, of->interface, digest);
}

static int read_frr(const char *dir, struct buf *ret, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" ROUTING_CONFIG, dir);

    return fs_read(path, BUNDLE_MAX_BYTES, ret, err);
}

static bool like(struct gateway *g, const char *dir)
{
    struct bundle *b = NULL;

    if (bundle_load(dir, &b, &g->err) < 0 || read_frr(dir, &g->frr, &g->err) < 0)
        return false;
    for (size_t i = 0; plan_global_settings[i]; i++)
        observed_add_setting(&g->have, plan_global_settings[i], 1);
    for (size_t i = 0; i < b->n_links; i++)
        add_our_link(g, b, i);
    g->in_force = b;
    g->have.firewall = FIREWALL_OURS;
    return firewall_digest(&(struct firewall){.now = b}, g->have.firewall_digest, &g->err) == 0;
}

static bool change_firewall(struct gateway *g, const char *how)
{
    if (strcmp(how, "gone") == 0)
        g->have.firewall = FIREWALL_NONE;
    else if (strcmp(how, "foreign") == 0)
        g->have.firewall = FIREWALL_FOREIGN;
    else if (strcmp(how, "changed") == 0)
        g->have.firewall_changed = true;
    else
        return false;
    return true;
}

static void clear_link(struct link_state *link)
{
    for (size_t i = 0; i < link->n_altnames; i++)
        free(link->altnames[i]);
    free(link->altnames);
    free(link->addresses);
    free(link->alias);
}

static void remove_link(struct gateway *g, struct link_state *link)
{
    struct link_table *t = &g->have.links;
    size_t after = t->n - (size_t)(link - t->links) - 1;

    clear_link(link);
    memmove(link, link + 1, after * sizeof(*link));
    t->n--;
}

static bool remove_process(struct gateway *g, const char *name)
{
    struct observed *o = &g->have;

    for (size_t i = 0; i < o->n_processes; i++)
        if (strcmp(o->processes[i].interface, name) == 0) {
            memmove(&o->processes[i], &o->processes[i + 1],
                    (--o->n_processes - i) * sizeof(o->processes[i]));
            return true;
        }
    return false;
}

static bool set(struct gateway *g, const char *name, long value)
{
    for (size_t i = 0; i < g->have.n_settings; i++)
        if (strcmp(g->have.settings[i].name, name) == 0) {
            g->have.settings[i].value = value;
            return true;
        }
    observed_add_setting(&g->have, name, value);
    return true;
}

/* "no WHAT NAME", "down NAME", ...: something about one link. */
static bool change_link(struct gateway *g, const char *word, const char *name, const char *rest)
{
    /* What is "const" in a table is ours here. */
    struct link_state *link = (struct link_state *)(uintptr_t)link_table_find(&g->have.links, name);

    if (!link)
        return false;
    if (strcmp(word, "interface") == 0)
        remove_link(g, link);
    else if (strcmp(word, "address") == 0)
        link->n_addresses = 0;
    else if (strcmp(word, "down") == 0)
        link->up = false;
    else if (strcmp(word, "mtu") == 0)
        link->mtu = (uint32_t)strtoul(rest, NULL, 10);
    else if (strcmp(word, "owner") == 0)
        link->owner = strtol(rest, NULL, 10);
    else if (strcmp(word, "alias") == 0) {
        free(link->alias);
        link->alias = xstrdup(rest);
    } else if (strcmp(word, "altname") == 0 && link->n_altnames) {
        free(link->altnames[0]);
        link->altnames[0] = xstrdup(rest);
    } else
        return false;
    return true;
}

static bool obey(struct gateway *g, const char *line)
{
    char word[32], name[256], rest[256] = "";
    int n = sscanf(line, "%31s %255s %255[^\n]", word, name, rest);

    if (n == 1 && strcmp(word, "certificate") == 0)
        return strcpy(g->context.keys_digest, "another") != NULL;
    if (n < 2)
        return false;
    if (strcmp(word, "like") == 0)
        return like(g, name);
    if (strcmp(word, "firewall") == 0)
        return change_firewall(g, name);
    if (strcmp(word, "set") == 0)
        return set(g, name, strtol(rest, NULL, 10));
    if (strcmp(word, "interface") == 0)
        return add_link(g, name, rest, xstrdup("")) != NULL;
    if (strcmp(word, "no") != 0)
        return change_link(g, word, name, rest);
    return strcmp(name, "process") == 0 ? remove_process(g, rest) : change_link(g, name, rest, "");
}

static bool describe(struct gateway *g)
{
    char line[1024];

    while (fgets(line, sizeof(line), stdin))
        if (!obey(g, line)) {
            fprintf(stderr, "cannot obey: %s", line);
            return false;
        }
    observed_sort(&g->have);
    return true;
}

/* --- the plan ------------------------------------------------------------------------------- */

/* FRR's part: its configuration is all ours, and what it holds is what was put there. */
static int compare_frr(struct gateway *g, const char *wanted, struct buf *ret)
{
    struct frr_config desired = FRR_CONFIG_INIT, applied = FRR_CONFIG_INIT,
                      running = FRR_CONFIG_INIT;
    struct frr_diff diff = FRR_DIFF_INIT;
    int r;

    frr_config_parse(&desired, wanted, strlen(wanted));
    frr_config_parse(&applied, buf_cstr(&g->frr), g->frr.len);
    frr_config_parse(&running, buf_cstr(&g->frr), g->frr.len);
    r = frr_diff(&desired, &applied, &running, &diff, &g->err);
    g->have.frr_in_force = r == 0 && diff.n == 0;
    for (size_t i = 0; r == 0 && i < diff.n; i++)
        buf_printf(ret, "%c %s%s%s\n", diff.changes[i].added ? '+' : '-', diff.changes[i].context,
                   *diff.changes[i].context ? " > " : "", diff.changes[i].text);
    frr_diff_free(&diff);
    frr_config_free(&desired);
    frr_config_free(&applied);
    frr_config_free(&running);
    return r;
}

static int plan_for(struct gateway *g, const char *dir)
{
    _cleanup_buf_ struct buf wanted = BUF_INIT, lines = BUF_INIT, text = BUF_INIT;
    struct bundle *b = NULL;
    struct plan *p = NULL;
    int r = 0;

    if (strcmp(dir, "-") != 0) {
        r = bundle_load(dir, &b, &g->err);
        if (r == 0)
            r = read_frr(dir, &wanted, &g->err);
    }
    if (r == 0)
        r = compare_frr(g, buf_cstr(&wanted), &lines);
    if (r == 0 && b)
        r = firewall_digest(&(struct firewall){.now = b, .before = g->in_force},
                            g->context.firewall_digest, &g->err);
    if (r == 0)
        p = plan_compute(b, &g->context, &g->have);
    for (size_t i = 0; p && i < p->n; i++)
        if (p->steps[i].action == PLAN_FRR)
            p->steps[i].text = buf_steal(&lines);
    if (p)
        plan_print(p, &text);
    fputs(buf_cstr(&text), stdout);
    plan_free(p);
    bundle_free(b);
    return r;
}

int main(int argc, char **argv)
{
    struct gateway g = {.have = OBSERVED_INIT, .frr = BUF_INIT, .err = ERROR_LIST_INIT};
    int r = -EINVAL;

    if (argc != 3) {
        fprintf(stderr, "usage: %s MESH BUNDLE\n", argv[0]);
        return EXIT_USAGE;
    }
    g.context = (struct plan_context){.mesh = argv[1], .link_uid = UID};
    if (describe(&g))
        r = plan_for(&g, argv[2]);
    error_print(&g.err, stderr);
    error_clear(&g.err);
    buf_free(&g.frr);
    bundle_free(g.in_force);
    observed_clear(&g.have);
    return error_exit_code(r);
}
