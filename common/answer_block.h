/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answer block: what comes with the certificates in the answer to enrolment, in the same file and
 * form (PEM, RFC 7468): where bundles come from, and the root of that repository.
 *
 *   -----BEGIN P2PVPN REPOSITORY-----
 *   base64 of repository.json (agent/repository.h)
 *   -----END P2PVPN REPOSITORY-----
 */
#ifndef P2PVPN_COMMON_ANSWER_BLOCK_H
#define P2PVPN_COMMON_ANSWER_BLOCK_H

#include <stddef.h>

#include "common/buf.h"

#define ANSWER_BLOCK_MAX ((size_t)1 << 20) /* bytes of the content */

/* Appends the block.  False: it is too long, or OpenSSL failed. */
bool answer_block_add(struct buf *to, const void *data, size_t len);

/* The content of the first block of this kind in a text.  1; 0: there is none; -EINVAL: there is
 * one that is broken or too long. */
int answer_block_find(const char *text, size_t len, struct buf *ret);

#endif
