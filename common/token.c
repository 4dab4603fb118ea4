/* SPDX-License-Identifier: Apache-2.0 */
#include "common/token.h"

#include <string.h>

#define VERSION 1
#define RAW_LEN (1 + TOKEN_ID_LEN + TOKEN_SECRET_LEN + TOKEN_PIN_LEN)

_Static_assert(RAW_LEN % 3 == 0 && RAW_LEN / 3 * 4 == TOKEN_TEXT_LEN, "no padding");

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void token_format(const struct token *token, char ret[static TOKEN_TEXT_LEN + 1])
{
    uint8_t raw[RAW_LEN] = {VERSION};
    char *p = ret;

    memcpy(raw + 1, token->id, TOKEN_ID_LEN);
    memcpy(raw + 1 + TOKEN_ID_LEN, token->secret, TOKEN_SECRET_LEN);
    memcpy(raw + 1 + TOKEN_ID_LEN + TOKEN_SECRET_LEN, token->pin, TOKEN_PIN_LEN);
    for (size_t i = 0; i < RAW_LEN; i += 3) {
        uint32_t bits = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *p++ = digits[bits >> shift & 63];
    }
    *p = '\0';
}

bool token_parse(const char *text, struct token *ret)
{
    uint8_t raw[RAW_LEN];

    if (strnlen(text, TOKEN_TEXT_LEN + 1) != TOKEN_TEXT_LEN)
        return false;
    for (size_t i = 0; i < TOKEN_TEXT_LEN; i += 4) {
        uint32_t bits = 0;

        for (size_t k = 0; k < 4; k++) {
            const char *digit = strchr(digits, text[i + k]);

            if (!digit)
                return false;
            bits = bits << 6 | (uint32_t)(digit - digits);
        }
        raw[i / 4 * 3] = (uint8_t)(bits >> 16);
        raw[i / 4 * 3 + 1] = (uint8_t)(bits >> 8);
        raw[i / 4 * 3 + 2] = (uint8_t)bits;
    }
    if (raw[0] != VERSION)
        return false;
    memcpy(ret->id, raw + 1, TOKEN_ID_LEN);
    memcpy(ret->secret, raw + 1 + TOKEN_ID_LEN, TOKEN_SECRET_LEN);
    memcpy(ret->pin, raw + 1 + TOKEN_ID_LEN + TOKEN_SECRET_LEN, TOKEN_PIN_LEN);
    return true;
}

void token_id_text(const struct token *token, char ret[static TOKEN_ID_TEXT_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < TOKEN_ID_LEN; i++) {
        ret[2 * i] = hex[token->id[i] >> 4];
        ret[2 * i + 1] = hex[token->id[i] & 15];
    }
    ret[TOKEN_ID_TEXT_LEN] = '\0';
}

void token_pin_text(const struct token *token, char ret[static TOKEN_PIN_TEXT_LEN + 1])
{
    static const char prefix[] = "sha256//", plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                       "abcdefghijklmnopqrstuvwxyz0123456789+/";
    char *p = ret + sizeof(prefix) - 1;

    memcpy(ret, prefix, sizeof(prefix) - 1);
    for (size_t i = 0; i < TOKEN_PIN_LEN; i += 3) {
        uint32_t bits = 0;

        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < TOKEN_PIN_LEN ? token->pin[i + k] : 0);
        for (int shift = 18; shift >= 0; shift -= 6)
            *p++ = plain[bits >> shift & 63];
    }
    memcpy(p - 1, "=", 2); /* 32 bytes are one less than would fill the digits */
}
