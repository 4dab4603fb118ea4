/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4), as bytes and as text; see sha256.h for what computes it. */
#ifndef P2PVPN_COMMON_DIGEST_H
#define P2PVPN_COMMON_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_LEN 32
#define DIGEST_TEXT_LEN 64

void digest_sha256(const void *data, size_t len, uint8_t ret[static DIGEST_LEN]);

/* Lower-case hexadecimal with a NUL; returns text. */
char *digest_sha256_text(const void *data, size_t len, char text[static DIGEST_TEXT_LEN + 1]);

/* The same of two pieces, one behind the other. */
char *digest_sha256_pieces(const void *data, size_t len, const void *more, size_t more_len,
                           char text[static DIGEST_TEXT_LEN + 1]);

/* For two people to compare: "ab12 cd34 ..." with a NUL; returns text. */
#define DIGEST_SPOKEN_LEN 79
char *digest_sha256_spoken(const void *data, size_t len, char text[static DIGEST_SPOKEN_LEN + 1]);

#endif
