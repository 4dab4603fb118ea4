/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent/openvpn_status.h"
#include "agent/status.h"
#include "agent/status_print.h"
#include "agent/vtysh_json.h"
#include "common/alloc.h"
#include "common/buf.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

/* --- FRR's JSON ---------------------------------------------------------------------------------
 */

#define SUMMARY                                                                        \
    "{\"ipv4Unicast\":{\"routerId\":\"100.64.0.2\",\"as\":4200000002,\"peers\":{"      \
    "\"172.19.0.0\":{\"remoteAs\":4200000001,\"peerUptimeMsec\":3725000,\"pfxRcd\":3," \
    "\"pfxSnt\":4,\"state\":\"Established\",\"softwareVersion\":\"n/a\"},"             \
    "\"172.19.0.5\":{\"remoteAs\":\"4200000003\",\"peerUptimeMsec\":0,\"pfxRcd\":0,"   \
    "\"pfxSnt\":0,\"state\":\"Active\"},"                                              \
    "\"eth0\":{\"state\":\"Idle\"}}},"                                                 \
    "\"ipv6Unicast\":{\"peers\":{\"fd67::5\":{\"state\":\"Idle (Admin)\"}}},\"l2VpnEvpn\":[]}"

START_TEST(bgp_summary)
{
    const struct bgp_session *s;
    struct bgp_sessions all;
    struct prefix a;

    ck_assert_int_eq(vtysh_json_bgp_summary(SUMMARY, &all, &err), 0);
    ck_assert_uint_eq(all.n, 3);
    ck_assert_uint_eq(all.asn, 4200000002);
    ck_assert(prefix_parse("172.19.0.0", &a));
    s = bgp_sessions_find(&all, &a, FAMILY_IPV4);
    ck_assert_ptr_ne(s, NULL);
    ck_assert(s->established);
    ck_assert_uint_eq(s->up_ms, 3725000);
    ck_assert_uint_eq(s->received, 3);
    ck_assert_ptr_eq(bgp_sessions_find(&all, &a, FAMILY_IPV6), NULL);
    ck_assert(prefix_parse("172.19.0.5", &a));
    s = bgp_sessions_find(&all, &a, FAMILY_IPV4);
    ck_assert_uint_eq(s->asn, 4200000003);
    ck_assert(!s->established);
    ck_assert(prefix_parse("fd67::5", &a));
    ck_assert_str_eq(bgp_sessions_find(&all, &a, FAMILY_IPV6)->state, "Idle (Admin)");
    bgp_sessions_free(&all);
}
END_TEST

START_TEST(bfd_peers)
{
    struct bfd_sessions all;

    ck_assert_int_eq(
        vtysh_json_bfd_peers("[{\"peer\":\"172.19.0.0\",\"status\":\"up\",\"uptime\":61},"
                             "{\"peer\":\"fd67::5\",\"status\":\"down\",\"downtime\":9,"
                             "\"diagnostic\":\"control detection\\u001b[2Jtime expired\"}, 7]",
                             &all, &err),
        0);
    ck_assert_uint_eq(all.n, 2);
    ck_assert(all.items[0].up && !all.items[1].up);
    ck_assert_uint_eq(all.items[0].seconds, 61);
    ck_assert_uint_eq(all.items[1].seconds, 9);
    ck_assert_str_eq(all.items[1].diagnostic, "control detection?[2Jtime expired");
    bfd_sessions_free(&all);
}
END_TEST

START_TEST(routes)
{
    struct route_set all = {NULL, 0};
    struct prefix p;

    ck_assert_int_eq(
        vtysh_json_routes("{\"10.3.0.0/16\":[{\"selected\":true,\"installed\":true}],"
                          "\"10.2.0.0/16\":[{},{\"selected\":true,\"installed\":true}],"
                          "\"10.4.0.0/16\":[{\"selected\":true}],"
                          "\"10.5.0.0/16\":{}}",
                          &all, &err),
        0);
    ck_assert_int_eq(
        vtysh_json_routes("{\"fd10:2::/48\":[{\"selected\":true,\"installed\":true}]}", &all, &err),
        0);
    ck_assert_uint_eq(all.n, 3);
    ck_assert(prefix_parse("fd10:2::/48", &p) && route_set_has(&all, &p));
    ck_assert(prefix_parse("10.2.0.0/16", &p) && route_set_has(&all, &p));
    ck_assert(prefix_parse("10.4.0.0/16", &p) && !route_set_has(&all, &p));
    ck_assert(prefix_parse("10.2.0.0/17", &p) && !route_set_has(&all, &p));
    route_set_free(&all);
}
END_TEST

