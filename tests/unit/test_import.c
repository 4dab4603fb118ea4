/* SPDX-License-Identifier: Apache-2.0 */
/* The fixtures are in tests/models/p2p-vpn: NAME/ is what P2P-VPN would have left behind,
 * NAME.json, NAME.lock.json and NAME.notes what the import makes of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "controller/allocate.h"
#include "controller/import_p2pvpn.h"
#include "controller/lock.h"
#include "controller/model.h"
#include "controller/network.h"
#include "tests/unit/unit.h"

static struct error_list err, warnings;
static struct import_report report;
static char dir[UNIT_FOLDER_SIZE], output[96], lock_file[96];

static void setup(void)
{
    err = warnings = (struct error_list)ERROR_LIST_INIT;
    report = (struct import_report){0};
    unit_folder(dir);
    snprintf(output, sizeof(output), "%s/out.json", dir);
    snprintf(lock_file, sizeof(lock_file), "%s/out.lock.json", dir);
}

static void teardown(void)
{
    fs_remove_tree(dir, &err);
    import_report_clear(&report);
    error_clear(&err);
    error_clear(&warnings);
}

static char *text_of(const char *path)
{
    struct buf text = BUF_INIT;

    ck_assert_int_eq(fs_read(path, 1u << 20, &text, &err), 0);
    return buf_steal(&text);
}

static char *fixture(const char *name, const char *ending)
{
    const char *root = getenv("P2PVPN_SOURCE_ROOT");

    return xasprintf("%s/tests/models/p2p-vpn/%s%s", root ? root : ".", name, ending);
}

static void check_same(const char *path, const char *name, const char *ending)
{
    _cleanup_free_ char *expected_path = fixture(name, ending);
    _cleanup_free_ char *expected = text_of(expected_path), *got = text_of(path);

    ck_assert_str_eq(got, expected);
}

/* The notes as printed, with the fixture's folder left out. */
static void check_notes(const char *name)
{
    _cleanup_free_ char *path = fixture(name, ".notes"), *folder = fixture("", "");
    _cleanup_free_ char *expected = text_of(path);
    _cleanup_buf_ struct buf got = BUF_INIT;

    for (size_t i = 0; i < report.notes.n; i++) {
        const struct error_item *e = &report.notes.items[i];

        if (e->file)
            buf_printf(&got, "%s:", e->file + strlen(folder));
        if (e->line)
            buf_printf(&got, "%u:", e->line);
        buf_printf(&got, "%s%s\n", e->file ? " " : "", e->message);
    }
    ck_assert_str_eq(buf_cstr(&got), expected);
}

static const char *const fixtures[] = {"triangle", "star"};

START_TEST(as_expected)
{
    _cleanup_free_ char *from = fixture(fixtures[_i], "");
    int r = import_p2pvpn(from, output, &report, &err);

    error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    ck_assert_str_eq(report.lock_file, lock_file);
    check_same(output, fixtures[_i], ".json");
    check_same(lock_file, fixtures[_i], ".lock.json");
    check_notes(fixtures[_i]);
}
END_TEST

/* What was written is a good model, the lock fits it, and the addresses are those of the pairs. */
START_TEST(compiles_with_the_old_addresses)
{
    _cleanup_free_ char *model = fixture(fixtures[_i], ".json");
    _cleanup_free_ char *locked = fixture(fixtures[_i], ".lock.json");
    _cleanup_free_ char *before = text_of(locked);
    _cleanup_buf_ struct buf after = BUF_INIT;
    struct lock *lock = NULL, *next = NULL;
    struct network *net = NULL;
    struct mesh *mesh = NULL;
    int r = model_load(model, &mesh, &warnings, &err);

    if (r == 0)
        r = lock_load(locked, &lock, &err);
    if (r == 0)
        r = allocate_network(mesh, lock, &net, &next, &warnings, &err);
    error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    for (size_t i = 0; i < net->n_links; i++)
        ck_assert_uint_eq(net->links[i].override->address_a.addr[1], 17);
    lock_format(next, &after);
    ck_assert_str_eq(buf_cstr(&after), before);
    network_free(net);
    lock_free(next);
    lock_free(lock);
    mesh_free(mesh);
}
END_TEST

/* --- damage -------------------------------------------------------------------------------------
 */

static void write_text(const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

    unlink(path);
    ck_assert_int_eq(fs_write(path, text, strlen(text), 0644, &err), 0);
}

static void write_link(const char *name, const char *target)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

    unlink(path);
    ck_assert_int_eq(symlink(target, path), 0);
}

#define CONF(own, other, id, me, peer)                                                            \
    "ifconfig 172.17." #id "." #own " 172.17." #id "." #other "\nlport 1100" #id "\nremote " peer \
    ".example.net\nrport 1100" #id "\ntls-remote " peer "\ncert keys/" me                         \
    ".crt\nroute 10.9.9.0 255.255.255.0\n"

