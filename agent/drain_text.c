/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/drain_text.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/frr_config.h"

#define DRAIN_NAME FRR_OWN_NAME "-DRAIN-"
#define DRAIN_ALL_NAME FRR_OWN_NAME "-DRAIN-ALL-"

/* Of a line of the record: it stays although the bundle does not have it. */
enum { KEPT = 1 };

struct name {
    const char *name;
    UT_hash_handle hh;
};

struct neighbor {
    const char *name, *group, *interface; /* NULL: not said */
    bool old;                             /* of the record only */
    bool drained;
    bool asked; /* the peer is, and nothing else */
    UT_hash_handle hh;
};

struct work {
    struct frr_config desired, applied;
    const struct drain_request *request;
    struct neighbor *neighbors;
    struct name *defined; /* what `desired` has: lists, route maps, profiles and groups */
    struct name *sent;    /* the keys of what is in the text already */
    struct frr_writer writer;
    struct arena arena;
};

static bool has(struct name *set, const char *name)
{
    struct name *e;

    HASH_FIND_STR(set, name, e);
    return e != NULL;
}

static void put(struct work *w, struct name **set, const char *name)
{
    struct name *e;

    if (has(*set, name))
        return;
    e = arena_alloc(&w->arena, 1, sizeof(*e));
    e->name = name;
    HASH_ADD_KEYPTR(hh, *set, e->name, strlen(e->name), e);
}

/* The value of "neighbor NAME WORD VALUE"; NULL: the line says something else. */
static const char *value_of(const struct frr_line *l, const char *word)
{
    const char *rest = l->kind == FRR_NEIGHBOR ? l->text + frr_head_len(l) : "";
    size_t len = strlen(word);

    if (*rest != ' ' || strncmp(rest + 1, word, len) != 0 || rest[1 + len] != ' ')
        return NULL;
    return rest + len + 2;
}

/* --- the neighbors ----------------------------------------------------------------------------
 */

static void survey(struct work *w, const struct frr_config *c, bool old)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct frr_line *l = c->lines[i];
        const char *at = value_of(l, "update-source");
        struct neighbor *n;

        if (l->kind != FRR_NEIGHBOR || frr_own_name(l->object) || (!at && !l->group))
            continue;
        HASH_FIND_STR(w->neighbors, l->object, n);
        if (n && n->old != old)
            continue;
        if (!n) {
            n = arena_alloc(&w->arena, 1, sizeof(*n));
            n->name = l->object;
            n->old = old;
            HASH_ADD_KEYPTR(hh, w->neighbors, n->name, strlen(n->name), n);
        }
        n->interface = at ? at : n->interface;
        n->group = l->group ? l->group : n->group;
    }
}

/* Marks all that the record says about a name, and what that refers to. */
static void keep(struct work *w, const char *name)
{
    for (size_t i = 0; i < w->applied.n; i++) {
        struct frr_line *l = w->applied.lines[i];
        _cleanup_free_ char *text = NULL;
        char *rest, *word;

        if (l->marks & KEPT || !l->object || strcmp(l->object, name) != 0)
            continue;
        l->marks |= KEPT;
        text = xstrdup(l->text);
        for (word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
            if (frr_own_name(word) && strcmp(word, name) != 0 && !has(w->defined, word))
                keep(w, word);
    }
}

/* The same instance, and origins are checked in a way that is still there. */
static bool comparable(const struct work *w)
{
    bool same = false;

    for (size_t i = 0; i < w->applied.n && !same; i++)
        same = w->applied.lines[i]->kind == FRR_ROUTER &&
               frr_config_find(&w->desired, w->applied.lines[i]->path);
    return same && (!frr_config_find(&w->applied, "rpki") || frr_config_find(&w->desired, "rpki"));
}

static void decide(struct work *w)
{
    bool may_keep = comparable(w);

    for (struct neighbor *n = w->neighbors; n; n = n->hh.next) {
        if (!n->interface || !n->group)
            continue;
        if (!n->old) {
            n->drained = drain_names_have(&w->request->drain, n->interface);
            n->asked = drain_names_have(&w->request->ask, n->interface);
        } else if (may_keep && drain_names_have(&w->request->keep, n->interface)) {
            n->drained = true;
            keep(w, n->name);
        }
    }
}

/* --- the text ---------------------------------------------------------------------------------
 */

static void send(struct work *w, const struct frr_line *l)
{
    if (has(w->sent, l->key) || (l->content && has(w->sent, l->content)))
        return;
    put(w, &w->sent, l->key);
    if (l->content)
        put(w, &w->sent, l->content);
    if (frr_is_context(l->kind))
        frr_writer_enter(&w->writer, l);
    else
        frr_writer_line(&w->writer, l->parent, l->text);
}

static bool defines(const struct frr_config *c, const char *map)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->lines[i]->kind == FRR_ROUTE_MAP && strcmp(c->lines[i]->object, map) == 0)
            return true;
    return false;
}

