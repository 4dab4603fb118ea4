/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FRR configuration as text: parsed into lines that know their context and what they set.  Pure.
 *
 * The form is that of `show running-config`: indentation makes the context, `!`, blank lines, `end`
 * and `exit...` mean nothing.  Words are joined by single spaces, as FRR prints them.  Whatever is
 * not known is kept as FRR_FOREIGN, so any configuration of any FRR can be read; nothing here can
 * fail.  A context may occur several times; a repeated line counts once.
 */
#ifndef P2PVPN_COMMON_FRR_CONFIG_H
#define P2PVPN_COMMON_FRR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"

/* What we create is named so; the name space is ours. */
#define FRR_OWN_NAME "P2PVPN"
/* The RPKI cache of bgpd that a gateway's configuration may name: the agent itself (agent/rtr.h).
 * FRR 10.1 and newer have another form of the line, and neither knows the other one. */
#define FRR_RPKI_CACHE "rpki cache 127.0.0.1 323 preference 1"
#define FRR_RPKI_CACHE_TCP "rpki cache tcp 127.0.0.1 323 preference 1"
/* Zebra then installs routes with their next hops instead of groups of next hops.  When an
 * interface loses its carrier the kernel takes such a group away, and zebra (8.4, and later ones)
 * goes on believing in it: routes over more than one link stay "rejected" after the link is back
 * (FRR issue 14481).  Where it was set it stays, also when we go: switching groups on again brings
 * the same about (FRR issue 19107). */
#define FRR_NO_GROUPS "no zebra nexthop kernel enable"
/* The longest line that is ever given to vtysh, which hangs on one of 4,090 bytes. */
#define FRR_LINE_MAX 1000

enum frr_kind {
    FRR_FOREIGN,        /* not of our dialect: never touched */
    FRR_LIST,           /* prefix-list, as-path access-list, community-list entry */
    FRR_PROFILE,        /* bfd > "profile NAME" */
    FRR_PROFILE_LINE,   /* in it */
    FRR_ROUTE_MAP,      /* "route-map NAME permit N" */
    FRR_ROUTE_MAP_LINE, /* in it */
    FRR_BFD,            /* "bfd" */
    FRR_ROUTER,         /* "router bgp ASN" of the default VRF */
    FRR_FAMILY,         /* router bgp > "address-family ..." */
    FRR_NEIGHBOR,       /* [no] neighbor X ...: in the router or one of its families */
    FRR_ROUTER_LINE,    /* any other line there */
    FRR_RPKI,           /* "rpki" */
    FRR_RPKI_LINE,      /* in it */
    FRR_ZEBRA_LINE,     /* FRR_NO_GROUPS */
};

struct frr_line {
    const char *text;    /* without indentation */
    const char *path;    /* its contexts and its text, newline between: what makes it unique */
    const char *key;     /* its contexts and what it sets, without the value: FRR replaces a line by
                            another one of the same key */
    const char *content; /* of a list entry: all but its sequence number, else NULL.  FRR ignores
                            a second entry of the same content without a word */
    const char *object; /* the list, route-map or profile it belongs to, or the neighbor; or NULL */
    const char *group;  /* of "neighbor X peer-group GROUP": GROUP */
    struct frr_line *parent; /* NULL at the top */
    unsigned number;         /* line of the file */
    enum frr_kind kind;
    bool valued;    /* FRR replaces it by another value; else it is a switch */
    bool malformed; /* it begins as such a line and goes on as none */
    unsigned marks; /* for who compares: zero after parsing */
    UT_hash_handle by_path;
};

struct frr_config {
    struct frr_line **lines; /* in order, each path once */
    size_t n, cap;
    struct frr_line *by_path; /* uthash */
    struct arena arena;
};

#define FRR_CONFIG_INIT              \
    {                                \
        NULL, 0, 0, NULL, ARENA_INIT \
    }

void frr_config_parse(struct frr_config *c, const char *text, size_t len);
void frr_config_free(struct frr_config *c);

/* What FRR 9.1 and newer have by default and therefore do not show, while 8.4 shows it when it is
 * set: "neighbor GROUP enforce-first-as" is added to the running configuration where it is desired,
 * the group is there, and nothing says that it is off. */
void frr_config_imply(struct frr_config *running, const struct frr_config *desired);

/* Our cache, in either form; NULL: the configuration has it not. */
struct frr_line *frr_config_cache(const struct frr_config *c);
/* That line gets the form that the FRR of the running configuration knows. */
void frr_config_translate(struct frr_config *c, const struct frr_config *running);

struct frr_line *frr_config_find(const struct frr_config *c, const char *path);

/* The line is a context that others stand in. */
bool frr_is_context(enum frr_kind kind);
/* "P2PVPN...". */
bool frr_own_name(const char *name);
/* "ip prefix-list NAME", "route-map NAME": the length of what a whole list or route-map is called,
 * at the start of the text of one of its lines. */
size_t frr_head_len(const struct frr_line *line);

/* Appends the line that takes `line` away again, without indentation. */
void frr_inverse(const struct frr_line *line, struct buf *ret);

/* What a gateway's own configuration may hold: only lines of our dialect, on objects named
 * P2PVPN..., and neighbors that are members of such a peer-group.  So even a bundle that somebody
 * signed with a stolen key sets no static route, log file or other daemon.  Every line that breaks
 * this is reported against `file`; 0 or -EINVAL. */
int frr_config_validate(const struct frr_config *c, const char *file, struct error_list *err);

/* Text with contexts opened and closed as they are needed.  Between two route-maps there is no
 * `exit`: FRR 8.4 commits its northbound at each, which makes 200 route-maps take 2.3 s instead of
 * 0.3 s; every version leaves a route-map by itself when the next one begins.  Contexts are
 * compared by path, so they may come from several configurations. */
struct frr_writer {
    struct buf *out;
    const struct frr_line *open[4];
    size_t depth;
};

void frr_writer_enter(struct frr_writer *w, const struct frr_line *context); /* NULL: the top */
void frr_writer_line(struct frr_writer *w, const struct frr_line *context, const char *text);
void frr_writer_finish(struct frr_writer *w);

/* The lines for which keep() says so, with the contexts that they need. */
void frr_config_print(const struct frr_config *c, bool (*keep)(const struct frr_line *),
                      struct buf *ret);

#endif
