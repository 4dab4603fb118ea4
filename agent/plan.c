/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/key_memory.h"
#include "agent/observe.h"
#include "agent/sysctl.h"
#include "common/alloc.h"

/* Raised when the way a process is started changes, so that an upgrade restarts the links. */
#define START_VERSION "1"

#define IPV4_FORWARD "net/ipv4/ip_forward"
#define IPV6_FORWARD "net/ipv6/conf/all/forwarding"
#define IPV4_HASH "net/ipv4/fib_multipath_hash_policy"
#define IPV6_HASH "net/ipv6/fib_multipath_hash_policy"

const char *const plan_global_settings[] = {IPV4_FORWARD, IPV6_FORWARD, IPV4_HASH, IPV6_HASH, NULL};

/* What every link of ours gets.  The kernel takes the larger rp_filter of "all" and the interface,
 * so 2 (loose) wins over a strict "all": a packet may come in by another link than its answer
 * leaves by.  A peer has no business to advertise routers or redirect us. */
static const struct {
    enum link_setting setting;
    long value;
    const char *reason;
} link_settings[] = {
    {LINK_RP_FILTER, 2, "traffic may come in by one link and go out by another"},
    {LINK_REDIRECTS4, 0, "routes come by BGP only"},
    {LINK_REDIRECTS6, 0, "routes come by BGP only"},
    {LINK_ACCEPT_RA, 0, "routes come by BGP only"},
};

/* Where in a list something of this name is.  With hundreds of links, to search for each of them
 * from the start would be most of the work. */
struct place {
    const char *name;
    size_t index;
};

struct builder {
    const struct bundle *want;
    const struct plan_context *context;
    const struct observed *have;
    struct place *wanted, *there; /* the links of both, by name */
    char *marker;                 /* what the alias of each link of ours begins with */
    struct plan *plan;
    struct plan *breaks; /* the steps behind FRR */
};

static int compare_places(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

static size_t find_place(const struct place *list, size_t n, const char *name)
{
    struct place key = {.name = name}, *found = NULL;

    if (n)
        found = bsearch(&key, list, n, sizeof(key), compare_places);
    return found ? found->index : SIZE_MAX;
}

static void sort_links(struct builder *b)
{
    size_t n_wanted = b->want ? b->want->n_links : 0, n_there = b->have->links.n;

    b->wanted = xcalloc(n_wanted + 1, sizeof(*b->wanted));
    b->there = xcalloc(n_there + 1, sizeof(*b->there));
    for (size_t i = 0; i < n_wanted; i++)
        b->wanted[i] = (struct place){b->want->links[i].interface, i};
    for (size_t i = 0; i < n_there; i++)
        b->there[i] = (struct place){b->have->links.links[i].name, i};
    qsort(b->wanted, n_wanted, sizeof(*b->wanted), compare_places);
    qsort(b->there, n_there, sizeof(*b->there), compare_places);
}

static const struct link_state *link_there(const struct builder *b, const char *interface)
{
    size_t i = find_place(b->there, b->have->links.n, interface);

    return i == SIZE_MAX ? NULL : &b->have->links.links[i];
}

static struct plan_step *add_to(struct plan *p, enum plan_action action, size_t link,
                                const char *target, const char *reason, ...)
    __attribute__((format(printf, 5, 6)));

static struct plan_step *add_to(struct plan *p, enum plan_action action, size_t link,
                                const char *target, const char *reason, ...)
{
    struct buf text = BUF_INIT;
    va_list ap;

    va_start(ap, reason);
    buf_vprintf(&text, reason, ap);
    va_end(ap);
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->steps = xreallocarray(p->steps, p->cap, sizeof(*p->steps));
    }
    p->steps[p->n] = (struct plan_step){
        .action = action,
        .target = xstrdup(target),
        .reason = buf_steal(&text),
        .link = link,
    };
    return &p->steps[p->n++];
}

#define add(b, ...) add_to((b)->plan, __VA_ARGS__)

/* --- settings of the machine ---------------------------------------------------------------- */

static void want_setting(struct builder *b, const char *name, long value, const char *reason)
{
    long now = observed_value(b->have, name);

    if (now != SYSCTL_ABSENT && now != value)
        add(b, PLAN_SETTING, PLAN_NO_LINK, name, "it is %ld; %s", now, reason)->value = value;
}

/* A setting of one interface; `is` NULL: it is being made, and nobody knows its settings yet. */
static void want_link_setting(struct builder *b, size_t i, const struct link_state *is,
                              enum link_setting setting, long value, const char *reason)
{
    _cleanup_free_ char *name = NULL;

