/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fleet text: what the controller answers about tokens and gateways, as tables for people.
 *
 * Of one gateway: what the revision that is published for it would have, against what it reports.
 * The answers come from outside (docs/openapi.yaml); whatever they hold, lines hold only what a
 * terminal may see, and a member that is missing or of another type is a dash.  Pure.
 */
#ifndef P2PVPN_CONTROLLER_FLEET_TEXT_H
#define P2PVPN_CONTROLLER_FLEET_TEXT_H

#include <jansson.h>
#include <stdint.h>

#include "common/buf.h"

/* GET /v1/tokens, /v1/fleet and /v1/gateways/NAME. */
void fleet_text_tokens(const json_t *answer, struct buf *ret);
void fleet_text_fleet(const json_t *answer, struct buf *ret);
void fleet_text_gateway(const json_t *answer, struct buf *ret);

/* One member: value_valid(), or "-".  Borrowed from the row. */
const char *fleet_text_word(const json_t *row, const char *key);

/* A time in seconds since 1970, in UTC: "2026-11-27 02:00:00", or "-". */
#define FLEET_TEXT_TIME_SIZE sizeof("2026-11-27 02:00:00")
const char *fleet_text_time(int64_t at, char ret[static FLEET_TEXT_TIME_SIZE]);

#endif
