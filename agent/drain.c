/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/drain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/log.h"
#include "common/alloc.h"
#include "common/bundle.h"
#include "common/fs.h"

enum phase {
    QUEUED, /* waits for its turn */
    ASKED,  /* FRR is to drain it */
    WAITS,  /* FRR does; somebody may still use it */
    FREE,   /* what waited may be done */
    BACK,   /* it was done; its connections are waited for */
    DONE,   /* the link is as any other */
};

struct entry {
    char interface[LINK_NAME_SIZE];
    enum phase phase;
    bool restarts; /* it stays: its neighbors are drained until it is back */
    bool leaves;   /* it has neighbors that the bundle has not: they stay until it is free */
    bool planned;  /* by the plan in hand */
    bool begun;    /* it is known how: */
    bool asks;     /* for now, only the peer is to move its traffic */
    unsigned turn, tries;
    int64_t since, deadline; /* of its phase */
    struct prefix *peers;
    size_t n_peers;
    int64_t sampled; /* 0: not yet */
    uint64_t received;
    int64_t quiet;     /* since when; 0: it is not */
    int64_t deaf;      /* since when the peer answers by none of its connections; 0: it does */
    bool lost;         /* its connections, after it was free */
    int64_t connected; /* since when it has them again; 0: not yet */
};

/* A link that was just started. */
struct fresh {
    char interface[LINK_NAME_SIZE];
    struct prefix *peers;
    size_t n_peers;
    int64_t deadline;
};

struct drain {
    char *file;
    bool gateway, new_bundle, hurry;
    struct entry *entries;
    size_t n, cap;
    struct fresh *fresh;
    size_t n_fresh, cap_fresh;
    int64_t looked;
    size_t n_links; /* of the bundle */
};

/* --- life ------------------------------------------------------------------------------------- */

struct drain *drain_new(const struct settings *s)
{
    struct drain *d = xcalloc(1, sizeof(*d));

    d->file = xasprintf("%s/" DRAIN_FILE, s->state_dir);
    d->gateway = access(d->file, F_OK) == 0;
    return d;
}

struct drain *drain_free(struct drain *d)
{
    if (!d)
        return NULL;
    for (size_t i = 0; i < d->n; i++)
        free(d->entries[i].peers);
    for (size_t i = 0; i < d->n_fresh; i++)
        free(d->fresh[i].peers);
    free(d->entries);
    free(d->fresh);
    free(d->file);
    free(d);
    return NULL;
}

int drain_gateway(struct drain *d, bool on, struct error_list *err)
{
    static const char text[] = "drained by hand: p2pvpn-agent undrain ends it\n";
    int r = 0;

    if (on)
        r = fs_write_if_changed(d->file, text, strlen(text), 0600, NULL, err);
    else if (unlink(d->file) < 0 && errno != ENOENT)
        r = error_sys(err, errno, d->file, "cannot note that the gateway is not drained any more");
    if (r == 0)
        d->gateway = on;
    return r;
}

bool drain_gateway_on(const struct drain *d)
{
    return d->gateway;
}

void drain_new_bundle(struct drain *d, bool hurry)
{
    d->new_bundle = true;
    d->hurry = hurry;
}

bool drain_is_new_bundle(const struct drain *d)
{
    return d->new_bundle;
}

/* --- from the plan ---------------------------------------------------------------------------- */

unsigned drain_turn(uint32_t a, uint32_t b, unsigned tunnel)
{
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    /* Mixed well: neighboring numbers must not share a turn, nor all links of one gateway. */
    uint32_t h = low * 0x9e3779b1u ^ high * 0x85ebca6bu;

    h ^= h >> 15;
    h *= 0x2c1b3c6du;
    h ^= h >> 12;
    return (h + (tunnel ? tunnel - 1 : 0)) % DRAIN_TURNS;
}

static struct entry *find(const struct drain *d, const char *interface)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->entries[i].interface, interface) == 0)
            return &d->entries[i];
    return NULL;
}

