/* SPDX-License-Identifier: Apache-2.0 */
#include "common/frr_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Marks of a line of the running configuration. */
enum {
    OWNED = 1,    /* ours */
    GOES = 2,     /* ours and not desired */
    COVERED = 4,  /* goes with something larger, or by the line that replaces it */
    AT_ONCE = 8,  /* goes before anything comes */
    PRESENT = 16, /* of a desired line: in place already */
    THEIRS = 32,  /* of a desired line: in place already, and the operator's */
};

/* A string set that remembers one line per string. */
struct entry {
    const char *key;
    struct frr_line *line;
    UT_hash_handle hh;
};

struct neighbor {
    const char *name;
    const char *group, *group_wanted; /* NULL: in none */
    bool ours, running, wanted;
    bool rebuild; /* running and wanted, in another peer-group: FRR only takes it anew */
    UT_hash_handle hh;
};

struct work {
    struct frr_config *desired, *applied, *running;
    struct frr_diff *ret;
    struct error_list *err;
    struct frr_line *router, *router_wanted; /* of running, of desired */
    bool dependents;                         /* BGP instances in VRFs: the default one must stay */
    bool drop_router;                        /* "no router bgp" for the running one */
    bool adopt;                              /* see the header */
    struct neighbor *neighbors;
    struct entry *wanted_keys, *wanted_heads, *gone_heads;
    struct frr_writer writer;
    struct arena arena;
};

static struct entry *set_find(struct entry *set, const char *key)
{
    struct entry *e;

    HASH_FIND_STR(set, key, e);
    return e;
}

/* False: it was there. */
static bool set_add(struct work *w, struct entry **set, const char *key, struct frr_line *line)
{
    struct entry *e = set_find(*set, key);

    if (e)
        return false;
    e = arena_alloc(&w->arena, 1, sizeof(*e));
    e->key = key;
    e->line = line;
    HASH_ADD_KEYPTR(hh, *set, e->key, strlen(e->key), e);
    return true;
}

static const char *head_of(struct work *w, const struct frr_line *l)
{
    return arena_strndup(&w->arena, l->text, frr_head_len(l));
}

static struct neighbor *neighbor_of(struct work *w, const struct frr_line *l)
{
    struct neighbor *n;

    HASH_FIND_STR(w->neighbors, l->object, n);
    if (n)
        return n;
    n = arena_alloc(&w->arena, 1, sizeof(*n));
    n->name = l->object;
    n->ours = frr_own_name(n->name);
    HASH_ADD_KEYPTR(hh, w->neighbors, n->name, strlen(n->name), n);
    return n;
}

static void change(struct work *w, bool added, const struct frr_line *l)
{
    struct frr_diff *d = w->ret;
    char *context = arena_strdup(&d->arena, l->parent ? l->parent->path : "");
    _cleanup_buf_ struct buf shown = BUF_INIT;

    for (const char *p = context; *p; p++)
        buf_str(&shown, *p == '\n' ? " > " : (char[]){*p, '\0'});
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 64;
        d->changes = xreallocarray(d->changes, d->cap, sizeof(*d->changes));
    }
    d->changes[d->n++] = (struct frr_change){.added = added,
                                             .context = arena_strdup(&d->arena, buf_cstr(&shown)),
                                             .text = arena_strdup(&d->arena, l->text)};
    *(added ? &d->n_added : &d->n_removed) += 1;
}

/* --- what is there, and whose it is ------------------------------------------------------------
 */

static struct frr_line *router_of(const struct frr_config *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->lines[i]->kind == FRR_ROUTER)
            return c->lines[i];
    return NULL;
}

static bool in_router(const struct frr_line *l, const struct frr_line *router)
{
    for (l = l->parent; l; l = l->parent)
        if (l == router)
            return true;
    return false;
}

static void survey_neighbors(struct work *w)
{
    bool theirs = false, ours = false;

    for (size_t i = 0; i < w->running->n; i++) {
        const struct frr_line *l = w->running->lines[i];

        if (l->kind == FRR_NEIGHBOR) {
            struct neighbor *n = neighbor_of(w, l);

            n->running = true;
            n->group = l->group ? l->group : n->group;
            n->ours |= frr_own_name(l->group);
        }
    }
    for (size_t i = 0; i < w->applied->n; i++)
        if (w->applied->lines[i]->kind == FRR_NEIGHBOR)
            neighbor_of(w, w->applied->lines[i])->ours = true;
    for (size_t i = 0; i < w->desired->n; i++) {
        const struct frr_line *l = w->desired->lines[i];

        if (l->kind == FRR_NEIGHBOR) {
            struct neighbor *n = neighbor_of(w, l);

            n->wanted = true;
            n->group_wanted = l->group ? l->group : n->group_wanted;
        }
    }
    for (struct neighbor *n = w->neighbors; n; n = n->hh.next) {
        n->rebuild = n->running && n->wanted && n->ours && n->group &&
                     (!n->group_wanted || strcmp(n->group, n->group_wanted) != 0);
        theirs |= n->running && !n->ours;
        ours |= n->running && n->ours;
        if (n->wanted && n->running && !n->ours)
            error_add(w->err, NULL, 0, NULL,
                      "the BGP neighbor %s is configured on this router by hand, and the mesh "
                      "needs that address for a link of its own: remove it (\"no neighbor %s\"), "
                      "or give the mesh another link-prefix",
                      n->name, n->name);
    }
    w->adopt = w->applied->n == 0 && ours && !theirs;
}

