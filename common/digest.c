/* SPDX-License-Identifier: Apache-2.0 */
#include "common/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

void digest_sha256(const void *data, size_t len, uint8_t ret[static DIGEST_LEN])
{
    if (EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) != 1)
        abort(); /* only when OpenSSL has no SHA-256 at all */
}

char *digest_sha256_text(const void *data, size_t len, char text[static DIGEST_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[DIGEST_LEN];

    digest_sha256(data, len, raw);
    for (int i = 0; i < DIGEST_LEN; i++) {
        text[2 * i] = digits[raw[i] >> 4];
        text[2 * i + 1] = digits[raw[i] & 15];
    }
    text[DIGEST_TEXT_LEN] = '\0';
    return text;
}

char *digest_sha256_spoken(const void *data, size_t len, char text[static DIGEST_SPOKEN_LEN + 1])
{
    char plain[DIGEST_TEXT_LEN + 1];
    char *to = text;

    digest_sha256_text(data, len, plain);
    for (unsigned i = 0; i < DIGEST_TEXT_LEN; i++) {
        if (i && i % 4 == 0)
            *to++ = ' ';
        *to++ = plain[i];
    }
    *to = '\0';
    return text;
}