/* Two servers and one pair, all well. */
static void write_pair(void)
{
    _cleanup_free_ char *servers = xasprintf("%s/servers", dir);

    ck_assert_int_eq(mkdir(servers, 0755), 0);
    write_text("cache.txt",
               "east east.example.net 192.168.1.0\nwest west.example.net 192.168.2.0\n");
    write_text("p2p_pair_id.txt", "2\n");
    write_text("servers/server_1_1.conf", CONF(1, 2, 1, "east", "west"));
    write_text("servers/server_1_2.conf", CONF(2, 1, 1, "west", "east"));
    write_link("servers/east_1.conf", "server_1_1.conf");
    write_link("servers/west_1.conf", "server_1_2.conf");
}

START_TEST(the_pair_is_well)
{
    write_pair();
    ck_assert_int_eq(import_p2pvpn(dir, output, &report, &err), 0);
    ck_assert_uint_eq(report.gateways, 2);
    ck_assert_uint_eq(report.links, 1);
}
END_TEST

static const struct {
    const char *name, *text; /* the file that is damaged; text NULL: removed */
    const char *file;        /* the one that is complained of */
    unsigned line;
    const char *message;
} damages[] = {
    {"cache.txt", NULL, "", 0, "it has no cache.txt; give the working directory"},
    {"cache.txt", "", "/cache.txt", 0, "no server is in it"},
    {"cache.txt", "east east.example.net 192.168.1.0\nwest 192.168.2.0\n", "/cache.txt", 2,
     "three words, its name, its address and its subnet, not 2"},
    {"cache.txt", "# hosts\neast$(id) east.example.net 192.168.1.0\n", "/cache.txt", 2,
     "'east$(id)' cannot be the name of a gateway"},
    {"cache.txt", "east east..example.net 192.168.1.0\n", "/cache.txt", 1,
     "'east..example.net' is neither an address nor a DNS name"},
    {"cache.txt", "east 203.0.113.300 192.168.1.0\n", "/cache.txt", 1,
     "'203.0.113.300' is neither an address nor a DNS name"},
    {"cache.txt", "east east.example.net 192.168.1\n", "/cache.txt", 1,
     "'192.168.1' is not an IPv4 subnet"},
    {"cache.txt", "east east.example.net 127.0.0.0\n", "/cache.txt", 1,
     "127.0.0.0 is not a network that a LAN can have"},
    {"cache.txt",
     "east east.example.net 192.168.1.0\nwest west.example.net 192.168.2.0\n"
     "east east.example.net 192.168.9.0\n",
     "/cache.txt", 3, "'east' is also in line 1"},
    {"cache.txt", "east east.example.net 192.168.0.0/16\nwest west.example.net 192.168.2.0\n",
     "/cache.txt", 2, "192.168.2.0/24 of 'west' overlaps 192.168.0.0/16 of 'east' (line 1)"},
    {"cache.txt", "east east.example.net 192.168.1.0\n", "/servers/server_1_2.conf", 0,
     "server 'west' is not in cache.txt"},
    {"cache.txt",
     "east east.example.net 192.168.1.0\nwest west.example.net 192.168.2.0\n"
     "West w.example.net 192.168.3.0\n",
     "/cache.txt", 0, "differ only in upper and lower case"},
    {"p2p_pair_id.txt", "two\n", "/p2p_pair_id.txt", 1, "the number of the next pair is missing"},
    {"p2p_pair_id.txt", "", "/p2p_pair_id.txt", 1, "the number of the next pair is missing"},
    {"p2p_pair_id.txt", "99999999999999999999\n", "/p2p_pair_id.txt", 1, "the number of the next"},
    {"servers/server_1_2.conf", NULL, "/servers/server_1_1.conf", 0,
     "the other end of pair 1, server_1_2.conf, is missing"},
    {"servers/server_1_1.conf", "lport 11001\n", "/servers/server_1_1.conf", 0,
     "it has no 'ifconfig' line"},
    {"servers/server_1_1.conf", "ifconfig 172.17.1.1\n", "/servers/server_1_1.conf", 1,
     "'ifconfig' needs two IPv4 addresses"},
    {"servers/server_1_1.conf", "ifconfig 172.17.1.1 172.17.1.1\n", "/servers/server_1_1.conf", 1,
     "not two addresses that the ends of a link can have"},
    {"servers/server_1_1.conf", "dev tun\nlport 70000\n", "/servers/server_1_1.conf", 2,
     "'lport' needs a port from 1 to 65535"},
    {"servers/server_1_1.conf", "remote a b\n", "/servers/server_1_1.conf", 1, "needs a port"},
    {"servers/server_1_1.conf", "remote \"x\n", "/servers/server_1_1.conf", 1,
     "'remote' needs an address or a DNS name"},
    {"servers/server_1_1.conf", "remote a\nremote b\n", "/servers/server_1_1.conf", 2,
     "a second 'remote'"},
    {"servers/server_1_1.conf", "route 10.0.0.0 255.0.255.0\n", "/servers/server_1_1.conf", 1,
     "'255.0.255.0' is not a mask"},
    {"servers/server_1_1.conf", "route\n", "/servers/server_1_1.conf", 1,
     "the route has no IPv4 subnet"},
    {"servers/server_1_1.conf", CONF(3, 2, 1, "east", "west"), "/servers/server_1_1.conf", 1,
     "its own address is not the one that"},
    {"servers/server_1_1.conf",
     "ifconfig 172.17.1.1 172.17.1.2\nlport 11001\nremote west.example.net\nrport 11007\n",
     "/servers/server_1_1.conf", 3, "it calls port 11007, but"},
    {"servers/server_1_1.conf", CONF(1, 2, 1, "east", "south"), "/servers/server_1_1.conf", 5,
     "it expects 'south' at the other end, but that is 'west'"},
    {"servers/server_1_1.conf", CONF(1, 2, 1, "south", "west"), "/servers/server_1_1.conf", 6,
     "the certificate is that of 'south', but the symbolic link says that the file is 'east'"},
    {"servers/server_7_1.conf", CONF(1, 2, 7, "east", "west"), "/servers/server_7_1.conf", 0,
     "the other end of pair 7"},
};

