/* SPDX-License-Identifier: Apache-2.0 */
/* When what is published is signed again: before the first of its parts expires, whoever signed it
 * last, and whatever the clock said before. */
#include "service/refresh.h"

#include <time.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "controller/repository.h"
#include "tests/unit/unit.h"

#define DAY 86400
#define OF_X "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

static char folder[UNIT_FOLDER_SIZE];
static char *repo, *keys, *secret;
static struct controller_settings settings;
static struct refresh refresh;
static struct passphrase passphrase;
static int64_t now;

/* `expires`: other days than the repository's. */
static void publish(const char *expires)
{
    const struct repository_options o = {
        .dir = repo, .keys = keys, .passphrase = &passphrase, .expires = expires};
    static const struct tuf_repo_file file = {
        .path = "gateways/perth.tar", .data = "x", .len = 1, .sha256 = OF_X};
    struct error_list err = ERROR_LIST_INIT;
    struct repository_result result;
    int64_t seen;

    ck_assert_int_eq(repository_begin(&o, &seen, &err), 0);
    ck_assert_int_eq(repository_publish(&o, &file, 1, seen, &result, &err), 0);
    repository_result_clear(&result);
}

static void setup(void)
{
    struct error_list err = ERROR_LIST_INIT;
    struct repository_options o = {.expires = "targets=180,timestamp=14"};
    struct repository_result result;

    unit_folder(folder);
    repo = xasprintf("%s/repo", folder);
    keys = xasprintf("%s/keys", folder);
    secret = xasprintf("%s/passphrase", folder);
    ck_assert_int_eq(fs_write(secret, "of the test\n", 12, 0600, &err), 0);
    passphrase = (struct passphrase){.file = secret, .what = "of the test"};
    settings = (struct controller_settings){.repository = repo, .keys = keys};
    refresh = (struct refresh){0};
    o.dir = repo;
    o.keys = keys;
    o.passphrase = &passphrase;
    ck_assert_int_eq(repository_init(&o, 1, 1, &result, &err), 0);
    repository_result_clear(&result);
    publish(NULL);
    now = time(NULL);
}

static void teardown(void)
{
    struct error_list err = ERROR_LIST_INIT;

    refresh_clear(&refresh);
    passphrase_clear(&passphrase);
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
    free(repo);
    free(keys);
    free(secret);
}

/* In seconds; the clock may have gone on by some. */
static void about(int64_t is, int64_t should_be)
{
    ck_assert_int_ge(is, should_be - 60);
    ck_assert_int_le(is, should_be + 60);
}

START_TEST(half_of_what_is_left)
{
    ck_assert_int_eq(refresh_next(1000, 1000 + 2 * DAY), 1000 + DAY);
    ck_assert_int_eq(refresh_next(1000, 1000), 1060);
    ck_assert_int_eq(refresh_next(1000, 0), 1060);
}
END_TEST

/* The timestamp is good for 14 days, the snapshot for 7. */
START_TEST(the_first_that_expires_counts)
{
    refresh_run(&refresh, &settings, now);
    ck_assert_ptr_null(refresh.told);
    about(refresh.expires, now + 7 * DAY);
    about(refresh.next, now + 7 * DAY / 2);
}
END_TEST

START_TEST(somebody_publishes_for_a_shorter_time)
{
    refresh_run(&refresh, &settings, now);
    publish("timestamp=2");
    refresh_published(&refresh, &settings, now);
    about(refresh.expires, now + 2 * DAY);
    about(refresh.next, now + DAY);
    /* And for a longer one, or the same: it stays with the earlier time. */
    publish(NULL);
    refresh_published(&refresh, &settings, now + DAY / 2);
    about(refresh.expires, now + 7 * DAY);
    about(refresh.next, now + DAY);
}
END_TEST

START_TEST(the_clock_was_ahead)
{
    refresh_run(&refresh, &settings, now);
    refresh.planned += 30 * DAY;
    refresh.next += 30 * DAY;
    refresh_run(&refresh, &settings, now);
    about(refresh.next, now + 7 * DAY / 2);
    refresh.planned += 30 * DAY;
    refresh.next += 30 * DAY;
    refresh_published(&refresh, &settings, now);
    about(refresh.next, now + 7 * DAY / 2);
}
END_TEST

/* What is published by others expires, too, and is told; each minute it is tried again. */
START_TEST(it_cannot_be_signed)
{
    _cleanup_free_ char *key = xasprintf("%s/timestamp.pem", keys);

    ck_assert_int_eq(remove(key), 0);
    refresh_run(&refresh, &settings, now);
    ck_assert_ptr_nonnull(refresh.told);
    about(refresh.expires, now + 7 * DAY);
    ck_assert_int_eq(refresh.next, now + 60);
    refresh_run(&refresh, &settings, now - 10); /* not later, as the clock went back */
    ck_assert_int_eq(refresh.next, now + 50);
}
END_TEST

START_TEST(without_keys_nothing_is_done)
{
    settings.keys = NULL;
    refresh_run(&refresh, &settings, now);
    refresh_published(&refresh, &settings, now);
    ck_assert_int_eq(refresh.expires, 0);
    ck_assert_int_eq(refresh.next, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("refresh");
    TCase *t = unit_case(s, "refresh", setup, teardown);

    tcase_add_test(t, half_of_what_is_left);
    tcase_add_test(t, the_first_that_expires_counts);
    tcase_add_test(t, somebody_publishes_for_a_shorter_time);
    tcase_add_test(t, the_clock_was_ahead);
    tcase_add_test(t, it_cannot_be_signed);
    tcase_add_test(t, without_keys_nothing_is_done);
    return unit_run(s);
}