    if (is && (is->settings[setting] == LINK_SETTING_ABSENT || is->settings[setting] == value))
        return;
    name = netlink_setting_name(setting, b->want->links[i].interface);
    if (is)
        add(b, PLAN_SETTING, i, name, "it is %ld; %s", (long)is->settings[setting], reason)->value =
            value;
    else
        add(b, PLAN_SETTING, i, name, "%s", reason)->value = value;
}

static bool is_ours(const struct builder *b, const struct link_state *link)
{
    return strncmp(link->alias, b->marker, strlen(b->marker)) == 0;
}

/*
 * Once IPv6 forwarding is on, the kernel ignores router advertisements where accept_ra is 1 and
 * drops the default routes that it learned from them: a gateway whose uplink is configured that way
 * would cut itself off.  2 means "also when forwarding", so it keeps what each interface did
 * before. Where forwarding is on already, 1 has long meant no, and is left.
 */
static void keep_router_advertisements(struct builder *b)
{
    if (observed_value(b->have, IPV6_FORWARD) != 0)
        return;
    for (size_t i = 0; i < b->have->links.n; i++) {
        const struct link_state *link = &b->have->links.links[i];
        _cleanup_free_ char *accept = NULL;

        if (is_ours(b, link) || strcmp(link->name, "lo") == 0 ||
            link->settings[LINK_ACCEPT_RA] != 1 || link->settings[LINK_FORWARDING6] != 0)
            continue;
        accept = netlink_setting_name(LINK_ACCEPT_RA, link->name);
        add(b, PLAN_SETTING, PLAN_NO_LINK, accept,
            "it is 1, and with forwarding on only 2 keeps the interface's router advertisements "
            "working")
            ->value = 2;
    }
}

static bool has_family(const struct bundle *b, uint8_t family)
{
    for (size_t i = 0; i < b->n_lan_prefixes; i++)
        if (b->lan_prefixes[i].family == family)
            return true;
    for (size_t i = 0; i < b->n_mesh_prefixes; i++)
        if (b->mesh_prefixes[i].family == family)
            return true;
    return false;
}

static void plan_settings(struct builder *b)
{
    static const char forward[] = "a gateway forwards packets";
    static const char hash[] = "equal paths are chosen by ports too, not by addresses alone";

    if (has_family(b->want, FAMILY_IPV4)) {
        want_setting(b, IPV4_FORWARD, 1, forward);
        want_setting(b, IPV4_HASH, 1, hash);
    }
    if (has_family(b->want, FAMILY_IPV6)) {
        keep_router_advertisements(b);
        want_setting(b, IPV6_FORWARD, 1, forward);
        want_setting(b, IPV6_HASH, 1, hash);
    }
}

/* --- the firewall --------------------------------------------------------------------------- */

static void plan_firewall(struct builder *b)
{
    const char *wanted = b->context->firewall_digest;
    const char *reason = NULL;

    if (!*wanted)
        return;
    if (b->have->firewall == FIREWALL_NONE)
        reason = "there is none";
    else if (b->have->firewall == FIREWALL_FOREIGN)
        reason = "there is another table of its name; that one has to go";
    else if (strcmp(b->have->firewall_digest, wanted) != 0)
        reason = "it is not what the bundle asks for";
    else if (b->have->firewall_changed)
        reason = "somebody changed it";
    if (reason)
        add(b, PLAN_FIREWALL, PLAN_NO_LINK, "", "%s", reason);
}

/* --- links that shall be -------------------------------------------------------------------- */

struct link_address plan_link_address(const struct bundle_link *link, size_t i)
{
    struct link_address a = {.local = link->addresses[i]};

    /* An imported link has its address without a network: the peer's stands beside it. */
    if (a.local.len == (a.local.family == FAMILY_IPV4 ? 32 : 128))
        a.peer = link->peer_addresses[i];
    return a;
}

static bool has_address(const struct link_state *is, const struct link_address *a)
{
    for (size_t i = 0; is && i < is->n_addresses; i++)
        if (link_address_equal(&is->addresses[i], a))
            return true;
    return false;
}

static void plan_altnames(struct builder *b, size_t i, const struct link_state *is)
{
    const struct bundle_link *link = &b->want->links[i];
    bool found = false;

    for (size_t k = 0; is && k < is->n_altnames; k++) {
        if (strcmp(is->altnames[k], link->alias) == 0)
            found = true;
        else if (strncmp(is->altnames[k], "pv-", 3) == 0)
            add(b, PLAN_ALTNAME_REMOVE, i, link->interface, "%s is not its peer's name any more",
                is->altnames[k])
                ->text = xstrdup(is->altnames[k]);
    }
    if (!found)
        add(b, PLAN_ALTNAME_ADD, i, link->interface, "%s, so that people find it", link->alias)
            ->text = xstrdup(link->alias);
}

