/* SPDX-License-Identifier: Apache-2.0 */
#include "common/sha256.h"

/* In a file of its own, so that a program that brings another one does not have this. */
void sha256_pieces(const void *data, size_t len, const void *more, size_t more_len,
                   uint8_t ret[static SHA256_LEN])
{
    sha256_plain(data, len, more, more_len, ret);
}
