/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4) of two pieces of memory, one behind the other; what digest.h is made of.
 *
 * There are two of it.  common/sha256.c is a plain one, because OpenSSL's takes 2 MiB of a process
 * for its tables of algorithms, and the agent is a process that stays.  controller/sha256_openssl.c
 * takes its place in p2pvpn-ctl, which hashes gigabytes: it is several times faster where the
 * processor has instructions for it.  A unit test holds them against each other.
 */
#ifndef P2PVPN_COMMON_SHA256_H
#define P2PVPN_COMMON_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

void sha256_pieces(const void *data, size_t len, const void *more, size_t more_len,
                   uint8_t ret[static SHA256_LEN]);

/* The plain one, whichever is in use. */
void sha256_plain(const void *data, size_t len, const void *more, size_t more_len,
                  uint8_t ret[static SHA256_LEN]);

#endif