static void plan_new_addresses(struct builder *b, size_t i, const struct link_state *is)
{
    const struct bundle_link *link = &b->want->links[i];

    for (size_t k = 0; k < link->n_addresses; k++) {
        struct link_address a = plan_link_address(link, k);
        char text[PREFIX_TEXT_MAX];

        if (!has_address(is, &a))
            add(b, PLAN_ADDRESS_ADD, i, link->interface, "%s", prefix_format(&a.local, text))
                ->address = a;
    }
}

static void plan_link_settings_of(struct builder *b, size_t i, const struct link_state *is)
{
    bool no_ipv6 = observed_value(b->have, IPV6_FORWARD) == SYSCTL_ABSENT;

    for (size_t k = 0; k < sizeof(link_settings) / sizeof(link_settings[0]); k++) {
        enum link_setting setting = link_settings[k].setting;

        if (no_ipv6 && (setting == LINK_REDIRECTS6 || setting == LINK_ACCEPT_RA))
            continue;
        want_link_setting(b, i, is, setting, link_settings[k].value, link_settings[k].reason);
    }
}

static bool has_ipv6_address(const struct bundle_link *link)
{
    for (size_t i = 0; i < link->n_addresses; i++)
        if (link->addresses[i].family == FAMILY_IPV6)
            return true;
    return false;
}

/*
 * The machine's defaults may leave new interfaces without IPv6, or without a link-local address;
 * and bgpd keeps an IPv6 session in Idle while its interface has none.  Writing another mode than
 * the one at hand makes the kernel give the address; for a tun it turns 0 into its own mode.
 */
static void plan_ipv6(struct builder *b, size_t i, const struct link_state *is)
{
    const struct bundle_link *link = &b->want->links[i];
    bool missing = is && is->up && is->carrier && !is->link_local;

    if (!has_ipv6_address(link) || observed_value(b->have, IPV6_FORWARD) == SYSCTL_ABSENT)
        return;
    want_link_setting(b, i, is, LINK_DISABLE_IPV6, 0, "the link has an IPv6 address");
    if (!is || missing)
        want_link_setting(b, i, NULL, LINK_ADDR_GEN_MODE, 0,
                          "BGP over IPv6 needs a link-local address on the interface too");
}

void plan_link_digest(const struct bundle *b, const struct bundle_link *link,
                      const struct plan_context *context, char ret[static STARTED_LEN + 1])
{
    _cleanup_buf_ struct buf all = BUF_INIT;
    char digest[DIGEST_TEXT_LEN + 1];

    buf_printf(&all, START_VERSION " %s %s %lld %s", bundle_link_sha256(b, link),
               context->keys_digest, (long long)context->link_uid, link->interface);
    digest_sha256_text(all.data, all.len, digest);
    started_text(digest, b, link, ret);
}

static void plan_process(struct builder *b, size_t i, bool fresh)
{
    const struct bundle_link *link = &b->want->links[i];
    const char *running = observed_digest(b->have, link->interface);
    char computed[STARTED_LEN + 1];
    const char *digest = computed;

    if (b->context->digests)
        digest = b->context->digests[i];
    else
        plan_link_digest(b->want, link, b->context, computed);
    if (!running)
        add(b, PLAN_PROCESS_START, i, link->interface, "it has no process")->text = xstrdup(digest);
    else if (fresh)
        add(b, PLAN_PROCESS_RESTART, i, link->interface, "its interface is a new one")->text =
            xstrdup(digest);
    else if (!started_same(running, digest) && started_key_given_up(running, digest))
        add(b, PLAN_PROCESS_RESTART, i, link->interface, "a key of its ends is given up")->text =
            xstrdup(digest);
    else if (!started_same(running, digest))
        add_to(b->breaks, PLAN_PROCESS_REPLACE, i, link->interface,
               "its configuration or certificate changed")
            ->text = xstrdup(digest);
}