START_TEST(nothing_to_show_is_prose)
{
    static const char *const answers[] = {"", "\n", "% BGP instance not found\n", "{}",
                                          "No BGP neighbors found in VRF default\n"};
    struct bgp_sessions all;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        ck_assert_int_eq(vtysh_json_bgp_summary(answers[i], &all, &err), 0);
        ck_assert_uint_eq(all.n, 0);
    }
    ck_assert_int_eq(vtysh_json_bgp_summary("{\"ipv4Unicast\":{", &all, &err), -EINVAL);
    ck_assert_uint_eq(err.n, 1);
}
END_TEST

/* --- OpenVPN's management interface -------------------------------------------------------------
 */

#define ANSWER(state, port)                                                         \
    ">INFO:OpenVPN Management Interface Version 5 -- type 'help' for more info\r\n" \
    "1795391115," state ",," port ",,\r\nEND\r\n"                                   \
    "OpenVPN STATISTICS\r\nUpdated,2026-11-22 23:45:23\r\n"                         \
    "TUN/TAP read bytes,4711\r\nTUN/TAP write bytes,1024\r\n"                       \
    "TCP/UDP read bytes,1600\r\nEND\r\n"                                            \
    "1795391100,,Data Channel: cipher 'CHACHA20-POLY1305', peer-id: 0\r\n"          \
    "1795391115,,Data Channel: cipher 'AES-256-GCM', peer-id: 0\r\nEND\r\n"

START_TEST(openvpn_connected)
{
    const char *text = ANSWER("CONNECTED,SUCCESS", "203.0.113.5,11001");
    struct openvpn_status s;

    ck_assert_int_eq(openvpn_status_parse(text, strlen(text), &s), 0);
    ck_assert(s.connected);
    ck_assert_int_eq(s.since, 1795391115);
    ck_assert_str_eq(s.reason, "");
    ck_assert_str_eq(s.remote, "203.0.113.5:11001");
    ck_assert_str_eq(s.cipher, "AES-256-GCM");
    ck_assert_uint_eq(s.bytes_in, 1024);
    ck_assert_uint_eq(s.bytes_out, 4711);
}
END_TEST

START_TEST(openvpn_reconnecting)
{
    const char *text = ANSWER("RECONNECTING,ping-restart", ",");
    struct openvpn_status s;

    ck_assert_int_eq(openvpn_status_parse(text, strlen(text), &s), 0);
    ck_assert(!s.connected);
    ck_assert_str_eq(s.state, "RECONNECTING");
    ck_assert_str_eq(s.reason, "ping-restart");
    ck_assert_str_eq(s.remote, "");
    text = ANSWER("CONNECTED,SUCCESS", "2001:db8::5,11001");
    ck_assert_int_eq(openvpn_status_parse(text, strlen(text), &s), 0);
    ck_assert_str_eq(s.remote, "[2001:db8::5]:11001");
    ck_assert_int_eq(openvpn_status_parse("END\r\n", 5, &s), -EINVAL);
}
END_TEST

START_TEST(openvpn_refuses_the_peer)
{
    static const char log[] =
        "VERIFY ERROR: depth=0, error=certificate has expired: CN=sales.g1, serial=1\n"
        "Data Channel: cipher 'AES-256-GCM', peer-id: 0\n"
        "VERIFY ERROR: depth=1, error=self-signed certificate in certificate chain: CN=x, "
        "serial=2\n"
        "TLS Error: TLS handshake failed\n";
    static const char other[] = "VERIFY X509NAME ERROR: CN=store.g1, must be sales.g1";
    char why[160] = "";

    ck_assert(openvpn_status_refusal(log, strlen(log), why, sizeof(why)));
    ck_assert_str_eq(why, "error=self-signed certificate in certificate chain: CN=x");
    ck_assert(openvpn_status_refusal(other, strlen(other), why, sizeof(why)));
    ck_assert_str_eq(why, "CN=store.g1, must be sales.g1");
    /* What was refused before the link was up the last time is over. */
    ck_assert(!openvpn_status_refusal(log, (size_t)(strstr(log, "VERIFY ERROR: depth=1") - log),
                                      why, sizeof(why)));
    ck_assert(!openvpn_status_refusal("", 0, why, sizeof(why)));
}
END_TEST

