/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/once.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/apply.h"
#include "agent/drain.h"
#include "agent/guard.h"
#include "agent/key_memory.h"
#include "agent/link_secret.h"
#include "agent/log.h"
#include "agent/netlink.h"
#include "agent/observe.h"
#include "agent/plan.h"
#include "agent/reader.h"
#include "agent/routing.h"
#include "agent/state.h"
#include "agent/state_stage.h"
#include "agent/supervise.h"
#include "agent/transaction.h"
#include "agent/tun.h"

#define PATIENCE_MS 10000 /* for processes to start and to end */
#define LOOKS 4           /* at what is drained, then at everything */
/* So often everything is looked at, about once a second: enough for every turn. */
#define MAX_ROUNDS 180

struct session {
    struct apply_context apply;
    struct drain *drain;
    struct firewall firewall;
    struct plan_context plan;
    struct observed have;
    bool frr_in_force;
    int lock;
    struct key_memory known;
};

#define SESSION_INIT(s)                                                                    \
    {                                                                                      \
        .apply.settings = (s), .plan = {.link_uid = (s)->link_uid, .no_frr = (s)->no_frr}, \
        .have = OBSERVED_INIT, .lock = -1,                                                 \
    }

static void session_close(struct session *n)
{
    observed_clear(&n->have);
    key_memory_clear(&n->known);
    drain_free(n->drain);
    supervisor_free(n->apply.supervisor);
    netlink_close(n->apply.netlink);
    if (n->lock >= 0)
        close(n->lock);
}

static int session_open(struct session *n, const struct settings *s, struct error_list *err)
{
    int r = state_prepare(s, err);

    *n = (struct session)SESSION_INIT(s);
    if (r == 0)
        r = state_lock(s, &n->lock, err);
    if (r == 0)
        r = netlink_open(&n->apply.netlink, err);
    if (r == 0)
        r = supervisor_new(s, &n->apply.supervisor, err);
    if (r == 0)
        r = key_memory_load(s, &n->known, err);
    n->drain = drain_new(s);
    n->apply.drain = n->drain;
    return r;
}

/* To look only, also beside a running agent: no lock, no folder made. */
static int session_peek(struct session *n, struct error_list *err)
{
    int r = netlink_open(&n->apply.netlink, err);

    if (r == 0)
        r = key_memory_load(n->apply.settings, &n->known, err);
    return r < 0 ? r : supervisor_peek(n->apply.settings, &n->apply.supervisor, err);
}

static struct plan *look(struct session *n, const struct bundle *want, const char *mesh,
                         struct error_list *err)
{
    n->plan.mesh = mesh;
    n->plan.new_bundle = true;
    n->plan.known = &n->known;
    state_keys_digest(n->apply.settings, n->plan.keys_digest);
    observed_clear(&n->have);
    if (observe(n->apply.netlink, n->apply.supervisor, false, &n->have, err) < 0 ||
        guard_look_once(n->apply.settings, &n->firewall, &n->plan, &n->have, err) < 0)
        return NULL;
    n->have.frr_in_force = n->frr_in_force;
    return plan_compute(want, &n->plan, &n->have);
}

static int keep_worse(int r, int q)
{
    return r == 0 || (r == -EINVAL && q < 0) ? q : r;
}

static void say_changes(struct frr_result *changed)
{
    log_lines(LOG_EVENT_NONE, LOG_LEVEL_INFO, "FRR: ", buf_cstr(&changed->changes));
    frr_result_clear(changed);
}

static int configure_frr(struct session *n, struct error_list *err)
{
    struct frr_result changed = FRR_RESULT_INIT;
    struct drain_request drain;
    int r;

    drain_request(n->drain, &drain);
    r = routing_apply(n->apply.settings, &drain, &changed, err);
    say_changes(&changed);
    drain_request_clear(&drain);
    if (r == 0)
        drain_in_force(n->drain, monotonic_ms());
    return r;
}

/* Until something may be done that waited for traffic to be moved away, or it is time to look at
 * everything again. */
