/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Started: what a link's process was started with, in one word, kept where a later agent finds it.
 * Pure.
 *
 * DIGEST-GENERATIONS-OWN-PEER: the digest of configuration, certificates and arguments; the
 * generations of both ends; and of each end's link key as much of a digest as tells it from
 * another. So whoever finds the process knows whether it is the one that is wanted, and if not,
 * whether an end of it proves itself by a key that was given up.  Such a process must not stay for
 * a moment, whoever started it and whichever bundles were in force since.
 *
 * DIGEST alone is what agents wrote before: nothing is known of the keys then.
 */
#ifndef P2PVPN_AGENT_STARTED_H
#define P2PVPN_AGENT_STARTED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/bundle.h"
#include "common/digest.h"

#define STARTED_KEY_LEN 16 /* of each of the three behind the digest */
#define STARTED_LEN (DIGEST_TEXT_LEN + 3 * (1 + STARTED_KEY_LEN))

void started_text(const char digest[static DIGEST_TEXT_LEN + 1], const struct bundle *b,
                  const struct bundle_link *link, char ret[static STARTED_LEN + 1]);

/* How long the word at the beginning of a text is; 0: it is none. */
size_t started_len(const char *text);

/* Of two that are valid. */
bool started_same(const char *was, const char *is);
bool started_key_given_up(const char *was, const char *is);

#endif
