/* SPDX-License-Identifier: Apache-2.0 */
/* A repository in a folder: what is published is what the client gets, through libcurl's file:// */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/command.h"
#include "common/fs.h"
#include "tests/unit/unit.h"
#include "tuf/fetch_curl.h"
#include "tuf/repo_publish.h"
#include "tuf/repo_read.h"
#include "tuf/repo_root.h"
#include "tuf/updater.h"

#define NOW 1800000000
#define DAY 86400

static char folder[UNIT_FOLDER_SIZE], client[UNIT_FOLDER_SIZE], targets[UNIT_FOLDER_SIZE];
static struct tuf_repo repo;
static struct tuf_error err;
static size_t bytes; /* of metadata that the client fetched last */

static void setup(void)
{
    unit_folder(folder);
    unit_folder(client);
    unit_folder(targets);
    repo = (struct tuf_repo){.metadata_dir = folder, .target_dir = targets};
    for (int t = 0; t < TUF_TYPES; t++) {
        repo.expires[t] = NOW + DAY;
        repo.keep_until[t] = NOW;
        ck_assert(tuf_seed_generate(repo.seeds[t].bytes));
    }
}

static void teardown(void)
{
    struct error_list list = ERROR_LIST_INIT;

    fs_remove_tree(folder, &list);
    fs_remove_tree(client, &list);
    fs_remove_tree(targets, &list);
    error_clear(&list);
}

static void starts(void)
{
    _cleanup_free_ char *path = xasprintf("%s/1.root.json", folder);
    _cleanup_buf_ struct buf root = BUF_INIT;
    struct error_list list = ERROR_LIST_INIT;

    ck_assert_int_eq(tuf_repo_init(&repo, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_init(&repo, &err), TUF_STATE);
    ck_assert_int_eq(fs_read(path, 100000, &root, &list), 0);
    ck_assert_int_eq(tuf_updater_init(client, root.data, root.len, &err), TUF_OK);
}

static enum tuf_code count(void *ctx, const char *url, size_t max, struct buf *ret,
                           struct tuf_error *e)
{
    size_t before = ret->len;
    enum tuf_code r = tuf_curl_fetch(ctx, url, max, ret, e);

    if (r == TUF_OK && strstr(url, ".json"))
        bytes += ret->len - before;
    return r;
}

static enum tuf_code get(const char *path, int64_t now, struct buf *ret)
{
    _cleanup_free_ char *url = xasprintf("file://%s", folder);
    _cleanup_free_ char *target_url = xasprintf("file://%s/", targets);
    struct tuf_curl *curl = tuf_curl_new(30, &err);
    struct tuf_updater u = {
        .metadata_dir = client,
        .metadata_url = url,
        .target_url = target_url,
        .now = now,
        .fetch = count,
        .fetch_ctx = curl,
    };
    enum tuf_code r;

    bytes = 0;
    r = tuf_updater_refresh(&u, &err);
    if (r == TUF_OK && path)
        r = tuf_updater_target(&u, path, NULL, ret, &err);
    tuf_updater_close(&u);
    tuf_curl_free(curl);
    return r;
}

static void gets(const char *path, const char *content)
{
    _cleanup_buf_ struct buf data = BUF_INIT;
    enum tuf_code r = get(path, NOW, &data);

    ck_assert_msg(r == TUF_OK, "%s", err.text);
    ck_assert_str_eq(buf_cstr(&data), content);
}

static void publish_and_get(unsigned bins)
{
    struct tuf_repo_file files[] = {
        {"gateway/a.tar", "of a", 4}, {"gateway/b c?#%.tar", "of b", 4}, {"c", "of c", 4}};
    int64_t version = -1;

    repo.bins = bins;
    starts();
    ck_assert_int_eq(tuf_repo_version(&repo, &version, &err), TUF_OK);
    ck_assert_int_eq(version, 0);
    ck_assert_int_eq(tuf_repo_refresh(&repo, &err), TUF_STATE);
    ck_assert_int_eq(tuf_repo_publish(&repo, files, 3, 0, &err), TUF_OK);
    gets("gateway/a.tar", "of a");
    gets("gateway/b c?#%.tar", "of b");
    gets("c", "of c");
    files[0] = (struct tuf_repo_file){"gateway/a.tar", "new", 3};
    ck_assert_int_eq(tuf_repo_publish(&repo, files, 2, 1, &err), TUF_OK);
    gets("gateway/a.tar", "new");
    ck_assert_int_eq(get("c", NOW, &(struct buf)BUF_INIT), TUF_NO_TARGET);
    ck_assert_int_eq(tuf_repo_version(&repo, &version, &err), TUF_OK);
    ck_assert_int_eq(version, 2);
}

START_TEST(test_publish)
{
    publish_and_get(0);
}
END_TEST

START_TEST(test_publish_bins)
{
    publish_and_get(5);
    repo.bins = 4;
    ck_assert_int_eq(tuf_repo_publish(&repo, NULL, 0, 2, &err), TUF_VANISHED);
}
END_TEST

/* Of two operators who saw the same, one loses, and nothing of his is seen. */
START_TEST(test_compare_and_swap)
{
    const struct tuf_repo_file one = {"a", "one", 3}, other = {"a", "other", 5};

    starts();
    ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, 0, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_publish(&repo, &other, 1, 0, &err), TUF_VERSION);
    ck_assert_int_eq(tuf_repo_publish(&repo, &other, 1, 2, &err), TUF_VERSION);
    gets("a", "one");
    ck_assert_int_eq(tuf_repo_publish(&repo, &other, 1, 1, &err), TUF_OK);
    gets("a", "other");
}
END_TEST