/* A group's "neighbor GROUP route-map P2PVPN-X DIRECTION", for its members: those that are drained
 * themselves, or the others as well. */
static void drain_members(struct work *w, const struct frr_line *l, const char *map, bool all)
{
    const char *direction = strchr(map, ' ');
    size_t skip = strlen(FRR_OWN_NAME "-");
    char *name;

    if (!direction || strncmp(map, FRR_OWN_NAME "-", skip) != 0)
        return;
    direction++;
    name = arena_printf(&w->arena, "%s%.*s", all ? DRAIN_ALL_NAME : DRAIN_NAME,
                        (int)(direction - 1 - map - skip), map + skip);
    if (!defines(&w->desired, name) && !defines(&w->applied, name))
        return;
    for (const struct neighbor *n = w->neighbors; n; n = n->hh.next) {
        bool own = n->drained || (n->asked && strcmp(direction, "out") == 0);
        const char *key;

        if (own == all || (all && n->old) || !n->group || strcmp(n->group, l->object) != 0)
            continue;
        /* A neighbor with a route map of its own keeps it. */
        key = arena_printf(&w->arena, "%s\nneighbor %s route-map * %s ", l->parent->path, n->name,
                           direction);
        if (has(w->sent, key))
            continue;
        put(w, &w->sent, key);
        frr_writer_line(
            &w->writer, l->parent,
            arena_printf(&w->arena, "neighbor %s route-map %s %s", n->name, name, direction));
    }
}

static void print(struct work *w)
{
    struct frr_config *const both[] = {&w->desired, &w->applied};

    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < both[k]->n; i++)
            if (k == 0 || both[k]->lines[i]->marks & KEPT)
                send(w, both[k]->lines[i]);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < both[k]->n; i++) {
            const struct frr_line *l = both[k]->lines[i];
            const char *map = value_of(l, "route-map");

            if (!map || !frr_own_name(l->object) || (k == 1 && !(l->marks & KEPT)))
                continue;
            drain_members(w, l, map, false);
            if (w->request->all)
                drain_members(w, l, map, true);
        }
    frr_writer_finish(&w->writer);
}

/* The drained route maps of groups that only the record has. */
static void keep_maps(struct work *w)
{
    for (size_t i = 0; i < w->applied.n; i++) {
        const struct frr_line *l = w->applied.lines[i];
        const char *map =
            l->marks & KEPT && frr_own_name(l->object) ? value_of(l, "route-map") : NULL;
        size_t skip = strlen(FRR_OWN_NAME "-");
        char *name;

        if (!map || strncmp(map, FRR_OWN_NAME "-", skip) != 0)
            continue;
        name =
            arena_printf(&w->arena, DRAIN_NAME "%.*s", (int)(strcspn(map, " ") - skip), map + skip);
        if (!has(w->defined, name))
            keep(w, name);
    }
}

void drain_text(const char *desired, const char *applied, const struct drain_request *request,
                struct buf *ret)
{
    struct work w = {.request = request, .writer = {.out = ret}};

    if (!request->all && request->drain.n == 0 && request->ask.n == 0 && request->keep.n == 0) {
        buf_str(ret, desired);
        return;
    }
    frr_config_parse(&w.desired, desired, strlen(desired));
    frr_config_parse(&w.applied, applied, strlen(applied));
    for (size_t i = 0; i < w.desired.n; i++)
        if (w.desired.lines[i]->object && frr_own_name(w.desired.lines[i]->object))
            put(&w, &w.defined, w.desired.lines[i]->object);
    survey(&w, &w.desired, false);
    survey(&w, &w.applied, true);
    decide(&w);
    keep_maps(&w);
    print(&w);
    HASH_CLEAR(hh, w.neighbors);
    HASH_CLEAR(hh, w.defined);
    HASH_CLEAR(hh, w.sent);
    arena_free(&w.arena);
    frr_config_free(&w.desired);
    frr_config_free(&w.applied);
}

/* --- names ------------------------------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void drain_names_add(struct drain_names *n, const char *interface)
{
    if (n->n == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 8;
        n->names = xreallocarray(n->names, n->cap, sizeof(*n->names));
    }
    n->names[n->n++] = interface;
    qsort(n->names, n->n, sizeof(*n->names), compare);
}

bool drain_names_have(const struct drain_names *n, const char *interface)
{
    return n->n && bsearch(&interface, n->names, n->n, sizeof(*n->names), compare);
}

void drain_request_clear(struct drain_request *r)
{
    free(r->drain.names);
    free(r->ask.names);
    free(r->keep.names);
    *r = (struct drain_request)DRAIN_REQUEST_INIT;
}
