/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bundle.h"
#include "common/fs.h"
#include "common/name.h"
#include "controller/output.h"
#include "controller/render.h"
#include "tests/unit/unit.h"

static struct error_list err, warnings;
static char top[UNIT_FOLDER_SIZE];
static char *dir; /* the output, in top */
static enum output_format format;
static size_t changed, removed;
static char first_removed[NAME_MAX_LEN + 1];

static char *at(const char *path)
{
    static char *ring[8];
    static unsigned next;

    next = (next + 1) % 8;
    free(ring[next]);
    return ring[next] = xasprintf("%s/%s", dir, path);
}

static void put(const char *path, const char *text)
{
    _cleanup_free_ char *folder = xstrdup(path);

    *strrchr(folder, '/') = '\0';
    ck_assert_int_eq(fs_mkdirs(folder, 0755, &err), 0);
    ck_assert_int_eq(fs_write(path, text, strlen(text), 0644, &err), 0);
}

static bool holds(const char *path, const char *text)
{
    _cleanup_buf_ struct buf b = BUF_INIT;
    struct error_list none = ERROR_LIST_INIT;
    bool same = fs_read(path, 1 << 20, &b, &none) == 0 && strcmp(buf_cstr(&b), text) == 0;

    error_clear(&none);
    return same;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* One gateway with an FRR file that says `frr` and a file for each name in `links`. */
static int gateway(struct output *o, const char *name, const char *frr, const char *links)
{
    struct rendered_file files[12] = {{"frr/frr.conf", frr, strlen(frr)}};
    struct bundle_file listed[12] = {0};
    struct prefix lan, pool;
    struct bundle b = {.mesh = "test",
                       .gateway = name,
                       .number = 1,
                       .asn = 4200000001,
                       .router_id = 0x64400001,
                       .generation = 1,
                       .lan = "lan",
                       .lan_prefixes = &lan,
                       .n_lan_prefixes = 1,
                       .link_prefixes = &pool,
                       .n_link_prefixes = 1,
                       .files = listed};
    char *paths[12] = {NULL};
    struct buf text = BUF_INIT;
    size_t n = 1;
    int r;

    prefix_parse("10.0.0.0/8", &lan);
    prefix_parse("172.19.0.0/16", &pool);
    for (; *links; links++, n++) {
        paths[n] = xasprintf("openvpn/pv%c.conf", *links);
        files[n] = (struct rendered_file){paths[n], paths[n], strlen(paths[n])};
    }
    for (size_t i = 0; i < n; i++) {
        listed[i].path = files[i].path;
        listed[i].size = (uint32_t)files[i].len;
        digest_sha256_text(files[i].data, files[i].len, listed[i].sha256);
    }
    b.n_files = n;
    bundle_format(&b, &text);
    files[n] = (struct rendered_file){BUNDLE_FILE, text.data, text.len};
    r = output_gateway(o, name, &(struct rendered){.files = files, .n_files = n + 1}, &err);
    for (size_t i = 0; i < n; i++)
        free(paths[i]);
    buf_free(&text);
    return r;
}

static int finish(struct output *o)
{
    struct output_result result;
    int r = output_prepare(o, &result, &err);

    if (r == 0)
        r = output_commit(o, &warnings, &err);
    if (r == 0) {
        changed = result.changed.n;
        removed = result.removed.n;
        if (removed)
            strcpy(first_removed, result.removed.names[0]);
    }
    return r;
}

/* "a=frr text" ... NULL; every gateway has links 2 and 3. */
static int write_output(const char *first, ...)
{
    struct output *o = NULL;
    va_list ap;
    int r = output_begin(dir, "test", format, &o, &err);

    va_start(ap, first);
    for (const char *g = first; g && r == 0; g = va_arg(ap, const char *)) {
        _cleanup_free_ char *name = xstrndup(g, strcspn(g, "="));

        r = gateway(o, name, strchr(g, '=') + 1, "23");
    }
    va_end(ap);
    if (r == 0)
        r = finish(o);
    output_free(o);
    return r;
}

/* Of the two names that a test leaves. */
static unsigned leftovers(void)
{
    _cleanup_free_ char *a = xasprintf("%s/.out.old-aaaaaa", top);
    _cleanup_free_ char *b = xasprintf("%s/.out.new-bbbbbb", top);

    return exists(a) + exists(b);
}

/* How many folders are beside DIR, itself included. */
static unsigned entries(void)
{
    DIR *d = opendir(top);
    unsigned n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void setup(void)
{
    unit_folder(top);
    dir = xasprintf("%s/out", top);
}

static void teardown(void)
{
    fs_remove_tree(top, &err);
    free(dir);
    error_clear(&err);
    error_clear(&warnings);
}

START_TEST(first_output)
{
    struct bundle *b = NULL;
    struct stat st;

    ck_assert_int_eq(write_output("a=one", "b=two", NULL), 0);
    ck_assert(holds(at("a/frr/frr.conf"), "one"));
    ck_assert(holds(at("b/openvpn/pv3.conf"), "openvpn/pv3.conf"));
    ck_assert_int_eq(bundle_load(at("a"), &b, &err), 0);
    bundle_free(b);
    ck_assert_uint_eq(changed, 2);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0700, 0700);
    ck_assert_uint_ne(st.st_mode & 0077, 0); /* not mkdtemp's */
}
END_TEST

START_TEST(nothing_changed_touches_nothing)
{
    struct stat before[2], after[2];

    ck_assert_int_eq(write_output("a=one", "b=two", NULL), 0);
    stat(dir, &before[0]);
    stat(at("a/frr/frr.conf"), &before[1]);
    ck_assert_int_eq(write_output("b=two", "a=one", NULL), 0);
    stat(dir, &after[0]);
    stat(at("a/frr/frr.conf"), &after[1]);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(before[i].st_ino, after[i].st_ino);
        ck_assert_int_eq(before[i].st_ctim.tv_nsec, after[i].st_ctim.tv_nsec);
    }
    ck_assert_uint_eq(changed, 0);
}
END_TEST

