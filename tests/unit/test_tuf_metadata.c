/* SPDX-License-Identifier: Apache-2.0 */
/* TUF: canonical JSON, keys, names, patterns, times, and what a metadata file may be. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "tests/unit/tuf_vectors.h"
#include "tests/unit/unit.h"
#include "tuf/canonical.h"
#include "tuf/keys.h"
#include "tuf/metadata.h"
#include "tuf/path.h"
#include "tuf/repo.h"

/* --- canonical JSON
 * ------------------------------------------------------------------------------- */

static void canonical_is(const char *json, const char *wanted)
{
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    _cleanup_buf_ struct buf text = BUF_INIT;

    ck_assert_ptr_nonnull(value);
    ck_assert_int_eq(tuf_canonical(value, &text), wanted != NULL);
    if (wanted)
        ck_assert_str_eq(buf_cstr(&text), wanted);
    json_decref(value);
}

START_TEST(test_canonical)
{
    canonical_is(" { \"b\" : [ 1 , -2 , true , false , null ] , \"a\" : { } } ",
                 "{\"a\":{},\"b\":[1,-2,true,false,null]}");
    canonical_is("\"a\\\"b\\\\c\\n\\u00e9\\/\"", "\"a\\\"b\\\\c\n\xc3\xa9/\"");
    canonical_is("{\"a\":1,\"B\":2,\"\\u00e9\":3,\"aa\":4,\"\":5}",
                 "{\"\":5,\"B\":2,\"a\":1,\"aa\":4,\"\xc3\xa9\":3}");
    canonical_is("[1.0]", NULL);
    canonical_is("{\"a\":{\"b\":1e3}}", NULL);
}
END_TEST

START_TEST(test_canonical_is_bounded)
{
    char json[2 * TUF_DEPTH_MAX + 3] = "";

    memset(json, '[', TUF_DEPTH_MAX + 1);
    memset(json + TUF_DEPTH_MAX + 1, ']', TUF_DEPTH_MAX + 1);
    canonical_is(json, json);
    canonical_is("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", NULL);
}
END_TEST

/* --- keys
 * ----------------------------------------------------------------------------------------- */

static bool verifies(const char *type, const char *scheme, const char *public, const char *sig)
{
    json_t *key = json_pack("{s:s, s:s, s:{s:s}}", "keytype", type, "scheme", scheme, "keyval",
                            "public", public);
    _cleanup_free_ char *bad = xstrdup(sig);
    bool good = tuf_key_verify(key, sig, VECTOR_TEXT, strlen(VECTOR_TEXT));

    ck_assert(!tuf_key_verify(key, sig, VECTOR_TEXT "!", strlen(VECTOR_TEXT) + 1));
    /* No single bit of a signature may be another. */
    for (size_t i = 0; good && i < strlen(bad); i += strlen(bad) / 32 + 1) {
        bad[i] = bad[i] == '0' ? '1' : '0';
        ck_assert(!tuf_key_verify(key, bad, VECTOR_TEXT, strlen(VECTOR_TEXT)));
        bad[i] = sig[i];
    }
    json_decref(key);
    return good;
}

START_TEST(test_key_kinds)
{
    ck_assert(verifies("rsa", "rsassa-pss-sha256", rsa_public, rsa_sig));
    ck_assert(!verifies("rsa", "rsassa-pss-sha256", rsa_public, rsa_pkcs1_sig));
    ck_assert(!verifies("rsa", "rsassa-pss-sha256", rsa_short_public, rsa_short_sig));
    ck_assert(!verifies("rsa", "rsassa-pss-sha256", ecdsa_public, ecdsa_sig));
    ck_assert(verifies("ecdsa", "ecdsa-sha2-nistp256", ecdsa_public, ecdsa_sig));
    ck_assert(verifies("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", ecdsa_public, ecdsa_sig));
    ck_assert(verifies("ecdsa", "ecdsa-sha2-nistp256", ecdsa_point, ecdsa_sig));
    ck_assert(!verifies("ecdsa", "ecdsa-sha2-nistp256", p384_public, p384_sig));
    ck_assert(!verifies("ecdsa", "ecdsa-sha2-nistp384", ecdsa_public, ecdsa_sig));
    ck_assert(!verifies("ed25519", "ed25519", ecdsa_public, ecdsa_sig));
    ck_assert(!verifies("rsa", "rsassa-pss-sha256", "", ""));
}
END_TEST

