/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of FRR for tests: applies a batch to a running configuration and says what `show
 * running-config` would give.  Written from what FRR 8.4.4 does (tests/lab/test_frr_apply.py shows
 * the same against the real one), not from what frr_diff.c expects.
 */
#ifndef P2PVPN_TESTS_FRR_MODEL_H
#define P2PVPN_TESTS_FRR_MODEL_H

#include "common/buf.h"

/* Appends the resulting configuration to *ret. False: FRR would have refused a line; *ret then ends
 * with that line. */
bool frr_model_apply(const char *running, const char *batch, struct buf *ret);

#endif
