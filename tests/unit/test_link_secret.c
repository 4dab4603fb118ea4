/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/link_secret.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

static void from_hex(const char *text, uint8_t ret[static 32])
{
    for (unsigned i = 0; i < 32; i++) {
        unsigned byte;

        ck_assert_int_eq(sscanf(text + 2 * (size_t)i, "%2x", &byte), 1);
        ret[i] = (uint8_t)byte;
    }
}

/* RFC 7748, 6.1; what comes behind it is what 'openssl kdf ... HKDF' says. */
static const char alice_public[] =
    "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
static const char bob_private[] =
    "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";

START_TEST(both_derive_what_another_program_derives)
{
    static const uint8_t begin[] = {0xb7, 0xf4, 0x69, 0xc9, 0x33, 0x2e, 0x10, 0x20};
    uint8_t own[32], peer[32], one[LINK_SECRET_LEN], two[LINK_SECRET_LEN];
    _cleanup_buf_ struct buf info = BUF_INIT, text = BUF_INIT;

    buf_str(&info, "p2pvpn test");
    from_hex(bob_private, own);
    from_hex(alice_public, peer);
    ck_assert(link_secret_derive(own, peer, &info, one));
    ck_assert_mem_eq(one, begin, sizeof(begin));
    buf_str(&info, "!");
    ck_assert(link_secret_derive(own, peer, &info, two));
    ck_assert_mem_ne(one, two, sizeof(begin));
    link_secret_text(one, &text);
    ck_assert_uint_eq(text.len, 38 + 16 * 33 + 36);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "V1-----\nb7f469c9332e1020"));
}
END_TEST

/* Points of small order: whatever our key is, everybody knows what comes out. */
START_TEST(a_key_that_is_none)
{
    uint8_t own[32], peer[32] = {0}, secret[LINK_SECRET_LEN];
    _cleanup_buf_ struct buf info = BUF_INIT;

    buf_str(&info, "x");
    from_hex(bob_private, own);
    ck_assert(!link_secret_derive(own, peer, &info, secret));
    peer[0] = 1;
    ck_assert(!link_secret_derive(own, peer, &info, secret));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("link_secret");
    TCase *t = unit_case(s, "link_secret", NULL, NULL);

    tcase_add_test(t, both_derive_what_another_program_derives);
    tcase_add_test(t, a_key_that_is_none);
    return unit_run(s);
}