static void copy_name(char ret[static LINK_NAME_SIZE], const char *name)
{
    size_t len = strnlen(name, LINK_NAME_SIZE - 1);

    memcpy(ret, name, len);
    ret[len] = '\0';
}

static struct prefix *copy_peers(const struct bundle_link *link)
{
    struct prefix *ret = xcalloc(link->n_addresses + 1, sizeof(*ret));

    memcpy(ret, link->peer_addresses, link->n_addresses * sizeof(*ret));
    return ret;
}

static struct entry *add(struct drain *d, const char *interface)
{
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 8;
        d->entries = xreallocarray(d->entries, d->cap, sizeof(*d->entries));
    }
    d->entries[d->n] = (struct entry){.phase = QUEUED};
    copy_name(d->entries[d->n].interface, interface);
    return &d->entries[d->n++];
}

static void drop(struct drain *d, struct entry *e)
{
    free(e->peers);
    memmove(e, e + 1, (size_t)(d->entries + --d->n - e) * sizeof(*e));
}

static void take_step(struct drain *d, const struct bundle *want, const struct plan_step *s)
{
    struct entry *e = find(d, s->target);
    const struct bundle_link *link = s->link == PLAN_NO_LINK ? NULL : &want->links[s->link];

    if (!e)
        e = add(d, s->target);
    else if (e->phase == BACK)
        *e = (struct entry){.phase = QUEUED, .peers = e->peers};
    e->planned = true;
    e->restarts = e->leaves = false;
    free(e->peers);
    e->peers = link ? copy_peers(link) : NULL;
    e->n_peers = link ? link->n_addresses : 0;
    e->turn = link ? drain_turn(want->number, link->peer_number, link->tunnel) : 0;
}

static void take_fresh(struct drain *d, const struct bundle *want, const struct plan_step *s,
                       int64_t now)
{
    const struct bundle_link *link = &want->links[s->link];

    for (size_t i = 0; i < d->n_fresh; i++)
        if (strcmp(d->fresh[i].interface, s->target) == 0)
            return;
    if (d->n_fresh == d->cap_fresh) {
        d->cap_fresh = d->cap_fresh ? d->cap_fresh * 2 : 8;
        d->fresh = xreallocarray(d->fresh, d->cap_fresh, sizeof(*d->fresh));
    }
    d->fresh[d->n_fresh] = (struct fresh){
        .peers = copy_peers(link), .n_peers = link->n_addresses, .deadline = now + DRAIN_NEW_MS};
    copy_name(d->fresh[d->n_fresh++].interface, s->target);
}

/* What of a link goes. */
static void take_break(struct drain *d, const struct plan_step *s)
{
    struct entry *e = find(d, s->target);

    if (!e || !e->planned)
        return;
    e->restarts |= s->action == PLAN_PROCESS_REPLACE || s->action == PLAN_ADDRESS_REMOVE;
    e->leaves |= s->action != PLAN_PROCESS_REPLACE;
}

/* One link alone asks its peer first; several wait until the peers have done that. */
static void begin(struct drain *d, int64_t now)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n; i++)
        n += d->entries[i].restarts;
    for (size_t i = 0; i < d->n; i++) {
        struct entry *e = &d->entries[i];

        if (!e->restarts || e->begun || e->phase != QUEUED)
            continue;
        e->begun = true;
        e->asks = n == 1;
        e->deadline = e->asks ? now : now + DRAIN_FIRST_MS;
    }
}

/* The turn that may begin: the last one is over.  DRAIN_TURNS: none. */
static unsigned due(const struct drain *d, int64_t now)
{
    unsigned turn = DRAIN_TURNS;

    for (size_t i = 0; i < d->n; i++) {
        const struct entry *e = &d->entries[i];

        if (e->restarts && e->phase != QUEUED &&
            !(e->phase == FREE && now - e->since >= DRAIN_RETURN_MS)) /* it cannot be restarted */
            return DRAIN_TURNS;
        if (e->restarts && e->deadline <= now && e->turn < turn)
            turn = e->turn;
    }
    return turn;
}