/* RFC 8032, 7.1, test 2. */
START_TEST(test_ed25519_vector)
{
    static const uint8_t seed[] = {0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3,
                                   0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab,
                                   0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb};
    static const char wanted[] = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                                 "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    char keyid[TUF_KEYID_LEN + 1], sig[129];
    json_t *key = tuf_seed_public(seed, keyid);
    struct tuf_error err;

    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(key, "keyval"), "public")),
                     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    ck_assert(tuf_seed_sign(seed, "r", 1, sig));
    ck_assert_str_eq(sig, wanted);
    ck_assert(tuf_key_verify(key, sig, "r", 1));
    ck_assert(!tuf_key_verify(key, sig, "s", 1));
    ck_assert_int_eq(tuf_key_check(keyid, key, &err), TUF_OK);
    keyid[0] = keyid[0] == '0' ? '1' : '0';
    ck_assert_int_eq(tuf_key_check(keyid, key, &err), TUF_KEYID);
    json_decref(key);
}
END_TEST

START_TEST(test_same_key)
{
    json_t *pem = json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ecdsa", "scheme",
                            "ecdsa-sha2-nistp256", "keyval", "public", ecdsa_public);
    json_t *point = json_pack("{s:s, s:s, s:{s:s}, s:i}", "keytype", "ecdsa", "scheme",
                              "ecdsa-sha2-nistp256", "keyval", "public", ecdsa_point, "x", 1);
    json_t *other = json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ecdsa", "scheme",
                              "ecdsa-sha2-nistp256", "keyval", "public", "no key");

    ck_assert(tuf_key_same(pem, pem));
    ck_assert(tuf_key_same(pem, point));
    ck_assert(!tuf_key_same(pem, other));
    ck_assert(!tuf_key_same(other, point));
    json_decref(pem);
    json_decref(point);
    json_decref(other);
}
END_TEST

/* --- texts
 * ---------------------------------------------------------------------------------------- */

START_TEST(test_patterns)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        {"*.tgz", "foo.tgz", true},
        {"*.tgz", "targets/foo.tgz", false},
        {"targets/*.tgz", "targets/foo.tgz", true},
        {"targets/*.tgz", "targets/foo.txt", false},
        {"foo-version-?.tgz", "foo-version-2.tgz", true},
        {"foo-version-?.tgz", "foo-version-\xc3\xa9.tgz", true},
        {"foo-version-?.tgz", "foo-version-alpha.tgz", false},
        {"foo.tgz", "foo.tgz", true},
        {"foo.tgz", "foo.tgz2", false},
        {"foo.tgz", "foo", false},
        {"*", "", true},
        {"*", "a", true},
        {"*", "a/b", false},
        {"*/*", "a/b", true},
        {"*/*", "/", true},
        {"a?b", "a/b", false},
        {"a[/]b", "a/b", false},
        {"a[b-d]e", "ace", true},
        {"a[!b-d]e", "ace", false},
        {"a[!b-d]e", "axe", true},
        {"a[]]e", "a]e", true},
        {"a[e", "a[e", true},
        {"a[e", "ae", false},
        {"*a*b*c", "xaybzc", true},
        {"*a*b*c", "xaybz", false},
        {"ab*cd*ef", "abxcdyefcdzef", true},
        {"**", "abc", true},
        {"README.md", "README.MD", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_msg(tuf_path_matches(cases[i].pattern, cases[i].path) == cases[i].matches,
                      "'%s' and '%s'", cases[i].pattern, cases[i].path);
}
END_TEST

