/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/alloc.h"

#define DUMP_TRIES 8
/* At once, in a dump: as much as the kernel gives.  libnl would else ask for the size of each
 * portion first, and the kernel would copy all twice. */
#define MESSAGES (32 << 10)

struct netlink {
    struct nl_sock *socket;
    int error;                /* what the kernel answered, negative errno; 0: no error message */
    struct link_table *table; /* being filled by a dump */
    size_t cap;
    struct known_address *known; /* what the last dump of addresses said of tuns */
    size_t n_known, known_cap;
    bool knows;
};

struct known_address {
    unsigned index;
    bool link_local; /* that is all that is known of it */
    struct link_address address;
};

static int keep_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
    (void)from;
    ((struct netlink *)arg)->error = e->error;
    return NL_STOP;
}

/* The errno behind a result of libnl: what the kernel said if it said anything. */
static int errno_of(const struct netlink *nl, int r)
{
    if (nl->error < 0)
        return -nl->error;
    switch (-r) {
    case NLE_NOMEM:
        return ENOBUFS; /* libnl's word for a receive buffer that overflowed */
    case NLE_PERM:
        return EPERM;
    case NLE_INTR:
        return EINTR;
    default:
        return EIO;
    }
}

int netlink_open(struct netlink **ret, struct error_list *err)
{
    struct netlink *nl = xcalloc(1, sizeof(*nl));
    int r;

    nl->socket = nl_socket_alloc();
    if (!nl->socket)
        abort(); /* allocation only */
    r = nl_connect(nl->socket, NETLINK_ROUTE);
    if (r == 0)
        r = nl_socket_set_buffer_size(nl->socket, NETLINK_RECEIVE_BUFFER, NETLINK_SEND_BUFFER);
    if (r == 0)
        r = nl_socket_set_msg_buf_size(nl->socket, MESSAGES);
    nl_socket_disable_msg_peek(nl->socket); /* the kernel keeps to what it finds offered */
    if (r == 0)
        r = nl_socket_modify_err_cb(nl->socket, NL_CB_CUSTOM, keep_error, nl);
    if (r < 0) {
        r = error_sys(err, errno_of(nl, r), NULL, "cannot open a netlink socket");
        netlink_close(nl);
        return r;
    }
    *ret = nl;
    return 0;
}

struct netlink *netlink_close(struct netlink *nl)
{
    if (nl) {
        nl_socket_free(nl->socket);
        free(nl->known);
        free(nl);
    }
    return NULL;
}

/* --- reading -------------------------------------------------------------------------------- */

/* Where the kernel's dump of an interface has each setting: it sends all of them as two arrays. */
static const struct {
    const char *protocol, *leaf;
    unsigned index;
} settings[LINK_SETTINGS] = {
    [LINK_RP_FILTER] = {"ipv4", "rp_filter", IPV4_DEVCONF_RP_FILTER - 1},
    [LINK_REDIRECTS4] = {"ipv4", "accept_redirects", IPV4_DEVCONF_ACCEPT_REDIRECTS - 1},
    [LINK_REDIRECTS6] = {"ipv6", "accept_redirects", DEVCONF_ACCEPT_REDIRECTS},
    [LINK_ACCEPT_RA] = {"ipv6", "accept_ra", DEVCONF_ACCEPT_RA},
    [LINK_FORWARDING6] = {"ipv6", "forwarding", DEVCONF_FORWARDING},
    [LINK_DISABLE_IPV6] = {"ipv6", "disable_ipv6", DEVCONF_DISABLE_IPV6},
    [LINK_ADDR_GEN_MODE] = {"ipv6", "addr_gen_mode", DEVCONF_ADDR_GEN_MODE},
};

char *netlink_setting_name(enum link_setting setting, const char *interface)
{
    return xasprintf("net/%s/conf/%s/%s", settings[setting].protocol, interface,
                     settings[setting].leaf);
}

