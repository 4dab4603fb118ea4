/* SPDX-License-Identifier: Apache-2.0 */
/* Rendering, from a struct mesh that tests may spoil in ways that the model would not let through.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "controller/allocate.h"
#include "controller/lock.h"
#include "controller/mesh.h"
#include "controller/model.h"
#include "controller/network.h"
#include "controller/render.h"
#include "controller/render_parts.h"
#include "tests/unit/unit.h"

/* A hub that is called, one that is called by name, a leaf that can only call. */
static const char mesh_text[] =
    "{\"p2pvpn-mesh:mesh\": {\"name\": \"test\","
    "\"lan\": [{\"name\": \"centre\", \"prefix\": [\"10.0.0.0/16\", \"fd10::/48\"]},"
    "  {\"name\": \"ann-lan\", \"prefix\": [\"10.1.0.0/16\"]},"
    "  {\"name\": \"bob-lan\", \"prefix\": [\"10.2.0.0/16\", \"fd10:2::/48\"]}],"
    "\"gateway\": [{\"name\": \"hub\", \"lan\": \"centre\", \"endpoint\": \"198.51.100.1\","
    "    \"group\": [\"hubs\"], \"number\": 1},"
    "  {\"name\": \"ann\", \"lan\": \"ann-lan\", \"number\": 2, \"description\": \"Annandale\"},"
    "  {\"name\": \"bob\", \"lan\": \"bob-lan\", \"number\": 3, \"endpoint\": "
    "\"bob.example.net\"}],"
    "\"topology\": {\"segment\": [{\"name\": \"s\", \"kind\": \"hub-and-spoke\","
    "  \"hub-group\": [\"hubs\"]}]}}}";

static struct mesh *mesh;
static struct network *net;
static struct lock *lock;
static struct renderer *renderer;
static struct rendered files;
static struct error_list err;
static char folder[UNIT_FOLDER_SIZE];

static void setup(void)
{
    struct error_list warnings = ERROR_LIST_INIT;
    int r;

    /* Both the programs' own templates and the YANG modules come from the source tree. */
    setenv("P2PVPN_TEMPLATE_DIR", getenv("P2PVPN_SOURCE_ROOT"), 1);
    unit_folder(folder);
    r = model_parse(mesh_text, strlen(mesh_text), "test.json", &mesh, &warnings, &err);
    if (r == 0)
        r = allocate_network(mesh, NULL, &net, &lock, &warnings, &err);
    if (r == 0)
        r = renderer_new(NULL, &renderer, &err);
    ck_assert_msg(r == 0, "%s", err.n ? err.items[0].message : "?");
    error_clear(&warnings);
}

static void teardown(void)
{
    error_clear(&err);
    fs_remove_tree(folder, &err);
    rendered_free(&files);
    renderer = renderer_free(renderer);
    net = network_free(net);
    lock = lock_free(lock);
    mesh = mesh_free(mesh);
    error_clear(&err);
}

static uint32_t gateway(const char *name)
{
    for (uint32_t i = 0; i < mesh->n_gateways; i++)
        if (strcmp(mesh->gateways[i].name, name) == 0)
            return i;
    ck_abort_msg("no gateway %s", name);
}

/* The text of a file of a gateway, NUL-terminated, the caller's. */
static char *file_of(const char *name, const char *path)
{
    int r = render_gateway(renderer, net, gateway(name), &files, &err);

    ck_assert_msg(r == 0, "%s", err.n ? err.items[0].message : "?");
    for (size_t i = 0; i < files.n_files; i++)
        if (strcmp(files.files[i].path, path) == 0)
            return xstrndup(files.files[i].data, files.files[i].len);
    ck_abort_msg("no file %s", path);
}

static bool has_line(const char *text, const char *line)
{
    size_t n = strlen(line);

    for (const char *p = text; (p = strstr(p, line)) != NULL; p++)
        if ((p == text || p[-1] == '\n') && p[n] == '\n')
            return true;
    return false;
}