static void wait_for_drain(struct session *n)
{
    enum drain_news news = DRAIN_NOTHING;

    for (int i = 0; news == DRAIN_NOTHING && i < LOOKS; i++) {
        int64_t wait = drain_deadline(n->drain) - monotonic_ms();

        if (drain_deadline(n->drain) == SUPERVISE_NEVER)
            return;
        if (wait > 0)
            usleep((useconds_t)wait * 1000);
        news = drain_run(n->drain, monotonic_ms());
    }
    n->frr_in_force &= news != DRAIN_TEXT;
}

/* What can be done now.  *done: there is nothing left to wait for. */
static int round_of(struct session *n, const struct bundle *want, bool *done,
                    struct error_list *err)
{
    const struct settings *s = n->apply.settings;
    struct plan *plan = look(n, want, want->mesh, err);
    int r, q = 0;

    if (!plan)
        return -EIO;
    if (!s->no_frr && drain_consider(n->drain, want, plan, n->apply.hold_processes, monotonic_ms()))
        n->frr_in_force = false;
    r = plan_has(plan, PLAN_FIREWALL) ? guard_set(s, &n->firewall, err) : 0;
    r = keep_worse(r, apply_make(&n->apply, want, plan, err));
    if (!n->frr_in_force && !s->no_frr)
        q = configure_frr(n, err);
    r = keep_worse(r, q);
    if (q == 0)
        r = keep_worse(r, apply_break(&n->apply, want, plan, err));
    else if (plan_has_breaks(plan))
        error_add(err, NULL, 0, NULL,
                  "because FRR is not configured, links that left the bundle were kept: repair FRR "
                  "and apply again");
    n->frr_in_force = q == 0;
    r = keep_worse(r, supervisor_settle(n->apply.supervisor, PATIENCE_MS, err));
    *done = q < 0 || !drain_busy(n->drain);
    plan_free(plan);
    return r;
}

/* What left is gone, and so is the firewall's reason to know it. */
static int leave_behind(struct session *n, struct error_list *err)
{
    int r = 0;

    n->firewall.before = NULL;
    link_secrets_sweep(n->apply.settings, n->firewall.now, NULL);
    if (!n->plan.no_firewall)
        r = guard_look_once(n->apply.settings, &n->firewall, &n->plan, &n->have, err);
    if (r == 0 && strcmp(n->plan.firewall_digest, n->have.firewall_digest) != 0)
        r = guard_set(n->apply.settings, &n->firewall, err);
    return r;
}

static int act(struct session *n, const struct bundle *want, struct error_list *err)
{
    const struct settings *s = n->apply.settings;
    int r = tun_check(s->link_uid, s->link_gid, err);
    bool done = false;

    if (r == 0)
        r = state_check_keys(s, err);
    if (r == 0)
        r = link_secrets_make(s, want, err);
    r = keep_worse(r, key_memory_take(s, &n->known, want, err));
    n->apply.hold_processes = r < 0;
    n->firewall.now = want;
    drain_new_bundle(n->drain, false);
    for (unsigned i = 0; i < MAX_ROUNDS && !done; i++) {
        if (i > 0)
            wait_for_drain(n);
        r = keep_worse(r, round_of(n, want, &done, err));
    }
    if (n->frr_in_force || s->no_frr)
        r = keep_worse(r, leave_behind(n, err));
    return r;
}

/* Nobody would serve bgpd the table of origins once we are gone: it would refuse every route. */
static int check_origins(const struct settings *s, const char *dir, struct error_list *err)
{
    struct bundle *want = NULL;
    int r = s->no_frr ? 0 : reader_load(s, dir, &want, err);

    if (want && want->origin_check == BUNDLE_ORIGINS_BY_CACHE)
        r = error_add(
            err, dir, 0, NULL,
            "this mesh checks origins by a cache that only an agent that stays can serve: "
            "start the service (systemctl start p2pvpn-agent) or 'p2pvpn-agent run "
            "BUNDLE', or set origin-check to lists in the mesh model and compile");
    bundle_free(want);
    return r;
}