static void plan_link(struct builder *b, size_t i)
{
    const struct bundle_link *link = &b->want->links[i];
    const struct link_state *is = link_there(b, link->interface);
    _cleanup_free_ char *alias = xasprintf("%s%s", b->marker, link->peer);

    if (is && (!is_ours(b, is) || strcmp(is->kind, "tun") != 0)) {
        add(b, PLAN_REFUSE, i, link->interface,
            "the link to %s needs an interface of this name, and another one has it%s%s: rename "
            "that one (ip link set dev %s name NEW) or remove it",
            link->peer, is->alias[0] ? ", with the alias " : "", is->alias, link->interface);
        return;
    }
    if (b->context->known && link->peer_generation < key_memory_of(b->context->known, link->peer)) {
        add(b, PLAN_REFUSE, i, link->interface,
            "the key of %s that this bundle wants (generation %u) was given up by a later one, and "
            "stays so: publish a bundle with its new keys",
            link->peer, link->peer_generation);
        return;
    }
    if (is && (is->owner != b->context->link_uid || !is->persistent)) {
        add(b, PLAN_LINK_RECREATE, i, link->interface, "it does not belong to the link user")
            ->text = xstrdup(alias);
        is = NULL;
    } else if (!is) {
        add(b, PLAN_LINK_CREATE, i, link->interface, "link to %s", link->peer)->text =
            xstrdup(alias);
    } else if (strcmp(is->alias, alias) != 0) {
        add(b, PLAN_ALIAS, i, link->interface, "its peer is %s", link->peer)->text = xstrdup(alias);
    }
    plan_altnames(b, i, is);
    if (!is || is->mtu != link->mtu)
        add(b, PLAN_MTU, i, link->interface, "%u", link->mtu)->value = link->mtu;
    if (!is || is->queue_length != link->queue_length)
        add(b, PLAN_QUEUE_LENGTH, i, link->interface, "%u", link->queue_length)->value =
            link->queue_length;
    plan_link_settings_of(b, i, is);
    plan_ipv6(b, i, is);
    plan_new_addresses(b, i, is);
    if (!is || !is->up)
        add(b, PLAN_LINK_UP, i, link->interface, "it is down");
    plan_process(b, i, !is);
}

/* --- what restarts, and what has to go ------------------------------------------------------- */

static size_t wanted_index(const struct builder *b, const char *interface)
{
    return b->want ? find_place(b->wanted, b->want->n_links, interface) : PLAN_NO_LINK;
}

static void plan_old_addresses(struct builder *b, size_t i, const struct link_state *is)
{
    const struct bundle_link *link = &b->want->links[i];

    for (size_t k = 0; k < is->n_addresses; k++) {
        bool wanted = false;
        char text[PREFIX_TEXT_MAX];

        for (size_t w = 0; !wanted && w < link->n_addresses; w++) {
            struct link_address a = plan_link_address(link, w);

            wanted = link_address_equal(&a, &is->addresses[k]);
        }
        if (!wanted)
            add_to(b->breaks, PLAN_ADDRESS_REMOVE, i, link->interface, "%s is not in the bundle",
                   prefix_format(&is->addresses[k].local, text))
                ->address = is->addresses[k];
    }
}

static void plan_removals(struct builder *b)
{
    static const char gone[] = "the bundle does not have this link";

    for (size_t i = 0; i < b->have->links.n; i++) {
        const struct link_state *is = &b->have->links.links[i];
        size_t wanted = wanted_index(b, is->name);

        if (wanted != PLAN_NO_LINK && is_ours(b, is) && is->owner == b->context->link_uid)
            plan_old_addresses(b, wanted, is);
    }
    for (size_t i = 0; i < b->have->n_processes; i++)
        if (wanted_index(b, b->have->processes[i].interface) == PLAN_NO_LINK)
            add_to(b->breaks, PLAN_PROCESS_STOP, PLAN_NO_LINK, b->have->processes[i].interface,
                   gone);
    for (size_t i = 0; i < b->have->links.n; i++) {
        const struct link_state *is = &b->have->links.links[i];

        if (is_ours(b, is) && wanted_index(b, is->name) == PLAN_NO_LINK)
            add_to(b->breaks, PLAN_LINK_REMOVE, PLAN_NO_LINK, is->name, gone);
    }
}

/* Traffic may pass over it now. */
static bool carries(const struct builder *b, const char *interface)
{
    const struct link_state *is = link_there(b, interface);

    return is && is_ours(b, is) && is->up && is->carrier && observed_digest(b->have, interface);
}

static bool is_mentioned(const struct plan *p, size_t from, const char *interface)
{
    for (size_t i = from; i < p->n; i++)
        if (strcmp(p->steps[i].target, interface) == 0)
            return true;
    return false;
}

/* A step before FRR for each link from which something is taken by the steps behind it.  An address
 * that somebody has set by hand is nothing that the mesh's traffic needs. */
