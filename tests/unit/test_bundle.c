/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bundle.h"
#include "common/fs.h"
#include "common/tar.h"
#include "tests/unit/unit.h"

#define GOLDEN "tests/fuzz/corpus/bundle/two-links.json"

static struct error_list err;

/* A bundle with one link of each kind: dual stack and calling, IPv4 pair and being called. */
struct sample {
    struct bundle b;
    struct prefix lan[2], others[2], own[2], peer[2], own_v4, peer_v4, pools[2];
    struct bundle_link links[2];
    struct bundle_file files[3];
};

static void sample_init(struct sample *s)
{
    static const char *const paths[] = {"frr/frr.conf", "openvpn/pv2.conf", "openvpn/pv7.conf"};

    *s = (struct sample){
        .b = {.mesh = "five-sites",
              .gateway = "head",
              .number = 1,
              .asn = 4200000001,
              .router_id = 0x64400001,
              .generation = 1,
              .lan = "head-office",
              .n_lan_prefixes = 2,
              .n_mesh_prefixes = 2,
              .n_link_prefixes = 2,
              .n_links = 2,
              .n_files = 3},
        .lan = {unit_prefix("10.1.0.0/16"), unit_prefix("fd10:1::/48")},
        .others = {unit_prefix("10.2.0.0/16"), unit_prefix("fd10:2::/48")},
        .own = {unit_prefix("172.19.0.0/31"), unit_prefix("fd00::/127")},
        .peer = {unit_prefix("172.19.0.1"), unit_prefix("fd00::1")},
        .pools = {unit_prefix("172.19.0.0/16"), unit_prefix("fd00::/64")},
        .own_v4 = unit_prefix("172.17.4.1"),
        .peer_v4 = unit_prefix("172.17.4.2"),
        .links = {{.interface = "pv2",
                   .alias = "pv-branch",
                   .peer = "branch",
                   .peer_number = 2,
                   .peer_generation = 1,
                   .peer_asn = 4200000002,
                   .transit = true,
                   .n_peer_prefixes = 2,
                   .role = LINK_ROLE_SERVER,
                   .n_addresses = 2,
                   .local_port = 11002,
                   .remote_host = "203.0.113.5",
                   .remote_port = 11001,
                   .mtu = 1420,
                   .queue_length = 1000,
                   .config = "openvpn/pv2.conf"},
                  {.interface = "pv7",
                   .alias = "pv-sales",
                   .peer = "sales",
                   .peer_number = 7,
                   .peer_generation = 1,
                   .peer_asn = 4200000007,
                   .n_peer_prefixes = 1,
                   .role = LINK_ROLE_CLIENT,
                   .n_addresses = 1,
                   .local_port = 11007,
                   .mtu = 1420,
                   .queue_length = 1000,
                   .config = "openvpn/pv7.conf"}},
    };
    s->b.lan_prefixes = s->lan;
    s->b.mesh_prefixes = s->others;
    s->b.link_prefixes = s->pools;
    s->b.links = s->links;
    s->b.files = s->files;
    s->links[0].addresses = s->own;
    s->links[0].peer_addresses = s->peer;
    s->links[0].peer_prefixes = s->links[1].peer_prefixes = s->others;
    s->links[1].addresses = &s->own_v4;
    s->links[1].peer_addresses = &s->peer_v4;
    for (size_t i = 0; i < 3; i++) {
        s->files[i].path = paths[i];
        s->files[i].size = (uint32_t)strlen(paths[i]);
        digest_sha256_text(paths[i], strlen(paths[i]), s->files[i].sha256);
    }
}

static int parse(const struct buf *text, struct bundle **ret)
{
    return bundle_parse(buf_cstr(text), text->len, "bundle.json", ret, &err);
}

static void teardown(void)
{
    error_clear(&err);
}