START_TEST(test_times)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1985-10-21T01:21:00Z", 498705660},
        {"2000-02-29T23:59:59Z", 951868799},
        {"2038-01-19T03:14:08Z", 2147483648},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"1969-12-31T23:59:59Z", -1},
        {"0001-01-01T00:00:00Z", -62135596800},
    };
    static const char *const bad[] = {
        "",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05+00:00",
        "2026-01-02T03:04:05.5Z",
        "2026-1-02T03:04:05ZZ",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01 00:00:00Z",
        "+026-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
    };
    char text[TUF_TIME_LEN + 1];
    int64_t s;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert(tuf_time_parse(good[i].text, &s));
        ck_assert_int_eq(s, good[i].seconds);
        tuf_time_text(s, text);
        ck_assert_str_eq(text, good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!tuf_time_parse(bad[i], &s), "%s", bad[i]);
    tuf_time_text(INT64_MAX, text);
    ck_assert_str_eq(text, "9999-12-31T23:59:59Z");
    tuf_time_text(INT64_MIN, text);
    ck_assert_str_eq(text, "0001-01-01T00:00:00Z");
    for (int64_t day = -700000; day < 2900000; day += 97) { /* there and back */
        tuf_time_text(day * 86400 + 3723, text);
        ck_assert(tuf_time_parse(text, &s));
        ck_assert_int_eq(s, day * 86400 + 3723);
    }
}
END_TEST

static void file_is(const char *name, const char *wanted)
{
    _cleanup_free_ char *file = tuf_path_file(name);

    ck_assert_str_eq(file, wanted);
}

