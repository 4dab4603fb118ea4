/* SPDX-License-Identifier: Apache-2.0 */
/* The fetcher's parts: when it looks, what it reports, and that a thousand looks leave nothing in
 * memory.  What it makes of a repository that lies is tests/cli/test_fetch.py. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fetch.h"
#include "agent/fetch_parts.h"
#include "agent/settings_file.h"
#include "common/fs.h"
#include "tests/unit/unit.h"
#include "tuf/repo_publish.h"

#define NOW 1800000000
#define DAY 86400

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

/* --- when ------------------------------------------------------------------------------------- */

START_TEST(delays)
{
    static const int64_t middle[] = {60000, 5000,   10000,  20000, 40000,
                                     80000, 160000, 320000, 600000};

    for (unsigned i = 0; i < sizeof(middle) / sizeof(middle[0]); i++) {
        ck_assert_int_eq(fetch_delay(i, 60000, 0), middle[i] * 4 / 5);
        ck_assert_int_eq(fetch_delay(i, 60000, UINT32_MAX), middle[i] * 6 / 5);
        ck_assert_int_le(llabs(fetch_delay(i, 60000, UINT32_MAX / 2) - middle[i]), 1);
    }
    ck_assert_int_eq(fetch_delay(UINT32_MAX, 60000, 0), 480000);
    ck_assert_int_eq(fetch_delay(0, 86400000, UINT32_MAX), 103680000);
    ck_assert_int_eq(fetch_delay(0, 0, UINT32_MAX), 0);
}
END_TEST

/* --- the report ------------------------------------------------------------------------------- */

START_TEST(report_round_trip)
{
    struct fetch_report r = {.pid = 5,
                             .start = 77,
                             .gateway = "sydney",
                             .fresh = NOW,
                             .changed = NOW - 5,
                             .version = INT64_MAX,
                             .expires = NOW + DAY,
                             .mirror = "https://mesh.example",
                             .next = NOW + 60,
                             .code = "too-large",
                             .text = "it is \"large\"",
                             .since = NOW - 1,
                             .tries = 3},
                        again;
    struct buf text = BUF_INIT, twice = BUF_INIT;

    fetch_report_format(&r, &text);
    ck_assert_int_eq(fetch_report_parse(text.data, text.len, "f", &again, &err), 0);
    ck_assert_str_eq(again.text, r.text);
    ck_assert_int_eq(again.version, INT64_MAX);
    fetch_report_format(&again, &twice);
    ck_assert_str_eq(buf_cstr(&text), buf_cstr(&twice));
    buf_free(&text);
    buf_free(&twice);
}
END_TEST

static const char *const no_reports[] = {
    "",
    "[]",
    "{\"pid\": -1}",
    "{\"pid\": 4294967296}",
    "{\"fresh\": \"now\"}",
    "{\"version\": 1.5}",
    "{\"gateway\": \"../x\"}",
    "{\"mirror\": \"a\\u001b[2Jb\"}",
    "{\"error\": []}",
    "{\"error\": {}}",
    "{\"error\": {\"code\": \"A\"}}",
    "{\"error\": {\"code\": \"abcdefghijklmnopqrstuvwxyz\"}}",
    "{\"error\": {\"code\": \"a\", \"text\": \"\\u202e\"}}",
};