static void read_settings(struct link_state *link, struct nlattr *families)
{
    struct nlattr *af[AF_INET6 + 1], *in4[IFLA_INET_MAX + 1], *in6[IFLA_INET6_MAX + 1];
    const struct nlattr *ipv4 = NULL, *ipv6 = NULL;

    if (nla_parse_nested(af, AF_INET6, families, NULL) < 0)
        return;
    if (af[AF_INET] && nla_parse_nested(in4, IFLA_INET_MAX, af[AF_INET], NULL) >= 0)
        ipv4 = in4[IFLA_INET_CONF];
    if (af[AF_INET6] && nla_parse_nested(in6, IFLA_INET6_MAX, af[AF_INET6], NULL) >= 0)
        ipv6 = in6[IFLA_INET6_CONF];
    for (size_t i = 0; i < LINK_SETTINGS; i++) {
        const struct nlattr *from = settings[i].protocol[3] == '4' ? ipv4 : ipv6;
        size_t at = settings[i].index * sizeof(int32_t);

        if (from && (size_t)nla_len(from) >= at + sizeof(int32_t))
            memcpy(&link->settings[i], (const char *)nla_data(from) + at, sizeof(int32_t));
    }
}

static void copy_name(char ret[LINK_NAME_SIZE], const struct nlattr *a)
{
    nla_strlcpy(ret, a, LINK_NAME_SIZE);
}

static void read_altnames(struct link_state *link, struct nlattr *list)
{
    struct nlattr *a;
    int left;

    nla_for_each_nested(a, list, left)
    {
        if (nla_type(a) != IFLA_ALT_IFNAME)
            continue;
        link->altnames =
            xreallocarray(link->altnames, link->n_altnames + 1, sizeof(*link->altnames));
        link->altnames[link->n_altnames++] = xstrdup(nla_get_string(a));
    }
}

static void read_linkinfo(struct link_state *link, struct nlattr *info)
{
    struct nlattr *in[IFLA_INFO_MAX + 1], *tun[IFLA_TUN_MAX + 1];

    if (nla_parse_nested(in, IFLA_INFO_MAX, info, NULL) < 0)
        return;
    if (in[IFLA_INFO_KIND])
        copy_name(link->kind, in[IFLA_INFO_KIND]);
    if (strcmp(link->kind, "tun") != 0 || !in[IFLA_INFO_DATA] ||
        nla_parse_nested(tun, IFLA_TUN_MAX, in[IFLA_INFO_DATA], NULL) < 0)
        return;
    if (tun[IFLA_TUN_OWNER])
        link->owner = nla_get_u32(tun[IFLA_TUN_OWNER]);
    if (tun[IFLA_TUN_PERSIST])
        link->persistent = nla_get_u8(tun[IFLA_TUN_PERSIST]) != 0;
}

static int on_link(struct nl_msg *msg, void *arg)
{
    struct netlink *nl = arg;
    struct nlmsghdr *h = nlmsg_hdr(msg);
    struct nlattr *a[IFLA_MAX + 1];
    struct link_state *link;
    struct ifinfomsg *info;

    if (h->nlmsg_type != RTM_NEWLINK ||
        nlmsg_parse(h, sizeof(struct ifinfomsg), a, IFLA_MAX, NULL) < 0 || !a[IFLA_IFNAME])
        return NL_OK;
    if (nl->table->n == nl->cap) {
        nl->cap = nl->cap ? nl->cap * 2 : 16;
        nl->table->links = xreallocarray(nl->table->links, nl->cap, sizeof(*nl->table->links));
    }
    info = nlmsg_data(h);
    link = &nl->table->links[nl->table->n++];
    *link = (struct link_state){
        .index = (unsigned)info->ifi_index,
        .alias = xstrdup(a[IFLA_IFALIAS] ? nla_get_string(a[IFLA_IFALIAS]) : ""),
        .mtu = a[IFLA_MTU] ? nla_get_u32(a[IFLA_MTU]) : 0,
        .queue_length = a[IFLA_TXQLEN] ? nla_get_u32(a[IFLA_TXQLEN]) : 0,
        .up = info->ifi_flags & IFF_UP,
        .carrier = a[IFLA_CARRIER] && nla_get_u8(a[IFLA_CARRIER]) != 0,
        .owner = -1,
    };
    copy_name(link->name, a[IFLA_IFNAME]);
    for (size_t i = 0; i < LINK_SETTINGS; i++)
        link->settings[i] = LINK_SETTING_ABSENT;
    if (a[IFLA_AF_SPEC])
        read_settings(link, a[IFLA_AF_SPEC]);
    if (a[IFLA_STATS64]) {
        struct rtnl_link_stats64 stats = {0};

        nla_memcpy(&stats, a[IFLA_STATS64], sizeof(stats));
        link->rx_bytes = stats.rx_bytes;
        link->tx_bytes = stats.tx_bytes;
    }
    if (a[IFLA_PROP_LIST])
        read_altnames(link, a[IFLA_PROP_LIST]);
    if (a[IFLA_LINKINFO])
        read_linkinfo(link, a[IFLA_LINKINFO]);
    return NL_OK;
}