START_TEST(test_freshness)
{
    const struct tuf_repo_file one = {"a", "one", 3};
    _cleanup_buf_ struct buf data = BUF_INIT;

    starts();
    for (int t = 0; t < TUF_TYPES; t++)
        repo.expires[t] = NOW + 100 * DAY;
    repo.expires[TUF_TIMESTAMP] = NOW + DAY;
    ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, 0, &err), TUF_OK);
    ck_assert_int_eq(get("a", NOW, &data), TUF_OK);
    ck_assert_int_eq(get("a", NOW + DAY, &data), TUF_EXPIRED); /* the root, here */
    teardown();
    setup();
    repo.expires[TUF_ROOT] = repo.expires[TUF_TARGETS] = repo.expires[TUF_SNAPSHOT] =
        NOW + 100 * DAY;
    starts();
    ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, 0, &err), TUF_OK);
    ck_assert_int_eq(get("a", NOW + DAY, &data), TUF_EXPIRED); /* the timestamp */
    repo.expires[TUF_TIMESTAMP] = NOW + 2 * DAY;
    ck_assert_int_eq(tuf_repo_refresh(&repo, &err), TUF_OK);
    ck_assert_int_eq(get("a", NOW + DAY, &data), TUF_OK);
    ck_assert_str_eq(buf_cstr(&data), "one");
}
END_TEST

/* What an agent of a mesh of 10,000 reads for a change that is not its own: at most 100 KiB. */
START_TEST(test_ten_thousand_gateways)
{
    enum { N = 10000 };
    struct tuf_repo_file *files = xcalloc(N, sizeof(*files));
    char(*names)[32] = xcalloc(N, sizeof(*names));

    repo.bins = 8;
    repo.target_dir = NULL;
    starts();
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "gateway/gateway-%05d.tar", i);
        files[i] = (struct tuf_repo_file){names[i], names[i], strlen(names[i])};
    }
    ck_assert_int_eq(tuf_repo_publish(&repo, files, N, 0, &err), TUF_OK);
    ck_assert_int_eq(get(names[1], NOW, &(struct buf)BUF_INIT), TUF_NOT_FOUND); /* no bytes there */
    files[0].data = "other";
    files[0].len = 5;
    ck_assert_int_eq(tuf_repo_publish(&repo, files, N, 1, &err), TUF_OK);
    ck_assert_int_eq(get(names[1], NOW, &(struct buf)BUF_INIT), TUF_NOT_FOUND);
    ck_assert_uint_gt(bytes, 1000);
    ck_assert_uint_le(bytes, 100 << 10);
    if (getenv("TUF_SAY"))
        fprintf(stderr, "%zu bytes of metadata\n", bytes);
    free(names);
    free(files);
}
END_TEST

static json_t *newest_root(void)
{
    json_t *root;

    ck_assert_int_eq(tuf_repo_read_root(folder, &root, &err), TUF_OK);
    return root;
}

/* The next root, which names another key for a role, signed with the root's and, if the root's own
 * changes, the new one. */