START_TEST(openvpn_absent)
{
    struct openvpn_status s;

    ck_assert_int_eq(openvpn_status_read("/nonexistent/pv1.sock", 100, &s, &err), -ENOENT);
    ck_assert_str_eq(err.items[0].message, "its OpenVPN process does not run");
}
END_TEST

/* --- what is printed ----------------------------------------------------------------------------
 */

START_TEST(durations_and_bytes)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } durations[] = {{0, "0s"},       {59, "59s"},      {60, "1m 0s"},       {3599, "59m 59s"},
                     {3600, "1h 0m"}, {90061, "1d 1h"}, {8640000, "100d 0h"}};
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {1048575, "1.0 MiB"},
                 {5368709120u, "5.0 GiB"},
                 {UINT64_MAX, "16384.0 PiB"}};

    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        struct buf b = BUF_INIT;

        status_print_duration(durations[i].seconds, &b);
        ck_assert_str_eq(buf_cstr(&b), durations[i].text);
        buf_free(&b);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf b = BUF_INIT;

        status_print_bytes(sizes[i].bytes, &b);
        ck_assert_str_eq(buf_cstr(&b), sizes[i].text);
        buf_free(&b);
    }
}
END_TEST

/* A gateway with two links, one of which is down, as collected at 1795394840. */
static struct bundle_link links[2];
static struct status_link status_links[2];
static struct prefix mesh_prefixes[2], peers[2];
static struct bundle bundle;

static struct status *sample(void)
{
    struct status *s = xcalloc(1, sizeof(*s));

    ck_assert(prefix_parse("172.19.0.0", &peers[0]) && prefix_parse("172.19.0.5", &peers[1]));
    ck_assert(prefix_parse("10.2.0.0/16", &mesh_prefixes[0]) &&
              prefix_parse("10.3.0.0/16", &mesh_prefixes[1]));
    links[0] = (struct bundle_link){.interface = "pv1",
                                    .peer = "branch",
                                    .peer_addresses = &peers[0],
                                    .n_addresses = 1,
                                    .remote_port = 11002};
    links[1] = (struct bundle_link){.interface = "pv3",
                                    .peer = "sales",
                                    .peer_addresses = &peers[1],
                                    .n_addresses = 1,
                                    .remote_port = 11002};
    bundle = (struct bundle){.mesh = "five-sites",
                             .gateway = "head",
                             .lan = "head-office",
                             .revision = "24f9a7141c9534d819de797017bb2ef3",
                             .mesh_prefixes = mesh_prefixes,
                             .n_mesh_prefixes = 2,
                             .links = links,
                             .n_links = 2};
    status_links[0] = (struct status_link){.link = &links[0],
                                           .up = true,
                                           .vpn = {true, "CONNECTED", "", 1795391115, 5368709120u,
                                                   1536, "AES-256-GCM", "203.0.113.5:11002"}};
    status_links[1] = (struct status_link){
        .link = &links[1],
        .vpn = {false, "RECONNECTING", "ping-restart", 1795394830, 0, 0, "", ""}};
    s->bundle = &bundle;
    s->now = 1795394840;
    s->links = status_links;
    s->n_links = 2;
    s->frr_asked = s->routes_known = true;
    ck_assert_int_eq(vtysh_json_bgp_summary(SUMMARY, &s->bgp, &err), 0);
    ck_assert_int_eq(vtysh_json_bfd_peers("[{\"peer\":\"172.19.0.0\",\"status\":\"up\"},"
                                          "{\"peer\":\"172.19.0.5\",\"status\":\"down\"}]",
                                          &s->bfd, &err),
                     0);
    ck_assert_int_eq(vtysh_json_routes("{\"10.2.0.0/16\":[{\"selected\":true,\"installed\":true}]}",
                                       &s->routes, &err),
                     0);
    return s;
}