START_TEST(test_names_never_become_paths)
{
    char longest[300];
    _cleanup_free_ char *file = NULL;

    file_is("targets", "targets");
    file_is("../delegated", "..%2Fdelegated");
    file_is("/etc/passwd", "%2Fetc%2Fpasswd");
    file_is("..", "%...");
    file_is(".", "%..");
    file_is("", "%.");
    file_is("a?b#c%d\n", "a%3Fb%23c%25d%0A");
    memset(longest, '/', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    file = tuf_path_file(longest);
    ck_assert_uint_eq(strlen(file), 2 + 64);

    ck_assert(tuf_path_safe("a"));
    ck_assert(tuf_path_safe("a/b.c/..d"));
    ck_assert(!tuf_path_safe(""));
    ck_assert(!tuf_path_safe("/a"));
    ck_assert(!tuf_path_safe("a/"));
    ck_assert(!tuf_path_safe("a//b"));
    ck_assert(!tuf_path_safe("a/../b"));
    ck_assert(!tuf_path_safe("./a"));
    ck_assert(!tuf_path_safe(".."));
}
END_TEST

/* --- files
 * ---------------------------------------------------------------------------------------- */

static const struct tuf_seed seed = {{1, 2, 3}};

/* Changes one field of a body that is fine ("a.b" is within "a"), or removes it, and parses it. */
static enum tuf_code parse_with(enum tuf_type type, const char *path, json_t *value)
{
    json_t *body = tuf_repo_body(type, 1, 1000), *at = body;
    _cleanup_buf_ struct buf text = BUF_INIT;
    _cleanup_free_ char *copy = xstrdup(path);
    char *name = copy, *dot;
    struct tuf_metadata *m = NULL;
    struct tuf_error err = {.text = ""};
    enum tuf_code r;

    if (type == TUF_ROOT)
        for (enum tuf_type t = 0; t < TUF_TYPES; t++)
            tuf_repo_set_role(body, t, &seed, 1, 1);
    if (type == TUF_TARGETS) {
        tuf_repo_add_target(body, "a", "x", 1);
        tuf_repo_delegate_bins(body, "bin", 4, &seed, 1, 1);
    }
    if (type == TUF_SNAPSHOT || type == TUF_TIMESTAMP)
        tuf_repo_add_meta(body, type == TUF_SNAPSHOT ? "targets" : "snapshot", 1, "x", 1);
    for (; (dot = strchr(name, '/')); name = dot + 1) {
        *dot = '\0';
        at = json_object_get(at, name);
        ck_assert_ptr_nonnull(at);
    }
    if (value)
        json_object_set_new(at, name, value);
    else
        json_object_del(at, name);
    tuf_repo_sign(body, &seed, 1, &text);
    r = tuf_metadata_parse(buf_cstr(&text), text.len, type, &m, &err);
    ck_assert_int_eq(r != TUF_OK, err.text[0] != '\0');
    ck_assert_int_eq(r == TUF_OK, m != NULL);
    tuf_metadata_free(m);
    return r;
}

START_TEST(test_fields)
{
    for (enum tuf_type t = 0; t < TUF_TYPES; t++) {
        ck_assert_int_eq(parse_with(t, "unknown", json_pack("{s:i}", "a", 1)), TUF_OK);
        ck_assert_int_eq(parse_with(t, "_type", json_string("mirrors")), TUF_TYPE);
        ck_assert_int_eq(parse_with(t, "_type", NULL), TUF_TYPE);
        ck_assert_int_eq(parse_with(t, "version", NULL), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "version", json_integer(0)), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "version", json_integer(INT64_MAX)), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "version", json_string("1")), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "version", json_true()), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "expires", NULL), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "expires", json_string("soon")), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "spec_version", NULL), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "spec_version", json_string("1")), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "spec_version", json_string("1.0.")), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "spec_version", json_string("1.0.0.0")), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "spec_version", json_string("1.x")), TUF_FORMAT);
        ck_assert_int_eq(parse_with(t, "spec_version", json_string("1.0")), TUF_OK);
        ck_assert_int_eq(parse_with(t, "spec_version", json_string("1.99.7")), TUF_OK);
        ck_assert_int_eq(parse_with(t, "spec_version", json_string("2.0.0")), TUF_SPEC_VERSION);
        ck_assert_int_eq(parse_with(t, "spec_version", json_string("10.0.0")), TUF_SPEC_VERSION);
    }
    ck_assert_int_eq(parse_with(TUF_ROOT, "consistent_snapshot", NULL), TUF_OK);
    ck_assert_int_eq(parse_with(TUF_ROOT, "consistent_snapshot", json_integer(1)), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_ROOT, "keys", NULL), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_ROOT, "keys/abc", json_object()), TUF_KEYID);
    ck_assert_int_eq(parse_with(TUF_ROOT, "roles", NULL), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_ROOT, "roles/root", NULL), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_ROOT, "roles/timestamp", json_array()), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_ROOT, "roles/mirrors", json_array()), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_ROOT, "roles/root/threshold", json_integer(0)), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_ROOT, "roles/root/keyids", json_pack("[i]", 1)), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_SNAPSHOT, "meta", NULL), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_SNAPSHOT, "meta/targets.json", NULL), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_SNAPSHOT, "meta/a.json", json_object()), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_SNAPSHOT, "meta/targets.json/length", NULL), TUF_OK);
    ck_assert_int_eq(parse_with(TUF_SNAPSHOT, "meta/targets.json/hashes", NULL), TUF_OK);
    ck_assert_int_eq(parse_with(TUF_SNAPSHOT, "meta/targets.json/length", json_integer(-1)),
                     TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_SNAPSHOT, "meta/targets.json/hashes", json_object()),
                     TUF_FORMAT);
    ck_assert_int_eq(
        parse_with(TUF_TIMESTAMP, "meta/targets.json", json_pack("{s:i}", "version", 1)),
        TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_TARGETS, "targets", NULL), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_TARGETS, "targets/a/length", NULL), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_TARGETS, "targets/a/hashes", NULL), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_TARGETS, "targets/a/hashes/sha256", json_string("AB")),
                     TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_TARGETS, "targets/a/custom", json_integer(1)), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_TARGETS, "targets/a/custom", json_object()), TUF_OK);
    ck_assert_int_eq(parse_with(TUF_TARGETS, "delegations", NULL), TUF_OK);
    ck_assert_int_eq(parse_with(TUF_TARGETS, "delegations/roles", json_array()), TUF_FORMAT);
    ck_assert_int_eq(parse_with(TUF_TARGETS, "delegations/succinct_roles/bit_length",
                                json_integer(TUF_BIN_BITS_MAX + 1)),
                     TUF_FORMAT);
}
END_TEST

