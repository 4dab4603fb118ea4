/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts: what the DNS names of peers resolve to, asked for all at once and kept in a file, so that
 * a name that cannot be resolved just now means what it meant last.
 */
#ifndef P2PVPN_AGENT_HOSTS_H
#define P2PVPN_AGENT_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/firewall.h" /* struct firewall_host */
#include "common/alloc.h"
#include "common/error.h"

struct hosts {
    struct firewall_host *list; /* by name */
    size_t n;
    struct arena arena;
    bool busy; /* a thread of the C library still works on a name: it is never freed */
};

/* What the file knows of these names (sorted, each once); nothing of those that it has not, and
 * nothing at all where it is missing or damaged. */
void hosts_load(const char *path, const char *const *names, size_t n, struct hosts *ret);
void hosts_free(struct hosts *h);

/* Asks for all of them at the same time; those without an answer within the limit keep their
 * addresses.  True: something changed. */
bool hosts_resolve(struct hosts *h, unsigned timeout_ms);

int hosts_save(const struct hosts *h, const char *path, struct error_list *err);

#endif