/* P2PVPN_UPDATE=1 writes the expected text anew, to be looked at and committed. */
START_TEST(text_is_the_golden_one)
{
    const char *root = getenv("P2PVPN_SOURCE_ROOT");
    _cleanup_free_ char *path = xasprintf("%s/%s", root ? root : ".", GOLDEN);
    _cleanup_buf_ struct buf text = BUF_INIT, expected = BUF_INIT;
    struct sample s;

    sample_init(&s);
    bundle_format(&s.b, &text);
    if (getenv("P2PVPN_UPDATE"))
        ck_assert_int_eq(fs_write(path, text.data, text.len, 0644, &err), 0);
    ck_assert_int_eq(fs_read(path, BUNDLE_MAX_BYTES, &expected, &err), 0);
    ck_assert_str_eq(buf_cstr(&text), buf_cstr(&expected));
}
END_TEST

START_TEST(round_trip)
{
    _cleanup_buf_ struct buf text = BUF_INIT, again = BUF_INIT;
    struct bundle *b = NULL;
    struct sample s;

    sample_init(&s);
    bundle_format(&s.b, &text);
    ck_assert_int_eq(parse(&text, &b), 0);
    ck_assert_str_eq(b->gateway, "head");
    ck_assert_uint_eq(b->router_id, 0x64400001);
    ck_assert_uint_eq(b->n_links, 2);
    ck_assert_str_eq(b->links[0].remote_host, "203.0.113.5");
    ck_assert_ptr_null(b->links[1].remote_host);
    ck_assert_int_eq(prefix_compare(&b->links[0].peer_addresses[1], &s.peer[1]), 0);
    ck_assert_str_eq(b->revision, s.b.revision);
    bundle_format(b, &again);
    ck_assert_str_eq(buf_cstr(&text), buf_cstr(&again));
    bundle_free(b);
}
END_TEST

START_TEST(origins_by_cache)
{
    _cleanup_buf_ struct buf lists = BUF_INIT, cache = BUF_INIT, both = BUF_INIT, again = BUF_INIT;
    struct bundle *b = NULL;
    struct sample s;

    sample_init(&s);
    bundle_format(&s.b, &lists);
    ck_assert_ptr_null(strstr(buf_cstr(&lists), "origin-check"));
    s.b.origin_check = BUNDLE_ORIGINS_BY_CACHE;
    bundle_format(&s.b, &both);
    ck_assert_int_eq(parse(&both, &b), -EINVAL); /* the table has the prefixes */
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "with origin-check cache there is none"));
    s.b.n_mesh_prefixes = 0;
    bundle_format(&s.b, &cache);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&cache), "    \"origin-check\": \"cache\",\n"));
    ck_assert_int_eq(parse(&cache, &b), 0);
    ck_assert_int_eq(b->origin_check, BUNDLE_ORIGINS_BY_CACHE);
    bundle_format(b, &again);
    ck_assert_str_eq(buf_cstr(&cache), buf_cstr(&again));
    bundle_free(b);
}
END_TEST

#define KEY_A "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
#define KEY_B "AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICE"

/* What there was before there were such keys stays as it was, to the byte. */
START_TEST(link_keys_and_generations)
{
    _cleanup_buf_ struct buf none = BUF_INIT, both = BUF_INIT, again = BUF_INIT, alone = BUF_INIT,
                             bad = BUF_INIT;
    struct bundle *b = NULL;
    struct sample s;

    sample_init(&s);
    bundle_format(&s.b, &none);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&none), "\"format\": 2,"));
    ck_assert_ptr_null(strstr(buf_cstr(&none), "link-key"));
    ck_assert_ptr_null(strstr(buf_cstr(&none), "peer-generation"));
    s.links[1].peer_link_key = KEY_B;
    bundle_format(&s.b, &alone);
    ck_assert_int_eq(parse(&alone, &b), -EINVAL);
    ck_assert(unit_says(&err, "no own link-key"));
    s.b.link_key = KEY_A;
    s.links[0].peer_generation = 3;
    bundle_format(&s.b, &both);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&both), "\"format\": 3,"));
    ck_assert_int_eq(parse(&both, &b), 0);
    ck_assert_str_eq(b->link_key, KEY_A);
    ck_assert_ptr_null(b->links[0].peer_link_key);
    ck_assert_uint_eq(b->links[0].peer_generation, 3);
    ck_assert_str_eq(b->links[1].peer_link_key, KEY_B);
    ck_assert_uint_eq(b->links[1].peer_generation, 1);
    bundle_format(b, &again);
    ck_assert_str_eq(buf_cstr(&both), buf_cstr(&again));
    bundle_free(b);
    s.links[1].peer_link_key = KEY_B "=";
    bundle_format(&s.b, &bad);
    ck_assert_int_eq(parse(&bad, &b), -EINVAL);
    ck_assert(unit_says(&err, "base64url"));
}
END_TEST