START_TEST(no_report)
{
    struct fetch_report r = {.pid = 4711};

    ck_assert_int_eq(fetch_report_parse(no_reports[_i], strlen(no_reports[_i]), "f", &r, &err),
                     -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_int_eq(r.pid, 4711);
}
END_TEST

/* Its folder is the fetcher's, who may have been taken over: root follows nothing there. */
START_TEST(report_is_a_file)
{
    char folder[UNIT_FOLDER_SIZE];
    struct fetch_report r;

    unit_folder(folder);
    ck_assert_int_eq(fetch_report_read(folder, &r, &err), -ENOENT);
    ck_assert_uint_eq(err.n, 0);
    _cleanup_free_ char *path = xasprintf("%s/" FETCH_REPORT, folder);

    ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    ck_assert_int_eq(fetch_report_read(folder, &r, &err), -ELOOP);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(fetch_report_read(folder, &r, &err), -EINVAL);
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
}
END_TEST

/* --- a repository and who looks at it --------------------------------------------------------- */

static struct world {
    char folder[UNIT_FOLDER_SIZE];
    char *metadata, *targets, *url;
    struct tuf_repo repo;
    struct settings settings;
    struct fetch f;
} w;

/* Everything that is signed is valid for a day. */
static void begin(void)
{
    struct tuf_error e;

    w = (struct world){.f = {.settings = &w.settings, .repository = REPOSITORY_INIT}};
    unit_folder(w.folder);
    _cleanup_free_ char *own = xasprintf("%s/own", w.folder);
    _cleanup_free_ char *root = xasprintf("%s/metadata/1.root.json", w.folder);

    w.metadata = xasprintf("%s/metadata", w.folder);
    w.targets = xasprintf("%s/targets", w.folder);
    w.url = xasprintf("file://%s", w.folder);
    w.repo = (struct tuf_repo){.metadata_dir = w.metadata, .target_dir = w.targets};
    for (int t = 0; t < TUF_TYPES; t++) {
        w.repo.expires[t] = NOW + DAY;
        ck_assert(tuf_seed_generate(w.repo.seeds[t].bytes));
    }
    ck_assert_int_eq(fs_mkdirs(w.metadata, 0755, &err), 0);
    ck_assert_int_eq(fs_mkdirs(w.targets, 0755, &err), 0);
    ck_assert_int_eq(fs_mkdirs(own, 0755, &err), 0);
    ck_assert_int_eq(tuf_repo_init(&w.repo, &e), TUF_OK);
    settings_defaults(&w.settings);
    w.f.repository.mirrors[0] = w.url;
    w.f.repository.n_mirrors = 1;
    w.f.repository.gateway = "a";
    ck_assert_int_eq(fs_read(root, TUF_ROOT_MAX, &w.f.repository.root, &err), 0);
    w.f.metadata_dir = xasprintf("%s/metadata", own);
    w.f.bundle = xasprintf("%s/bundle.tar", own);
    w.f.origins = xasprintf("%s/origins", own);
    w.f.curl = tuf_curl_new(30, &e);
    ck_assert_ptr_nonnull(w.f.curl);
}

static void end(void)
{
    tuf_curl_free(w.f.curl);
    buf_free(&w.f.timestamp);
    buf_free(&w.f.repository.root);
    free(w.f.metadata_dir);
    free(w.f.bundle);
    free(w.f.origins);
    free(w.metadata);
    free(w.targets);
    free(w.url);
    ck_assert_int_eq(fs_remove_tree(w.folder, &err), 0);
}

/* The bin of our bundle is part of what we know, and may expire before all else. */
START_TEST(own_bin_expires_first)
{
    struct tuf_repo_file files[] = {{.path = "gateways/a.tar", .data = "one", .len = 3},
                                    {.path = "gateways/b.tar", .data = "one", .len = 3}};
    struct tuf_error e;
    bool changed;

    begin();
    w.repo.bins = 8;
    ck_assert_int_eq(tuf_repo_publish(&w.repo, files, 2, 0, &e), TUF_OK);
    ck_assert_int_eq(fetch_round(&w.f, NOW, true, &changed, &e), TUF_OK);
    ck_assert_int_eq(w.f.report.expires, NOW + DAY);
    w.repo.expires[TUF_TARGETS] = NOW + DAY / 4;
    files[1].data = "two"; /* another's */
    ck_assert_int_eq(tuf_repo_publish(&w.repo, files, 2, 1, &e), TUF_OK);
    ck_assert_int_eq(fetch_round(&w.f, NOW, true, &changed, &e), TUF_OK);
    ck_assert_int_eq(w.f.report.expires, NOW + DAY);
    w.repo.expires[TUF_TARGETS] = NOW + DAY / 2;
    files[0].data = "two";
    ck_assert_int_eq(tuf_repo_publish(&w.repo, files, 2, 2, &e), TUF_OK);
    ck_assert_int_eq(fetch_round(&w.f, NOW, true, &changed, &e), TUF_OK);
    ck_assert_int_eq(w.f.report.expires, NOW + DAY / 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fetch_round(&w.f, NOW + DAY / 2 + i, false, &changed, &e), TUF_EXPIRED);
        ck_assert_int_le(w.f.report.expires, NOW + DAY / 2 + i);
    }
    end();
}
END_TEST

/* --- memory ----------------------------------------------------------------------------------- */

START_TEST(a_thousand_looks_leave_nothing)
{
    struct tuf_repo_file files[] = {{.path = "gateways/a.tar", .len = 3},
                                    {.path = "mesh/origins", .data = "table", .len = 5}};
    struct tuf_error e;
    size_t before = 0;
    bool changed;

    begin();
    for (unsigned i = 0; i < 300 + 1000; i++) {
        enum tuf_code r;

        if (i % 50 == 0) { /* every kind of look: something new, all anew, nothing, one refused */
            files[0].data = i % 100 ? "one" : "two";
            ck_assert_int_eq(tuf_repo_publish(&w.repo, files, 2, i / 50, &e), TUF_OK);
        }
        if (i == 300) /* OpenSSL and libcurl have all that they keep */
            before = mallinfo2().uordblks;
        r = fetch_round(&w.f, i % 10 == 9 ? NOW + 2 * DAY : NOW, i % 2 == 0, &changed, &e);
        ck_assert_msg(r == (i % 10 == 9 ? TUF_EXPIRED : TUF_OK), "%u: %s", i, e.text);
        ck_assert_int_eq(changed, i % 50 == 0);
    }
    /* What was freed just now still counts; the smallest thing left by each look would be 32,000.
     */
    ck_assert_int_lt((long)mallinfo2().uordblks - (long)before, 2000);
    end();
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("fetch");
    Suite *s = suite_create("fetch");

    if (argc == 1)
        unit_without_heap_cache(argv);
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, delays);
    tcase_add_test(tc, report_round_trip);
    tcase_add_loop_test(tc, no_report, 0, sizeof(no_reports) / sizeof(no_reports[0]));
    tcase_add_test(tc, report_is_a_file);
    tcase_add_test(tc, own_bin_expires_first);
    tcase_add_test(tc, a_thousand_looks_leave_nothing);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
