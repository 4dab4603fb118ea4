/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/socket_owner.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

/* The other end's view of the connection: its address is the source. */
static int make_request(int fd, struct request *ret)
{
    struct sockaddr_in own = {0}, peer = {0};
    socklen_t own_len = sizeof(own), peer_len = sizeof(peer);

    if (getsockname(fd, (struct sockaddr *)&own, &own_len) < 0 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
        return -errno;
    if (own.sin_family != AF_INET || peer.sin_family != AF_INET)
        return -EAFNOSUPPORT;
    *ret = (struct request){
        .head = {.nlmsg_len = sizeof(*ret),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = AF_INET,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = ~0u,
                 .id = {.idiag_sport = peer.sin_port,
                        .idiag_dport = own.sin_port,
                        .idiag_src = {peer.sin_addr.s_addr},
                        .idiag_dst = {own.sin_addr.s_addr},
                        .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    return 0;
}

int socket_owner(int fd, uid_t *ret)
{
    union {
        struct nlmsghdr head;
        struct {
            struct nlmsghdr head;
            struct inet_diag_msg body;
        } found;
        struct {
            struct nlmsghdr head;
            struct nlmsgerr body;
        } failed;
        char room[8192];
    } answer;
    struct request request;
    int netlink, r = make_request(fd, &request);
    ssize_t n;

    if (r < 0)
        return r;
    netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0)
        return -errno;
    /* The kernel answers before send() returns, so there is nothing to wait for. */
    n = send(netlink, &request, sizeof(request), 0);
    if (n >= 0)
        n = recv(netlink, &answer, sizeof(answer), MSG_DONTWAIT);
    r = n < 0 ? -errno : -EIO;
    close(netlink);
    if (n >= (ssize_t)sizeof(answer.found) && answer.head.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
        *ret = answer.found.body.idiag_uid;
        return 0;
    }
    if (n >= (ssize_t)sizeof(answer.failed) && answer.head.nlmsg_type == NLMSG_ERROR &&
        answer.failed.body.error < 0)
        return answer.failed.body.error;
    return r;
}