START_TEST(flags_are_written_when_set)
{
    _cleanup_buf_ struct buf unset = BUF_INIT, set = BUF_INIT;
    struct bundle *b = NULL;
    struct sample s;

    sample_init(&s);
    bundle_format(&s.b, &unset);
    ck_assert_ptr_null(strstr(buf_cstr(&unset), "manage-wan-firewall"));
    ck_assert_ptr_null(strstr(buf_cstr(&unset), "shared"));
    s.b.manage_wan_firewall = s.b.lan_shared = true;
    bundle_format(&s.b, &set);
    ck_assert_int_eq(parse(&set, &b), 0);
    ck_assert(b->manage_wan_firewall);
    ck_assert(b->lan_shared);
    ck_assert(b->links[0].transit);
    ck_assert(!b->links[1].transit);
    ck_assert_uint_eq(b->links[0].n_peer_prefixes, 2);
    ck_assert_int_eq(prefix_compare(&b->links[1].peer_prefixes[0], &s.others[0]), 0);
    ck_assert_uint_eq(b->n_link_prefixes, 2);
    bundle_free(b);
}
END_TEST

START_TEST(an_empty_mesh_is_a_bundle)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct bundle *b = NULL;
    struct sample s;

    sample_init(&s);
    s.b.n_links = s.b.n_files = s.b.n_mesh_prefixes = 0;
    bundle_format(&s.b, &text);
    ck_assert_int_eq(parse(&text, &b), 0);
    bundle_free(b);
}
END_TEST

/* Each change alone must be refused with this message: the values are checked before the revision,
 * so it is the check of the value itself that refuses. */
