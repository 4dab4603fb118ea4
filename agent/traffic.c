/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"

#define ANSWER_SIZE (64u << 10)
#define ANSWER_TIMEOUT_S 5
#define BGP_PORT 179
#define TCP_ESTABLISHED 1 /* of the kernel's list of sockets */
#define TCP_SENDS_AGAIN 1 /* the timer that runs until something sent was answered */
#define UNANSWERED 2      /* times that it was sent again in vain */
#define LONG_TICKS 300    /* of 10 ms, until it is sent again: a connection that was dead before */

struct look {
    struct traffic *links;
    unsigned *indexes; /* of the links */
    size_t n;
};

/* --- routes ----------------------------------------------------------------------------------- */

static void used(struct look *l, unsigned index)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->indexes[i] == index && index != 0)
            l->links[i].routes++;
}

static void next_hops(struct look *l, struct rtattr *a)
{
    struct rtnexthop *hop = RTA_DATA(a);
    int len = (int)RTA_PAYLOAD(a);

    while (RTNH_OK(hop, len)) {
        used(l, (unsigned)hop->rtnh_ifindex);
        len -= RTNH_ALIGN(hop->rtnh_len);
        hop = RTNH_NEXT(hop);
    }
}

static void route(struct look *l, struct nlmsghdr *h)
{
    struct rtmsg *m = NLMSG_DATA(h);
    int len = (int)RTM_PAYLOAD(h);

    if (h->nlmsg_type != RTM_NEWROUTE || len < 0 || m->rtm_protocol != RTPROT_BGP)
        return;
    for (struct rtattr *a = RTM_RTA(m); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) >= sizeof(uint32_t)) {
            uint32_t index;

            memcpy(&index, RTA_DATA(a), sizeof(index));
            used(l, index);
        } else if (a->rta_type == RTA_MULTIPATH) {
            next_hops(l, a);
        }
    }
}

/* One answer's messages.  1: that was the last; 0: more come; or a negative errno. */
static int messages(struct look *l, struct nlmsghdr *h, int len)
{
    for (; len > 0 && NLMSG_OK(h, (unsigned)len); h = NLMSG_NEXT(h, len)) {
        if (h->nlmsg_type == NLMSG_DONE)
            return 1;
        if (h->nlmsg_type == NLMSG_ERROR)
            return -EIO;
        route(l, h);
    }
    return 0;
}

static int dump(int fd, struct look *l, unsigned char family)
{
    struct {
        struct nlmsghdr header;
        struct rtmsg route;
    } request = {
        .header = {.nlmsg_len = sizeof(request),
                   .nlmsg_type = RTM_GETROUTE,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                   .nlmsg_seq = family},
        .route = {.rtm_family = family},
    };
    struct nlmsghdr *answer = xcalloc(1, ANSWER_SIZE);
    int r = send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;

    while (r == 0) {
        ssize_t n = recv(fd, answer, ANSWER_SIZE, 0);

        if (n < 0 && errno == EINTR)
            continue;
        r = n < 0 ? -errno : messages(l, answer, (int)n);
    }
    free(answer);
    return r < 0 ? r : 0;
}

static int routes(struct look *l, struct error_list *err)
{
    struct timeval limit = {.tv_sec = ANSWER_TIMEOUT_S};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int r = fd < 0 ? -errno : 0;

    if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
        r = -errno;
    if (r == 0)
        r = dump(fd, l, AF_INET);
    if (r == 0)
        r = dump(fd, l, AF_INET6);
    if (fd >= 0)
        close(fd);
    return r < 0 ? error_sys(err, -r, NULL, "cannot read the kernel's routes") : 0;
}

/* --- packets ---------------------------------------------------------------------------------- */

/* A line of /proc/net/dev: name, then bytes and packets received among others. */
static void counters(struct look *l, char *line)
{
    char *name = line + strspn(line, " "), *end = strchr(name, ':');
    unsigned long long received, sent;

    if (!end)
        return;
    *end = '\0';
    if (sscanf(end + 1, "%*u %llu %*u %*u %*u %*u %*u %*u %*u %llu", &received, &sent) != 2)
        return;
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->links[i].interface, name) == 0) {
            l->links[i].received = received;
            l->links[i].sent = sent;
        }
}

static int packets(struct look *l, struct error_list *err)
{
    static const char path[] = "/proc/self/net/dev";
    FILE *f = fopen(path, "re");
    char line[512];

    if (!f)
        return error_sys(err, errno, path, "cannot count packets");
    while (fgets(line, sizeof(line), f))
        counters(l, line);
    fclose(f);
    return 0;
}

int traffic_look(struct traffic *links, size_t n, struct error_list *err)
{
    struct look l = {links, xcalloc(n ? n : 1, sizeof(unsigned)), n};
    int r;

    for (size_t i = 0; i < n; i++) {
        links[i] = (struct traffic){.interface = links[i].interface};
        l.indexes[i] = if_nametoindex(links[i].interface);
    }
    r = routes(&l, err);
    if (r == 0)
        r = packets(&l, err);
    free(l.indexes);
    return r;
}

/* --- connections ------------------------------------------------------------------------------ */

/* "0100007F:00B3": an address in words of host order, and a port. */
static bool endpoint(const char *text, struct prefix *ret, unsigned *port)
{
    size_t digits = strcspn(text, ":");

    *ret = (struct prefix){0};
    if ((digits != 8 && digits != 32) || sscanf(text + digits, ":%x", port) != 1)
        return false;
    ret->family = digits == 8 ? FAMILY_IPV4 : FAMILY_IPV6;
    ret->len = digits == 8 ? 32 : 128;
    for (size_t i = 0; i < digits / 8; i++) {
        char word[9];
        uint32_t value;

        memcpy(word, text + 8 * i, 8);
        word[8] = '\0';
        value = (uint32_t)strtoul(word, NULL, 16);
        memcpy(ret->addr + 4 * i, &value, sizeof(value));
    }
    return true;
}

bool traffic_answers(const char *line, struct prefix *peer)
{
    char local[64], remote[64];
    unsigned state, timer, ticks, again, here, there;
    struct prefix own;

    return sscanf(line, " %*u: %63s %63s %x %*s %x:%x %x", local, remote, &state, &timer, &ticks,
                  &again) == 6 &&
           state == TCP_ESTABLISHED && again < UNANSWERED &&
           !(timer == TCP_SENDS_AGAIN && ticks >= LONG_TICKS) && endpoint(local, &own, &here) &&
           endpoint(remote, peer, &there) && (here == BGP_PORT || there == BGP_PORT);
}

static void connections(const char *path, const struct prefix *peers, size_t n, bool *up)
{
    FILE *f = fopen(path, "re");
    struct prefix peer;
    char line[512];

    while (f && fgets(line, sizeof(line), f))
        if (traffic_answers(line, &peer))
            for (size_t i = 0; i < n; i++)
                up[i] |= prefix_compare(&peers[i], &peer) == 0;
    if (f)
        fclose(f);
}

void traffic_connections(const struct prefix *peers, size_t n, bool *ret)
{
    for (size_t i = 0; i < n; i++)
        ret[i] = false;
    connections("/proc/self/net/tcp", peers, n, ret);
    connections("/proc/self/net/tcp6", peers, n, ret);
}