static bool get_address(const struct nlattr *a, uint8_t family, uint8_t len, struct prefix *ret)
{
    int size = family == FAMILY_IPV4 ? 4 : 16;

    *ret = (struct prefix){0};
    if (!a || nla_len(a) < size)
        return false;
    ret->family = family;
    ret->len = len;
    memcpy(ret->addr, nla_data(a), (size_t)size);
    return true;
}

/* What is known of a tun, where the table has it. */
static void take_address(struct link_table *t, const struct known_address *known)
{
    struct link_state *link = link_table_at(t, known->index);

    if (!link || strcmp(link->kind, "tun") != 0)
        return;
    if (known->link_local) {
        link->link_local = true;
        return;
    }
    link->addresses =
        xreallocarray(link->addresses, link->n_addresses + 1, sizeof(*link->addresses));
    link->addresses[link->n_addresses++] = known->address;
}

static void learn_address(struct netlink *nl, const struct known_address *known)
{
    if (nl->n_known == nl->known_cap) {
        nl->known_cap = nl->known_cap ? nl->known_cap * 2 : 16;
        nl->known = xreallocarray(nl->known, nl->known_cap, sizeof(*nl->known));
    }
    nl->known[nl->n_known++] = *known;
}

static int on_address(struct nl_msg *msg, void *arg)
{
    struct netlink *nl = arg;
    struct nlmsghdr *h = nlmsg_hdr(msg);
    struct nlattr *a[IFA_MAX + 1];
    struct known_address found = {0};
    struct prefix local, address;
    struct ifaddrmsg *info;
    struct link_state *link;
    uint8_t family;

    if (h->nlmsg_type != RTM_NEWADDR ||
        nlmsg_parse(h, sizeof(struct ifaddrmsg), a, IFA_MAX, NULL) < 0)
        return NL_OK;
    info = nlmsg_data(h);
    family = info->ifa_family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
    link = link_table_at(nl->table, info->ifa_index);
    found.index = info->ifa_index;
    found.link_local = info->ifa_family == AF_INET6 && info->ifa_scope == RT_SCOPE_LINK;
    if (!link || strcmp(link->kind, "tun") != 0 ||
        (info->ifa_family != AF_INET && info->ifa_family != AF_INET6) ||
        (info->ifa_scope == RT_SCOPE_LINK && !found.link_local))
        return NL_OK;
    if (!found.link_local) {
        if (!get_address(a[IFA_ADDRESS], family, info->ifa_prefixlen, &address))
            return NL_OK;
        found.address.local = address;
        /* With a peer, IFA_LOCAL is ours and IFA_ADDRESS the peer's. */
        if (get_address(a[IFA_LOCAL], family, info->ifa_prefixlen, &local) &&
            prefix_compare(&local, &address) != 0)
            found.address = (struct link_address){.local = local, .peer = address};
    }
    learn_address(nl, &found);
    return NL_OK;
}

static int dump(struct netlink *nl, int type, const void *header, size_t len,
                int (*on_message)(struct nl_msg *, void *))
{
    int r;

    nl->error = 0;
    nl_socket_modify_cb(nl->socket, NL_CB_VALID, NL_CB_CUSTOM, on_message, nl);
    r = nl_send_simple(nl->socket, type, NLM_F_DUMP, (void *)(uintptr_t)header, len);
    return r < 0 ? r : nl_recvmsgs_default(nl->socket);
}

/* Their addresses, of links that were just read. */
static int read_addresses(struct netlink *nl, bool same)
{
    struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
    int r = 0;

    if (!same || !nl->knows) {
        nl->n_known = 0;
        r = dump(nl, RTM_GETADDR, &header, sizeof(header), on_address);
        nl->knows = r >= 0;
    }
    for (size_t i = 0; r >= 0 && i < nl->n_known; i++)
        take_address(nl->table, &nl->known[i]);
    return r;
}

