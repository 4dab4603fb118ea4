/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/settings_file.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

static struct error_list err;
static struct arena keep;
static struct settings settings;

static void setup(void)
{
    settings_defaults(&settings);
}

static void teardown(void)
{
    error_clear(&err);
    arena_free(&keep);
    keep = (struct arena)ARENA_INIT;
}

static int parse(const char *text)
{
    return settings_file_parse(text, strlen(text), "agent.conf", &keep, &settings, &err);
}

START_TEST(defaults)
{
    ck_assert_str_eq(settings.state_dir, "/var/lib/p2pvpn");
    ck_assert_str_eq(settings.link_user, "p2pvpn");
    ck_assert_ptr_null(settings.frr_namespace);
    ck_assert(!settings.no_frr);
    ck_assert_int_eq(parse("# nothing\n\n   \n#no-frr = yes"), 0);
    ck_assert(!settings.no_frr);
}
END_TEST

START_TEST(values)
{
    ck_assert_int_eq(parse("bundle = /srv/a b\n\tno-frr=yes\nlink-user   =\tvpn \n"
                           "frr-namespace = edge"),
                     0);
    ck_assert_str_eq(settings.bundle, "/srv/a b");
    ck_assert_str_eq(settings.link_user, "vpn");
    ck_assert_str_eq(settings.frr_namespace, "edge");
    ck_assert(settings.no_frr);
    ck_assert_str_eq(settings.state_dir, "/var/lib/p2pvpn"); /* as it was */
}
END_TEST

static const struct {
    const char *text;
    unsigned line;
    const char *says;
} wrong[] = {
    {"bundle /srv", 1, "not of the form 'key = value'"},
    {"\n# x\ncolour = red", 3, "there is no setting 'colour'"},
    {"Bundle = /srv", 1, "there is no setting 'Bundle'"},
    {"= 7", 1, "there is no setting ''"},
    {"no-frr = no\nno-frr = no\n", 2, "no-frr stands in line 1 already"},
    {"no-frr = true", 1, "no-frr wants yes or no, not 'true'"},
    {"bundle = relative/path", 1, "bundle wants an absolute path, not 'relative/path'"},
    {"bundle =", 1, "bundle wants an absolute path, not ''"},
    {"bundle = /a\\b", 1, "bundle wants text without quotes"},
    {"link-user = two words", 1, "link-user wants one word"},
    {"link-user = -x", 1, "link-user wants one word"},
    {"state = /srv # mine", 1, "a comment needs a line of its own"},
};

START_TEST(errors)
{
    struct settings before = settings;

    ck_assert_int_eq(parse(wrong[_i].text), -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_str_eq(err.items[0].file, "agent.conf");
    ck_assert_uint_eq(err.items[0].line, wrong[_i].line);
    ck_assert(unit_says(&err, wrong[_i].says));
    ck_assert_mem_eq(&before, &settings, sizeof(settings));
}
END_TEST

START_TEST(all_errors_are_told)
{
    ck_assert_int_eq(parse("bundle = x\nno-frr = yes\ncolour = red\nstate = y\n"), -EINVAL);
    ck_assert_uint_eq(err.n, 3);
    ck_assert(!settings.no_frr);
    ck_assert_int_eq(settings_file_parse("no-frr = yes\n\0", 14, "f", &keep, &settings, &err),
                     -EINVAL);
    ck_assert(unit_says(&err, "NUL byte"));
}
END_TEST

/* The command line's: a path may be relative there, and the name is an option's. */
START_TEST(options)
{
    const struct setting *t = &settings_table[0];

    ck_assert_str_eq(t->name, "bundle");
    ck_assert_int_eq(setting_set(t, "relative", NULL, 0, &keep, &settings, &err), 0);
    ck_assert_str_eq(settings.bundle, "relative");
    ck_assert_int_eq(setting_set(t, "", NULL, 0, &keep, &settings, &err), -EINVAL);
    ck_assert(unit_says(&err, "--bundle wants an absolute path"));
}
END_TEST

START_TEST(numbers)
{
    const struct setting t = {.name = "n", .type = SETTING_NUMBER, .max = 4294967295u};
    const char *bad[] = {"", "-1", "1x", " 1", "4294967296", "99999999999999999999"};
    struct settings s = {0}; /* the number is where the first member is */

    ck_assert_int_eq(setting_set(&t, "4294967295", "f", 1, &keep, &s, &err), 0);
    ck_assert_uint_eq(*(unsigned *)&s, 4294967295u);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(setting_set(&t, bad[i], "f", 1, &keep, &s, &err), -EINVAL);
    ck_assert_uint_eq(*(unsigned *)&s, 4294967295u);
    ck_assert(unit_says(&err, "n wants a number from 0 to 4294967295, not '1x'"));
}
END_TEST

START_TEST(files)
{
    char folder[UNIT_FOLDER_SIZE];
    _cleanup_free_ char *file = NULL;

    unit_folder(folder);
    file = xasprintf("%s/agent.conf", folder);
    ck_assert_int_eq(settings_file_read(file, &keep, &settings, &err), -ENOENT);
    ck_assert_int_eq(fs_write(file, "no-frr = yes\n", 13, 0644, &err), 0);
    ck_assert_int_eq(settings_file_read(file, &keep, &settings, &err), 0);
    ck_assert(settings.no_frr);
    error_clear(&err);
    ck_assert_int_eq(fs_write(file, "no-frr = yes\n", 13, 0666, &err), 0);
    ck_assert_int_eq(settings_file_read(file, &keep, &settings, &err), -EINVAL);
    ck_assert(unit_says(&err, "others than root can change this file"));
    ck_assert_int_eq(settings_file_read("/dev/null", &keep, &settings, &err), 0);
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("settings_file");
    TCase *t = unit_case(s, "settings_file", setup, teardown);

    tcase_add_test(t, defaults);
    tcase_add_test(t, values);
    tcase_add_loop_test(t, errors, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(t, all_errors_are_told);
    tcase_add_test(t, options);
    tcase_add_test(t, numbers);
    tcase_add_test(t, files);
    return unit_run(s);
}
