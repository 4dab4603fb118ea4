/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/repository.h"
#include "agent/settings_file.h"
#include "tests/unit/unit.h"

static struct error_list err;
static struct repository repository;
static struct settings settings;

static void setup(void)
{
    repository = (struct repository)REPOSITORY_INIT;
    settings_defaults(&settings);
}

static void teardown(void)
{
    error_clear(&err);
    repository_clear(&repository);
}

static int parse(const char *text)
{
    return repository_parse(text, strlen(text), "repository.json", &repository, &err);
}

#define ROOT "\"root\": {\"signed\": {}, \"signatures\": []}"
#define PIN "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

START_TEST(all_of_it)
{
    ck_assert_int_eq(parse("{" ROOT ", \"urls\": [\"https://a.example/x//\", \"file:///mnt\"], "
                           "\"gateway\": \"sydney\", \"controller\": \"https://c:8443/\", "
                           "\"pin\": \"" PIN ";" PIN "\", \"more\": 1}"),
                     0);
    ck_assert_uint_eq(repository.n_mirrors, 2);
    ck_assert_str_eq(repository.mirrors[0], "https://a.example/x");
    ck_assert_str_eq(repository.mirrors[1], "file:///mnt");
    ck_assert_str_eq(repository.gateway, "sydney");
    ck_assert_str_eq(buf_cstr(&repository.root), "{\"signed\":{},\"signatures\":[]}");
    ck_assert_int_eq(repository_settle(&repository, &settings, &err), 0);
    ck_assert_str_eq(repository.controller, "https://c:8443");
    ck_assert_str_eq(repository.pin, PIN ";" PIN);
}
END_TEST

/* The settings win, and a CA that was set wins over a pin. */
START_TEST(settings_win)
{
    ck_assert_int_eq(parse("{" ROOT
                           ", \"urls\": [\"https://a\"], \"gateway\": \"sydney\", \"pin\": "
                           "\"" PIN "\"}"),
                     0);
    settings.repository = "http://b/ , https://c";
    settings.gateway = "perth";
    settings.repository_ca = "/etc/ca.pem";
    settings.controller = "https://d/";
    ck_assert_int_eq(repository_settle(&repository, &settings, &err), 0);
    ck_assert_uint_eq(repository.n_mirrors, 2);
    ck_assert_str_eq(repository.mirrors[0], "http://b");
    ck_assert_str_eq(repository.mirrors[1], "https://c");
    ck_assert_str_eq(repository.gateway, "perth");
    ck_assert_str_eq(repository.ca_file, "/etc/ca.pem");
    ck_assert_str_eq(repository.controller, "https://d");
    ck_assert_ptr_null(repository.pin);
}
END_TEST

static const struct {
    const char *text, *says;
} wrong[] = {
    {"", "no description of a repository"},
    {"[]", "no description of a repository"},
    {"{\"root\": {}, \"root\": {}}", "no description of a repository"},
    {"{}", "there is no 'root'"},
    {"{\"root\": []}", "there is no 'root'"},
    {"{" ROOT ", \"urls\": \"https://a\"}", "no list of addresses"},
    {"{" ROOT ", \"urls\": [5]}", "cannot be the address of a repository"},
    {"{" ROOT ", \"urls\": [\"ftp://a\"]}", "cannot be the address of a repository"},
    {"{" ROOT ", \"urls\": [\"https://\"]}", "cannot be the address of a repository"},
    {"{" ROOT ", \"urls\": [\"https:///a\"]}", "cannot be the address of a repository"},
    {"{" ROOT ", \"urls\": [\"https://u:p@a\"]}", "without a password"},
    {"{" ROOT ", \"urls\": [\"https://a/?b\"]}", "cannot be the address of a repository"},
    {"{" ROOT ", \"urls\": [\"https://a\\n\"]}", "cannot be the address of a repository"},
    {"{" ROOT ", \"gateway\": \"../x\"}", "cannot be the name of a gateway"},
    {"{" ROOT ", \"gateway\": 5}", "'gateway' is no text"},
    {"{" ROOT ", \"gateway\": \"a\\u0000b\"}", "no description of a repository"},
    {"{" ROOT ", \"controller\": \"c\"}", "address of a controller"},
    {"{" ROOT ", \"pin\": \"sha256//x\"}", "'pin' is to be"},
    {"{" ROOT ", \"pin\": \"" PIN ";\"}", "'pin' is to be"},
};

START_TEST(refused)
{
    ck_assert_int_eq(parse(wrong[_i].text), -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_msg(strstr(err.items[0].message, wrong[_i].says), "%s", err.items[0].message);
}
END_TEST

START_TEST(too_many)
{
    struct buf text = BUF_INIT;

    buf_str(&text, "{" ROOT ", \"urls\": [\"https://a\"");
    for (int i = 0; i < URL_MIRRORS_MAX; i++)
        buf_str(&text, ", \"https://a\"");
    buf_str(&text, "]}");
    ck_assert_int_eq(parse(buf_cstr(&text)), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "more than 16 addresses"));
    buf_free(&text);
}
END_TEST

START_TEST(something_is_missing)
{
    ck_assert_int_eq(parse("{" ROOT "}"), 0);
    ck_assert_int_eq(repository_settle(&repository, &settings, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "no address of a repository is known"));
    error_clear(&err);
    settings.repository = "https://a";
    ck_assert_int_eq(repository_settle(&repository, &settings, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "the name of this gateway is not known"));
}
END_TEST

START_TEST(where_the_agent_looks)
{
    struct arena keep = ARENA_INIT;

    settings.state_dir = "/nonexistent";
    settings.fetch_dir = "/f";
    repository_default_source(&settings, &keep); /* there is no repository */
    ck_assert(!settings_given(&settings.bundle, &settings));
    settings.repository = "https://a";
    settings.origins = "/mine";
    ck_assert(settings_given(&settings.origins, &settings));
    repository_default_source(&settings, &keep);
    ck_assert_str_eq(settings.bundle, "/f/bundle.tar");
    ck_assert_str_eq(settings.origins, "/mine");
    arena_free(&keep);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("repository");
    Suite *s = suite_create("repository");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, all_of_it);
    tcase_add_test(tc, settings_win);
    tcase_add_loop_test(tc, refused, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(tc, too_many);
    tcase_add_test(tc, something_is_missing);
    tcase_add_test(tc, where_the_agent_looks);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