static bool owned(struct work *w, const struct frr_line *l)
{
    switch (l->kind) {
    case FRR_LIST:
    case FRR_PROFILE:
    case FRR_PROFILE_LINE:
    case FRR_ROUTE_MAP:
    case FRR_ROUTE_MAP_LINE:
        return frr_own_name(l->object);
    case FRR_NEIGHBOR:
        return neighbor_of(w, l)->ours;
    case FRR_ROUTER_LINE:
    case FRR_RPKI_LINE:
        return frr_config_find(w->applied, l->path) ||
               (w->adopt && set_find(w->wanted_keys, l->key));
    default:
        return false;
    }
}

/* What the profile "datacenter" switches on for everybody, and therefore does not show. */
static bool implied(const struct work *w, const struct frr_line *l)
{
    return l->kind == FRR_ROUTER_LINE && strcmp(l->text, "bgp log-neighbor-changes") == 0 &&
           frr_config_find(w->running, "frr defaults datacenter");
}

/* A cache of the operator's, where the mesh wants its own. */
static bool rival_cache(const struct work *w, const struct frr_line *l)
{
    return l->kind == FRR_RPKI_LINE && strncmp(l->text, "rpki cache ", 11) == 0 &&
           frr_config_cache(w->desired);
}

static void survey_lines(struct work *w)
{
    for (size_t i = 0; i < w->desired->n; i++) {
        struct frr_line *l = w->desired->lines[i];

        if (implied(w, l))
            l->marks = PRESENT | THEIRS;
        set_add(w, &w->wanted_keys, l->key, l);
        if (l->kind == FRR_LIST || l->kind == FRR_ROUTE_MAP)
            set_add(w, &w->wanted_heads, head_of(w, l), l);
    }
    for (size_t i = 0; i < w->running->n; i++) {
        struct frr_line *l = w->running->lines[i], *same = frr_config_find(w->desired, l->path);
        struct entry *wanted;

        if (strncmp(l->path, "router bgp ", 11) == 0 && !l->parent && l->kind == FRR_FOREIGN)
            w->dependents = true;
        if (owned(w, l)) {
            l->marks = same ? OWNED : OWNED | GOES;
            if (same)
                same->marks = PRESENT;
            continue;
        }
        if (same)
            same->marks = PRESENT | THEIRS;
        wanted = l->kind == FRR_ROUTER_LINE || l->kind == FRR_RPKI_LINE
                     ? set_find(w->wanted_keys, l->key)
                     : NULL;
        if (rival_cache(w, l) && !same)
            error_add(
                w->err, NULL, 0, NULL,
                "this router's bgpd asks an RPKI cache of its own (\"%s\"), and FRR judges all "
                "routes by one table: remove it (\"no %s\" under \"rpki\"), or set origin-check "
                "to lists in the mesh model and compile",
                l->text, l->text);
        else if (wanted && !same)
            error_add(w->err, NULL, 0, NULL,
                      "this router's own BGP configuration says \"%s\", and the mesh sets \"%s\": "
                      "make them equal, in vtysh or in the mesh model",
                      l->text, wanted->line->text);
    }
}

/* Nothing in the running BGP instance is an operator's, and it is certain that it is ours. */
static bool router_is_ours(const struct work *w)
{
    bool any = frr_config_find(w->applied, w->router->path) != NULL;

    for (size_t i = 0; i < w->running->n; i++) {
        const struct frr_line *l = w->running->lines[i];

        if (!in_router(l, w->router) || l->kind == FRR_FAMILY)
            continue;
        if (!(l->marks & OWNED))
            return false;
        any = true;
    }
    return any;
}