static enum tuf_code rotate(enum tuf_type type, const struct tuf_seed *to)
{
    json_t *before = newest_root(), *root = tuf_root_next(before, NOW + DAY);
    char keyid[TUF_KEYID_LEN + 1];
    json_t *key = tuf_seed_public(to->bytes, keyid);
    enum tuf_code r;

    tuf_root_set_keys(root, type, (const json_t *const[]){key}, 1, 1);
    tuf_root_sign(root, &repo.seeds[TUF_ROOT]);
    if (type == TUF_ROOT)
        tuf_root_sign(root, to);
    r = tuf_repo_put_root(&repo, root, &err);
    json_decref(key);
    json_decref(root);
    json_decref(before);
    return r;
}

/* Every key is replaced, one after the other.  A client sees no moment at which anything is wrong:
 * what the role says is signed with both keys before the root names the new one. */
START_TEST(test_rotation)
{
    const struct tuf_repo_file one = {.path = "a", .data = "one", .len = 3};
    struct tuf_seed stranger = {{42}};
    int64_t seen;

    repo.bins = 2;
    starts();
    ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, 0, &err), TUF_OK);
    gets("a", "one");
    for (enum tuf_type t = 0; t < TUF_TYPES; t++) {
        struct tuf_seed next;

        ck_assert(tuf_seed_generate(next.bytes));
        repo.next[t] = &next;
        ck_assert_int_eq(tuf_repo_seen(&repo, &seen, &err), TUF_OK);
        ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, seen, &err), TUF_OK);
        gets("a", "one");
        ck_assert_int_eq(rotate(t, &next), TUF_OK);
        gets("a", "one");
        repo.seeds[t] = next;
        repo.next[t] = NULL;
        ck_assert_int_eq(tuf_repo_refresh(&repo, &err), TUF_OK);
        gets("a", "one");
    }
    repo.seeds[TUF_ROOT] = stranger; /* whoever has no key changes nothing */
    ck_assert_int_eq(rotate(TUF_TIMESTAMP, &stranger), TUF_THRESHOLD);
    gets("a", "one");
}
END_TEST