static const struct {
    const char *from, *to, *message;
} wrong[] = {
    {"\"format\": 2", "\"format\": 1", "format 1 and this program knows formats 2 and 3"},
    {"\"format\": 2,", "\"format\": 2, \"plugin\": 1,", "no such member"},
    {"\"format\": 2,", "", "missing"},
    {"\"number\": 1,", "\"number\": 1, \"manage-wan-firewall\": false,", "only be true"},
    {"\"transit\": true,", "\"transit\": \"yes\",", "only be true"},
    {"\"peer-prefix\": [\"10.2.0.0/16\"],", "", "missing"},
    {"\"peer-prefix\": [\"10.2.0.0/16\"]", "\"peer-prefix\": []", "1 to"},
    {"\"peer-prefix\": [\"10.2.0.0/16\"", "\"peer-prefix\": [\"10.2.0.1/16\"", "prefix of a LAN"},
    {"\"peer-prefix\": [\"10.2.0.0/16\"", "\"peer-prefix\": [\"10.2.0.0/16 }\"", "canonical"},
    {"\"172.19.0.0/16\"", "\"172.19.0.1/16\"", "cannot be the prefix of links"},
    {"\"172.19.0.0/16\"", "\"fe80::/16\"", "cannot be the prefix of links"},
    {"\"number\": 1,", "\"number\": 1, \"origin-check\": \"trust\",", "this way to check origins"},
    {"\"number\": 1,", "\"number\": 1, \"origin-check\": 1,", "a string is needed here"},
    {"\"five-sites\"", "\"five\\nsites\"", "no valid name"},
    {"\"head\"", "\"$(id)\"", "no valid name"},
    {"\"head\"", "7", "a string is needed"},
    {"\"number\": 1,", "\"number\": 0,", "between 1 and 65535"},
    {"\"number\": 1,", "\"number\": 1.5,", "a whole number"},
    {"\"number\": 1,", "\"number\": \"1\",", "a whole number"},
    {"\"number\": 1,", "\"number\": 1, \"number\": 1,", "not JSON"},
    {"\"asn\": 4200000001", "\"asn\": 4294967295", "between"},
    {"\"asn\": 4200000001", "\"asn\": 100000", "private use"},
    {"\"100.64.0.1\"", "\"100.64.0.01\"", "IPv4 address"},
    {"\"100.64.0.1\"", "\"fd00::1\"", "IPv4 address"},
    {"\"10.1.0.0/16\"", "\"10.1.0.1/16\"", "cannot be the prefix"},
    {"\"10.1.0.0/16\"", "\"0.0.0.0/0\"", "cannot be the prefix"},
    {"\"10.1.0.0/16\"", "\"127.0.0.0/8\"", "cannot be the prefix"},
    {"\"fd10:1::/48\"", "\"fd10:1:0::/48\"", "canonical"},
    {"\"fd10:1::/48\"", "\"10.1.0.0/16\"", "out of order or there twice"},
    {"[\"10.1.0.0/16\", \"fd10:1::/48\"]", "[]", "1 to"},
    {"[\"10.1.0.0/16\", \"fd10:1::/48\"]", "[1]", "canonical"},
    {"\"interface\": \"pv2\"", "\"interface\": \"eth0\"", "must be 'pv2'"},
    {"\"pv-branch\"", "\"branch\"", "'pv-' and a name"},
    {"\"pv-branch\"", "\"pv-branch-office1\"", "'pv-' and a name"},
    {"\"pv-branch\"", "\"pv-sales\"", "there twice"},
    {"\"peer\": \"branch\"", "\"peer\": \"head\"", "gateway itself"},
    {"\"peer\": \"branch\"", "\"peer\": \"sales\"", "there twice"},
    {"\"peer-asn\": 4200000002", "\"peer-asn\": 4200000001", "gateway itself"},
    {"\"role\": \"server\"", "\"role\": \"both\"", "'server' or 'client'"},
    {"\"172.19.0.0/31\"", "\"172.19.0.0/30\"", "other end"},
    {"\"172.19.0.0/31\"", "\"172.19.0.2/31\"", "other end"},
    {"\"172.19.0.0/31\"", "\"172.19.0.1/31\"", "other end"},
    {"\"172.19.0.0/31\"", "\"fd00::/127\"", "other end"},
    {"\"172.19.0.1\"", "\"172.19.0.1/32\"", "no address"},
    {"[\"172.19.0.1\", \"fd00::1\"]", "[\"172.19.0.1\"]", "as many"},
    {"[\"172.17.4.2\"]", "[\"172.19.0.1\"]", "there twice"},
    {"\"local-port\": 11002", "\"local-port\": 11007", "there twice"},
    {"\"local-port\": 11002", "\"local-port\": 65536", "between"},
    {"\"local-port\": 11002", "\"local-port\": -1", "between"},
    {"\"203.0.113.5\"", "\"203.0.113.5\\nup /bin/sh\"", "neither an address nor"},
    {"\"203.0.113.5\"", "\"203.0.113\"", "neither an address nor"},
    {"\"remote-host\": \"203.0.113.5\",", "", "no 'remote-host'"},
    {"\"remote-port\": 11001,", "", "missing"},
    {"\"mtu\": 1420", "\"mtu\": 67", "between"},
    {"\"queue-length\": 1000", "\"queue-length\": 0", "between"},
    {"\"config\": \"openvpn/pv2.conf\"", "\"config\": \"openvpn/pv3.conf\"", "none of the"},
    {"\"config\": \"openvpn/pv2.conf\"", "\"config\": \"openvpn/pv7.conf\"", "there twice"},
    {"{\"path\": \"frr/frr.conf\"", "{\"path\": \"../etc/passwd\"", "no valid path"},
    {"{\"path\": \"frr/frr.conf\"", "{\"path\": \"/etc/passwd\"", "no valid path"},
    {"{\"path\": \"frr/frr.conf\"", "{\"path\": \"bundle.json\"", "no valid path"},
    {"{\"path\": \"frr/frr.conf\"", "{\"path\": \"openvpn/pv2.conf\"", "ascending order"},
    {"{\"path\": \"frr/frr.conf\"", "{\"path\": \"openvpn\"", "a part of it is a file"},
    {"\"size\": 12", "\"size\": 67108865", "between"},
    {"p2pvpn-bundle:bundle", "p2pvpn-mesh:mesh", "no such member"},
    {"    \"number\": 1,", "    \"number\": 3,", "revision does not fit"},
};