static void plan_drains(struct builder *b)
{
    static const char *const reasons[] = {
        [PLAN_PROCESS_REPLACE] = "its OpenVPN restarts",
        [PLAN_ADDRESS_REMOVE] = "an address of it goes",
        [PLAN_PROCESS_STOP] = "the bundle does not have this link",
        [PLAN_LINK_REMOVE] = "the bundle does not have this link",
    };
    size_t from = b->plan->n;

    for (size_t i = 0; i < b->breaks->n; i++) {
        const struct plan_step *s = &b->breaks->steps[i];

        if ((s->action != PLAN_ADDRESS_REMOVE || b->context->new_bundle) && carries(b, s->target) &&
            !is_mentioned(b->plan, from, s->target))
            add(b, PLAN_DRAIN, s->link, s->target, "%s", reasons[s->action]);
    }
}

/* Moves the steps of one plan to the end of another. */
static void append(struct plan *p, struct plan *more)
{
    p->cap = p->n + more->n;
    p->steps = xreallocarray(p->steps, p->cap ? p->cap : 1, sizeof(*p->steps));
    if (more->n)
        memcpy(p->steps + p->n, more->steps, more->n * sizeof(*p->steps));
    p->n += more->n;
    free(more->steps);
    free(more);
}

/* --- the whole ------------------------------------------------------------------------------ */

struct plan *plan_compute(const struct bundle *want, const struct plan_context *context,
                          const struct observed *have)
{
    struct builder b = {
        .want = want,
        .context = context,
        .have = have,
        .marker = xasprintf(PLAN_MARKER " %s ", context->mesh),
        .plan = xcalloc(1, sizeof(*b.plan)),
        .breaks = xcalloc(1, sizeof(*b.breaks)),
    };

    sort_links(&b);
    if (want) {
        plan_settings(&b);
        plan_firewall(&b);
        for (size_t i = 0; i < want->n_links; i++)
            plan_link(&b, i);
    }
    plan_removals(&b);
    if (want && !context->no_frr)
        plan_drains(&b);
    if (!have->frr_in_force && !context->no_frr)
        add(&b, PLAN_FRR, PLAN_NO_LINK, "", "%s",
            want ? "compare it with the bundle and change what differs" : "take away what is ours");
    append(b.plan, b.breaks);
    free(b.wanted);
    free(b.there);
    if (!want && have->firewall == FIREWALL_OURS && !context->no_firewall)
        add(&b, PLAN_FIREWALL_REMOVE, PLAN_NO_LINK, "", "it is ours");
    free(b.marker);
    return b.plan;
}

struct plan *plan_free(struct plan *p)
{
    if (!p)
        return NULL;
    for (size_t i = 0; i < p->n; i++) {
        free(p->steps[i].target);
        free(p->steps[i].reason);
        free(p->steps[i].text);
    }
    free(p->steps);
    free(p);
    return NULL;
}

static void print_lines(const char *text, struct buf *ret)
{
    for (size_t len; *text; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        buf_printf(ret, "  %.*s\n", (int)len, text);
    }
}

void plan_print(const struct plan *p, struct buf *ret)
{
    static const char *const verbs[] = {
        [PLAN_REFUSE] = "leave interface",
        [PLAN_SETTING] = "set",
        [PLAN_FIREWALL] = "set firewall",
        [PLAN_LINK_CREATE] = "create interface",
        [PLAN_LINK_RECREATE] = "create anew interface",
        [PLAN_ALIAS] = "set alias of",
        [PLAN_ALTNAME_REMOVE] = "remove name from",
        [PLAN_ALTNAME_ADD] = "add name to",
        [PLAN_MTU] = "set MTU of",
        [PLAN_QUEUE_LENGTH] = "set queue length of",
        [PLAN_ADDRESS_ADD] = "add address to",
        [PLAN_LINK_UP] = "set up interface",
        [PLAN_PROCESS_START] = "start OpenVPN of",
        [PLAN_PROCESS_RESTART] = "restart OpenVPN of",
        [PLAN_DRAIN] = "move traffic off",
        [PLAN_FRR] = "configure FRR",
        [PLAN_PROCESS_REPLACE] = "restart OpenVPN of",
        [PLAN_ADDRESS_REMOVE] = "remove address from",
        [PLAN_PROCESS_STOP] = "stop OpenVPN of",
        [PLAN_LINK_REMOVE] = "remove interface",
        [PLAN_FIREWALL_REMOVE] = "remove firewall",
    };

    for (size_t i = 0; i < p->n; i++) {
        const struct plan_step *s = &p->steps[i];

        buf_str(ret, verbs[s->action]);
        if (s->target[0])
            buf_printf(ret, " %s", s->target);
        if (s->action == PLAN_SETTING)
            buf_printf(ret, " = %ld", s->value);
        buf_printf(ret, ": %s\n", s->reason);
        if (s->action == PLAN_FRR && s->text)
            print_lines(s->text, ret);
    }
}