START_TEST(one_change_keeps_the_other_files)
{
    struct stat before, after;

    ck_assert_int_eq(write_output("a=one", "b=two", NULL), 0);
    stat(at("b/frr/frr.conf"), &before);
    ck_assert_int_eq(write_output("a=other", "b=two", NULL), 0);
    stat(at("b/frr/frr.conf"), &after);
    ck_assert(holds(at("a/frr/frr.conf"), "other"));
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    ck_assert_uint_eq(after.st_nlink, 1); /* the old tree is gone */
    ck_assert_uint_eq(changed, 1);
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(an_edited_file_is_written_anew)
{
    ck_assert_int_eq(write_output("a=one", NULL), 0);
    put(at("a/frr/frr.conf"), "edited");
    ck_assert_int_eq(write_output("a=one", NULL), 0);
    ck_assert(holds(at("a/frr/frr.conf"), "one"));
    ck_assert_int_eq(unlink(at("a/openvpn/pv2.conf")), 0);
    ck_assert_int_eq(write_output("a=one", NULL), 0);
    ck_assert(exists(at("a/openvpn/pv2.conf")));
}
END_TEST

START_TEST(a_removed_gateway_goes)
{
    ck_assert_int_eq(write_output("a=one", "b=two", NULL), 0);
    ck_assert_int_eq(write_output("a=one", NULL), 0);
    ck_assert(!exists(at("b")));
    ck_assert(exists(at("a/bundle.json")));
    ck_assert_uint_eq(changed, 0);
    ck_assert_uint_eq(removed, 1);
    ck_assert_str_eq(first_removed, "b");
}
END_TEST

START_TEST(a_removed_link_goes)
{
    struct output *o = NULL;

    ck_assert_int_eq(write_output("a=one", NULL), 0);
    ck_assert_int_eq(output_begin(dir, "test", format, &o, &err), 0);
    ck_assert_int_eq(gateway(o, "a", "one", "2"), 0);
    ck_assert_int_eq(finish(o), 0);
    output_free(o);
    ck_assert(exists(at("a/openvpn/pv2.conf")));
    ck_assert(!exists(at("a/openvpn/pv3.conf")));
}
END_TEST

START_TEST(foreign_files_stay)
{
    struct stat before, after;

    ck_assert_int_eq(write_output("a=one", "b=two", "c=three", NULL), 0);
    put(at("README"), "read me");
    put(at(".git/objects/ab/cdef"), "object");
    put(at("a/notes.txt"), "a's notes");
    put(at("b/openvpn/notes.txt"), "b's notes");
    put(at("c/deep/er/notes.txt"), "c's notes");
    ck_assert_int_eq(mkdir(at("empty"), 0750), 0);
    ck_assert_int_eq(symlink("nowhere", at("b/link")), 0);
    stat(at("README"), &before);
    ck_assert_int_eq(write_output("a=one", "c=changed", NULL), 0);
    stat(at("README"), &after);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_uint_eq(after.st_nlink, 1);
    ck_assert(holds(at(".git/objects/ab/cdef"), "object"));
    ck_assert(holds(at("a/notes.txt"), "a's notes"));
    ck_assert(holds(at("b/openvpn/notes.txt"), "b's notes"));
    ck_assert(holds(at("c/deep/er/notes.txt"), "c's notes"));
    ck_assert(holds(at("c/frr/frr.conf"), "changed"));
    ck_assert_int_eq(lstat(at("b/link"), &after), 0);
    ck_assert(S_ISLNK(after.st_mode));
    ck_assert_int_eq(stat(at("empty"), &after), 0);
    ck_assert_uint_eq(after.st_mode & 07777, 0750);
    ck_assert(!exists(at("b/frr")));
    ck_assert(!exists(at("b/bundle.json")));
    ck_assert(!exists(at("b/openvpn/pv2.conf")));
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

/* What compile did not write is not overwritten, and then nothing is. */
START_TEST(foreign_file_in_the_way)
{
    ck_assert_int_eq(write_output("a=one", NULL), 0);
    put(at("b/frr/frr.conf"), "mine");
    ck_assert_int_eq(write_output("a=changed", "b=two", NULL), -EINVAL);
    ck_assert(unit_says(&err, "b/frr/frr.conf: compile did not write"));
    ck_assert(holds(at("b/frr/frr.conf"), "mine"));
    ck_assert(holds(at("a/frr/frr.conf"), "one"));
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(foreign_link_in_the_way)
{
    ck_assert_int_eq(write_output("a=one", NULL), 0);
    ck_assert_int_eq(unlink(at("a/frr/frr.conf")), 0);
    ck_assert_int_eq(symlink("/etc/passwd", at("a/frr/frr.conf")), 0);
    ck_assert_int_eq(write_output("a=one", NULL), -EINVAL);
    ck_assert_int_eq(symlink("a", at("b")), 0);
    ck_assert_int_eq(write_output("b=one", NULL), -EINVAL);
    ck_assert(unit_says(&err, "needs a folder there"));
}
END_TEST

START_TEST(a_damaged_bundle_is_not_ours)
{
    ck_assert_int_eq(write_output("a=one", "b=two", NULL), 0);
    put(at("b/bundle.json"), "{}");
    ck_assert_int_eq(write_output("a=one", NULL), 0);
    ck_assert(exists(at("b/frr/frr.conf")));
    ck_assert_int_eq(write_output("a=one", "b=two", NULL), -EINVAL);
    ck_assert(unit_says(&err, "b/bundle.json"));
}
END_TEST

START_TEST(another_mesh)
{
    struct output *o = NULL;

    ck_assert_int_eq(write_output("a=one", NULL), 0);
    ck_assert_int_eq(output_begin(dir, "other", format, &o, &err), -EINVAL);
    ck_assert_ptr_null(o);
    ck_assert(unit_says(&err, "output of mesh 'test'"));
}
END_TEST

START_TEST(unsuitable_folders)
{
    struct output *o = NULL;

    put(at("etc/passwd"), "root");
    ck_assert_int_eq(output_begin(dir, "test", format, &o, &err), -EINVAL);
    ck_assert(unit_says(&err, "no output of compile, but a folder 'etc'"));
    ck_assert_int_eq(output_begin(at("etc/passwd"), "test", format, &o, &err), -EINVAL);
    ck_assert(unit_says(&err, "no folder"));
    ck_assert_int_eq(output_begin("/", "test", format, &o, &err), -EINVAL);
    ck_assert_int_eq(output_begin("", "test", format, &o, &err), -EINVAL);
    ck_assert_int_eq(output_begin("/proc", "test", format, &o, &err), -EINVAL);
    ck_assert(unit_says(&err, "mount point"));
    ck_assert_int_eq(chdir(at("etc")), 0);
    ck_assert_int_eq(output_begin(".", "test", format, &o, &err), -EINVAL);
    ck_assert(unit_says(&err, "you are in this folder"));
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_ptr_null(o);
}
END_TEST

START_TEST(taken_back)
{
    struct output *o = NULL;

    ck_assert_int_eq(write_output("a=one", NULL), 0);
    ck_assert_int_eq(output_begin(dir, "test", format, &o, &err), 0);
    ck_assert_int_eq(gateway(o, "a", "changed", ""), 0);
    ck_assert_uint_eq(entries(), 2);
    output_free(o);
    ck_assert_uint_eq(entries(), 1);
    ck_assert(holds(at("a/frr/frr.conf"), "one"));
    ck_assert(exists(at("a/openvpn/pv2.conf")));
}
END_TEST

/* A killed run's folders: a stage goes; of an old output, ours goes, and a foreign file that only
 * it has is saved. */
START_TEST(leftovers_are_cleared)
{
    _cleanup_free_ char *old = xasprintf("%s/.out.old-aaaaaa", top);
    _cleanup_free_ char *half = xasprintf("%s/.out.new-bbbbbb", top);
    _cleanup_free_ char *parked = xasprintf("%s/parked", top);
    _cleanup_free_ char *note = xasprintf("%s/b/notes.txt", old);
    _cleanup_free_ char *partial = xasprintf("%s/c/bundle.json", half);
    _cleanup_free_ char *other = xasprintf("%s/.out.newer", top);

    ck_assert_int_eq(write_output("a=one", "b=two", NULL), 0);
    ck_assert_int_eq(rename(dir, old), 0); /* as if killed after the exchange */
    put(note, "written meanwhile");
    ck_assert_int_eq(write_output("a=changed", NULL), 0);
    ck_assert_uint_eq(leftovers(), 0); /* DIR was not there: nothing to compare with */
    ck_assert(!exists(at("b")));

    ck_assert_int_eq(write_output("a=one", "b=two", NULL), 0);
    ck_assert_int_eq(rename(dir, parked), 0);
    ck_assert_int_eq(write_output("a=changed", NULL), 0);
    ck_assert_int_eq(rename(parked, old), 0);
    put(note, "written meanwhile");
    put(partial, "{\"half");
    put(at("README"), "kept");
    ck_assert_int_eq(mkdir(other, 0755), 0);
    ck_assert_int_eq(write_output("a=changed", NULL), 0);
    ck_assert_uint_eq(leftovers(), 0);
    ck_assert(exists(other));
    ck_assert(holds(at("b/notes.txt"), "written meanwhile"));
    ck_assert(!exists(at("b/frr")));
    ck_assert(!exists(at("b/bundle.json")));
    ck_assert(!exists(at("c")));
    ck_assert(holds(at("README"), "kept"));
    ck_assert_uint_eq(warnings.n, 0);
}
END_TEST

START_TEST(a_link_to_the_folder_stays_a_link)
{
    _cleanup_free_ char *link = xasprintf("%s/link", top);
    char *real = dir;
    struct stat st;

    ck_assert_int_eq(write_output("a=one", NULL), 0);
    ck_assert_int_eq(symlink("out", link), 0);
    dir = link;
    ck_assert_int_eq(write_output("a=changed", NULL), 0);
    dir = real;
    ck_assert_int_eq(lstat(link, &st), 0);
    ck_assert(S_ISLNK(st.st_mode));
    ck_assert(holds(at("a/frr/frr.conf"), "changed"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("output");
    TCase *t = unit_case(s, "output", setup, teardown);

    tcase_add_test(t, first_output);
    tcase_add_test(t, nothing_changed_touches_nothing);
    tcase_add_test(t, one_change_keeps_the_other_files);
    tcase_add_test(t, an_edited_file_is_written_anew);
    tcase_add_test(t, a_removed_gateway_goes);
    tcase_add_test(t, a_removed_link_goes);
    tcase_add_test(t, foreign_files_stay);
    tcase_add_test(t, foreign_file_in_the_way);
    tcase_add_test(t, foreign_link_in_the_way);
    tcase_add_test(t, a_damaged_bundle_is_not_ours);
    tcase_add_test(t, another_mesh);
    tcase_add_test(t, unsuitable_folders);
    tcase_add_test(t, taken_back);
    tcase_add_test(t, leftovers_are_cleared);
    tcase_add_test(t, a_link_to_the_folder_stays_a_link);
    return unit_run(s);
}