/* A delegated role that is fine but for one field. */
static enum tuf_code delegation_with(const char *field, json_t *value)
{
    json_t *role = json_pack("{s:s, s:[], s:i, s:b, s:[s]}", "name", "a", "keyids", "threshold", 1,
                             "terminating", 0, "paths", "*");

    if (value)
        json_object_set_new(role, field, value);
    else
        json_object_del(role, field);
    return parse_with(TUF_TARGETS, "delegations",
                      json_pack("{s:{}, s:[o]}", "keys", "roles", role));
}

START_TEST(test_delegation_fields)
{
    ck_assert_int_eq(delegation_with("unknown", json_integer(1)), TUF_OK);
    ck_assert_int_eq(delegation_with("name", NULL), TUF_FORMAT);
    ck_assert_int_eq(delegation_with("name", json_string("root")), TUF_FORMAT);
    ck_assert_int_eq(delegation_with("name", json_string("")), TUF_FORMAT);
    ck_assert_int_eq(delegation_with("keyids", NULL), TUF_FORMAT);
    ck_assert_int_eq(delegation_with("threshold", json_integer(-1)), TUF_FORMAT);
    ck_assert_int_eq(delegation_with("terminating", NULL), TUF_FORMAT);
    ck_assert_int_eq(delegation_with("paths", json_string("*")), TUF_FORMAT);
    ck_assert_int_eq(delegation_with("paths", json_pack("[i]", 1)), TUF_FORMAT);
    ck_assert_int_eq(delegation_with("paths", NULL), TUF_OK);
    ck_assert_int_eq(delegation_with("path_hash_prefixes", json_pack("[s]", "ab")), TUF_FORMAT);
    ck_assert_int_eq(
        parse_with(TUF_TARGETS, "delegations",
                   json_pack("{s:{}, s:[{s:s, s:[], s:i, s:b}, {s:s, s:[], s:i, s:b}]}", "keys",
                             "roles", "name", "a", "keyids", "threshold", 1, "terminating", 0,
                             "name", "a", "keyids", "threshold", 1, "terminating", 0)),
        TUF_DUPLICATE);
}
END_TEST

static enum tuf_code parse_text(const char *text)
{
    struct tuf_metadata *m = NULL;
    struct tuf_error err;
    enum tuf_code r = tuf_metadata_parse(text, strlen(text), TUF_TARGETS, &m, &err);

    tuf_metadata_free(m);
    return r;
}

START_TEST(test_outer_form)
{
#define BODY                                                                       \
    "\"signed\":{\"_type\":\"targets\",\"spec_version\":\"1.0.34\",\"version\":1," \
    "\"expires\":\"2026-01-02T03:04:05Z\",\"targets\":{}}"
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

    ck_assert_int_eq(parse_text("{" BODY ",\"signatures\":[]}"), TUF_OK);
    ck_assert_int_eq(parse_text("{" BODY "}"), TUF_FORMAT);
    ck_assert_int_eq(parse_text("{\"signed\":{\"_type\":1.5},\"signatures\":[]}"), TUF_FORMAT);
    ck_assert_int_eq(parse_text("{\"signatures\":[]}"), TUF_FORMAT);
    ck_assert_int_eq(parse_text("[]"), TUF_FORMAT);
    ck_assert_int_eq(parse_text(""), TUF_FORMAT);
    ck_assert_int_eq(parse_text("{" BODY ",\"signatures\":[]}x"), TUF_FORMAT);
    ck_assert_int_eq(parse_text("{" BODY "," BODY ",\"signatures\":[]}"), TUF_FORMAT);
    ck_assert_int_eq(parse_text("{" BODY ",\"signatures\":[{\"keyid\":\"" ID "\",\"sig\":\"\"}]}"),
                     TUF_OK);
    ck_assert_int_eq(parse_text("{" BODY ",\"signatures\":[{\"keyid\":\"" ID "\"}]}"), TUF_FORMAT);
    ck_assert_int_eq(parse_text("{" BODY ",\"signatures\":[{\"keyid\":\"x\",\"sig\":\"\"}]}"),
                     TUF_FORMAT);
    ck_assert_int_eq(parse_text("{" BODY ",\"signatures\":[{\"keyid\":\"" ID "\",\"sig\":\"\"},"
                                "{\"keyid\":\"" ID "\",\"sig\":\"\"}]}"),
                     TUF_DUPLICATE);
}
END_TEST

