/* SPDX-License-Identifier: Apache-2.0 */
#include "common/digest.h"

#include "common/sha256.h"

static char *to_text(const uint8_t raw[static DIGEST_LEN], char text[static DIGEST_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < DIGEST_LEN; i++) {
        text[2 * i] = digits[raw[i] >> 4];
        text[2 * i + 1] = digits[raw[i] & 15];
    }
    text[DIGEST_TEXT_LEN] = '\0';
    return text;
}

void digest_sha256(const void *data, size_t len, uint8_t ret[static DIGEST_LEN])
{
    sha256_pieces(data, len, "", 0, ret);
}

char *digest_sha256_text(const void *data, size_t len, char text[static DIGEST_TEXT_LEN + 1])
{
    return digest_sha256_pieces(data, len, "", 0, text);
}

char *digest_sha256_pieces(const void *data, size_t len, const void *more, size_t more_len,
                           char text[static DIGEST_TEXT_LEN + 1])
{
    uint8_t raw[DIGEST_LEN];

    sha256_pieces(data, len, more, more_len, raw);
    return to_text(raw, text);
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