/* A quarter of the links at most, lest there is no other way. */
static bool next_turn(struct drain *d, int64_t now)
{
    size_t max = (d->n_links + 3) / 4, n = 0;

    for (unsigned turn = due(d, now); turn < DRAIN_TURNS; turn++)
        for (size_t i = 0; i < d->n; i++) {
            struct entry *e = &d->entries[i];

            if (n < max && e->restarts && e->phase == QUEUED && e->turn == turn &&
                e->deadline <= now) {
                e->phase = ASKED;
                n++;
            }
        }
    return n > 0;
}

/* Those that the plan has nothing to do about (any more).  True: FRR has to hear of it. */
static bool forget(struct drain *d, int64_t now)
{
    bool ret = false;

    for (size_t i = d->n; i-- > 0;) {
        struct entry *e = &d->entries[i];

        if (e->planned || e->phase == BACK)
            continue;
        if (e->phase == FREE && e->restarts) {
            e->phase = BACK;
            e->deadline = now + DRAIN_RETURN_MS;
            continue;
        }
        ret |= e->phase == ASKED || e->phase == WAITS;
        drop(d, e);
    }
    return ret;
}

bool drain_consider(struct drain *d, const struct bundle *want, const struct plan *plan,
                    bool no_restarts, int64_t now)
{
    bool ret = false;

    d->n_links = want->n_links;
    for (size_t i = 0; i < d->n; i++)
        d->entries[i].planned = false;
    for (size_t i = 0; i < plan->n && !d->hurry; i++)
        if (plan->steps[i].action == PLAN_DRAIN)
            take_step(d, want, &plan->steps[i]);
    for (size_t i = 0; i < plan->n; i++)
        if (plan_action_breaks(plan->steps[i].action) &&
            !(no_restarts && plan->steps[i].action == PLAN_PROCESS_REPLACE))
            take_break(d, &plan->steps[i]);
    for (size_t i = 0; i < d->n; i++)
        d->entries[i].planned &= d->entries[i].restarts || d->entries[i].leaves;
    ret |= forget(d, now);
    for (size_t i = 0; i < plan->n && d->n; i++)
        if (plan->steps[i].action == PLAN_PROCESS_START && plan->steps[i].link != PLAN_NO_LINK)
            take_fresh(d, want, &plan->steps[i], now);
    for (size_t i = 0; i < d->n; i++)
        if (d->entries[i].phase == QUEUED && !d->entries[i].restarts) {
            d->entries[i].phase = ASKED;
            ret = true;
        }
    begin(d, now);
    ret |= next_turn(d, now);
    d->new_bundle &= plan->n > 0;
    d->hurry &= d->new_bundle;
    return ret;
}

/* --- FRR -------------------------------------------------------------------------------------- */

void drain_request(const struct drain *d, struct drain_request *ret)
{
    *ret = (struct drain_request)DRAIN_REQUEST_INIT;
    ret->all = d->gateway;
    for (size_t i = 0; i < d->n; i++) {
        const struct entry *e = &d->entries[i];

        if (e->restarts && e->phase != QUEUED)
            drain_names_add(e->asks ? &ret->ask : &ret->drain, e->interface);
        if (e->leaves && (e->phase == QUEUED || e->phase == ASKED || e->phase == WAITS))
            drain_names_add(&ret->keep, e->interface);
    }
}

void drain_in_force(struct drain *d, int64_t now)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->entries[i].phase == ASKED) {
            d->entries[i].phase = WAITS;
            d->entries[i].since = now;
            d->entries[i].deadline =
                now + (d->entries[i].restarts ? DRAIN_TRY_MS : DRAIN_PATIENCE_MS);
        }
}

void drain_give_up(struct drain *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->entries[i].phase < FREE)
            d->entries[i].phase = FREE;
}

bool drain_holds(const struct drain *d, const char *interface)
{
    const struct entry *e = find(d, interface);

    return e && e->phase < FREE;
}

bool drain_waits(const struct drain *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->entries[i].phase < FREE)
            return true;
    return false;
}

