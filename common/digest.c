/* SPDX-License-Identifier: Apache-2.0 */
#include "common/digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

/* Found once: to look SHA-256 up among OpenSSL's providers takes longer than to hash a small file.
 */
static EVP_MD *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t context; /* each thread's own EVP_MD_CTX: making one costs as much */

static void forget(void)
{
    EVP_MD_free(sha256);
}

static void forget_context(void *c)
{
    EVP_MD_CTX_free(c);
}

static void find(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!sha256 || pthread_key_create(&context, forget_context) != 0)
        abort(); /* only when OpenSSL has no SHA-256 at all */
    atexit(forget);
}

static void digest(const void *data, size_t len, const void *more, size_t more_len,
                   uint8_t ret[static DIGEST_LEN])
{
    EVP_MD_CTX *c;

    pthread_once(&once, find);
    c = pthread_getspecific(context);
    if (!c) {
        c = EVP_MD_CTX_new();
        pthread_setspecific(context, c);
    }
    if (!c || EVP_DigestInit_ex2(c, sha256, NULL) != 1 || EVP_DigestUpdate(c, data, len) != 1 ||
        EVP_DigestUpdate(c, more, more_len) != 1 || EVP_DigestFinal_ex(c, ret, NULL) != 1)
        abort();
}

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
    digest(data, len, "", 0, ret);
}

char *digest_sha256_text(const void *data, size_t len, char text[static DIGEST_TEXT_LEN + 1])
{
    return digest_sha256_pieces(data, len, "", 0, text);
}

char *digest_sha256_pieces(const void *data, size_t len, const void *more, size_t more_len,
                           char text[static DIGEST_TEXT_LEN + 1])
{
    uint8_t raw[DIGEST_LEN];

    digest(data, len, more, more_len, raw);
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
