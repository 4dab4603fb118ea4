/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text: an object as the agent's own files and `status --json` have it, indented.
 */
#ifndef P2PVPN_AGENT_JSON_TEXT_H
#define P2PVPN_AGENT_JSON_TEXT_H

#include <jansson.h>

#include "common/buf.h"

/* Appends it, with a newline at its end, and gives the object up. */
void json_text_take(json_t *root, struct buf *ret);

#endif
