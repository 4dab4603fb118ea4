/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status, printed: one walk over what was collected, two ways to write it.
 *
 * Text is for people: problems first, then tables.  JSON is for programs: every value in full
 * (seconds, bytes), keys never change their meaning; docs/man/p2pvpn-agent.8 lists them.
 */
#ifndef P2PVPN_AGENT_STATUS_PRINT_H
#define P2PVPN_AGENT_STATUS_PRINT_H

#include <stdint.h>

#include "common/buf.h"

struct status; /* agent/status.h */

void status_print_text(const struct status *s, struct buf *ret);
void status_print_json(const struct status *s, struct buf *ret);

/* "3d 4h", "12m 5s"; "45s".  Appended. */
void status_print_duration(uint64_t seconds, struct buf *ret);
/* "512 B", "1.4 GiB".  Appended. */
void status_print_bytes(uint64_t bytes, struct buf *ret);

#endif
