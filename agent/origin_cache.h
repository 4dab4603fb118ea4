/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Origin cache: the way of the mesh's table of origins from its file to bgpd's routes, where the
 * bundle says that origins are checked by a cache.
 *
 * The file (--origins) is taken whenever it is another one, by a worker, verified, and kept as
 * STATE/origins; that copy is what is served (rtr.h), also after a boot with a file that is broken
 * or missing.
 *
 * bgpd (8.4.4) does not judge again by itself what it refused or accepted before a table came.  So
 * when the routers of the system have received one, a worker waits until bgpd goes by it and makes
 * it do so (routing_reconsider()).
 *
 * RUN/origins.json tells `status` about all this (origin_report.h).  Nothing here blocks: a
 * descriptor becomes readable when origin_cache_run() should be called, and a deadline says when at
 * the latest.  It speaks through log.h.
 */
#ifndef P2PVPN_AGENT_ORIGIN_CACHE_H
#define P2PVPN_AGENT_ORIGIN_CACHE_H

#include <stdint.h>

#include "agent/settings.h"
#include "common/bundle.h"
#include "common/error.h"
#include "common/origins.h"

struct origin_cache;

int origin_cache_new(const struct settings *s, struct origin_cache **ret, struct error_list *err);
/* Serves nobody any more; what bgpd has, it keeps for a while.  NULL ok; returns NULL. */
struct origin_cache *origin_cache_free(struct origin_cache *c);

/* This bundle is in force now: it decides whether anything is served, and of which mesh. */
void origin_cache_take(struct origin_cache *c, const struct bundle *b);

/* Looks at the file, and begins to take it if it is not the one that was taken or refused last;
 * `again`: even then. */
void origin_cache_look(struct origin_cache *c, bool again);

/* What is served; NULL: nothing.  Until the next call of any of these. */
const struct origins *origin_cache_table(const struct origin_cache *c);

int origin_cache_fd(const struct origin_cache *c);
int64_t origin_cache_deadline(const struct origin_cache *c);
void origin_cache_run(struct origin_cache *c);

#endif