START_TEST(wrong_values)
{
    _cleanup_buf_ struct buf text = BUF_INIT, changed = BUF_INIT;
    struct bundle *b = NULL;
    struct sample s;
    const char *at;

    sample_init(&s);
    bundle_format(&s.b, &text);
    at = strstr(buf_cstr(&text), wrong[_i].from);
    ck_assert_msg(at != NULL, "not in the text: %s", wrong[_i].from);
    buf_add(&changed, text.data, (size_t)(at - text.data));
    buf_str(&changed, wrong[_i].to);
    buf_str(&changed, at + strlen(wrong[_i].from));
    ck_assert_int_eq(parse(&changed, &b), -EINVAL);
    ck_assert_ptr_null(b);
    ck_assert_msg(unit_says(&err, wrong[_i].message), "%s -> %s: not the message '%s'",
                  wrong[_i].from, wrong[_i].to, wrong[_i].message);
}
END_TEST

/* No byte of the text is without effect, except the spaces around. */
START_TEST(every_changed_byte_is_refused)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct bundle *b = NULL;
    struct sample s;

    sample_init(&s);
    bundle_format(&s.b, &text);
    for (size_t i = 0; i < text.len; i++) {
        char old = text.data[i];

        if (old == ' ' || old == '\n')
            continue;
        text.data[i] = (char)(old ^ 1);
        ck_assert_msg(parse(&text, &b) == -EINVAL, "accepted with byte %zu changed", i);
        text.data[i] = old;
        error_clear(&err);
    }
}
END_TEST

START_TEST(layout_does_not_matter)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct bundle *b = NULL;
    struct sample s;
    size_t n = 0;

    sample_init(&s);
    bundle_format(&s.b, &text);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != ' ' && text.data[i] != '\n')
            text.data[n++] = text.data[i];
    text.len = n;
    ck_assert_int_eq(parse(&text, &b), 0);
    bundle_free(b);
}
END_TEST

START_TEST(hostile_sizes)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct bundle *b = NULL;

    buf_reserve(&text, BUNDLE_MAX_BYTES + 1);
    memset(text.data, ' ', BUNDLE_MAX_BYTES + 1);
    text.len = BUNDLE_MAX_BYTES + 1;
    ck_assert_int_eq(parse(&text, &b), -EINVAL);
    ck_assert(unit_says(&err, "more than"));
    error_clear(&err);
    memset(text.data, '[', 1 << 20);
    text.len = 1 << 20;
    ck_assert_int_eq(parse(&text, &b), -EINVAL);
    ck_assert_uint_lt(err.n, 25);
}
END_TEST

/* --- the folder ------------------------------------------------------------------------------- */

static char dir[UNIT_FOLDER_SIZE];

static void write_file(const char *path, const char *text, size_t len)
{
    _cleanup_free_ char *whole = xasprintf("%s/%s", dir, path);

    ck_assert_int_eq(fs_write(whole, text, len, 0644, &err), 0);
}

static void folder_setup(void)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct sample s;

    unit_folder(dir);
    sample_init(&s);
    for (size_t i = 0; i < 3; i++) {
        _cleanup_free_ char *folder = xasprintf("%s/%s", dir, i ? "openvpn" : "frr");

        ck_assert_int_eq(fs_mkdirs(folder, 0755, &err), 0);
        write_file(s.files[i].path, s.files[i].path, s.files[i].size);
    }
    bundle_format(&s.b, &text);
    write_file(BUNDLE_FILE, text.data, text.len);
}

