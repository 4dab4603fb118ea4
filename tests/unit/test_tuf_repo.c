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
    repo = (struct tuf_repo){.metadata_dir = folder, .target_dir = targets, .keep_until = NOW};
    for (int t = 0; t < TUF_TYPES; t++) {
        repo.expires[t] = NOW + DAY;
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

/* Every key is replaced, one after the other, and a client that saw none of it follows. */
START_TEST(test_rotation)
{
    const struct tuf_repo_file one = {"a", "one", 3};
    struct tuf_seed stranger = {{42}};

    ck_assert_int_eq(tuf_repo_rotate(&repo, TUF_ROOT, &stranger, &err), TUF_STATE);
    starts();
    ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, 0, &err), TUF_OK);
    gets("a", "one");
    for (enum tuf_type t = 0; t < TUF_TYPES; t++) {
        struct tuf_seed next;

        ck_assert(tuf_seed_generate(next.bytes));
        ck_assert_int_eq(tuf_repo_rotate(&repo, t, &next, &err), TUF_OK);
        repo.seeds[t] = next;
    }
    repo.keep_until = INT64_MAX; /* all is signed anew */
    ck_assert_int_eq(tuf_repo_publish(&repo, &one, 1, 1, &err), TUF_OK);
    gets("a", "one");
    repo.seeds[TUF_ROOT] = stranger; /* whoever has no key changes nothing at the clients */
    ck_assert_int_eq(tuf_repo_rotate(&repo, TUF_TIMESTAMP, &stranger, &err), TUF_OK);
    ck_assert_int_eq(get("a", NOW, &(struct buf)BUF_INIT), TUF_THRESHOLD);
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
    tcase_add_test(t, test_conformance_client);
    tcase_add_test(t, test_unsafe_paths);
    return unit_run(s);
}
