/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "common/buf.h"
#include "common/digest.h"
#include "tuf/canonical.h"

enum scheme { SCHEME_OTHER, SCHEME_ED25519, SCHEME_ECDSA, SCHEME_RSA_PSS };

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192 /* more only burns time */
#define POINT_DIGITS 130  /* 04 and two coordinates of 32 bytes */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool tuf_hex_valid(const char *text, size_t digits)
{
    if (strnlen(text, digits + 1) != digits)
        return false;
    for (; *text; text++)
        if (hex_digit(*text) < 0)
            return false;
    return true;
}

/* The bytes of a text that must be hexadecimal; 0: it is not, or is longer than max bytes. */
static size_t from_hex(const char *text, uint8_t *ret, size_t max)
{
    size_t n = strnlen(text, 2 * max + 1);

    if (n > 2 * max || n % 2 != 0 || !tuf_hex_valid(text, n))
        return 0;
    for (size_t i = 0; i < n / 2; i++)
        ret[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
    return n / 2;
}

static void to_hex(const uint8_t *data, size_t len, char *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *ret++ = digits[data[i] >> 4];
        *ret++ = digits[data[i] & 15];
    }
    *ret = '\0';
}

bool tuf_hash(const char *algorithm, const void *data, size_t len,
              char ret[static TUF_HASH_TEXT_MAX + 1])
{
    const EVP_MD *md = strcmp(algorithm, "sha256") == 0   ? EVP_sha256()
                       : strcmp(algorithm, "sha512") == 0 ? EVP_sha512()
                                                          : NULL;
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (!md || EVP_Digest(data, len, hash, &n, md, NULL) != 1)
        return false;
    to_hex(hash, n, ret);
    return true;
}

bool tuf_key_name(const json_t *key, char ret[static TUF_KEYID_LEN + 1])
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    if (!tuf_canonical(key, &text))
        return false;
    digest_sha256_text(buf_cstr(&text), text.len, ret);
    return true;
}

enum tuf_code tuf_key_check(const char *keyid, const json_t *key, struct tuf_error *err)
{
    const char *public =
        json_string_value(json_object_get(json_object_get(key, "keyval"), "public"));
    char name[TUF_KEYID_LEN + 1];

    if (!tuf_hex_valid(keyid, TUF_KEYID_LEN))
        return tuf_fail(err, TUF_KEYID, "a key's name is 64 hexadecimal digits, not '%.80s'",
                        keyid);
    if (!json_is_string(json_object_get(key, "keytype")) ||
        !json_is_string(json_object_get(key, "scheme")) || !public)
        return tuf_fail(err, TUF_FORMAT, "key %s has no keytype, scheme or public value", keyid);
    if (strlen(public) > TUF_KEY_TEXT_MAX)
        return tuf_fail(err, TUF_TOO_LARGE, "key %s is too long", keyid);
    if (!tuf_key_name(key, name))
        return tuf_fail(err, TUF_FORMAT, "key %s cannot be put in canonical form", keyid);
    if (strcmp(name, keyid) != 0)
        return tuf_fail(err, TUF_KEYID, "a key is listed as %s but its name is %s", keyid, name);
    return TUF_OK;
}

static enum scheme key_scheme(const json_t *key)
{
    const char *type = json_string_value(json_object_get(key, "keytype"));
    const char *scheme = json_string_value(json_object_get(key, "scheme"));

    if (!type || !scheme)
        return SCHEME_OTHER;
    if (strcmp(type, "ed25519") == 0 && strcmp(scheme, "ed25519") == 0)
        return SCHEME_ED25519;
    if (strcmp(type, "rsa") == 0 && strcmp(scheme, "rsassa-pss-sha256") == 0)
        return SCHEME_RSA_PSS;
    if ((strcmp(type, "ecdsa") == 0 || strcmp(type, "ecdsa-sha2-nistp256") == 0) &&
        strcmp(scheme, "ecdsa-sha2-nistp256") == 0)
        return SCHEME_ECDSA;
    return SCHEME_OTHER;
}

