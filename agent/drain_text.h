/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drain text: the FRR configuration of a bundle while traffic is moved away from links.  Pure.
 *
 * A drained neighbor has route maps of its own in the place of its peer-group's: P2PVPN-DRAIN-X
 * where the group has P2PVPN-X.  They do the same and add the community graceful-shutdown
 * (RFC 8326): the peer then prefers every other path to ours, and so do we to the peer's.  Sessions
 * stay.  A neighbor without another path keeps its traffic.
 *
 * When the gateway as a whole is drained, its neighbors have P2PVPN-DRAIN-ALL-X towards them
 * instead, which marks what is relayed, and of the gateway's own LAN only what another gateway has
 * as well. Nothing changes about what is heard of them: through which link traffic leaves is no
 * matter then.
 *
 * A neighbor that leaves is kept until its traffic is elsewhere: its lines, and what these refer to
 * and the bundle does not have, come from the record of what was applied.
 *
 * A neighbor belongs to the link that is its update-source.  Groups whose drained route maps the
 * configuration does not have (a bundle of an older compiler, a site's own template) are left as
 * they are.
 */
#ifndef P2PVPN_AGENT_DRAIN_TEXT_H
#define P2PVPN_AGENT_DRAIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct drain_names {
    const char **names; /* interfaces; not owned */
    size_t n, cap;
};

struct drain_request {
    bool all;                 /* every neighbor: the gateway as a whole */
    struct drain_names drain; /* links whose neighbors are drained */
    struct drain_names ask;   /* only the peer is asked to go another way: what we do stays */
    struct drain_names keep;  /* links whose neighbors stay although the bundle has them no more */
};

#define DRAIN_REQUEST_INIT                 \
    {                                      \
        false, {NULL, 0, 0}, {NULL, 0, 0}, \
        {                                  \
            NULL, 0, 0                     \
        }                                  \
    }

/* Adds to *ret the text that FRR shall hold; `desired` is the bundle's, `applied` the record of
 * what FRR was given last.  Nothing to drain: `desired` as it is. */
void drain_text(const char *desired, const char *applied, const struct drain_request *request,
                struct buf *ret);

void drain_names_add(struct drain_names *n, const char *interface);
bool drain_names_have(const struct drain_names *n, const char *interface);
void drain_request_clear(struct drain_request *r);

#endif
