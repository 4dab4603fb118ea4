/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256: the vectors of FIPS 180, and the plain one against OpenSSL's. */
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/sha256.h"
#include "tests/unit/unit.h"

static void expect(const char *text, size_t len, const char *wanted)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[SHA256_LEN];
    char plain[2 * SHA256_LEN + 1] = "", other[DIGEST_TEXT_LEN + 1];

    sha256_plain(text, len, "", 0, raw);
    for (size_t i = 0; i < SHA256_LEN; i++) {
        plain[2 * i] = digits[raw[i] >> 4];
        plain[2 * i + 1] = digits[raw[i] & 15];
    }
    ck_assert_str_eq(plain, wanted);
    ck_assert_str_eq(digest_sha256_text(text, len, other), wanted);
}

START_TEST(test_vectors)
{
    static const char long_text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char *million = malloc(1000000);

    memset(million, 'a', 1000000);
    expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(long_text, strlen(long_text),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect(million, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}
END_TEST

START_TEST(test_both_are_the_same)
{
    uint8_t data[400], plain[SHA256_LEN], openssl[SHA256_LEN];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * i + 7 * i);
    for (size_t len = 0; len <= sizeof(data); len++)
        for (size_t first = 0; first <= len; first += len < 140 ? 1 : 61) {
            sha256_plain(data, first, data + first, len - first, plain);
            sha256_pieces(data, first, data + first, len - first, openssl);
            ck_assert_mem_eq(plain, openssl, SHA256_LEN);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("digest");
    TCase *t = unit_case(s, "digest", NULL, NULL);

    tcase_add_test(t, test_vectors);
    tcase_add_test(t, test_both_are_the_same);
    return unit_run(s);
}
