/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/nf_tables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/alloc.h"

#define TIMEOUT_S 5
#define MESSAGE_MAX (32 << 10) /* the kernel's limit for one piece of a dump */
#define MONITOR_BUFFER (256 << 10)
#define COMMENT 0 /* NFTNL_UDATA_TABLE_COMMENT of libnftnl */

/* Every nf_tables message names its table by the attribute of this number. */
#define ATTRIBUTE_TABLE NFTA_TABLE_NAME

/* --- messages ------------------------------------------------------------------------------- */

struct attribute {
    const void *data; /* NULL: it is not there */
    size_t len;
};

static int type_of(const struct nlmsghdr *h)
{
    return NFNL_SUBSYS_ID(h->nlmsg_type) == NFNL_SUBSYS_NFTABLES ? NFNL_MSG_TYPE(h->nlmsg_type)
                                                                 : -1;
}

static struct attribute find(const void *data, size_t len, unsigned type)
{
    const char *p = data;

    while (len >= NLA_HDRLEN) {
        struct nlattr a;
        size_t step;

        memcpy(&a, p, sizeof(a));
        if (a.nla_len < NLA_HDRLEN || a.nla_len > len)
            break;
        if ((a.nla_type & NLA_TYPE_MASK) == type)
            return (struct attribute){p + NLA_HDRLEN, a.nla_len - (size_t)NLA_HDRLEN};
        step = NLA_ALIGN((size_t)a.nla_len);
        if (step > len)
            break;
        p += step;
        len -= step;
    }
    return (struct attribute){NULL, 0};
}

static struct attribute attribute(const struct nlmsghdr *h, unsigned type)
{
    const size_t head = NLMSG_LENGTH(sizeof(struct nfgenmsg));

    if (h->nlmsg_len < head)
        return (struct attribute){NULL, 0};
    return find((const char *)h + NLMSG_ALIGN(head), h->nlmsg_len - head, type);
}

static uint8_t family_of(const struct nlmsghdr *h)
{
    const struct nfgenmsg *g = NLMSG_DATA(h);

    return h->nlmsg_len < NLMSG_LENGTH(sizeof(*g)) ? NFPROTO_UNSPEC : g->nfgen_family;
}

static bool text_is(struct attribute a, const char *text)
{
    size_t len = strlen(text);

    return a.data && a.len == len + 1 && memcmp(a.data, text, len + 1) == 0;
}

/* -1: there is none. */
static int64_t number(struct attribute a)
{
    uint32_t n;

    if (!a.data || a.len < sizeof(n))
        return -1;
    memcpy(&n, a.data, sizeof(n));
    return ntohl(n);
}

static int text_len(struct attribute a)
{
    return a.data ? (int)strnlen(a.data, a.len) : 0;
}

/* --- questions ------------------------------------------------------------------------------ */

typedef void answer_fn(const struct nlmsghdr *h, void *arg);

static int receive(int fd, answer_fn *answer, void *arg)
{
    char buffer[MESSAGE_MAX] __attribute__((aligned(__alignof__(struct nlmsghdr))));

    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
        int left = (int)n;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        for (const struct nlmsghdr *h = (const void *)buffer;
             left > 0 && NLMSG_OK(h, (unsigned)left); h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *e = NLMSG_DATA(h);

                return h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? -EIO : e->error;
            }
            answer(h, arg);
        }
    }
}

/* Asks, with the acknowledgement, or of a dump its end, as the end.  `table` may be NULL. */
static int ask(int type, int flags, uint8_t family, const char *table, answer_fn *answer, void *arg)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg g;
        char attributes[64];
    } q = {
        .h = {.nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type),
              .nlmsg_len = NLMSG_LENGTH(sizeof(q.g)),
              .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
        .g = {.nfgen_family = family, .version = NFNETLINK_V0},
    };
    const struct timeval limit = {.tv_sec = TIMEOUT_S};
    int fd, r;

    if (table) {
        struct nlattr a = {(uint16_t)(NLA_HDRLEN + strlen(table) + 1), ATTRIBUTE_TABLE};

        if (a.nla_len > sizeof(q.attributes))
            return -ENAMETOOLONG;
        memcpy(q.attributes, &a, sizeof(a));
        strcpy(q.attributes + NLA_HDRLEN, table);
        q.h.nlmsg_len += (uint32_t)NLA_ALIGN(a.nla_len);
    }
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    r = send(fd, &q, q.h.nlmsg_len, 0) < 0 ? -errno : receive(fd, answer, arg);
    close(fd);
    return r;
}

static bool is_missing(int r)
{
    return r == -ENOENT || r == -EPROTONOSUPPORT || r == -EOPNOTSUPP || r == -EINVAL;
}

