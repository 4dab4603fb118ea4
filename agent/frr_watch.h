/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FRR watch: whether FRR's configuration is still the text that was judged last.
 *
 * Every few seconds the daemons are asked for their running configuration (vty.h), and only a
 * digest of the answers is kept: most often it is the known one, and that was all.  What another
 * text means is for frr_check() to say, in a worker; it tells the digest of what it judged, right
 * or wrong, and from then on that text is no news.
 *
 * The looks are the rarer the longer the texts are, so that neither the agent nor bgpd is kept busy
 * by them: 300 kB, of 500 links, take bgpd 2 ms.  How long an answer takes is no measure, for a
 * busy machine should not be looked at less.  Nothing here blocks; a daemon that does not answer in
 * time counts as another text.
 */
#ifndef P2PVPN_AGENT_FRR_WATCH_H
#define P2PVPN_AGENT_FRR_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/settings.h"
#include "common/error.h"

#define FRR_WATCH_MS 2000 /* between two looks, at least */
#define FRR_WATCH_MAX_MS 30000
#define FRR_WATCH_BYTES 120       /* of text, for each millisecond between two looks */
#define FRR_WATCH_TIMEOUT_MS 5000 /* for one look */

struct frr_watch;

int frr_watch_new(const struct settings *s, struct frr_watch **ret, struct error_list *err);
struct frr_watch *frr_watch_free(struct frr_watch *w); /* NULL ok; returns NULL */

/* From now on it is looked, and a text with this digest (struct frr_result) is no news. */
void frr_watch_judged(struct frr_watch *w, uint64_t digest);
/* Until then, nothing is looked at: somebody is changing it. */
void frr_watch_pause(struct frr_watch *w);

int frr_watch_fd(const struct frr_watch *w);
int64_t frr_watch_deadline(const struct frr_watch *w);
/* Call when the descriptor is readable and at the deadline.  True: FRR has another text, or does
 * not tell it; the watch is paused. */
bool frr_watch_run(struct frr_watch *w);

#endif