static void survey_router(struct work *w)
{
    const char *have = w->router ? w->router->text : NULL;
    bool moved = w->router && w->router_wanted && strcmp(have, w->router_wanted->text) != 0;

    if (!w->router || (w->router_wanted && !moved))
        return;
    w->drop_router = router_is_ours(w) && !w->dependents;
    if (moved && !w->drop_router)
        error_add(w->err, NULL, 0, NULL,
                  "\"%s\" runs on this router already with configuration of its own, the mesh "
                  "wants \"%s\", and a router has one AS number: set this gateway's asn to %s in "
                  "the mesh model and compile, or remove the other BGP instance",
                  have, w->router_wanted->text, have + strlen("router bgp "));
    if (!w->drop_router)
        return;
    for (size_t i = 0; i < w->running->n; i++)
        if (in_router(w->running->lines[i], w->router))
            w->running->lines[i]->marks |= GOES | COVERED;
    for (struct neighbor *n = w->neighbors; n; n = n->hh.next)
        n->running = n->rebuild = false;
}

/* --- the batch ---------------------------------------------------------------------------------
 */

static void send_line(struct work *w, const struct frr_line *context, const char *text)
{
    frr_writer_line(&w->writer, context, text);
}

static void send_inverse(struct work *w, const struct frr_line *l)
{
    _cleanup_buf_ struct buf b = BUF_INIT;

    frr_inverse(l, &b);
    send_line(w, l->parent, buf_cstr(&b));
}

/* Decides how every line that goes will go, and which desired lines must be sent. */
static void settle(struct work *w)
{
    struct entry *contents = NULL, *keys = NULL, *e;

    for (size_t i = 0; i < w->running->n; i++) {
        struct frr_line *l = w->running->lines[i];
        const struct neighbor *n = l->kind == FRR_NEIGHBOR ? neighbor_of(w, l) : NULL;

        if (n && n->ours && n->rebuild)
            l->marks |= GOES;
        if (!(l->marks & GOES))
            continue;
        if (n && (!n->wanted || n->rebuild))
            l->marks |= COVERED;
        if (l->parent && frr_is_context(l->parent->kind) && (l->parent->marks & GOES))
            l->marks |= COVERED;
        if (l->kind == FRR_ROUTE_MAP && set_find(w->wanted_keys, l->key))
            l->marks |= AT_ONCE; /* permit became deny: the new entry starts empty */
        if (l->kind == FRR_LIST)
            set_add(w, &contents, l->content, l);
        if (!(l->marks & (COVERED | AT_ONCE)))
            set_add(w, &keys, l->key, l);
        if (l->kind != FRR_FAMILY)
            change(w, false, l);
    }
    if (w->drop_router)
        change(w, false, w->router);
    for (size_t i = 0; i < w->desired->n; i++) {
        struct frr_line *l = w->desired->lines[i];

        if (l->kind == FRR_NEIGHBOR && neighbor_of(w, l)->rebuild)
            l->marks &= ~(unsigned)PRESENT;
        if (l->marks & PRESENT || l->kind == FRR_FAMILY || l->kind == FRR_BFD ||
            l->kind == FRR_RPKI)
            continue;
        if (l->kind == FRR_ROUTER && w->router && !w->drop_router)
            continue;
        if (l->kind == FRR_LIST && (e = set_find(contents, l->content)))
            e->line->marks |= AT_ONCE;
        if (!frr_is_context(l->kind) && (e = set_find(keys, l->key)))
            e->line->marks |= COVERED;
        change(w, true, l);
    }
    HASH_CLEAR(hh, contents);
    HASH_CLEAR(hh, keys);
}

static void send_new(struct work *w, enum frr_kind context, enum frr_kind line)
{
    for (size_t i = 0; i < w->desired->n; i++) {
        const struct frr_line *l = w->desired->lines[i];

        if (l->marks & PRESENT)
            continue;
        if (l->kind == context && frr_is_context(context) && !frr_config_find(w->running, l->path))
            frr_writer_enter(&w->writer, l);
        else if (l->kind == line)
            send_line(w, l->parent, l->text);
    }
}

/* Takes away single lines in contexts that stay. */
static void send_old(struct work *w, enum frr_kind kind, unsigned with)
{
    for (size_t i = 0; i < w->running->n; i++) {
        const struct frr_line *l = w->running->lines[i];

        if (l->kind == kind && (l->marks & (GOES | with)) == (GOES | with) &&
            (with || !(l->marks & (COVERED | AT_ONCE))))
            send_inverse(w, l);
    }
}

static void send_router(struct work *w)
{
    for (int groups = 0; groups < 2; groups++)
        for (const struct neighbor *n = w->neighbors; n; n = n->hh.next) {
            _cleanup_free_ char *text =
                xasprintf("no neighbor %s%s", n->name, groups ? " peer-group" : "");

            if (n->ours && n->running && (!n->wanted || n->rebuild) &&
                frr_own_name(n->name) == (groups == 1))
                send_line(w, w->router, text);
        }
    send_old(w, FRR_NEIGHBOR, 0);
    send_old(w, FRR_ROUTER_LINE, 0);
    if (w->router_wanted && (!w->router || w->drop_router))
        frr_writer_enter(&w->writer, w->router_wanted);
    for (size_t i = 0; i < w->desired->n; i++) {
        const struct frr_line *l = w->desired->lines[i];

        if (!(l->marks & PRESENT) && (l->kind == FRR_NEIGHBOR || l->kind == FRR_ROUTER_LINE))
            send_line(w, l->parent, l->text);
    }
}

