/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firewall text: how a set or a map of the table is written down.
 *
 * The inner half of firewall.h, for its own files: what is being written, of which bundles, and the
 * words of nft's language that every set needs.
 */
#ifndef P2PVPN_AGENT_FIREWALL_TEXT_H
#define P2PVPN_AGENT_FIREWALL_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/firewall.h"
#include "agent/firewall_sources.h"
#include "common/buf.h"
#include "common/prefix.h"

struct firewall_writer {
    const struct firewall *f;
    struct buf *out;
    struct firewall_links all;
    bool wan, hosts;
    bool first; /* of a list of elements */
};

extern const uint8_t firewall_families[2];

/* '4' or '6', as names of sets end. */
char firewall_digit(uint8_t family);

void firewall_line(struct firewall_writer *w, const char *text);
/* A set or a map: begin, element before each element, end.  suffix 0: none. */
void firewall_begin(struct firewall_writer *w, const char *kind, const char *name, char suffix,
                    const char *type);
void firewall_element(struct firewall_writer *w);
void firewall_end(struct firewall_writer *w);
/* An address without its length, anything shorter with it. */
void firewall_add_prefix(struct firewall_writer *w, const struct prefix *p);

#endif