START_TEST(who_calls_whom)
{
    static const struct {
        const char *gateway, *file, *has[6], *has_not[5];
    } cases[] = {
        {"hub",
         "openvpn/pv2.conf", /* ann can only call */
         {"proto udp4", "float", "ping-timer-rem", "ping-restart 30", "tls-server", "lport 11002"},
         {"ping-restart 10", "tls-client"}},
        {"ann",
         "openvpn/pv1.conf", /* and nobody calls ann back */
         {"proto udp4", "remote 198.51.100.1 11002", "ping-restart 10", "tls-client",
          "lport 11001"},
         {"float", "ping-timer-rem", "ping-restart 30"}},
        {"hub",
         "openvpn/pv3.conf", /* bob has a name: that may move */
         {"proto udp4", "remote bob.example.net 11001", "float", "ping-restart 30"},
         {"ping-timer-rem", "ping-restart 10"}},
        {"bob",
         "openvpn/pv1.conf",
         {"proto udp4", "remote 198.51.100.1 11003", "verify-x509-name hub.g1 name"},
         {"float", "ping-timer-rem"}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *text = file_of(cases[i].gateway, cases[i].file);

        for (size_t k = 0; k < 6 && cases[i].has[k]; k++)
            ck_assert_msg(has_line(text, cases[i].has[k]), "%s %s has no line '%s'",
                          cases[i].gateway, cases[i].file, cases[i].has[k]);
        for (size_t k = 0; k < 5 && cases[i].has_not[k]; k++)
            ck_assert_msg(!has_line(text, cases[i].has_not[k]), "%s %s has the line '%s'",
                          cases[i].gateway, cases[i].file, cases[i].has_not[k]);
        ck_assert_ptr_null(strstr(text, "remote \n"));
        free(text);
    }
}
END_TEST

START_TEST(files_and_bundle_agree)
{
    struct bundle *b = NULL;
    const struct rendered_file *last;

    ck_assert_int_eq(render_gateway(renderer, net, gateway("hub"), &files, &err), 0);
    last = &files.files[files.n_files - 1];
    ck_assert_str_eq(last->path, BUNDLE_FILE);
    ck_assert_int_eq(bundle_parse(last->data, last->len, "b", &b, &err), 0);
    ck_assert_uint_eq(b->n_files + 1, files.n_files);
    for (size_t i = 0; i < b->n_files; i++) {
        char sha256[DIGEST_TEXT_LEN + 1];

        ck_assert_str_eq(b->files[i].path, files.files[i].path);
        ck_assert_uint_eq(b->files[i].size, files.files[i].len);
        digest_sha256_text(files.files[i].data, files.files[i].len, sha256);
        ck_assert_str_eq(b->files[i].sha256, sha256);
    }
    ck_assert_uint_eq(b->n_links, 2);
    ck_assert_str_eq(b->links[0].peer, "ann");
    ck_assert_ptr_null(b->links[0].remote_host);
    ck_assert_uint_eq(b->links[0].remote_port, 0);
    ck_assert_uint_eq(b->n_mesh_prefixes, 3);
    bundle_free(b);
}
END_TEST

START_TEST(rendering_twice_gives_the_same)
{
    char *first = file_of("hub", BUNDLE_FILE), *second;

    free(file_of("ann", BUNDLE_FILE));
    second = file_of("hub", BUNDLE_FILE);
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
}
END_TEST

static const char *const hostile[] = {
    "ann\nup /bin/sh",
    "ann\"",
    "ann'",
    "ann\\",
    "</ca>",
    "$(id)",
    "`id`",
    "\xe2\x80\xaegoing left",
    "ann\r",
    "",
    "../../etc/cron",
    "-ann",
    "ann\x7f",
    "ann\xff",
    "a b",
    "\xe2\x80\x8bzero",
    "ann\x1b[31m",
    "ann;",
};

/* Spoils one string of the mesh and expects an error at `path`, whichever gateway sees it. */
static void expect_refused(const char **place, const char *value, const char *name,
                           const char *what)
{
    const char *before = *place;

    *place = value;
    ck_assert_msg(render_gateway(renderer, net, gateway("hub"), &files, &err) == -EINVAL,
                  "%s accepted: '%s'", what, value);
    ck_assert_uint_ge(err.n, 1);
    ck_assert_str_eq(err.items[0].file, "test.json");
    ck_assert_ptr_nonnull(strstr(err.items[0].path, name));
    ck_assert_msg(strstr(err.items[0].message, what) != NULL, "%s", err.items[0].message);
    for (const char *p = err.items[0].message; *p; p++)
        ck_assert_msg((unsigned char)*p >= 0x20, "raw byte in: %s", err.items[0].message);
    error_clear(&err);
    *place = before;
    ck_assert_int_eq(render_gateway(renderer, net, gateway("hub"), &files, &err), 0);
}

START_TEST(hostile_names_never_reach_a_file)
{
    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
        /* Spoiling a name must not spoil looking the gateway up, so ann's is replaced, not hub's.
         */
        struct mesh_gateway *ann = &mesh->gateways[gateway("ann")];

        expect_refused(&ann->name, hostile[i], "/gateway[name='", "the name");
        expect_refused(&ann->short_name, hostile[i], "/gateway[name='ann']", "the short name");
        expect_refused(&mesh->lans[ann->lan].name, hostile[i], "/lan[name='", "the name");
        expect_refused(&mesh->name, hostile[i], "mesh/name", "the name");
        expect_refused(&mesh->gateways[gateway("bob")].endpoint, hostile[i], "/gateway[name='bob']",
                       "the endpoint");
    }
}
END_TEST