/* OpenSSL would ask the terminal for the password of an encrypted key. */
static int no_password(char *to, int size, int writing, void *data)
{
    (void)to, (void)size, (void)writing, (void)data;
    return -1;
}

static EVP_PKEY *read_pem(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    return key;
}

/* A bare point of P-256: the same as its SubjectPublicKeyInfo without the part that never differs.
 */
static EVP_PKEY *read_point(const char *text)
{
    static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
    uint8_t der[sizeof(head) + POINT_DIGITS / 2];
    const uint8_t *p = der;

    memcpy(der, head, sizeof(head));
    if (from_hex(text, der + sizeof(head), POINT_DIGITS / 2) != POINT_DIGITS / 2)
        return NULL;
    return d2i_PUBKEY(NULL, &p, sizeof(der));
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[32];
    size_t n = 0;

    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
                                          &n) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool is_rsa(const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);

    return EVP_PKEY_is_a(key, "RSA") && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
}

/* NULL: not a key of this scheme. */
static EVP_PKEY *read_public(enum scheme scheme, const char *text)
{
    EVP_PKEY *key = NULL;
    uint8_t raw[32];
    bool good = false;

    if (strlen(text) > TUF_KEY_TEXT_MAX)
        return NULL;
    if (scheme == SCHEME_ED25519) {
        if (from_hex(text, raw, sizeof(raw)) == sizeof(raw))
            key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
        good = key != NULL;
    } else if (scheme == SCHEME_ECDSA) {
        key = strlen(text) == POINT_DIGITS ? read_point(text) : read_pem(text);
        good = key && is_p256(key);
    } else if (scheme == SCHEME_RSA_PSS) {
        key = read_pem(text);
        good = key && is_rsa(key);
    }
    if (!good) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static bool verify(enum scheme scheme, EVP_PKEY *key, const uint8_t *sig, size_t sig_len,
                   const void *data, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx = NULL; /* owned by ctx */
    const EVP_MD *md = scheme == SCHEME_ED25519 ? NULL : EVP_sha256();
    bool good = ctx && EVP_DigestVerifyInit(ctx, &key_ctx, md, NULL, key) == 1;

    if (good && scheme == SCHEME_RSA_PSS)
        good = EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, RSA_PSS_SALTLEN_AUTO) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(key_ctx, EVP_sha256()) == 1;
    good = good && EVP_DigestVerify(ctx, sig, sig_len, data, len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

bool tuf_key_verify(const json_t *key, const char *sig, const void *data, size_t len)
{
    const char *public =
        json_string_value(json_object_get(json_object_get(key, "keyval"), "public"));
    enum scheme scheme = key_scheme(key);
    uint8_t raw[TUF_SIG_TEXT_MAX / 2];
    size_t raw_len = from_hex(sig, raw, sizeof(raw));
    EVP_PKEY *pkey;
    bool good;

    if (!public || raw_len == 0 || scheme == SCHEME_OTHER)
        return false;
    pkey = read_public(scheme, public);
    good = pkey && verify(scheme, pkey, raw, raw_len, data, len);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return good;
}

bool tuf_key_same(const json_t *a, const json_t *b)
{
    const json_t *one = json_object_get(json_object_get(a, "keyval"), "public");
    const json_t *other = json_object_get(json_object_get(b, "keyval"), "public");
    EVP_PKEY *key_one, *key_other;
    bool same;

    if (json_equal(one, other))
        return true;
    if (!json_is_string(one) || !json_is_string(other) || key_scheme(a) != key_scheme(b))
        return false;
    key_one = read_public(key_scheme(a), json_string_value(one));
    key_other = read_public(key_scheme(b), json_string_value(other));
    same = key_one && key_other && EVP_PKEY_eq(key_one, key_other) == 1;
    EVP_PKEY_free(key_one);
    EVP_PKEY_free(key_other);
    ERR_clear_error();
    return same;
}

bool tuf_seed_generate(uint8_t ret[static TUF_SEED_LEN])
{
    return RAND_priv_bytes(ret, TUF_SEED_LEN) == 1;
}

json_t *tuf_seed_public(const uint8_t seed[static TUF_SEED_LEN],
                        char keyid[static TUF_KEYID_LEN + 1])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, TUF_SEED_LEN);
    uint8_t raw[32];
    size_t n = sizeof(raw);
    char text[2 * sizeof(raw) + 1];
    json_t *ret = NULL;

    if (key && EVP_PKEY_get_raw_public_key(key, raw, &n) == 1 && n == sizeof(raw)) {
        to_hex(raw, n, text);
        ret = json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ed25519", "scheme", "ed25519", "keyval",
                        "public", text);
    }
    EVP_PKEY_free(key);
    if (ret && !tuf_key_name(ret, keyid)) {
        json_decref(ret);
        ret = NULL;
    }
    return ret;
}