/* Two of three must sign, and do so one after the other. */
START_TEST(test_threshold)
{
    struct tuf_seed seeds[3];
    json_t *keys[3], *root = tuf_root_first(NOW + DAY), *next;
    char keyid[TUF_KEYID_LEN + 1];

    for (int i = 0; i < 3; i++) {
        ck_assert(tuf_seed_generate(seeds[i].bytes));
        keys[i] = tuf_seed_public(seeds[i].bytes, keyid);
    }
    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        tuf_root_set_keys(root, t, (const json_t *const *)keys, t == TUF_ROOT ? 3 : 1,
                          t == TUF_ROOT ? 2 : 1);
    tuf_root_sign(root, &seeds[0]);
    ck_assert_int_eq(tuf_repo_put_root(&repo, root, &err), TUF_THRESHOLD);
    tuf_root_sign(root, &seeds[0]); /* one key counts once */
    ck_assert_int_eq(tuf_repo_put_root(&repo, root, &err), TUF_THRESHOLD);
    tuf_root_sign(root, &seeds[2]);
    ck_assert_int_eq(tuf_repo_put_root(&repo, root, &err), TUF_OK);
    next = tuf_root_next(root, NOW + 2 * DAY);
    ck_assert_int_eq(tuf_root_threshold(next, TUF_ROOT), 2);
    ck_assert_uint_eq(tuf_root_n_keys(next, TUF_ROOT), 3);
    /* Another key in the place of one that is lost: two of the old and two of the new sign. */
    json_decref(keys[1]);
    ck_assert(tuf_seed_generate(seeds[1].bytes));
    keys[1] = tuf_seed_public(seeds[1].bytes, keyid);
    tuf_root_set_keys(next, TUF_ROOT, (const json_t *const *)keys, 3, 2);
    tuf_root_sign(next, &seeds[1]);
    tuf_root_sign(next, &seeds[0]);
    ck_assert_int_eq(tuf_repo_put_root(&repo, next, &err), TUF_THRESHOLD);
    tuf_root_sign(next, &seeds[2]);
    ck_assert_int_eq(tuf_repo_put_root(&repo, next, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_put_root(&repo, next, &err), TUF_VERSION);
    for (int i = 0; i < 3; i++)
        json_decref(keys[i]);
    json_decref(root);
    json_decref(next);
}
END_TEST

/* Nothing new is nothing to download, until its time comes. */
START_TEST(test_what_stays)
{
    const struct tuf_repo_file one = {.path = "a", .data = "one", .len = 3};
    int64_t seen;

    starts();
    ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, 0, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, 1, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_refresh(&repo, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_seen(&repo, &seen, &err), TUF_OK);
    ck_assert_int_eq(seen, 1);
    repo.keep_until[TUF_SNAPSHOT] = NOW + DAY + 1;
    ck_assert_int_eq(tuf_repo_refresh(&repo, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_seen(&repo, &seen, &err), TUF_OK);
    ck_assert_int_eq(seen, 2);
    gets("a", "one");
}
END_TEST

/* Publishes on this day what expires 90 days later, and renews what has less than half of them. */
static void publish_on(int64_t day, const struct tuf_repo_file *files, size_t n)
{
    int64_t seen;

    for (int t = 0; t < TUF_TYPES; t++) {
        repo.expires[t] = NOW + (t == TUF_TARGETS ? day + 90 : 1000) * DAY;
        repo.keep_until[t] = NOW + (t == TUF_TARGETS ? day + 45 : 0) * DAY;
    }
    ck_assert_int_eq(tuf_repo_seen(&repo, &seen, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_publish(&repo, files, n, seen, &err), TUF_OK);
}

/* The day on which the first of targets.json and the bins expires; how many bins are of a version.
 */
static int64_t first_expires(int64_t version, size_t *ret_bins)
{
    json_t *timestamp, *snapshot, *all, *said;
    int64_t first = 0;
    const char *name;

    ck_assert_int_eq(tuf_repo_read_state(folder, &timestamp, &snapshot, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_read_targets(folder, snapshot, &all, &first, &err), TUF_OK);
    *ret_bins = 0;
    json_object_foreach(json_object_get(tuf_repo_body_of(snapshot), "meta"), name, said)
    {
        *ret_bins += strncmp(name, "bin-", 4) == 0 && tuf_repo_version_of(said) == version;
    }
    json_decref(all);
    json_decref(snapshot);
    json_decref(timestamp);
    return (first - NOW) / DAY;
}

/* A bin that changed later than the rest is renewed with targets.json, though it is not due yet:
 * else it would expire long before anything says that it is time to publish. */
START_TEST(test_bins_expire_with_targets)
{
    struct tuf_repo_file files[] = {{"a", "of a", 4}, {"b", "of b", 4}, {"c", "of c", 4}};
    size_t bins;

    repo.bins = 4;
    repo.expires[TUF_ROOT] = NOW + 1000 * DAY;
    starts();
    publish_on(0, files, 3);
    ck_assert_int_eq(first_expires(1, &bins), 90);
    ck_assert_uint_eq(bins, 16);
    files[0].data = "next";
    publish_on(5, files, 3);
    ck_assert_int_eq(first_expires(2, &bins), 90);
    ck_assert_uint_eq(bins, 1);
    publish_on(44, files, 3); /* nothing is due */
    ck_assert_int_eq(first_expires(2, &bins), 90);
    ck_assert_uint_eq(bins, 1);
    publish_on(49, files, 3);
    ck_assert_int_eq(first_expires(2, &bins), 139);
    ck_assert_uint_eq(bins, 15);
    for (size_t i = 0; i < 3; i++) {
        _cleanup_buf_ struct buf data = BUF_INIT;

        ck_assert_int_eq(get(files[i].path, NOW + 138 * (int64_t)DAY, &data), TUF_OK);
    }
}
END_TEST

START_TEST(test_first_expiry_is_a_bins)
{
    struct tuf_repo_file files[] = {{"a", "of a", 4}, {"b", "of b", 4}};
    size_t bins;

    repo.bins = 4;
    repo.expires[TUF_ROOT] = NOW + 1000 * DAY;
    starts();
    publish_on(0, files, 2);
    files[0].data = "next";
    publish_on(-30, files, 2);
    ck_assert_int_eq(first_expires(2, &bins), 60);
    ck_assert_uint_eq(bins, 1);
}
END_TEST

START_TEST(test_keys_on_disk)
{
    struct buf plain = BUF_INIT, secret = BUF_INIT;
    uint8_t seed[TUF_SEED_LEN], back[TUF_SEED_LEN];

    ck_assert(tuf_seed_generate(seed));
    ck_assert(tuf_seed_to_pem(seed, NULL, &plain));
    ck_assert(tuf_seed_to_pem(seed, "swordfish", &secret));
    ck_assert(!tuf_pem_encrypted(buf_cstr(&plain)));
    ck_assert(tuf_pem_encrypted(buf_cstr(&secret)));
    ck_assert(tuf_seed_from_pem(plain.data, plain.len, NULL, back));
    ck_assert_mem_eq(seed, back, sizeof(seed));
    memset(back, 0, sizeof(back));
    ck_assert(tuf_seed_from_pem(secret.data, secret.len, "swordfish", back));
    ck_assert_mem_eq(seed, back, sizeof(seed));
    ck_assert(!tuf_seed_from_pem(secret.data, secret.len, "Swordfish", back));
    ck_assert(!tuf_seed_from_pem(secret.data, secret.len, NULL, back));
    ck_assert(!tuf_seed_from_pem(secret.data, secret.len - 60, "swordfish", back));
    ck_assert(!tuf_seed_from_pem("nothing", 7, NULL, back));
    buf_free(&plain);
    buf_free(&secret);
}
END_TEST

/* tests/conformance/tuf-client, as the public suite calls it. */
static int client_says(const char *verb, const char *more, const char *name)
{
    _cleanup_free_ char *program =
        xasprintf("%s/tests/conformance/tuf-client", getenv("P2PVPN_BUILD_ROOT"));
    _cleanup_free_ char *url = xasprintf("file://%s/", folder);
    _cleanup_free_ char *target_url = xasprintf("file://%s", targets);
    const char *argv[] = {program,    "--metadata-dir",
                          client,     "--metadata-url",
                          url,        "--target-base-url",
                          target_url, "--target-dir",
                          client,     verb,
                          more,       NULL,
                          NULL,       NULL};
    struct command c = {.argv = argv, .timeout_ms = 30000};
    struct command_result result = COMMAND_RESULT_INIT;
    struct error_list list = ERROR_LIST_INIT;
    int status;

    if (name) {
        argv[10] = "--target-name";
        argv[11] = name;
    }
    ck_assert_int_eq(command_run(&c, &result, &list), 0);
    status = result.status;
    command_result_clear(&result);
    error_clear(&list);
    return status;
}

START_TEST(test_conformance_client)
{
    const struct tuf_repo_file one = {"a", "one", 3};
    _cleanup_free_ char *root = xasprintf("%s/1.root.json", folder);
    _cleanup_free_ char *got = xasprintf("%s/a", client);

    for (int t = 0; t < TUF_TYPES; t++) /* it has the clock of this machine */
        repo.expires[t] = INT64_MAX;
    ck_assert_int_eq(tuf_repo_init(&repo, &err), TUF_OK);
    ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, 0, &err), TUF_OK);
    ck_assert_int_eq(client_says("refresh", NULL, NULL), 1); /* no root yet */
    ck_assert_int_eq(client_says("init", root, NULL), 0);
    ck_assert_int_eq(client_says("refresh", NULL, NULL), 0);
    ck_assert_int_eq(access(got, F_OK), -1);
    ck_assert_int_eq(client_says("download", NULL, "b"), 1);
    ck_assert_int_eq(client_says("download", NULL, "a"), 0);
    ck_assert_int_eq(access(got, F_OK), 0);
    ck_assert_int_eq(client_says("upload", NULL, NULL), 2);
}
END_TEST

START_TEST(test_unsafe_paths)
{
    const struct tuf_repo_file bad = {"../a", "x", 1};

    starts();
    ck_assert_int_eq(tuf_repo_publish(&repo, &bad, 1, 0, &err), TUF_FORMAT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tuf_repo");
    TCase *t = unit_case(s, "tuf_repo", setup, teardown);

    tcase_add_test(t, test_publish);
    tcase_add_test(t, test_publish_bins);
    tcase_add_test(t, test_compare_and_swap);
    tcase_add_test(t, test_freshness);
    tcase_add_test(t, test_ten_thousand_gateways);
    tcase_add_test(t, test_rotation);
    tcase_add_test(t, test_threshold);
    tcase_add_test(t, test_what_stays);
    tcase_add_test(t, test_bins_expire_with_targets);
    tcase_add_test(t, test_first_expiry_is_a_bins);
    tcase_add_test(t, test_keys_on_disk);
    tcase_add_test(t, test_conformance_client);
    tcase_add_test(t, test_unsafe_paths);
    return unit_run(s);
}