static void sample_free(struct status *s)
{
    s->bundle = NULL;
    s->links = NULL;
    status_free(s);
}

/* The word `unit` of each link and the column of the text are there where systemd runs a link. */
START_TEST(unit_of_a_link)
{
    struct status *s = sample();
    struct buf b = BUF_INIT;
    json_t *root, *shown;

    status_judge(s, true, true);
    status_print_text(s, &b);
    ck_assert_ptr_eq(strstr(buf_cstr(&b), "UNIT"), NULL);
    buf_reset(&b);
    s->links[0].unit = true;
    status_print_text(s, &b);
    ck_assert_ptr_ne(strstr(buf_cstr(&b), "UNIT\n"), NULL);
    ck_assert_ptr_ne(strstr(buf_cstr(&b), "p2pvpn-link@pv1.service"), NULL);
    buf_reset(&b);
    status_print_json(s, &b);
    root = json_loads(buf_cstr(&b), 0, NULL);
    shown = json_object_get(root, "links");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(shown, 0), "unit")),
                     "p2pvpn-link@pv1.service");
    ck_assert_ptr_eq(json_object_get(json_array_get(shown, 1), "unit"), NULL);
    json_decref(root);
    buf_free(&b);
    s->links[0].unit = false;
    sample_free(s);
}
END_TEST

START_TEST(text)
{
    struct status *s = sample();
    struct buf b = BUF_INIT;

    status_judge(s, true, true);
    status_print_text(s, &b);
    ck_assert_str_eq(
        buf_cstr(&b),
        "gateway head, mesh five-sites, lan head-office, revision 24f9a7141c95\n"
        "\n1 problem:\n"
        "  1 of the 2 prefixes of other LANs have no route by BGP: 10.3.0.0/16\n"
        "\nAgent: NOT RUNNING.\nCertificate: NONE.\n"
        "\n"
        "LINK  PEER    STATE  SINCE  CIPHER            IN      OUT  REMOTE\n"
        "pv1   branch  up     1h 2m  AES-256-GCM  5.0 GiB  1.5 KiB  203.0.113.5:11002\n"
        "pv3   sales   DOWN   10s    -                0 B      0 B  -\n"
        "\n"
        "NEIGHBOR    PEER    LINK  ROUTES  BGP          SINCE  RECEIVED  SENT  BFD\n"
        "172.19.0.0  branch  pv1   IPv4    Established  1h 2m         3     4  up\n"
        "172.19.0.5  sales   pv3   IPv4    ACTIVE       -             -     -  DOWN\n"
        "\nRoutes by BGP: 1 of 2 prefixes of other LANs.\n");
    buf_free(&b);
    sample_free(s);
}
END_TEST

START_TEST(json)
{
    struct status *s = sample();
    struct buf b = BUF_INIT;
    json_t *root, *link;

    status_judge(s, true, true);
    status_print_json(s, &b);
    root = json_loads(buf_cstr(&b), 0, NULL);
    ck_assert_ptr_ne(root, NULL);
    ck_assert(json_is_false(json_object_get(root, "healthy")));
    ck_assert_uint_eq(json_array_size(json_object_get(root, "links")), 2);
    link = json_array_get(json_object_get(root, "links"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(link, "bytes-in")), 5368709120);
    ck_assert_int_eq(json_integer_value(json_object_get(link, "seconds")), 3725);
    ck_assert_str_eq(json_string_value(json_object_get(link, "state")), "up");
    ck_assert_uint_eq(json_array_size(json_object_get(root, "sessions")), 2);
    ck_assert_str_eq(json_string_value(json_array_get(
                         json_object_get(json_object_get(root, "prefixes"), "missing"), 0)),
                     "10.3.0.0/16");
    json_decref(root);
    buf_free(&b);
    sample_free(s);
}
END_TEST