START_TEST(damaged)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, damages[_i].name);
    _cleanup_free_ char *blamed = xasprintf("%s%s", dir, damages[_i].file);
    const struct error_item *found = NULL;
    struct stat st;

    write_pair();
    if (damages[_i].text)
        write_text(damages[_i].name, damages[_i].text);
    else
        ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(import_p2pvpn(dir, output, &report, &err), -EINVAL);
    for (size_t i = 0; i < err.n && !found; i++)
        if (strstr(err.items[i].message, damages[_i].message))
            found = &err.items[i];
    if (!found)
        error_print(&err, stderr);
    ck_assert_msg(found != NULL, "case %d: not said: %s", _i, damages[_i].message);
    ck_assert_str_eq(found->file, blamed);
    ck_assert_uint_eq(found->line, damages[_i].line);
    ck_assert(lstat(output, &st) < 0 && lstat(lock_file, &st) < 0);
}
END_TEST

START_TEST(links_that_lie)
{
    write_pair();
    write_link("servers/west_1.conf", "server_1_1.conf");
    ck_assert_int_eq(import_p2pvpn(dir, output, &report, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "is that of 'east' by another link"));
    error_clear(&err);
    write_link("servers/west_1.conf", "../../../etc/passwd");
    ck_assert_int_eq(import_p2pvpn(dir, output, &report, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "points to server_ID_1.conf or"));
    error_clear(&err);
    write_link("servers/west_1.conf", "server_1_2.conf");
    write_link("cache.txt", "/etc/passwd");
    ck_assert_int_eq(import_p2pvpn(dir, output, &report, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "not a regular file"));
}
END_TEST

/* Without the links the certificates tell whose a file is. */
START_TEST(links_lost_on_the_way)
{
    _cleanup_free_ char *east = xasprintf("%s/servers/east_1.conf", dir);
    _cleanup_free_ char *west = xasprintf("%s/servers/west_1.conf", dir);

    write_pair();
    ck_assert_int_eq(unlink(east) + unlink(west), 0);
    ck_assert_int_eq(import_p2pvpn(dir, output, &report, &err), 0);
    ck_assert_uint_eq(report.gateways, 2);
}
END_TEST

START_TEST(nothing_is_overwritten)
{
    _cleanup_free_ char *text = NULL;

    write_pair();
    write_text("out.lock.json", "mine\n");
    ck_assert_int_eq(import_p2pvpn(dir, output, &report, &err), -EINVAL);
    ck_assert_str_eq(err.items[0].file, lock_file);
    text = text_of(lock_file);
    ck_assert_str_eq(text, "mine\n");
    ck_assert_int_lt(access(output, F_OK), 0);
}
END_TEST

START_TEST(no_such_directory)
{
    ck_assert_int_eq(import_p2pvpn("/nonexistent", output, &report, &err), -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_str_eq(err.items[0].file, "/nonexistent");
}
END_TEST

/* The addresses of a pair lie in somebody's LAN: it keeps its ports only. */
START_TEST(addresses_within_a_lan)
{
    _cleanup_free_ char *text = NULL;

    write_pair();
    write_text("cache.txt",
               "east east.example.net 172.17.1.0\nwest west.example.net 192.168.2.0\n");
    ck_assert_int_eq(import_p2pvpn(dir, output, &report, &err), 0);
    text = text_of(lock_file);
    ck_assert_ptr_nonnull(strstr(text, "{\"index\": 0, \"a\": 1, \"b\": 2, \"port-a\": 11001, "
                                       "\"port-b\": 11001}"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("import");
    TCase *t = unit_case(s, "import", setup, teardown);

    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, as_expected, 0, 2);
    tcase_add_loop_test(t, compiles_with_the_old_addresses, 0, 2);
    tcase_add_test(t, the_pair_is_well);
    tcase_add_loop_test(t, damaged, 0, sizeof(damages) / sizeof(damages[0]));
    tcase_add_test(t, links_that_lie);
    tcase_add_test(t, links_lost_on_the_way);
    tcase_add_test(t, nothing_is_overwritten);
    tcase_add_test(t, no_such_directory);
    tcase_add_test(t, addresses_within_a_lan);
    return unit_run(s);
}
