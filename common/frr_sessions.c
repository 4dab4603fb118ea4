/* SPDX-License-Identifier: Apache-2.0 */
#include "common/frr_sessions.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/frr_config.h"
#include "common/frr_diff.h"

/* What follows "neighbor NAME" in a line that takes effect without a new session: at once, by a
 * route refresh, or when the session is next made. */
static const char *const harmless[] = {
    "advertisement-interval ",
    "allowas-in",
    "bfd",
    "description ",
    "enforce-first-as",
    "filter-list ",
    "maximum-prefix ",
    "next-hop-self",
    "prefix-list ",
    "route-map ",
    "send-community",
    "soft-reconfiguration ",
    "timers ",
    "weight ",
    NULL,
};

/* Lines of the router itself that reset all its sessions. */
static const char *const drastic[] = {"bgp router-id ", "bgp confederation ", NULL};

struct peer {
    const char *name;
    const char *group; /* the last that was seen; NULL: it is a group itself */
    bool old, now;     /* there before, there afterwards */
    const char *reset; /* by which line */
    UT_hash_handle hh;
};

struct work {
    struct peer *peers;
    const char *reset; /* all of them, by this line */
    struct arena arena;
};

static bool begins(const char *text, const char *const *with)
{
    for (; *with; with++)
        if (strncmp(text, *with, strlen(*with)) == 0)
            return true;
    return false;
}

static struct peer *peer_of(struct work *w, const char *name, size_t len)
{
    struct peer *p;

    HASH_FIND(hh, w->peers, name, len, p);
    if (p)
        return p;
    p = arena_alloc(&w->arena, 1, sizeof(*p));
    p->name = arena_strndup(&w->arena, name, len);
    HASH_ADD_KEYPTR(hh, w->peers, p->name, len, p);
    return p;
}

/* Who is there, and in which group. */
static void survey(struct work *w, const struct frr_config *c, bool now)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct frr_line *l = c->lines[i];
        struct peer *p;

        if (l->kind != FRR_NEIGHBOR)
            continue;
        p = peer_of(w, l->object, strlen(l->object));
        *(now ? &p->now : &p->old) = true;
        p->group = l->group ? l->group : p->group;
    }
}

/* What one changed line does. */
static void judge(struct work *w, const char *line)
{
    const char *text = strncmp(line, "no ", 3) == 0 ? line + 3 : line, *name, *rest;

    if (begins(text, drastic))
        w->reset = line;
    if (strncmp(text, "neighbor ", 9) != 0)
        return;
    name = text + 9;
    rest = name + strcspn(name, " ");
    if (*rest && !begins(rest + 1, harmless))
        peer_of(w, name, (size_t)(rest - name))->reset = line;
}

static int compare_sessions(const void *a, const void *b)
{
    return strcmp(((const struct frr_session *)a)->neighbor,
                  ((const struct frr_session *)b)->neighbor);
}

static void conclude(struct work *w, struct frr_sessions *ret)
{
    ret->sessions = arena_alloc(&ret->arena, HASH_COUNT(w->peers) + 1, sizeof(*ret->sessions));
    for (const struct peer *p = w->peers; p; p = p->hh.next) {
        const struct peer *group = p->group ? peer_of(w, p->group, strlen(p->group)) : NULL;
        const char *why = w->reset ? w->reset : p->reset ? p->reset : group ? group->reset : NULL;
        struct frr_session *s = &ret->sessions[ret->n];

        if (!p->group)
            continue;
        s->fate = !p->old ? FRR_COMES : !p->now ? FRR_GOES : why ? FRR_RESETS : FRR_STAYS;
        s->neighbor = arena_strdup(&ret->arena, p->name);
        s->why = s->fate == FRR_RESETS ? arena_strdup(&ret->arena, why) : NULL;
        ret->n++;
    }
    if (ret->n)
        qsort(ret->sessions, ret->n, sizeof(*ret->sessions), compare_sessions);
}

int frr_sessions_compare(const char *old, const char *now, struct frr_sessions *ret,
                         struct error_list *err)
{
    struct frr_config desired = FRR_CONFIG_INIT, applied = FRR_CONFIG_INIT,
                      running = FRR_CONFIG_INIT;
    struct frr_diff diff = FRR_DIFF_INIT;
    struct work w = {.peers = NULL, .arena = ARENA_INIT};
    int r;

    frr_config_parse(&desired, now, strlen(now));
    frr_config_parse(&applied, old, strlen(old));
    frr_config_parse(&running, old, strlen(old));
    r = frr_diff(&desired, &applied, &running, &diff, err);
    if (r == 0) {
        survey(&w, &running, false);
        survey(&w, &desired, true);
        for (size_t i = 0; i < diff.n; i++)
            judge(&w, diff.changes[i].text);
        conclude(&w, ret);
        ret->added = diff.n_added;
        ret->removed = diff.n_removed;
    }
    HASH_CLEAR(hh, w.peers);
    arena_free(&w.arena);
    frr_diff_free(&diff);
    frr_config_free(&desired);
    frr_config_free(&applied);
    frr_config_free(&running);
    return r;
}

void frr_sessions_free(struct frr_sessions *s)
{
    arena_free(&s->arena);
    *s = (struct frr_sessions)FRR_SESSIONS_INIT;
}