bool tuf_seed_sign(const uint8_t seed[static TUF_SEED_LEN], const void *data, size_t len,
                   char ret[static 128 + 1])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, TUF_SEED_LEN);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t sig[64];
    size_t n = sizeof(sig);
    bool good = key && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(ctx, sig, &n, data, len) == 1 && n == sizeof(sig);

    if (good)
        to_hex(sig, n, ret);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good;
}

/* --- on disk
 * ---------------------------------------------------------------------------------------- */

#define SALT_LEN 16
#define SCRYPT_N 16384 /* 16 MiB and some 50 ms for each guess */
#define SCRYPT_R 8
#define SCRYPT_P 1

/* NULL: OpenSSL failed. */
static X509_SIG *encrypt(PKCS8_PRIV_KEY_INFO *plain, const char *passphrase)
{
    uint8_t salt[SALT_LEN];
    X509_ALGOR *how = NULL;
    X509_SIG *ret = NULL;

    if (RAND_bytes(salt, sizeof(salt)) == 1)
        how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt, sizeof(salt), NULL, SCRYPT_N, SCRYPT_R,
                                    SCRYPT_P);
    if (how)
        ret = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, how);
    if (how && !ret)
        X509_ALGOR_free(how);
    return ret;
}

bool tuf_seed_to_pem(const uint8_t seed[static TUF_SEED_LEN], const char *passphrase,
                     struct buf *ret)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, TUF_SEED_LEN);
    PKCS8_PRIV_KEY_INFO *plain = key ? EVP_PKEY2PKCS8(key) : NULL;
    X509_SIG *secret = plain && passphrase ? encrypt(plain, passphrase) : NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    bool good = bio && (passphrase ? secret && PEM_write_bio_PKCS8(bio, secret) == 1
                                   : plain && PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, plain) == 1);
    char *text;
    long n;

    if (good && (n = BIO_get_mem_data(bio, &text)) > 0)
        buf_add(ret, text, (size_t)n);
    BIO_free(bio);
    X509_SIG_free(secret);
    PKCS8_PRIV_KEY_INFO_free(plain);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

/* OpenSSL asks for it when the key is encrypted. */
static int give_passphrase(char *to, int size, int writing, void *passphrase)
{
    size_t n = passphrase ? strlen(passphrase) : 0;

    (void)writing;
    if (n == 0 || n > (size_t)size)
        return -1;
    memcpy(to, passphrase, n);
    return (int)n;
}

bool tuf_seed_from_pem(const char *pem, size_t len, const char *passphrase,
                       uint8_t ret[static TUF_SEED_LEN])
{
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *key =
        bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, (void *)passphrase) : NULL;
    size_t n = TUF_SEED_LEN;
    bool good = key && EVP_PKEY_is_a(key, "ED25519") &&
                EVP_PKEY_get_raw_private_key(key, ret, &n) == 1 && n == TUF_SEED_LEN;

    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return good;
}

bool tuf_pem_encrypted(const char *pem)
{
    return strstr(pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----") != NULL;
}