/* What follows from a link that is down is not said again; what happens on one that is up is. */
START_TEST(problems)
{
    struct status *s = sample();

    status_links[1].up = true;
    s->bfd.items[1].seconds = 64;
    status_judge(s, true, true);
    ck_assert_uint_eq(s->problems.n, 2);
    ck_assert_str_eq(
        s->problems.items[0].message,
        "link pv3 to sales is silent for 1m 4s: OpenVPN has a session, but BFD and BGP "
        "are down, so UDP packets between here and the peer are lost on the way, or "
        "the other end does not run");
    sample_free(s);

    s = sample();
    status_links[1].up = true;
    s->bfd.items[1].up = true;
    status_judge(s, true, true);
    ck_assert_uint_eq(s->problems.n, 2);
    ck_assert_str_eq(s->problems.items[0].message,
                     "BGP with sales (172.19.0.5, over pv3) is in state Active, though the link is "
                     "up: see \"vtysh -c 'show bgp neighbors 172.19.0.5'\"");
    sample_free(s);
}
END_TEST

START_TEST(bgpd_is_dead)
{
    struct status *s = sample();
    struct buf b = BUF_INIT;

    bgp_sessions_free(&s->bgp);
    s->routes_known = false;
    status_judge(s, false, true);
    ck_assert_uint_eq(s->problems.n, 0); /* the dead daemon was named when it was asked */
    status_print_text(s, &b);
    ck_assert_ptr_ne(strstr(buf_cstr(&b), "  UNKNOWN  "), NULL);
    ck_assert_ptr_ne(strstr(buf_cstr(&b), "Routes by BGP: unknown; 2 prefixes"), NULL);
    buf_free(&b);
    sample_free(s);
}
END_TEST

/* What FRR 10.3 said on a gateway with four links, recorded. */
static void recorded(const char *name, struct buf *ret)
{
    const char *root = getenv("P2PVPN_SOURCE_ROOT");
    _cleanup_free_ char *path =
        xasprintf("%s/tests/fuzz/corpus/vtysh_json/%s-frr10", root ? root : ".", name);

    buf_reset(ret);
    ck_assert_int_eq(fs_read(path, 1 << 20, ret, &err), 0);
}

START_TEST(answers_of_frr_10)
{
    _cleanup_buf_ struct buf answer = BUF_INIT;
    struct bgp_sessions bgp;
    struct bfd_sessions bfd;
    struct route_set over = {NULL, 0};

    recorded("bgp-summary", &answer);
    ck_assert_int_eq(vtysh_json_bgp_summary(buf_cstr(&answer), &bgp, &err), 0);
    ck_assert_uint_eq(bgp.n, 8);
    ck_assert_uint_eq(bgp.asn, 4200000001);
    for (size_t i = 0; i < bgp.n; i++)
        ck_assert(bgp.items[i].established && bgp.items[i].received > 0);
    bgp_sessions_free(&bgp);
    recorded("bfd-peers", &answer);
    ck_assert_int_eq(vtysh_json_bfd_peers(buf_cstr(&answer), &bfd, &err), 0);
    ck_assert_uint_eq(bfd.n, 8);
    for (size_t i = 0; i < bfd.n; i++)
        ck_assert(bfd.items[i].up);
    bfd_sessions_free(&bfd);
    recorded("routes-4", &answer);
    ck_assert_int_eq(vtysh_json_routes(buf_cstr(&answer), &over, &err), 0);
    ck_assert_uint_eq(over.n, 4);
    route_set_free(&over);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("status");
    TCase *t = unit_case(s, "status", NULL, teardown);

    tcase_add_test(t, bgp_summary);
    tcase_add_test(t, answers_of_frr_10);
    tcase_add_test(t, bfd_peers);
    tcase_add_test(t, routes);
    tcase_add_test(t, nothing_to_show_is_prose);
    tcase_add_test(t, openvpn_connected);
    tcase_add_test(t, openvpn_reconnecting);
    tcase_add_test(t, openvpn_refuses_the_peer);
    tcase_add_test(t, openvpn_absent);
    tcase_add_test(t, durations_and_bytes);
    tcase_add_test(t, unit_of_a_link);
    tcase_add_test(t, text);
    tcase_add_test(t, json);
    tcase_add_test(t, problems);
    tcase_add_test(t, bgpd_is_dead);
    return unit_run(s);
}