static void folder_teardown(void)
{
    fs_remove_tree(dir, &err);
    teardown();
}

static int load(void)
{
    struct bundle *b = NULL;
    int r = bundle_load(dir, &b, &err);

    ck_assert_int_eq(r == 0, b != NULL);
    bundle_free(b);
    return r;
}

START_TEST(folder_is_loaded)
{
    ck_assert_int_eq(load(), 0);
    ck_assert_uint_eq(err.n, 0);
}
END_TEST

START_TEST(folder_with_changed_files)
{
    write_file("frr/frr.conf", "frr/frr.conF", 12);
    write_file("openvpn/pv2.conf", "short", 5);
    write_file("openvpn/pv7.conf", "much longer than it should be", 29);
    ck_assert_int_eq(load(), -EINVAL);
    ck_assert_uint_eq(err.n, 3); /* all of them in one run */
    ck_assert(unit_says(&err, "SHA-256 does not fit"));
    ck_assert(unit_says(&err, "has 5 bytes and should have 16"));
    ck_assert(unit_says(&err, "larger than the 16 bytes"));
}
END_TEST

START_TEST(folder_with_missing_file)
{
    _cleanup_free_ char *path = xasprintf("%s/frr/frr.conf", dir);

    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(load(), -EINVAL);
    ck_assert(unit_says(&err, "missing"));
}
END_TEST

START_TEST(folder_with_symbolic_links)
{
    _cleanup_free_ char *conf = xasprintf("%s/frr/frr.conf", dir);
    _cleanup_free_ char *moved = xasprintf("%s/frr/moved", dir);
    _cleanup_free_ char *folder = xasprintf("%s/openvpn", dir);
    _cleanup_free_ char *moved_folder = xasprintf("%s/elsewhere", dir);

    /* Both lead to the right bytes, and both are refused. */
    ck_assert_int_eq(rename(conf, moved), 0);
    ck_assert_int_eq(symlink("moved", conf), 0);
    ck_assert_int_eq(rename(folder, moved_folder), 0);
    ck_assert_int_eq(symlink("elsewhere", folder), 0);
    ck_assert_int_eq(load(), -EINVAL);
    ck_assert_uint_eq(err.n, 3);
}
END_TEST

START_TEST(folder_with_fifo)
{
    _cleanup_free_ char *path = xasprintf("%s/frr/frr.conf", dir);

    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    ck_assert_int_eq(load(), -EINVAL);
    ck_assert(unit_says(&err, "regular files only"));
}
END_TEST

/* --- the archive ------------------------------------------------------------------------------ */

static char *archive; /* path of it, in dir */
static struct buf bytes;

static void put_archive(void)
{
    ck_assert_int_eq(fs_write(archive, bytes.data, bytes.len, 0644, &err), 0);
}

static void archive_setup(void)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct sample s;

    unit_folder(dir);
    archive = xasprintf("%s/perth.tar", dir);
    sample_init(&s);
    bundle_format(&s.b, &text);
    tar_add(&bytes, BUNDLE_FILE, text.data, text.len);
    for (size_t i = 0; i < 3; i++)
        tar_add(&bytes, s.files[i].path, s.files[i].path, s.files[i].size);
    tar_end(&bytes);
    put_archive();
}

static void archive_teardown(void)
{
    buf_free(&bytes);
    free(archive);
    folder_teardown();
}

static bool archive_loads(void)
{
    struct bundle *b = NULL;
    int r;

    error_clear(&err);
    r = bundle_load(archive, &b, &err);
    ck_assert(r == 0 || r == -EINVAL);
    ck_assert_int_eq(r<0, err.n> 0);
    bundle_free(b);
    return r == 0;
}

START_TEST(archive_is_read)
{
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct bundle_source *source = NULL;
    const struct bundle *b;

    ck_assert_int_eq(bundle_open(archive, &source, &err), 0);
    b = bundle_opened(source);
    ck_assert_uint_eq(b->n_files, 3);
    ck_assert_int_eq(strncmp(bundle_opened_text(source)->data, "{\n", 2), 0);
    for (size_t i = 0; i < b->n_files; i++) {
        buf_reset(&data);
        ck_assert_int_eq(bundle_read_file(source, &b->files[i], &data, &err), 0);
        ck_assert_str_eq(buf_cstr(&data), b->files[i].path);
    }
    bundle_close(source);
}
END_TEST

