/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the exports have in common: one end of one tunnel, with the names it has on its gateway.
 */
#ifndef P2PVPN_CONTROLLER_EXPORT_PARTS_H
#define P2PVPN_CONTROLLER_EXPORT_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "controller/network.h"

struct buf;

struct export_end {
    struct link_end end;
    char interface[BUNDLE_INTERFACE_SIZE]; /* "pv7", "pv7-2" */
    char alias[32];                        /* "pv-perth", "pv-perth-2" */
};

/* The end of net->links[link] at `self`, one of its two gateways. */
void export_end(const struct network *net, uint32_t self, size_t link, struct export_end *ret);

/* "a", "b", as JSON, with what stands between two of them. */
void export_prefixes(struct buf *b, const struct prefix *prefixes, size_t n);

#endif