/* A description is free text; what could break a line or a reader's eye is refused all the same. */
START_TEST(hostile_descriptions_never_reach_a_file)
{
    static const size_t refused[] = {0, 1, 2, 3, 6, 7, 8, 12, 13, 15, 16};

    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        struct mesh_gateway *ann = &mesh->gateways[gateway("ann")];

        expect_refused(&ann->description, hostile[refused[i]], "/gateway[name='ann']",
                       "the description");
        expect_refused(&mesh->lans[ann->lan].description, hostile[refused[i]],
                       "/lan[name='ann-lan']", "the description");
    }
}
END_TEST

START_TEST(long_name_is_refused)
{
    char *name = xmalloc(65537);

    memset(name, 'a', 65536);
    name[65536] = '\0';
    expect_refused(&mesh->gateways[gateway("ann")].name, name, "/gateway[name='", "the name");
    free(name);
}
END_TEST

/* --- templates of the site -------------------------------------------------------------------- */

static void write_template(const char *path, const char *text)
{
    char *full = xasprintf("%s/%s", folder, path), *end = strrchr(full, '/');

    *end = '\0';
    ck_assert_int_eq(fs_mkdirs(full, 0700, &err), 0);
    *end = '/';
    ck_assert_int_eq(fs_write(full, text, strlen(text), 0600, &err), 0);
    free(full);
}

static struct renderer *site_renderer(void)
{
    struct renderer *r = NULL;
    int k = renderer_new(folder, &r, &err);

    ck_assert_msg(k == 0, "%s", err.n ? err.items[0].message : "?");
    return r;
}

START_TEST(site_template_replaces_one_file)
{
    char *text;

    write_template("frr/bfd.tmpl", "bfd\n! {{gateway}}, {{description}}\n{{>ours}}\nexit\n!\n");
    write_template("frr/ours.tmpl", "! included\n");
    renderer_free(renderer);
    renderer = site_renderer();
    text = file_of("ann", "frr/frr.conf");
    ck_assert_ptr_nonnull(strstr(text, "\nbfd\n! ann, Annandale\n! included\nexit\n!\n"));
    ck_assert_ptr_nonnull(strstr(text, "router bgp 4200000002\n"));
    free(text);
    free(file_of("ann", "openvpn/pv1.conf"));
}
END_TEST