/* Whole lists and route-maps by one line each, others entry by entry. */
static void send_definitions_gone(struct work *w, enum frr_kind kind)
{
    for (size_t i = 0; i < w->running->n; i++) {
        const struct frr_line *l = w->running->lines[i];
        const char *head;

        if (l->kind != kind || !(l->marks & GOES) || (l->marks & AT_ONCE))
            continue;
        head = kind == FRR_PROFILE ? NULL : head_of(w, l);
        if (head && !set_find(w->wanted_heads, head)) {
            _cleanup_free_ char *text = xasprintf("no %s", head);

            if (set_add(w, &w->gone_heads, head, NULL))
                send_line(w, NULL, text);
        } else if (!(l->marks & COVERED)) {
            send_inverse(w, l);
        }
    }
}

/* "bfd" itself goes when it came with us and nothing else is in it. */
static void send_bfd_gone(struct work *w)
{
    const struct frr_line *bfd = frr_config_find(w->running, "bfd");

    if (!bfd || frr_config_find(w->desired, "bfd") || !frr_config_find(w->applied, "bfd"))
        return;
    for (size_t i = 0; i < w->running->n; i++)
        if (in_router(w->running->lines[i], bfd) && !(w->running->lines[i]->marks & OWNED))
            return;
    send_line(w, NULL, "no bfd");
}

static void write_batch(struct work *w)
{
    _cleanup_free_ char *no_router = w->router ? xasprintf("no %s", w->router->text) : xstrdup("");

    if (w->drop_router)
        send_line(w, NULL, no_router);
    send_new(w, FRR_ZEBRA_LINE, FRR_ZEBRA_LINE);
    send_old(w, FRR_LIST, AT_ONCE);
    send_new(w, FRR_LIST, FRR_LIST);
    send_new(w, FRR_RPKI, FRR_RPKI_LINE);
    send_old(w, FRR_PROFILE_LINE, 0);
    send_new(w, FRR_PROFILE, FRR_PROFILE_LINE);
    send_old(w, FRR_ROUTE_MAP, AT_ONCE);
    send_old(w, FRR_ROUTE_MAP_LINE, 0);
    send_new(w, FRR_ROUTE_MAP, FRR_ROUTE_MAP_LINE);
    send_router(w);
    send_definitions_gone(w, FRR_ROUTE_MAP);
    send_definitions_gone(w, FRR_PROFILE);
    send_definitions_gone(w, FRR_LIST);
    send_old(w, FRR_RPKI_LINE, 0);
    send_bfd_gone(w);
    frr_writer_finish(&w->writer);
}

/* --- the records -------------------------------------------------------------------------------
 */

static bool ours_then(const struct frr_line *l)
{
    return !(l->marks & THEIRS) || l->kind == FRR_ROUTER;
}

static bool ours_now(const struct frr_line *l)
{
    return l->marks & OWNED || l->kind == FRR_ROUTER;
}

int frr_diff(struct frr_config *desired, struct frr_config *applied, struct frr_config *running,
             struct frr_diff *ret, struct error_list *err)
{
    struct work w = {.desired = desired,
                     .applied = applied,
                     .running = running,
                     .ret = ret,
                     .err = err,
                     .writer = {.out = &ret->batch}};
    size_t before = err->n;

    for (size_t i = 0; i < desired->n; i++)
        desired->lines[i]->marks = 0;
    for (size_t i = 0; i < running->n; i++)
        running->lines[i]->marks = 0;
    w.router = router_of(running);
    w.router_wanted = router_of(desired);
    survey_neighbors(&w);
    survey_lines(&w);
    survey_router(&w);
    if (err->n == before) {
        frr_config_print(running, ours_now, &ret->before);
        frr_config_print(desired, ours_then, &ret->owned);
        settle(&w);
        write_batch(&w);
    }
    HASH_CLEAR(hh, w.neighbors);
    HASH_CLEAR(hh, w.wanted_keys);
    HASH_CLEAR(hh, w.wanted_heads);
    HASH_CLEAR(hh, w.gone_heads);
    arena_free(&w.arena);
    return err->n > before ? -EINVAL : 0;
}

void frr_diff_free(struct frr_diff *d)
{
    buf_free(&d->batch);
    buf_free(&d->owned);
    buf_free(&d->before);
    free(d->changes);
    arena_free(&d->arena);
    *d = (struct frr_diff)FRR_DIFF_INIT;
}
