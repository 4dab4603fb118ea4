/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visible: text from outside, as a terminal or a log may show it.
 *
 * Quotes and backslashes are shown, unlike in value_valid() (name.h); what is no UTF-8, a control
 * byte, an invisible or a bidirectional character is spelled out as \xNN.  Pure.
 */
#ifndef P2PVPN_COMMON_VISIBLE_H
#define P2PVPN_COMMON_VISIBLE_H

#include <stddef.h>

#include "common/buf.h"

/* Appends the text; one that is longer than max bytes and three dots is cut where a character ends,
 * and ends with the dots.  What it has made it leaves as it is when it sees it again. */
void visible_add(struct buf *b, const char *text, size_t max);

#endif