bool drain_busy(const struct drain *d)
{
    return d->n > 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool is_watched(const struct entry *e)
{
    return e->phase == WAITS || e->phase == QUEUED;
}

size_t drain_watched(const struct drain *d, struct traffic **ret)
{
    size_t n = 0;

    *ret = xcalloc(d->n + 1, sizeof(**ret));
    for (size_t i = 0; i < d->n; i++)
        if (is_watched(&d->entries[i]))
            (*ret)[n++].interface = d->entries[i].interface;
    return n;
}

static bool is_returning(const struct entry *e)
{
    return e->phase == BACK || (e->phase == FREE && e->restarts);
}

static bool is_expected(const struct entry *e)
{
    return is_watched(e) || is_returning(e);
}

size_t drain_expected(const struct drain *d, struct prefix **ret)
{
    size_t n = 0, max = 0;

    for (size_t i = 0; i < d->n; i++)
        max += d->entries[i].n_peers;
    for (size_t i = 0; i < d->n_fresh; i++)
        max += d->fresh[i].n_peers;
    *ret = xcalloc(max + 1, sizeof(**ret));
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; is_expected(&d->entries[i]) && k < d->entries[i].n_peers; k++)
            (*ret)[n++] = d->entries[i].peers[k];
    for (size_t i = 0; i < d->n_fresh; i++)
        for (size_t k = 0; k < d->fresh[i].n_peers; k++)
            (*ret)[n++] = d->fresh[i].peers[k];
    return n;
}

/* Nothing has used it for a while. */
static bool is_quiet(struct entry *e, const struct traffic *seen, int64_t now)
{
    int64_t span = now - e->sampled;
    bool slow = e->sampled && seen->received >= e->received && span > 0 &&
                (int64_t)(seen->received - e->received) * 1000 <= DRAIN_IDLE_RATE * span;

    if (!slow || seen->routes > 0)
        e->quiet = 0;
    else if (e->quiet == 0)
        e->quiet = now;
    e->sampled = now;
    e->received = seen->received;
    return e->quiet && now - e->quiet >= DRAIN_QUIET_MS &&
           (e->phase == QUEUED || now - e->since >= DRAIN_SETTLE_MS);
}

/* How many of the next n are connected. */
static size_t count_of(const bool **connected, size_t n)
{
    size_t ret = 0;

    for (; n > 0; n--)
        ret += *(*connected)++;
    return ret;
}

/* Whether links that were just started have their connections, or are waited for no more. */
static bool fresh_ready(struct drain *d, const bool *connected, int64_t now)
{
    for (size_t i = 0; i < d->n_fresh; i++)
        if (count_of(&connected, d->fresh[i].n_peers) < d->fresh[i].n_peers &&
            now < d->fresh[i].deadline)
            return false;
    for (size_t i = 0; i < d->n_fresh; i++)
        free(d->fresh[i].peers);
    d->n_fresh = 0;
    return true;
}

/* A link that restarts loses its connections some time after, and has them again; or not, where
 * nothing watches closely.  And it takes a moment until routes have come by them. */
static bool is_back(struct entry *e, bool connected, int64_t now)
{
    if (!connected) {
        e->lost = true;
        e->connected = 0;
    } else if (e->connected == 0) {
        e->connected = now;
    }
    return e->phase == BACK &&
           (now >= e->deadline || (e->connected && now - e->connected >= DRAIN_SETTLE_MS &&
                                   (e->lost || now - e->since >= DRAIN_LOSS_MS)));
}

static bool look_for_returned(struct drain *d, const bool **connected, int64_t now)
{
    bool ret = false;

    for (size_t i = 0; i < d->n; i++) {
        struct entry *e = &d->entries[i];
        size_t up = is_expected(e) ? count_of(connected, e->n_peers) : 0;

        e->deaf = up > 0 || e->n_peers == 0 ? 0 : e->deaf ? e->deaf : now;
        if (is_returning(e) && is_back(e, up == e->n_peers, now)) {
            log_say(LOG_LEVEL_INFO, "%s: %s", e->interface,
                    e->connected ? "it is in use again" : "it has not come back yet");
            e->phase = DONE;
            ret = true;
        }
    }
    return ret;
}