static void expect_site_error(const char *file, unsigned line, const char *message)
{
    struct renderer *r = NULL;

    ck_assert_int_eq(renderer_new(folder, &r, &err), -EINVAL);
    ck_assert_ptr_null(r);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_ptr_nonnull(strstr(err.items[0].file, file));
    ck_assert_uint_eq(err.items[0].line, line);
    ck_assert_msg(strstr(err.items[0].message, message) != NULL, "%s", err.items[0].message);
    error_clear(&err);
}

START_TEST(wrong_site_templates_are_refused)
{
    expect_site_error(folder, 0, "neither frr/ nor openvpn/");
    write_template("openvpn/link.conf.tmpl", "dev {{interface}}\nremote {{endpoint}}\n");
    expect_site_error("/openvpn/link.conf.tmpl", 2, "'endpoint' is not a name");
    write_template("openvpn/link.conf.tmpl", "dev {{interface}}\n");
    write_template("openvpn/lnik.conf.tmpl", "dev {{interface}}\n");
    expect_site_error("/openvpn/lnik.conf.tmpl", 0, "no template includes this one");
}
END_TEST

START_TEST(lines_that_openvpn_would_cut_are_refused)
{
    char text[300];

    /* 255 bytes with the newline pass, 256 do not. */
    for (int more = 0; more < 2; more++) {
        struct renderer *r;
        int k;

        memset(text, '#', sizeof(text));
        strcpy(text + 254 + more, "\ndev {{interface}}\n");
        write_template("openvpn/link.conf.tmpl", text);
        r = site_renderer();
        k = render_gateway(r, net, gateway("hub"), &files, &err);
        ck_assert_int_eq(k, more ? -EINVAL : 0);
        renderer_free(r);
    }
    ck_assert_ptr_nonnull(strstr(err.items[0].file, "/openvpn/link.conf.tmpl"));
    ck_assert_ptr_nonnull(
        strstr(err.items[0].message, "line 1 of openvpn/pv2.conf for gateway 'hub' has 256 bytes"));
}
END_TEST

START_TEST(missing_templates_are_a_system_failure)
{
    struct renderer *r = NULL;

    setenv("P2PVPN_TEMPLATE_DIR", "/nonexistent", 1);
    ck_assert_int_eq(renderer_new(NULL, &r, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "P2PVPN_TEMPLATE_DIR"));
}
END_TEST

/* --- documentation ---------------------------------------------------------------------------- */

static void expect_documented(const struct template_type *type, const char *text)
{
    for (size_t i = 0; type && i < type->n_fields; i++) {
        _cleanup_free_ char *name = xasprintf("`%s`", type->fields[i].name);

        ck_assert_msg(strstr(text, name) != NULL, "docs/templates.md does not list %s", name);
        expect_documented(type->fields[i].type, text);
        expect_documented(type->fields[i].type->item, text);
    }
}

START_TEST(every_name_is_documented)
{
    _cleanup_free_ char *path = xasprintf("%s/docs/templates.md", getenv("P2PVPN_SOURCE_ROOT"));
    _cleanup_buf_ struct buf text = BUF_INIT;

    ck_assert_int_eq(fs_read(path, 1u << 20, &text, &err), 0);
    expect_documented(&frr_template_type, buf_cstr(&text));
    expect_documented(&openvpn_template_type, buf_cstr(&text));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("render");
    TCase *t = unit_case(s, "render", setup, teardown);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, who_calls_whom);
    tcase_add_test(t, files_and_bundle_agree);
    tcase_add_test(t, rendering_twice_gives_the_same);
    tcase_add_test(t, hostile_names_never_reach_a_file);
    tcase_add_test(t, hostile_descriptions_never_reach_a_file);
    tcase_add_test(t, long_name_is_refused);
    tcase_add_test(t, site_template_replaces_one_file);
    tcase_add_test(t, wrong_site_templates_are_refused);
    tcase_add_test(t, lines_that_openvpn_would_cut_are_refused);
    tcase_add_test(t, missing_templates_are_a_system_failure);
    tcase_add_test(t, every_name_is_documented);
    return unit_run(s);
}
