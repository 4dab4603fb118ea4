/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics: what an operator pages on, in the text format of Prometheus (version 0.0.4).
 *
 * From the same status that `p2pvpn-agent status` shows, collected in its light way.  Names begin
 * with p2pvpn_; docs/metrics.md lists them, and a test compares.  A series that is not known is
 * absent.  Counters of the interfaces are node_exporter's (node_network_*).  Pure.
 */
#ifndef P2PVPN_AGENT_METRICS_H
#define P2PVPN_AGENT_METRICS_H

#include "common/buf.h"

struct status; /* agent/status.h */

void metrics_format(const struct status *s, struct buf *ret);

#endif