/* Into force at once: nobody will be there who could take it back. */
static int install(const struct settings *s, const char *dir, struct bundle **ret,
                   struct error_list *err)
{
    struct settings unconfirmed = *s;
    struct bundle *staged = NULL, *now = NULL;
    _cleanup_buf_ struct buf ignored = BUF_INIT;
    struct transaction *t;
    int r;

    unconfirmed.confirm_time = 0;
    r = transaction_new(&unconfirmed, &t, err);
    if (r < 0)
        return r;
    now = transaction_taken(t);
    r = state_stage(s, dir, &staged, err);
    if (r == 0 && now && strcmp(now->revision, staged->revision) == 0) {
        *ret = staged;
        /* An agent began with it and has ended: the next one would take back what is wanted. */
        if (transaction_busy(t))
            r = transaction_confirm(t, &ignored, err);
    } else if (r == 0) {
        r = transaction_offer(t, staged, now, err);
        *ret = transaction_taken(t);
    }
    bundle_free(now);
    transaction_free(t);
    return r;
}

/* NULL: none that could be read. */
static struct bundle *in_force(const struct settings *s)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct bundle *b = NULL;

    state_current(s, &b, &ignored);
    error_clear(&ignored);
    return b;
}

int once_apply(const struct settings *s, const char *dir, struct error_list *err)
{
    struct bundle *want = NULL, *before = NULL;
    struct session n;
    int r = session_open(&n, s, err);

    if (r == 0)
        r = check_origins(s, dir, err);
    if (r == 0)
        before = in_force(s);
    n.firewall.before = before;
    if (r == 0)
        r = install(s, dir, &want, err);
    if (r < 0 && !want)
        state_advise(s, r, err);
    if (r == 0)
        r = act(&n, want, err);
    bundle_free(want);
    bundle_free(before);
    session_close(&n);
    return r;
}

/* FRR's part of a plan: whether there is one, and its lines. */
static int compare_frr(struct session *n, const struct bundle_source *from, struct buf *ret,
                       struct error_list *err)
{
    const struct bundle *b = bundle_opened(from);
    struct frr_result differs = FRR_RESULT_INIT;
    _cleanup_buf_ struct buf config = BUF_INIT;
    int r = 0;

    for (size_t i = 0; r == 0 && i < b->n_files; i++)
        if (strcmp(b->files[i].path, ROUTING_CONFIG) == 0)
            r = bundle_read_file(from, &b->files[i], &config, err);
    if (r == 0)
        r = routing_compare(n->apply.settings, buf_cstr(&config), &differs, err);
    n->frr_in_force = r == 0;
    buf_str(ret, buf_cstr(&differs.changes));
    frr_result_clear(&differs);
    return r < 0 ? r : 0;
}

int once_plan(const struct settings *s, const char *dir, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT, lines = BUF_INIT;
    struct error_list ignored = ERROR_LIST_INIT;
    struct bundle_source *from = NULL;
    const struct bundle *want = NULL;
    struct bundle *before = NULL;
    struct origins *origins = NULL;
    struct plan *plan = NULL;
    struct session n = SESSION_INIT(s);
    int r = reader_bundle(s, dir, &from, err), q = 0;

    if (r == 0)
        r = state_belongs(s, bundle_opened(from), dir, err);
    if (r == 0)
        r = session_peek(&n, err);
    if (r == 0 && !s->no_frr)
        q = compare_frr(&n, from, &lines, err);
    if (r == 0) {
        want = bundle_opened(from);
        before = in_force(s);
        if (want->origin_check == BUNDLE_ORIGINS_BY_CACHE)
            state_origins(s, want->mesh, &origins, &ignored);
        n.firewall = (struct firewall){want, before, origins};
        plan = look(&n, want, want->mesh, err);
        r = plan ? q : -EIO;
    }
    for (size_t i = 0; plan && i < plan->n; i++)
        if (plan->steps[i].action == PLAN_FRR)
            plan->steps[i].text = buf_steal(&lines);
    if (plan) {
        plan_print(plan, &text);
        fputs(buf_cstr(&text), stdout);
    }
    plan_free(plan);
    bundle_close(from);
    bundle_free(before);
    origins_free(origins);
    error_clear(&ignored);
    session_close(&n);
    return r;
}