START_TEST(no_archive_cut_short)
{
    size_t len = bytes.len;

    for (bytes.len = 0; bytes.len < len; bytes.len += 7) {
        put_archive();
        ck_assert(!archive_loads());
    }
    bytes.len = len;
    put_archive();
    ck_assert(archive_loads());
}
END_TEST

/* Contents included: they must fit the SHA-256. */
START_TEST(no_archive_with_a_flipped_bit)
{
    int fd = open(archive, O_WRONLY | O_CLOEXEC);

    for (size_t i = 0; i < bytes.len; i++) {
        char flipped = (char)(bytes.data[i] ^ 1 << i % 8);

        ck_assert_int_eq(pwrite(fd, &flipped, 1, (off_t)i), 1);
        ck_assert_msg(!archive_loads(), "byte %zu", i);
        ck_assert_int_eq(pwrite(fd, &bytes.data[i], 1, (off_t)i), 1);
    }
    ck_assert(archive_loads());
    close(fd);
}
END_TEST

START_TEST(archive_with_other_files)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct sample s;

    sample_init(&s);
    bundle_format(&s.b, &text);
    bytes.len -= TAR_END;
    tar_add(&bytes, "more", "", 0);
    tar_end(&bytes);
    put_archive();
    ck_assert(!archive_loads());
    ck_assert(unit_says(&err, "more is in this archive and not in its bundle.json"));

    buf_reset(&bytes);
    tar_add(&bytes, s.files[0].path, s.files[0].path, s.files[0].size);
    tar_add(&bytes, BUNDLE_FILE, text.data, text.len);
    tar_end(&bytes);
    put_archive();
    ck_assert(!archive_loads());
    ck_assert(unit_says(&err, "bundle.json is not where it should be"));

    buf_reset(&bytes);
    tar_add(&bytes, BUNDLE_FILE, text.data, text.len);
    tar_add(&bytes, s.files[1].path, s.files[1].path, s.files[1].size);
    tar_end(&bytes);
    put_archive();
    ck_assert(!archive_loads());
    ck_assert(unit_says(&err, "frr/frr.conf is not where it should be"));
}
END_TEST

START_TEST(neither_folder_nor_archive)
{
    ck_assert_int_eq(unlink(archive), 0);
    ck_assert(!archive_loads());
    ck_assert(unit_says(&err, "there is no bundle here"));
    ck_assert_int_eq(mkfifo(archive, 0644), 0);
    ck_assert(!archive_loads());
    ck_assert(unit_says(&err, "neither"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bundle");
    TCase *t = unit_case(s, "text", NULL, teardown);
    TCase *f = unit_case(s, "folder", folder_setup, folder_teardown);
    TCase *a = unit_case(s, "archive", archive_setup, archive_teardown);

    tcase_add_test(t, text_is_the_golden_one);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, origins_by_cache);
    tcase_add_test(t, link_keys_and_generations);
    tcase_add_test(t, flags_are_written_when_set);
    tcase_add_test(t, an_empty_mesh_is_a_bundle);
    tcase_add_loop_test(t, wrong_values, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(t, every_changed_byte_is_refused);
    tcase_add_test(t, layout_does_not_matter);
    tcase_add_test(t, hostile_sizes);
    tcase_add_test(f, folder_is_loaded);
    tcase_add_test(f, folder_with_changed_files);
    tcase_add_test(f, folder_with_missing_file);
    tcase_add_test(f, folder_with_symbolic_links);
    tcase_add_test(f, folder_with_fifo);
    tcase_add_test(a, archive_is_read);
    tcase_add_test(a, no_archive_cut_short);
    tcase_add_test(a, no_archive_with_a_flipped_bit);
    tcase_add_test(a, archive_with_other_files);
    tcase_add_test(a, neither_folder_nor_archive);
    return unit_run(s);
}
