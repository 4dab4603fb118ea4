/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of enrolment: the authority (controller/ca.h) and the gateway (agent/key.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/key.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "controller/ca.h"
#include "tests/unit/unit.h"

#define OPENSSL "/usr/bin/openssl"

static struct error_list err;
static char top[UNIT_FOLDER_SIZE];
static char *ca, *keys, *request, *answer;

static void setup(void)
{
    unit_folder(top);
    ca = xasprintf("%s/ca", top);
    keys = xasprintf("%s/keys", top);
    request = xasprintf("%s/gateway.csr", keys);
    answer = xasprintf("%s/answer", top);
    ck_assert_int_eq(mkdir(keys, 0755), 0);
}

static void teardown(void)
{
    fs_remove_tree(top, &err);
    free(ca);
    free(keys);
    free(request);
    free(answer);
    error_clear(&err);
}

static int generate(const char *gateway)
{
    struct key_request made;
    int r = key_generate(keys, gateway, KEY_KEEP, getuid(), getgid(), &made, &err);

    if (r == 0)
        key_request_clear(&made);
    return r;
}

/* Answers `request` into `answer`. */
static int enroll(const char *authority, uint32_t generation)
{
    struct ca_answer made;
    int r = ca_enroll(authority, request, generation, &made, &err);

    if (r == 0) {
        ck_assert_int_eq(fs_write(answer, buf_cstr(&made.pem), made.pem.len, 0644, &err), 0);
        ca_answer_clear(&made);
    }
    return r;
}

static int install(void)
{
    struct key_installed done;
    int r = key_install(keys, answer, &done, &err);

    key_installed_clear(&done);
    return r;
}

/* OpenSSL's own program is the second opinion; the arguments end with NULL. */
static int openssl(const char *const *arguments)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(127);
        execv(OPENSSL, (char *const *)arguments);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static unsigned mode_of(const char *folder, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_mode & 07777;
}

START_TEST(whole_way)
{
    _cleanup_free_ char *ca_crt = xasprintf("%s/ca.crt", keys);
    _cleanup_free_ char *crt = xasprintf("%s/gateway.crt", keys);
    _cleanup_free_ char *name = NULL;
    struct key_installed done;

    ck_assert_int_eq(ca_init(ca, "five-sites", &err), 0);
    ck_assert_uint_eq(mode_of(top, "ca"), 0700);
    ck_assert_uint_eq(mode_of(ca, "ca.key"), 0600);
    ck_assert_int_eq(generate("perth"), 0);
    ck_assert_uint_eq(mode_of(keys, "gateway.key"), 0600);
    ck_assert_int_eq(enroll(ca, 1), 0);
    ck_assert_int_eq(key_install(keys, answer, &done, &err), 0);
    ck_assert_str_eq(done.common_name, "perth.g1");
    ck_assert(done.changed);
    ck_assert_int_eq(strncmp(done.not_after, "20", 2), 0);
    key_installed_clear(&done);
    ck_assert(!key_is_anothers(keys, "perth", &name) && !name);
    ck_assert(!key_is_anothers(top, "sydney", &name) && !name); /* nothing is installed there */
    ck_assert(key_is_anothers(keys, "sydney", &name));
    ck_assert_str_eq(name, "perth.g1");
    ck_assert_uint_eq(mode_of(ca, "issued/perth.g1.crt"), 0644);
    ck_assert_int_eq(openssl((const char *[]){"openssl", "verify", "-x509_strict", "-CAfile",
                                              ca_crt, "-purpose", "sslserver", crt, NULL}),
                     0);
    ck_assert_int_eq(openssl((const char *[]){"openssl", "verify", "-x509_strict", "-CAfile",
                                              ca_crt, "-purpose", "sslclient", crt, NULL}),
                     0);
    ck_assert_int_eq(openssl((const char *[]){"openssl", "verify", "-CAfile", ca_crt, "-purpose",
                                              "smimesign", crt, NULL}),
                     2);
    ck_assert_int_eq(key_install(keys, answer, &done, &err), 0);
    ck_assert(!done.changed);
    key_installed_clear(&done);
}
END_TEST

START_TEST(fingerprints_agree)
{
    struct key_request made;
    struct ca_answer given;

    ck_assert_int_eq(ca_init(ca, NULL, &err), 0);
    ck_assert_int_eq(key_generate(keys, "perth", KEY_KEEP, getuid(), getgid(), &made, &err), 0);
    ck_assert_int_eq(ca_enroll(ca, request, 7, &given, &err), 0);
    ck_assert_str_eq(made.fingerprint, given.fingerprint);
    ck_assert_uint_eq(strlen(made.fingerprint), DIGEST_SPOKEN_LEN);
    ck_assert_str_eq(given.common_name, "perth.g7");
    ck_assert(!given.renewed);
    key_request_clear(&made);
    ca_answer_clear(&given);
}
END_TEST

START_TEST(an_authority_is_never_replaced)
{
    _cleanup_free_ char *key = xasprintf("%s/ca.key", ca);
    _cleanup_buf_ struct buf before = BUF_INIT, after = BUF_INIT;

    ck_assert_int_eq(ca_init(ca, NULL, &err), 0);
    ck_assert_int_eq(fs_read(key, 65536, &before, &err), 0);
    ck_assert_int_eq(ca_init(ca, NULL, &err), -EINVAL);
    ck_assert(unit_says(&err, "never replaced"));
    ck_assert_int_eq(fs_read(key, 65536, &after, &err), 0);
    ck_assert_str_eq(buf_cstr(&before), buf_cstr(&after));
    ck_assert_int_eq(ca_init(key, NULL, &err), -EINVAL); /* not over a file either */
    ck_assert_int_eq(ca_init(keys, "no/name", &err), -EINVAL);
    ck_assert_int_eq(ca_init(keys, "mesh", &err), 0); /* an empty folder will do */
}
END_TEST

START_TEST(a_key_is_reused)
{
    _cleanup_free_ char *key = xasprintf("%s/gateway.key", keys);
    _cleanup_buf_ struct buf before = BUF_INIT, after = BUF_INIT;
    struct key_request made;

    ck_assert_int_eq(key_generate(keys, "perth", KEY_KEEP, getuid(), getgid(), &made, &err), 0);
    ck_assert(!made.reused);
    key_request_clear(&made);
    ck_assert_int_eq(fs_read(key, 65536, &before, &err), 0);
    ck_assert_int_eq(key_generate(keys, "perth", KEY_KEEP, getuid(), getgid(), &made, &err), 0);
    ck_assert(made.reused);
    key_request_clear(&made);
    ck_assert_int_eq(fs_read(key, 65536, &after, &err), 0);
    ck_assert_str_eq(buf_cstr(&before), buf_cstr(&after));
    ck_assert_int_eq(generate("sydney"), -EINVAL);
    ck_assert(unit_says(&err, "that of gateway 'perth'"));
    ck_assert_int_eq(generate("../perth"), -EINVAL);
}
END_TEST

START_TEST(one_name_one_key)
{
    _cleanup_free_ char *away = xasprintf("%s/away", top);
    struct ca_answer given;

    ck_assert_int_eq(ca_init(ca, NULL, &err), 0);
    ck_assert_int_eq(generate("perth"), 0);
    ck_assert_int_eq(enroll(ca, 1), 0);
    ck_assert_int_eq(ca_enroll(ca, request, 1, &given, &err), 0);
    ck_assert(given.renewed);
    ca_answer_clear(&given);
    ck_assert_int_eq(rename(keys, away), 0);
    ck_assert_int_eq(mkdir(keys, 0755), 0);
    ck_assert_int_eq(generate("perth"), 0);
    ck_assert_int_eq(enroll(ca, 1), -EINVAL);
    ck_assert(unit_says(&err, "issued for another key; if"));
    ck_assert_int_eq(install(), -EINVAL); /* the old answer */
    ck_assert(unit_says(&err, "another key than this gateway's"));
    ck_assert_int_eq(enroll(ca, 2), 0);
    ck_assert_int_eq(install(), 0);
}
END_TEST

/* Another TLS key does not bring the link key of an earlier generation back. */
START_TEST(a_link_key_that_was_given_up)
{
    _cleanup_free_ char *key = xasprintf("%s/gateway.key", keys);

    ck_assert_int_eq(ca_init(ca, NULL, &err), 0);
    ck_assert_int_eq(generate("perth"), 0);
    ck_assert_int_eq(enroll(ca, 1), 0);
    ck_assert_int_eq(unlink(key), 0);
    ck_assert_int_eq(generate("perth"), 0);
    ck_assert_int_eq(enroll(ca, 2), -EINVAL);
    ck_assert(unit_says(&err, "that key was given up"));
}
END_TEST

/* Killed after any of its steps, the switch is ended by whatever comes next, and no answer is of
 * one authority's key and the other's certificate. */
START_TEST(a_switch_that_was_killed)
{
    static const char *const steps[][2] = {{"ca.crt", "previous.crt"}, {"next.key", "ca.key"}};
    _cleanup_free_ char *next = xasprintf("%s/next.crt", ca);

    for (size_t done = 0; done <= 2; done++) {
        ck_assert_int_eq(ca_init(ca, NULL, &err), 0);
        ck_assert_int_eq(ca_rollover(ca, NULL, &err), 0);
        for (size_t i = 0; i < done; i++) {
            _cleanup_free_ char *from = xasprintf("%s/%s", ca, steps[i][0]);
            _cleanup_free_ char *to = xasprintf("%s/%s", ca, steps[i][1]);

            ck_assert_int_eq(i == 0 ? link(from, to) : rename(from, to), 0);
        }
        ck_assert_int_eq(generate("perth"), 0);
        ck_assert_int_eq(enroll(ca, 1), 0);
        ck_assert_int_eq(access(next, F_OK), done == 2 ? -1 : 0);
        ck_assert_int_eq(ca_switch(ca, &err), done == 2 ? -EINVAL : 0);
        ck_assert_int_eq(enroll(ca, 1), 0);
        ck_assert_int_eq(ca_retire(ca, &err), 0);
        ck_assert_int_eq(fs_remove_tree(ca, &err), 0);
    }
}
END_TEST

START_TEST(another_authority)
{
    _cleanup_free_ char *other = xasprintf("%s/other", top);
    _cleanup_free_ char *ca_crt = xasprintf("%s/ca.crt", keys);

    ck_assert_int_eq(ca_init(ca, NULL, &err), 0);
    ck_assert_int_eq(ca_init(other, NULL, &err), 0);
    ck_assert_int_eq(generate("perth"), 0);
    ck_assert_int_eq(enroll(ca, 1), 0);
    ck_assert_int_eq(install(), 0);
    ck_assert_int_eq(enroll(other, 1), 0);
    ck_assert_int_eq(install(), -EINVAL);
    ck_assert(unit_says(&err, "another authority"));
    ck_assert_int_eq(unlink(ca_crt), 0);
    ck_assert_int_eq(install(), 0);
}
END_TEST

/* The certificate of one authority with the other's beside it. */
START_TEST(a_chain_that_does_not_hold)
{
    _cleanup_free_ char *other = xasprintf("%s/other", top);
    _cleanup_free_ char *other_crt = xasprintf("%s/other/ca.crt", top);
    _cleanup_buf_ struct buf text = BUF_INIT;
    char *end;

    ck_assert_int_eq(ca_init(ca, NULL, &err), 0);
    ck_assert_int_eq(ca_init(other, NULL, &err), 0);
    ck_assert_int_eq(generate("perth"), 0);
    ck_assert_int_eq(enroll(ca, 1), 0);
    ck_assert_int_eq(fs_read(answer, 65536, &text, &err), 0);
    end = strstr(text.data, "-----END CERTIFICATE-----\n");
    text.len = (size_t)(end - text.data) + strlen("-----END CERTIFICATE-----\n");
    ck_assert_int_eq(fs_write(answer, text.data, text.len, 0644, &err), 0);
    ck_assert_int_eq(install(), -EINVAL);
    ck_assert(unit_says(&err, "no answer of"));
    ck_assert_int_eq(fs_read(other_crt, 65536, &text, &err), 0);
    ck_assert_int_eq(fs_write(answer, text.data, text.len, 0644, &err), 0);
    ck_assert_int_eq(install(), -EINVAL);
    ck_assert(unit_says(&err, "not valid here and now"));
}
END_TEST

/* What other programs may send: RSA, another curve, a longer subject, a broken signature. */
START_TEST(other_requests)
{
    _cleanup_free_ char *key = xasprintf("%s/other.key", top);
    _cleanup_buf_ struct buf text = BUF_INIT;

    ck_assert_int_eq(ca_init(ca, NULL, &err), 0);
    request = (free(request), xasprintf("%s/other.csr", top));
    ck_assert_int_eq(
        openssl((const char *[]){"openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes",
                                 "-keyout", key, "-subj", "/CN=perth", "-out", request, NULL}),
        0);
    ck_assert_int_eq(enroll(ca, 1), -EINVAL);
    ck_assert(unit_says(&err, "not of the kind P-256"));
    ck_assert_int_eq(openssl((const char *[]){"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                                              "ec_paramgen_curve:P-384", "-nodes", "-keyout", key,
                                              "-subj", "/CN=perth", "-out", request, NULL}),
                     0);
    error_clear(&err);
    ck_assert_int_eq(enroll(ca, 1), -EINVAL);
    ck_assert(unit_says(&err, "not of the kind P-256"));
    for (unsigned i = 0; i < 3; i++) {
        static const char *const subjects[] = {"/O=x/CN=perth", "/CN=per th", "/O=perth"};

        ck_assert_int_eq(
            openssl((const char *[]){"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                                     "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj",
                                     subjects[i], "-out", request, NULL}),
            0);
        error_clear(&err);
        ck_assert_int_eq(enroll(ca, 1), -EINVAL);
        ck_assert(unit_says(&err, "not just the name of a gateway"));
    }
    ck_assert_int_eq(openssl((const char *[]){"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                                              "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                                              "-subj", "/CN=perth", "-out", request, NULL}),
                     0);
    ck_assert_int_eq(enroll(ca, 1), 0);
    ck_assert_int_eq(openssl((const char *[]){"openssl", "req", "-in", request, "-outform", "DER",
                                              "-out", key, NULL}),
                     0);
    ck_assert_int_eq(fs_read(key, 65536, &text, &err), 0);
    text.data[text.len - 1] ^= 1; /* in the signature */
    ck_assert_int_eq(fs_write(key, text.data, text.len, 0600, &err), 0);
    ck_assert_int_eq(openssl((const char *[]){"openssl", "req", "-inform", "DER", "-in", key,
                                              "-out", request, NULL}),
                     0);
    ck_assert_int_eq(enroll(ca, 1), -EINVAL);
    ck_assert(unit_says(&err, "signature of the request is wrong"));
    ck_assert_int_eq(fs_write(request, "hello", 5, 0644, &err), 0);
    ck_assert_int_eq(enroll(ca, 1), -EINVAL);
    ck_assert(unit_says(&err, "this is no request"));
}
END_TEST

START_TEST(missing_things)
{
    ck_assert_int_eq(generate("perth"), 0);
    ck_assert_int_eq(enroll(ca, 1), -EINVAL);
    ck_assert(unit_says(&err, "no authority in this folder"));
    ck_assert_int_eq(install(), -EINVAL);
    ck_assert(unit_says(&err, "no such file"));
    ck_assert_int_eq(ca_init(ca, NULL, &err), 0);
    ck_assert_int_eq(enroll(ca, 1), 0);
    fs_remove_tree(keys, &err);
    ck_assert_int_eq(install(), -EINVAL);
    ck_assert(unit_says(&err, "no key that this could be the answer for"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ca");
    TCase *t = unit_case(s, "ca", setup, teardown);

    tcase_add_test(t, whole_way);
    tcase_add_test(t, fingerprints_agree);
    tcase_add_test(t, an_authority_is_never_replaced);
    tcase_add_test(t, a_key_is_reused);
    tcase_add_test(t, one_name_one_key);
    tcase_add_test(t, a_link_key_that_was_given_up);
    tcase_add_test(t, a_switch_that_was_killed);
    tcase_add_test(t, another_authority);
    tcase_add_test(t, a_chain_that_does_not_hold);
    tcase_add_test(t, other_requests);
    tcase_add_test(t, missing_things);
    tcase_set_timeout(t, 30);
    return unit_run(s);
}
