/* SPDX-License-Identifier: Apache-2.0 */
/* What a repository on this machine has for each gateway, from one publication to the next. */
#include "service/wanted.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/tar.h"
#include "tests/unit/unit.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C64 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static char folder[UNIT_FOLDER_SIZE], revision[WANTED_REVISION_SIZE];
static struct wanted wanted;

static void make_folder(const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void put(const char *name, const void *data, size_t size)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
    struct error_list err = ERROR_LIST_INIT;

    ck_assert_int_eq(fs_write(path, data, size, 0600, &err), 0);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

/* An archive with a bundle.json of which nothing but the revision is looked at. */
static void put_archive(const char *hash, const char *gateway, const char *says)
{
    _cleanup_free_ char *name = xasprintf("targets/gateways/%s.%s.tar", hash, gateway);
    _cleanup_free_ char *text = xasprintf("{\"revision\": \"%s\"}", says);
    _cleanup_buf_ struct buf tar = BUF_INIT;

    tar_add(&tar, "bundle.json", text, strlen(text));
    tar_end(&tar);
    put(name, tar.data, tar.len);
}

static void setup(void)
{
    unit_folder(folder);
    make_folder("metadata");
    make_folder("targets");
    make_folder("targets/gateways");
    put_text("metadata/timestamp.json",
             "{\"signed\": {\"meta\": {\"snapshot.json\": {\"version\": 1}}}}");
    put_text("metadata/1.snapshot.json",
             "{\"signed\": {\"meta\": {\"targets.json\": {\"version\": 1}, \"bin-00.json\": "
             "{\"version\": 4}}}}");
    put_text("metadata/1.targets.json",
             "{\"signed\": {\"targets\": {\"gateways/perth.tar\": {\"hashes\": {\"sha256\": \"" A64
             "\"}}, \"gateways/a b.tar\": {\"hashes\": {\"sha256\": \"" C64
             "\"}}, \"@mesh/origins.json\": {\"hashes\": {\"sha256\": \"" C64
             "\"}}, \"gateways/.tar\": {\"hashes\": {\"sha256\": \"" C64 "\"}}}}}");
    put_text("metadata/4.bin-00.json",
             "{\"signed\": {\"targets\": {\"gateways/sydney.tar\": {\"hashes\": {\"sha256\": \"" B64
             "\"}}}}}");
    put_archive(A64, "perth", C64);
    put_archive(B64, "sydney", "not a revision");
}

static void teardown(void)
{
    struct error_list err = ERROR_LIST_INIT;

    wanted_clear(&wanted);
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
}

static const char *of(const char *gateway, int64_t version)
{
    wanted_revision(&wanted, folder, version, gateway, revision);
    return revision;
}

static void note(void *data, const char *gateway)
{
    unsigned *seen = data;

    *seen |= strcmp(gateway, "perth") == 0 ? 1 : strcmp(gateway, "sydney") == 0 ? 2 : 4;
}

START_TEST(each_and_its_revision)
{
    unsigned seen = 0;

    ck_assert_str_eq(of("perth", 1), C64);
    ck_assert_str_eq(of("sydney", 1), "");
    ck_assert_str_eq(of("nobody", 1), "");
    wanted_each(&wanted, folder, 1, note, &seen);
    ck_assert_uint_eq(seen, 3);
    ck_assert_ptr_null(wanted_bundle(&wanted, folder, 1, "perth")); /* no bundle, if one reads it */
    ck_assert_ptr_null(wanted_bundle(&wanted, folder, 1, "nobody"));
}
END_TEST

/* A controller that runs for years remembers what is published, and not what was. */
START_TEST(the_next_publication)
{
    ck_assert_str_eq(of("perth", 1), C64);
    put_text("metadata/1.targets.json",
             "{\"signed\": {\"targets\": {\"gateways/perth.tar\": {\"hashes\": {\"sha256\": \"" B64
             "\"}}}}}");
    put_archive(B64, "perth", A64);
    ck_assert_str_eq(of("perth", 1), C64); /* the same publication is not read again */
    ck_assert_str_eq(of("perth", 2), A64);
    ck_assert_uint_eq(json_object_size(wanted.revisions), 1);
    ck_assert_str_eq(of("perth", 3), A64);
    ck_assert_uint_eq(json_object_size(wanted.revisions), 1);
}
END_TEST

START_TEST(no_repository)
{
    unsigned seen = 0;

    put_text("metadata/timestamp.json", "{\"signed\": [");
    ck_assert_str_eq(of("perth", 1), "");
    wanted_each(&wanted, folder, 1, note, &seen);
    ck_assert_uint_eq(seen, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wanted");
    TCase *t = unit_case(s, "wanted", setup, teardown);

    tcase_add_test(t, each_and_its_revision);
    tcase_add_test(t, the_next_publication);
    tcase_add_test(t, no_repository);
    return unit_run(s);
}