/* Userdata is a row of type, length, value. */
static void read_comment(const struct nlmsghdr *h, void *arg)
{
    struct attribute data = attribute(h, NFTA_TABLE_USERDATA);
    const uint8_t *p = data.data;
    char *ret = arg;

    if (type_of(h) != NFT_MSG_NEWTABLE)
        return;
    while (data.len >= 2 && data.len - 2 >= p[1]) {
        if (p[0] == COMMENT && p[1] < NF_COMMENT_SIZE) {
            memcpy(ret, p + 2, p[1]);
            ret[p[1]] = '\0';
        }
        data.len -= 2u + p[1];
        p += 2 + p[1];
    }
}

int nf_table_comment(const char *table, char ret[static NF_COMMENT_SIZE], struct error_list *err)
{
    char comment[NF_COMMENT_SIZE] = "";
    int r = ask(NFT_MSG_GETTABLE, NLM_F_ACK, NFPROTO_INET, table, read_comment, comment);

    if (is_missing(r))
        return -ENOENT;
    if (r < 0)
        return error_sys(err, -r, NULL, "cannot ask the kernel for the table inet %s", table);
    memcpy(ret, comment, sizeof(comment));
    return 0;
}

static const char *family_name(uint8_t family)
{
    return family == NFPROTO_INET ? "inet" : family == NFPROTO_IPV4 ? "ip" : "ip6";
}

static void read_chain(const struct nlmsghdr *h, void *arg)
{
    struct attribute hook = attribute(h, NFTA_CHAIN_HOOK), table = attribute(h, NFTA_CHAIN_TABLE),
                     chain = attribute(h, NFTA_CHAIN_NAME);
    uint8_t family = family_of(h);
    char **ret = arg;

    if (type_of(h) != NFT_MSG_NEWCHAIN || *ret || !hook.data ||
        (family != NFPROTO_INET && family != NFPROTO_IPV4 && family != NFPROTO_IPV6) ||
        number(find(hook.data, hook.len, NFTA_HOOK_HOOKNUM)) != NF_INET_LOCAL_IN ||
        number(attribute(h, NFTA_CHAIN_POLICY)) != NF_DROP)
        return;
    *ret = xasprintf("table %s %.*s, chain %.*s", family_name(family), text_len(table),
                     (const char *)table.data, text_len(chain), (const char *)chain.data);
}

int nf_input_drop(char **ret, struct error_list *err)
{
    char *found = NULL;
    int r = ask(NFT_MSG_GETCHAIN, NLM_F_DUMP, NFPROTO_UNSPEC, NULL, read_chain, &found);

    if (r < 0 && !is_missing(r)) {
        free(found);
        return error_sys(err, -r, NULL, "cannot ask the kernel for the chains of nftables");
    }
    *ret = found;
    return 0;
}

static void read_generation(const struct nlmsghdr *h, void *arg)
{
    if (type_of(h) == NFT_MSG_NEWGEN)
        *(int64_t *)arg = number(attribute(h, NFTA_GEN_ID));
}

int64_t nf_generation(void)
{
    int64_t generation = -1;
    int r = ask(NFT_MSG_GETGEN, NLM_F_ACK, NFPROTO_UNSPEC, NULL, read_generation, &generation);

    return r < 0 ? -1 : generation;
}

/* --- changes -------------------------------------------------------------------------------- */

struct nf_monitor {
    int fd;
    char *table;
};

int nf_monitor_open(const char *table, struct nf_monitor **ret, struct error_list *err)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    const int group = NFNLGRP_NFTABLES, size = MONITOR_BUFFER;
    struct nf_monitor *m;

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
        int e = errno;

        if (fd >= 0)
            close(fd);
        return error_sys(err, e, NULL, "cannot listen to changes of nftables");
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    m = xcalloc(1, sizeof(*m));
    m->fd = fd;
    m->table = xstrdup(table);
    *ret = m;
    return 0;
}

struct nf_monitor *nf_monitor_close(struct nf_monitor *m)
{
    if (m) {
        close(m->fd);
        free(m->table);
        free(m);
    }
    return NULL;
}

int nf_monitor_fd(const struct nf_monitor *m)
{
    return m->fd;
}

bool nf_monitor_read(struct nf_monitor *m)
{
    char buffer[MESSAGE_MAX] __attribute__((aligned(__alignof__(struct nlmsghdr))));
    bool ours = false;

    for (;;) {
        ssize_t n = recv(m->fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC);
        int left = n > (ssize_t)sizeof(buffer) ? (int)sizeof(buffer) : (int)n;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS) {
            ours = true;
            continue;
        }
        if (n <= 0)
            return ours;
        ours |= n > (ssize_t)sizeof(buffer);
        for (const struct nlmsghdr *h = (const void *)buffer;
             left > 0 && NLMSG_OK(h, (unsigned)left); h = NLMSG_NEXT(h, left))
            ours |= type_of(h) >= 0 && type_of(h) != NFT_MSG_NEWGEN &&
                    family_of(h) == NFPROTO_INET &&
                    text_is(attribute(h, ATTRIBUTE_TABLE), m->table);
    }
}
