/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/drain.h"
#include "agent/netlink.h"
#include "agent/openvpn.h"
#include "agent/supervise.h"
#include "agent/sysctl.h"
#include "agent/tun.h"

static int create(const struct apply_context *c, const struct plan_step *s, struct error_list *err)
{
    int fd, r;

    /* Whatever process is attached to an interface of this name that was there before. */
    supervisor_detach(c->supervisor, s->target);
    r = s->action == PLAN_LINK_RECREATE ? netlink_delete_link(c->netlink, s->target, err) : 0;
    if (r == 0)
        r = tun_open(s->target, c->settings->link_uid, &fd, err);
    if (r < 0)
        return r;
    r = netlink_set_alias(c->netlink, s->target, s->text, err);
    if (r < 0) {
        close(fd); /* and with it the interface: one without our mark must not stay */
        return r;
    }
    return tun_keep(s->target, fd, err);
}

static void want_process(const struct apply_context *c, const struct bundle_link *link,
                         const char *digest)
{
    _cleanup_free_ char *current = settings_current_dir(c->settings);
    _cleanup_free_ char *config = xasprintf("%s/%s", current, link->config);

    supervisor_want(c->supervisor, link->interface, link->peer, config, digest);
}

static int make_step(const struct apply_context *c, const struct bundle *want,
                     const struct plan_step *s, struct error_list *err)
{
    struct netlink *nl = c->netlink;

    switch (s->action) {
    case PLAN_REFUSE:
        return error_add(err, NULL, 0, NULL, "%s: %s", s->target, s->reason);
    case PLAN_SETTING:
        return sysctl_set(s->target, s->value, err);
    case PLAN_LINK_CREATE:
    case PLAN_LINK_RECREATE:
        return create(c, s, err);
    case PLAN_ALIAS:
        return netlink_set_alias(nl, s->target, s->text, err);
    case PLAN_ALTNAME_REMOVE:
        return netlink_remove_altname(nl, s->target, s->text, err);
    case PLAN_ALTNAME_ADD:
        return netlink_add_altname(nl, s->target, s->text, err);
    case PLAN_MTU:
        return netlink_set_mtu(nl, s->target, (uint32_t)s->value, err);
    case PLAN_QUEUE_LENGTH:
        return netlink_set_queue_length(nl, s->target, (uint32_t)s->value, err);
    case PLAN_ADDRESS_ADD:
        return netlink_add_address(nl, s->target, &s->address, err);
    case PLAN_LINK_UP:
        return netlink_set_up(nl, s->target, err);
    case PLAN_PROCESS_START:
    case PLAN_PROCESS_RESTART:
        if (c->hold_processes && s->action == PLAN_PROCESS_RESTART)
            supervisor_unwant(c->supervisor, s->target);
        if (c->hold_processes)
            return 0;
        want_process(c, &want->links[s->link], s->text);
        return 0;
    default:
        return 0;
    }
}

/* A failure that leaves the link without sense; the others are repaired by the next run. */
static bool fatal_for_link(enum plan_action a)
{
    return a == PLAN_REFUSE || a == PLAN_LINK_CREATE || a == PLAN_LINK_RECREATE;
}

static int worse(int r, int q)
{
    return r == 0 || (r == -EINVAL && q < 0) ? q : r;
}

int apply_make(const struct apply_context *c, const struct bundle *want, struct plan *plan,
               struct error_list *err)
{
    size_t failed_link = PLAN_NO_LINK;
    bool *refused = xcalloc(want ? want->n_links + 1 : 1, sizeof(bool));
    int r = 0;

    for (size_t i = 0; want && i < want->n_links; i++) {
        /* Also of a link with nothing to do: so an adopted process becomes a wanted one. */
        const char *digest = supervisor_digest(c->supervisor, want->links[i].interface);

        if (digest)
            want_process(c, &want->links[i], digest);
    }
    for (size_t i = 0; i < plan->n; i++) {
        struct plan_step *s = &plan->steps[i];
        int q;

        if (s->action >= PLAN_FRR || (s->link != PLAN_NO_LINK && s->link == failed_link))
            continue;
        q = make_step(c, want, s, err);
        s->failed = q < 0;
        if (q < 0 && s->link != PLAN_NO_LINK && fatal_for_link(s->action))
            failed_link = s->link;
        if (q < 0 && s->action == PLAN_REFUSE)
            refused[s->link] = true;
        r = worse(r, q);
    }
    /* A process must not run on an interface that is not ours. */
    for (size_t i = 0; want && i < want->n_links; i++)
        if (refused[i])
            supervisor_unwant(c->supervisor, want->links[i].interface);
    free(refused);
    return r;
}

static int break_step(const struct apply_context *c, const struct bundle *want,
                      const struct plan_step *s, struct error_list *err)
{
    switch (s->action) {
    case PLAN_PROCESS_REPLACE:
        if (!c->hold_processes)
            want_process(c, &want->links[s->link], s->text);
        return 0;
    case PLAN_ADDRESS_REMOVE:
        return netlink_remove_address(c->netlink, s->target, &s->address, err);
    case PLAN_PROCESS_STOP:
        supervisor_unwant(c->supervisor, s->target);
        return 0;
    case PLAN_LINK_REMOVE:
        /* First what would not be found again: without the interface nothing names the log. */
        openvpn_remove_log(c->settings, s->target);
        return netlink_delete_link(c->netlink, s->target, err);
    default:
        return 0;
    }
}

int apply_break(const struct apply_context *c, const struct bundle *want, struct plan *plan,
                struct error_list *err)
{
    int r = 0;

    for (size_t i = 0; i < plan->n; i++) {
        struct plan_step *s = &plan->steps[i];
        int q = 0;

        if (!plan_action_breaks(s->action))
            continue;
        if (!c->drain || !drain_holds(c->drain, s->target))
            q = break_step(c, want, s, err);
        else
            s->failed = true;
        s->failed |= q < 0;
        r = worse(r, q);
    }
    return r;
}

void apply_put_off(struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan_action_breaks(plan->steps[i].action))
            plan->steps[i].failed = true;
}

static bool has_steps(const struct plan *plan, size_t link)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan->steps[i].link == link)
            return true;
    return false;
}

int apply_repeat_addresses(const struct apply_context *c, const struct bundle *want,
                           const struct plan *plan, struct error_list *err)
{
    int r = 0;

    for (size_t i = 0; i < want->n_links; i++)
        for (size_t k = 0; k < want->links[i].n_addresses && !has_steps(plan, i); k++) {
            struct link_address a = plan_link_address(&want->links[i], k);
            int q = netlink_repeat_address(c->netlink, want->links[i].interface, &a, err);

            r = worse(r, q);
        }
    return r;
}

bool plan_has_breaks(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan_action_breaks(plan->steps[i].action))
            return true;
    return false;
}

bool plan_has(const struct plan *plan, enum plan_action action)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan->steps[i].action == action)
            return true;
    return false;
}

bool plan_is_done(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan->steps[i].action != PLAN_REFUSE)
            return false;
    return true;
}