int once_firewall(const struct settings *s, const char *dir, struct error_list *err)
{
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct origins *origins = NULL;
    struct bundle *b = NULL;
    int r = dir ? reader_load(s, dir, &b, err) : state_current(s, &b, err);

    if (r == -ENOENT)
        r = error_add(err, s->state_dir, 0, NULL, "no bundle is in force here; name one");
    if (r == 0 && b->origin_check == BUNDLE_ORIGINS_BY_CACHE)
        state_origins(s, b->mesh, &origins, &ignored);
    if (r == 0)
        r = guard_text(s, &(struct firewall){b, NULL, origins}, &text, err);
    if (r == 0)
        fputs(buf_cstr(&text), stdout);
    origins_free(origins);
    bundle_free(b);
    error_clear(&ignored);
    return r;
}

/* The name of our mesh; without a bundle in force, there is nothing of ours. */
static int our_mesh(const struct settings *s, struct bundle **ret, struct error_list *err)
{
    int r = state_current(s, ret, err);

    if (r == -EINVAL)
        return error_add(
            err, NULL, 0, NULL,
            "the copy of the bundle in force is damaged, so that it is not known which "
            "interfaces are ours: apply the bundle again, then remove");
    return r;
}

static int take_away(struct session *n, const struct bundle *was, struct error_list *err)
{
    const struct settings *s = n->apply.settings;
    struct plan *plan = look(n, NULL, was->mesh, err);
    struct frr_result changed = FRR_RESULT_INIT;
    int r = plan ? 0 : -EIO;

    if (plan && plan_has(plan, PLAN_FRR)) {
        r = routing_remove(s, &changed, err);
        say_changes(&changed);
    }
    if (r < 0)
        error_add(
            err, NULL, 0, NULL,
            "what is ours could not be taken out of FRR: repair that and remove again; if FRR "
            "itself is gone for good, run 'p2pvpn-agent remove --no-frr'");
    /* A router that cannot be asked keeps nothing of ours alive: the links go all the same. */
    if (plan)
        r = keep_worse(r, apply_break(&n->apply, NULL, plan, err));
    if (plan && plan_has(plan, PLAN_FIREWALL_REMOVE))
        r = keep_worse(r, guard_remove(s, err));
    r = keep_worse(r, supervisor_settle(n->apply.supervisor, PATIENCE_MS, err));
    plan_free(plan);
    return r;
}

/* Nothing is in force here.  Interfaces of ours then belong to an agent with another state folder:
 * saying that all is done would be wrong. */
static int nobody_elses(struct session *n, struct error_list *err)
{
    const struct settings *s = n->apply.settings;
    int r = netlink_links(n->apply.netlink, 0, &n->have.links, err);

    for (size_t i = 0; r == 0 && i < n->have.links.n; i++) {
        const struct link_state *link = &n->have.links.links[i];

        if (strncmp(link->alias, PLAN_MARKER " ", strlen(PLAN_MARKER) + 1) == 0)
            r = error_add(err, s->state_dir, 0, NULL,
                          "no bundle is in force here, but interface %s is a link of a mesh (%s): "
                          "name that agent's --state and --run-dir; if they are lost, apply the "
                          "gateway's bundle again, then remove",
                          link->name, link->alias);
    }
    if (r == 0)
        log_say(LOG_LEVEL_NOTICE, "there is nothing of a mesh here");
    return r;
}

int once_remove(const struct settings *s, struct error_list *err)
{
    struct bundle *was = NULL;
    struct session n;
    int r = session_open(&n, s, err);

    if (r == 0)
        r = our_mesh(s, &was, err);
    if (r == 0)
        r = take_away(&n, was, err);
    else if (r == -ENOENT)
        r = nobody_elses(&n, err);
    if (r == 0)
        r = state_forget(s, err);
    bundle_free(was);
    session_close(&n);
    return r;
}
