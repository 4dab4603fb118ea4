/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/sha256.h"

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

void sha256_pieces(const void *data, size_t len, const void *more, size_t more_len,
                   uint8_t ret[static SHA256_LEN])
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
