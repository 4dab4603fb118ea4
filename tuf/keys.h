/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, signatures and hashes: the one file of tuf/ that knows OpenSSL.
 *
 * A public key is read from its JSON object each time that it is needed and holds nothing: what
 * comes in is bounded before OpenSSL sees it.  Schemes: ed25519, ecdsa-sha2-nistp256 (PEM, or the
 * bare point in hexadecimal as older repositories have it) and rsassa-pss-sha256 of 2,048 to 8,192
 * bits.  A key of any other scheme is no error, it just verifies nothing.
 */
#ifndef P2PVPN_TUF_KEYS_H
#define P2PVPN_TUF_KEYS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "tuf/error.h"

#define TUF_KEYID_LEN 64
#define TUF_KEY_TEXT_MAX 4096 /* of the public part */
#define TUF_SIG_TEXT_MAX 2048 /* of a signature in hexadecimal */
#define TUF_HASH_TEXT_MAX 128 /* SHA-512 in hexadecimal */

/* Lower-case hexadecimal of exactly so many digits. */
bool tuf_hex_valid(const char *text, size_t digits);

/* A key object: the fields are there, and `keyid` is the SHA-256 of its canonical form. */
enum tuf_code tuf_key_check(const char *keyid, const json_t *key, struct tuf_error *err);

/* The name that a key object must have; false: it has no canonical form. */
bool tuf_key_name(const json_t *key, char ret[static TUF_KEYID_LEN + 1]);

/* Whether `sig` (hexadecimal) is this key's signature of the data. */
bool tuf_key_verify(const json_t *key, const char *sig, const void *data, size_t len);

/* Whether two key objects are the same key, whatever their names and unknown fields. */
bool tuf_key_same(const json_t *a, const json_t *b);

/* Lower-case hexadecimal of "sha256" or "sha512", with a NUL; false: another algorithm. */
bool tuf_hash(const char *algorithm, const void *data, size_t len,
              char ret[static TUF_HASH_TEXT_MAX + 1]);

/* The signing side: an Ed25519 key is its seed. */
#define TUF_SEED_LEN 32
bool tuf_seed_generate(uint8_t ret[static TUF_SEED_LEN]);

/* The key object of a seed, with its name; NULL: OpenSSL refuses. */
json_t *tuf_seed_public(const uint8_t seed[static TUF_SEED_LEN],
                        char keyid[static TUF_KEYID_LEN + 1]);
bool tuf_seed_sign(const uint8_t seed[static TUF_SEED_LEN], const void *data, size_t len,
                   char ret[static 128 + 1]);

/* A seed as PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it; with a passphrase it
 * is encrypted (AES-256 under scrypt).  The caller wipes the text. */
bool tuf_seed_to_pem(const uint8_t seed[static TUF_SEED_LEN], const char *passphrase,
                     struct buf *ret);

/* False: no Ed25519 key in PEM, or not with this passphrase. */
bool tuf_seed_from_pem(const char *pem, size_t len, const char *passphrase,
                       uint8_t ret[static TUF_SEED_LEN]);
bool tuf_pem_encrypted(const char *pem);

#endif