int netlink_links(struct netlink *nl, unsigned what, struct link_table *ret, struct error_list *err)
{
    struct {
        struct ifinfomsg header;
        struct nlattr attribute;
        uint32_t filter;
    } links = {
        .header.ifi_family = AF_UNSPEC,
        .attribute = {NLA_HDRLEN + sizeof(uint32_t), IFLA_EXT_MASK},
        .filter = what & LINKS_COUNTERS ? 0 : RTEXT_FILTER_SKIP_STATS,
    };
    int r = 0;

    /* A dump during which something changed is marked as inconsistent: take another. */
    for (int i = 0; i < DUMP_TRIES; i++) {
        struct link_table t = LINK_TABLE_INIT;

        nl->table = &t;
        nl->cap = 0;
        r = dump(nl, RTM_GETLINK, &links, sizeof(links), on_link);
        link_table_sort(&t);
        if (r >= 0)
            r = read_addresses(nl, what & LINKS_SAME_ADDRESSES);
        nl->table = NULL;
        if (r >= 0) {
            *ret = t;
            return 0;
        }
        link_table_clear(&t);
        if (r != -NLE_DUMP_INTR)
            break;
    }
    return error_sys(err, errno_of(nl, r), NULL, "cannot read the network interfaces");
}

/* --- changing ------------------------------------------------------------------------------- */

/* Sends, waits for the acknowledgement, frees the message.  0 or a negative errno. */
static int transact(struct netlink *nl, struct nl_msg *msg)
{
    int r;

    nl->error = 0;
    r = nl_send_auto(nl->socket, msg);
    nlmsg_free(msg);
    if (r >= 0)
        r = nl_wait_for_ack(nl->socket);
    return r < 0 ? -errno_of(nl, r) : 0;
}

static struct nl_msg *message(int type, int flags, const void *header, size_t len)
{
    struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

    if (!msg || nlmsg_append(msg, (void *)(uintptr_t)header, len, NLMSG_ALIGNTO) < 0)
        abort(); /* allocation only */
    return msg;
}

/* A link message about this name; NULL with *err filled: there is no such interface. */
static struct nl_msg *link_message(const char *name, int type, int flags, unsigned change,
                                   struct error_list *err)
{
    struct ifinfomsg info = {
        .ifi_family = AF_UNSPEC,
        .ifi_index = (int)if_nametoindex(name),
        .ifi_flags = change,
        .ifi_change = change,
    };

    if (info.ifi_index == 0) {
        error_sys(err, ENODEV, NULL, "the interface %s is gone", name);
        return NULL;
    }
    return message(type, flags, &info, sizeof(info));
}

static int answer(int r, struct error_list *err, const char *name, const char *what)
{
    return r < 0 ? error_sys(err, -r, NULL, "cannot %s of interface %s", what, name) : 0;
}

int netlink_set_alias(struct netlink *nl, const char *name, const char *alias,
                      struct error_list *err)
{
    struct nl_msg *msg = link_message(name, RTM_NEWLINK, 0, 0, err);

    if (!msg)
        return -ENODEV;
    nla_put(msg, IFLA_IFALIAS, (int)strlen(alias), alias);
    return answer(transact(nl, msg), err, name, "set the alias");
}

int netlink_set_mtu(struct netlink *nl, const char *name, uint32_t mtu, struct error_list *err)
{
    struct nl_msg *msg = link_message(name, RTM_NEWLINK, 0, 0, err);

    if (!msg)
        return -ENODEV;
    nla_put_u32(msg, IFLA_MTU, mtu);
    return answer(transact(nl, msg), err, name, "set the MTU");
}

int netlink_set_queue_length(struct netlink *nl, const char *name, uint32_t packets,
                             struct error_list *err)
{
    struct nl_msg *msg = link_message(name, RTM_NEWLINK, 0, 0, err);

    if (!msg)
        return -ENODEV;
    nla_put_u32(msg, IFLA_TXQLEN, packets);
    return answer(transact(nl, msg), err, name, "set the queue length");
}

int netlink_set_up(struct netlink *nl, const char *name, struct error_list *err)
{
    struct nl_msg *msg = link_message(name, RTM_NEWLINK, 0, IFF_UP, err);

    if (!msg)
        return -ENODEV;
    return answer(transact(nl, msg), err, name, "change the state to up");
}

