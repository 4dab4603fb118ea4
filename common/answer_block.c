/* SPDX-License-Identifier: Apache-2.0 */
#include "common/answer_block.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#define KIND "P2PVPN REPOSITORY"
#define BEGIN "-----BEGIN " KIND "-----"

bool answer_block_add(struct buf *to, const void *data, size_t len)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text;
    long n;
    bool good = bio && len > 0 && len <= ANSWER_BLOCK_MAX &&
                PEM_write_bio(bio, KIND, "", data, (long)len) > 0;

    if (good && (n = BIO_get_mem_data(bio, &text)) > 0)
        buf_add(to, text, (size_t)n);
    BIO_free(bio);
    ERR_clear_error();
    return good;
}

/* From its own first line on, so that nobody else's block is parsed here. */
int answer_block_find(const char *text, size_t len, struct buf *ret)
{
    const char *at = len ? memmem(text, len, BEGIN, sizeof(BEGIN) - 1) : NULL;
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long n = 0;
    BIO *bio;
    bool good;

    if (!at)
        return 0;
    if (len - (size_t)(at - text) > INT_MAX)
        return -EINVAL;
    bio = BIO_new_mem_buf(at, (int)(len - (size_t)(at - text)));
    good = bio && PEM_read_bio(bio, &name, &header, &data, &n) > 0 && strcmp(name, KIND) == 0 &&
           !*header && n > 0 && (size_t)n <= ANSWER_BLOCK_MAX;
    if (good)
        buf_add(ret, data, (size_t)n);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    BIO_free(bio);
    ERR_clear_error();
    return good ? 1 : -EINVAL;
}