static enum drain_news set_free(struct entry *e, const char *why, int64_t now)
{
    bool text = e->leaves || (e->restarts && e->phase == QUEUED);

    log_say(LOG_LEVEL_INFO, "%s: %s", e->interface, why);
    e->phase = FREE;
    e->since = now;
    e->lost = false;
    e->connected = 0;
    return text ? DRAIN_TEXT : DRAIN_FREED;
}

/* A link whose traffic has not moved in time. */
static enum drain_news give_back(const struct drain *d, struct entry *e, int64_t now)
{
    if (!e->restarts || e->tries > 0 || d->n_links < 2)
        return set_free(e, "its traffic stays, for there is no other way", now);
    e->phase = QUEUED;
    e->deadline = now + e->turn * DRAIN_TURN_MS;
    if (e->asks) {
        e->asks = false;
        e->deadline += DRAIN_FOLLOW_MS;
        log_say(LOG_LEVEL_INFO, "%s: the peer does not restart it now; its turn comes later",
                e->interface);
        return DRAIN_TEXT;
    }
    log_say(LOG_LEVEL_INFO, "%s: there is no other way for its traffic now; it is tried again",
            e->interface);
    e->tries++;
    return DRAIN_TEXT;
}

static enum drain_news look_at(const struct drain *d, struct entry *e, const struct traffic *seen,
                               bool ready, int64_t now)
{
    bool quiet = is_quiet(e, seen, now);

    if (!ready && e->phase == WAITS && e->deadline < now + 2 * DRAIN_SETTLE_MS)
        e->deadline = now + 2 * DRAIN_SETTLE_MS; /* routes over the new links come then */
    if (ready && quiet)
        return set_free(e, "its traffic is elsewhere", now);
    if (ready && e->deaf && now - e->deaf >= DRAIN_QUIET_MS)
        return set_free(e, "it carries nothing, for the peer does not answer", now);
    if (ready && e->phase == WAITS && now >= e->deadline)
        return give_back(d, e, now);
    return DRAIN_NOTHING;
}

enum drain_news drain_sample(struct drain *d, const struct traffic *seen, const bool *connected,
                             int64_t now)
{
    enum drain_news ret = DRAIN_NOTHING;
    bool ready;

    d->looked = now;
    if (look_for_returned(d, &connected, now))
        ret = DRAIN_TEXT;
    ready = fresh_ready(d, connected, now);
    for (size_t i = 0; i < d->n; i++)
        if (is_watched(&d->entries[i])) {
            enum drain_news one = look_at(d, &d->entries[i], seen++, ready, now);

            ret = one > ret ? one : ret;
        }
    for (size_t i = d->n; i-- > 0;)
        if (d->entries[i].phase == DONE)
            drop(d, &d->entries[i]);
    return ret == DRAIN_NOTHING && due(d, now) < DRAIN_TURNS ? DRAIN_FREED : ret;
}

int64_t drain_deadline(const struct drain *d)
{
    return d->n || d->n_fresh ? d->looked + DRAIN_LOOK_MS : INT64_MAX;
}

enum drain_news drain_run(struct drain *d, int64_t now)
{
    struct error_list ignored = ERROR_LIST_INIT;
    enum drain_news ret = DRAIN_NOTHING;
    struct traffic *links;
    struct prefix *peers;
    size_t n_peers, n_links;
    bool *connected;

    if (now < drain_deadline(d))
        return DRAIN_NOTHING;
    n_peers = drain_expected(d, &peers);
    connected = xcalloc(n_peers + 1, sizeof(bool));
    traffic_connections(peers, n_peers, connected);
    /* What cannot be looked at counts as used, until the patience is over. */
    n_links = drain_watched(d, &links);
    if (traffic_look(links, n_links, &ignored) < 0)
        for (size_t i = 0; i < d->n; i++)
            d->entries[i].sampled = 0;
    ret = drain_sample(d, links, connected, now);
    error_clear(&ignored);
    free(connected);
    free(peers);
    free(links);
    return ret;
}