static int change_altname(struct netlink *nl, int type, int flags, const char *name,
                          const char *altname, struct error_list *err)
{
    struct nl_msg *msg = link_message(name, type, flags, 0, err);
    struct nlattr *list;

    if (!msg)
        return -ENODEV;
    list = nla_nest_start(msg, IFLA_PROP_LIST | NLA_F_NESTED);
    nla_put_string(msg, IFLA_ALT_IFNAME, altname);
    nla_nest_end(msg, list);
    return transact(nl, msg);
}

int netlink_add_altname(struct netlink *nl, const char *name, const char *altname,
                        struct error_list *err)
{
    int r = change_altname(nl, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, name,
                           altname, err);

    if (r == -EEXIST)
        return error_add(err, NULL, 0, NULL,
                         "cannot give the name %s to interface %s, because another interface has "
                         "it: rename that one, or remove its alternative name with 'ip link "
                         "property del'",
                         altname, name);
    return r == -ENODEV ? r : answer(r, err, name, "add the alternative name");
}

int netlink_remove_altname(struct netlink *nl, const char *name, const char *altname,
                           struct error_list *err)
{
    int r = change_altname(nl, RTM_DELLINKPROP, 0, name, altname, err);

    return r == -ENODEV ? r : answer(r, err, name, "remove an alternative name");
}

static void put_prefix(struct nl_msg *msg, int type, const struct prefix *p)
{
    nla_put(msg, type, p->family == FAMILY_IPV4 ? 4 : 16, p->addr);
}

static int change_address(struct netlink *nl, int type, int flags, const char *name,
                          const struct link_address *a, struct error_list *err)
{
    struct ifaddrmsg info = {
        .ifa_family = a->local.family == FAMILY_IPV4 ? AF_INET : AF_INET6,
        .ifa_prefixlen = a->local.len,
        .ifa_flags = a->local.family == FAMILY_IPV6 ? IFA_F_NODAD : 0,
        .ifa_scope = RT_SCOPE_UNIVERSE,
        .ifa_index = if_nametoindex(name),
    };
    struct nl_msg *msg;

    if (info.ifa_index == 0)
        return error_sys(err, ENODEV, NULL, "the interface %s is gone", name);
    msg = message(type, flags, &info, sizeof(info));
    put_prefix(msg, IFA_LOCAL, &a->local);
    put_prefix(msg, IFA_ADDRESS, a->peer.family ? &a->peer : &a->local);
    return transact(nl, msg);
}

static int set_address(struct netlink *nl, int flags, const char *name,
                       const struct link_address *a, struct error_list *err)
{
    int r = change_address(nl, RTM_NEWADDR, NLM_F_CREATE | flags, name, a, err);
    char text[PREFIX_TEXT_MAX];

    if (r == 0 || r == -EEXIST || r == -ENODEV)
        return r == -EEXIST ? 0 : r;
    return error_sys(err, -r, NULL, "cannot add the address %s to interface %s",
                     prefix_format(&a->local, text), name);
}

int netlink_add_address(struct netlink *nl, const char *name, const struct link_address *a,
                        struct error_list *err)
{
    return set_address(nl, NLM_F_EXCL, name, a, err);
}

int netlink_repeat_address(struct netlink *nl, const char *name, const struct link_address *a,
                           struct error_list *err)
{
    return set_address(nl, NLM_F_REPLACE, name, a, err);
}

int netlink_remove_address(struct netlink *nl, const char *name, const struct link_address *a,
                           struct error_list *err)
{
    int r = change_address(nl, RTM_DELADDR, 0, name, a, err);
    char text[PREFIX_TEXT_MAX];

    if (r == 0 || r == -EADDRNOTAVAIL || r == -ENODEV)
        return r == -EADDRNOTAVAIL ? 0 : r;
    return error_sys(err, -r, NULL, "cannot remove the address %s from interface %s",
                     prefix_format(&a->local, text), name);
}

int netlink_delete_link(struct netlink *nl, const char *name, struct error_list *err)
{
    struct nl_msg *msg;
    struct error_list gone = ERROR_LIST_INIT;

    msg = link_message(name, RTM_DELLINK, 0, 0, &gone);
    error_clear(&gone);
    if (!msg)
        return 0;
    return answer(transact(nl, msg), err, name, "end the existence");
}
