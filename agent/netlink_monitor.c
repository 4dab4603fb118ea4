/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netlink_monitor.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>

#include "agent/netlink.h"
#include "common/alloc.h"

struct netlink_monitor {
    struct nl_sock *socket;
    const char *prefix;
    bool hit;
};

static int on_event(struct nl_msg *msg, void *arg)
{
    struct netlink_monitor *m = arg;
    struct nlmsghdr *h = nlmsg_hdr(msg);
    char name[IF_NAMESIZE] = "";

    if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK) {
        struct nlattr *a = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_IFNAME);

        if (a)
            nla_strlcpy(name, a, sizeof(name));
    } else if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR) {
        const struct ifaddrmsg *info = nlmsg_data(h);

        /* An interface that is already gone has no name; its RTM_DELLINK follows. */
        if (!if_indextoname(info->ifa_index, name))
            name[0] = '\0';
    }
    if (h->nlmsg_type == RTM_NEWNETCONF) {
        struct nlattr *a = nlmsg_find_attr(h, sizeof(struct netconfmsg), NETCONFA_IFINDEX);

        /* What is said of all interfaces counts for each. */
        if (a && (int32_t)nla_get_u32(a) == NETCONFA_IFINDEX_ALL)
            m->hit = true;
        else if (a && !if_indextoname(nla_get_u32(a), name))
            name[0] = '\0';
    }
    if (strncmp(name, m->prefix, strlen(m->prefix)) == 0)
        m->hit = true;
    return NL_OK;
}

int netlink_monitor_open(struct netlink_monitor **ret, struct error_list *err)
{
    struct netlink_monitor *m = xcalloc(1, sizeof(*m));
    int r;

    m->socket = nl_socket_alloc();
    if (!m->socket)
        abort(); /* allocation only */
    nl_socket_disable_seq_check(m->socket);
    r = nl_connect(m->socket, NETLINK_ROUTE);
    if (r == 0)
        r = nl_socket_set_buffer_size(m->socket, NETLINK_RECEIVE_BUFFER, NETLINK_SEND_BUFFER);
    if (r == 0)
        r = nl_socket_set_nonblocking(m->socket);
    if (r == 0)
        r = nl_socket_modify_cb(m->socket, NL_CB_VALID, NL_CB_CUSTOM, on_event, m);
    if (r == 0)
        r = nl_socket_add_memberships(m->socket, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
                                      RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_NETCONF,
                                      RTNLGRP_IPV6_NETCONF, RTNLGRP_NONE);
    if (r < 0) {
        error_add(err, NULL, 0, NULL, "cannot listen to the kernel's interface events: %s",
                  nl_geterror(r));
        netlink_monitor_close(m);
        return -EIO;
    }
    *ret = m;
    return 0;
}

struct netlink_monitor *netlink_monitor_close(struct netlink_monitor *m)
{
    if (m) {
        nl_socket_free(m->socket);
        free(m);
    }
    return NULL;
}

int netlink_monitor_fd(const struct netlink_monitor *m)
{
    return nl_socket_get_fd(m->socket);
}

bool netlink_monitor_read(struct netlink_monitor *m, const char *prefix)
{
    int r;

    m->prefix = prefix;
    m->hit = false;
    do {
        r = nl_recvmsgs_default(m->socket);
        if (r < 0 && r != -NLE_AGAIN)
            m->hit = true; /* lost messages: look at everything */
    } while (r >= 0);
    return m->hit;
}
