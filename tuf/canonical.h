/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical JSON (OLPC's): the bytes that a signature of TUF is made over, and a key's name.
 *
 * Object keys in the order of their bytes, no white space, integers only, and in strings nothing
 * escaped but the quotation mark and the backslash.  Pure.
 */
#ifndef P2PVPN_TUF_CANONICAL_H
#define P2PVPN_TUF_CANONICAL_H

#include <jansson.h>
#include <stdbool.h>

#include "common/buf.h"

#define TUF_DEPTH_MAX 32 /* of objects and lists within each other */

/* Appends to *ret.  False: a number with a fraction, or too deep; *ret then holds a part. */
bool tuf_canonical(const json_t *value, struct buf *ret);

#endif