/* --- signatures
 * ----------------------------------------------------------------------------------- */

/* Signed by the first `signers` of three keys, of which the root wants `threshold`; `twice` lists
 * the first key under a second name, too. */
static enum tuf_code signed_by(size_t signers, int64_t threshold, bool twice, bool broken)
{
    static const struct tuf_seed seeds[3] = {{{1}}, {{2}}, {{3}}};
    json_t *body = tuf_repo_body(TUF_ROOT, 1, 1000);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct tuf_metadata *m = NULL;
    struct tuf_role role;
    struct tuf_error err;
    enum tuf_code r;

    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        tuf_repo_set_role(body, t, seeds, 3, threshold);
    tuf_repo_sign(body, seeds, signers, &text);
    if (broken)
        memcpy(strstr(text.data, "\"sig\":\"") + 7, "00000000", 8);
    ck_assert_int_eq(tuf_metadata_parse(text.data, text.len, TUF_ROOT, &m, &err), TUF_OK);
    tuf_root_role(m, TUF_ROOT, &role);
    if (twice) { /* the first signature again, under the names of keys that are the same key */
        json_t *signatures = json_object_get(m->doc, "signatures");
        json_t *other = json_deep_copy(
            json_object_get(role.keys, json_string_value(json_array_get(role.keyids, 0))));
        char name[TUF_KEYID_LEN + 1];

        json_object_set_new(other, "x", json_integer(1));
        memset(name, 'a', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        json_object_set_new((json_t *)role.keys, name, other);
        json_array_append_new((json_t *)role.keyids, json_string(name));
        json_array_append_new(signatures,
                              json_pack("{s:s, s:O}", "keyid", name, "sig",
                                        json_object_get(json_array_get(signatures, 0), "sig")));
    }
    r = tuf_metadata_verify(m, &role, &err);
    tuf_metadata_free(m);
    return r;
}

START_TEST(test_threshold)
{
    ck_assert_int_eq(signed_by(1, 1, false, false), TUF_OK);
    ck_assert_int_eq(signed_by(3, 3, false, false), TUF_OK);
    ck_assert_int_eq(signed_by(0, 1, false, false), TUF_THRESHOLD);
    ck_assert_int_eq(signed_by(2, 3, false, false), TUF_THRESHOLD);
    ck_assert_int_eq(signed_by(3, 4, false, false), TUF_THRESHOLD);
    ck_assert_int_eq(signed_by(3, INT64_MAX - 1, false, false), TUF_THRESHOLD);
    ck_assert_int_eq(signed_by(3, 2, false, true), TUF_OK); /* two others hold */
    ck_assert_int_eq(signed_by(3, 3, false, true), TUF_SIGNATURE);
    ck_assert_int_eq(signed_by(1, 2, true, false), TUF_THRESHOLD); /* one key, two names */
    ck_assert_int_eq(signed_by(2, 2, true, false), TUF_OK);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tuf_metadata");
    TCase *t = unit_case(s, "tuf_metadata", NULL, NULL);

    tcase_add_test(t, test_canonical);
    tcase_add_test(t, test_canonical_is_bounded);
    tcase_add_test(t, test_key_kinds);
    tcase_add_test(t, test_ed25519_vector);
    tcase_add_test(t, test_same_key);
    tcase_add_test(t, test_patterns);
    tcase_add_test(t, test_times);
    tcase_add_test(t, test_names_never_become_paths);
    tcase_add_test(t, test_fields);
    tcase_add_test(t, test_delegation_fields);
    tcase_add_test(t, test_outer_form);
    tcase_add_test(t, test_threshold);
    return unit_run(s);
}
