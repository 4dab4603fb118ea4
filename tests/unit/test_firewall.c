/* SPDX-License-Identifier: Apache-2.0 */
/* What tests/golden shows of whole meshes is not repeated here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/firewall.h"
#include "tests/unit/unit.h"

static struct error_list err;

/* Gateway "head" with a leaf, and with a gateway that gives transit and has two tunnels. */
struct world {
    struct bundle b;
    struct bundle_link links[3];
    struct prefix lan[1], mesh[4], pools[1], leaf[2], hub[1], own[3], peer[3];
    struct firewall f;
};

static void world_init(struct world *w)
{
    static const char *const names[] = {"pv2", "pv3", "pv3-2"};
    static const char *const peers[] = {"leaf", "hub", "hub"};

    *w = (struct world){
        .b = {.mesh = "m", .gateway = "head", .lan = "head", .n_lan_prefixes = 1, .n_links = 3},
        .lan = {unit_prefix("10.1.0.0/16")},
        .mesh = {unit_prefix("10.2.0.0/16"), unit_prefix("10.2.7.0/24"), unit_prefix("10.3.0.0/16"),
                 unit_prefix("10.4.0.0/16")},
        .pools = {unit_prefix("172.19.0.0/16")},
        .leaf = {unit_prefix("10.2.0.0/16"), unit_prefix("10.2.7.0/24")},
        .hub = {unit_prefix("10.3.0.0/16")},
        .own = {unit_prefix("172.19.0.0/31"), unit_prefix("172.19.0.2/31"),
                unit_prefix("172.19.0.4/31")},
        .peer = {unit_prefix("172.19.0.1"), unit_prefix("172.19.0.3"), unit_prefix("172.19.0.5")},
    };
    w->b.lan_prefixes = w->lan;
    w->b.mesh_prefixes = w->mesh;
    w->b.n_mesh_prefixes = 4;
    w->b.link_prefixes = w->pools;
    w->b.n_link_prefixes = 1;
    w->b.links = w->links;
    for (unsigned i = 0; i < 3; i++)
        w->links[i] = (struct bundle_link){
            .interface = names[i],
            .peer = peers[i],
            .tunnel = i == 2 ? 2 : 1,
            .peer_number = i ? 3 : 2,
            .transit = i > 0,
            .peer_prefixes = i ? w->hub : w->leaf,
            .n_peer_prefixes = i ? 1 : 2,
            .addresses = &w->own[i],
            .peer_addresses = &w->peer[i],
            .n_addresses = 1,
            .local_port = (uint16_t)(11001 + i),
        };
    w->f.now = &w->b;
}

static char *render(const struct world *w)
{
    struct buf text = BUF_INIT;

    ck_assert_int_eq(firewall_render(&w->f, &text, &err), 0);
    return buf_steal(&text);
}

/* The elements of one set, on one line. */
static char *elements(const char *text, const char *set)
{
    _cleanup_free_ char *head = xasprintf("\tset %s {", set);
    struct buf ret = BUF_INIT;
    const char *from = strstr(text, head), *to;

    ck_assert_msg(from != NULL, "no set %s", set);
    to = strstr(from, "\n\t}");
    from = strstr(from, "elements = {");
    if (from && from < to)
        for (from += strlen("elements = {"); *from != '}'; from++)
            if (!strchr("\t\n", *from))
                buf_char(&ret, *from);
    return buf_steal(&ret);
}

static void expect(const struct world *w, const char *set, const char *expected)
{
    _cleanup_free_ char *text = render(w), *is = elements(text, set);

    ck_assert_str_eq(is, expected);
}

static bool has_hosts(const struct firewall *f)
{
    size_t n;

    free(firewall_hosts(f, &n));
    return n > 0;
}

static void teardown(void)
{
    error_clear(&err);
}

START_TEST(each_link_has_its_sources)
{
    struct world w;

    world_init(&w);
    expect(&w, "links", "\"pv2\",\"pv3\",\"pv3-2\"");
    expect(&w, "transit", "\"pv3\",\"pv3-2\"");
    /* Nested prefixes are one, and both tunnels bring the addresses of both. */
    expect(&w, "sources4",
           "\"pv2\" . 10.2.0.0/16,\"pv2\" . 172.19.0.1,"
           "\"pv3\" . 10.3.0.0/16,\"pv3\" . 172.19.0.3,\"pv3\" . 172.19.0.5,"
           "\"pv3-2\" . 10.3.0.0/16,\"pv3-2\" . 172.19.0.3,\"pv3-2\" . 172.19.0.5");
    expect(&w, "peers4", "\"pv2\" . 172.19.0.1,\"pv3\" . 172.19.0.3,\"pv3-2\" . 172.19.0.5");
    expect(&w, "sources6", "");
    expect(&w, "mesh4", "10.2.0.0/16,10.3.0.0/16,10.4.0.0/16");
    expect(&w, "hops4", "172.19.0.0/16");
}
END_TEST

START_TEST(the_own_lan_comes_only_where_it_is_shared)
{
    struct world w;

    world_init(&w);
    w.b.lan_shared = true;
    expect(&w, "mesh4", "10.1.0.0/16,10.2.0.0/16,10.3.0.0/16,10.4.0.0/16");
    expect(&w, "sources4",
           "\"pv2\" . 10.2.0.0/16,\"pv2\" . 172.19.0.1,"
           "\"pv3\" . 10.3.0.0/16,\"pv3\" . 172.19.0.3,\"pv3\" . 172.19.0.5,"
           "\"pv3-2\" . 10.3.0.0/16,\"pv3-2\" . 172.19.0.3,\"pv3-2\" . 172.19.0.5");
}
END_TEST

START_TEST(with_a_cache_the_table_says_what_the_mesh_is)
{
    struct origin entries[] = {{.prefix = unit_prefix("10.1.0.0/16")},
                               {.prefix = unit_prefix("10.9.0.0/16")}};
    const struct origins table = {.entries = entries, .n = 2};
    char without[DIGEST_TEXT_LEN + 1], with[DIGEST_TEXT_LEN + 1];
    struct world w;

    world_init(&w);
    w.b.origin_check = BUNDLE_ORIGINS_BY_CACHE;
    w.b.n_mesh_prefixes = 0;
    expect(&w, "mesh4", "10.2.0.0/16,10.3.0.0/16"); /* what the bundle knows of its peers */
    ck_assert_int_eq(firewall_digest(&w.f, without, &err), 0);
    w.f.origins = &table;
    expect(&w, "mesh4", "10.2.0.0/16,10.3.0.0/16,10.9.0.0/16");
    ck_assert_int_eq(firewall_digest(&w.f, with, &err), 0);
    ck_assert_str_ne(without, with);
    w.b.lan_shared = true;
    expect(&w, "mesh4", "10.1.0.0/16,10.2.0.0/16,10.3.0.0/16,10.9.0.0/16");
}
END_TEST

/* The link to the leaf leaves; the hub gave transit, and had another LAN; there is a new link. */
START_TEST(both_bundles_count_during_a_change)
{
    static struct prefix other, new_own, new_peer, new_lan;
    struct world before, now;

    world_init(&before);
    world_init(&now);
    other = unit_prefix("10.33.0.0/16");
    new_lan = unit_prefix("10.5.0.0/16");
    new_own = unit_prefix("172.17.4.1");
    new_peer = unit_prefix("172.17.4.2");
    now.links[0] = now.links[1];
    now.links[1] = now.links[2];
    now.links[0].transit = now.links[1].transit = false;
    now.links[0].peer_prefixes = now.links[1].peer_prefixes = &other;
    now.links[2] = (struct bundle_link){.interface = "pv4",
                                        .peer = "new",
                                        .tunnel = 1,
                                        .peer_number = 4,
                                        .peer_prefixes = &new_lan,
                                        .n_peer_prefixes = 1,
                                        .addresses = &new_own,
                                        .peer_addresses = &new_peer,
                                        .n_addresses = 1,
                                        .local_port = 11004};
    now.mesh[0] = unit_prefix("10.0.0.0/14");
    now.b.n_mesh_prefixes = 1;
    now.f.before = &before.b;
    expect(&now, "links", "\"pv2\",\"pv3\",\"pv3-2\",\"pv4\"");
    expect(&now, "transit", "\"pv3\",\"pv3-2\"");
    expect(&now, "sources4",
           "\"pv2\" . 10.2.0.0/16,\"pv2\" . 172.19.0.1,"
           "\"pv3\" . 10.3.0.0/16,\"pv3\" . 10.33.0.0/16,"
           "\"pv3\" . 172.19.0.3,\"pv3\" . 172.19.0.5,"
           "\"pv3-2\" . 10.3.0.0/16,\"pv3-2\" . 10.33.0.0/16,"
           "\"pv3-2\" . 172.19.0.3,\"pv3-2\" . 172.19.0.5,"
           "\"pv4\" . 10.5.0.0/16,\"pv4\" . 172.17.4.2");
    expect(&now, "peers4",
           "\"pv2\" . 172.19.0.1,\"pv3\" . 172.19.0.3,\"pv3-2\" . 172.19.0.5,"
           "\"pv4\" . 172.17.4.2");
    expect(&now, "mesh4", "10.0.0.0/14,10.4.0.0/16");
    now.f.before = NULL;
    expect(&now, "links", "\"pv3\",\"pv3-2\",\"pv4\"");
    expect(&now, "transit", "");
    expect(&now, "mesh4", "10.0.0.0/14");
    /* A number that is another gateway's now: what the old one had is not the new one's. */
    now.links[0].peer = now.links[1].peer = "another";
    now.f.before = &before.b;
    expect(&now, "sources4",
           "\"pv2\" . 10.2.0.0/16,\"pv2\" . 172.19.0.1,"
           "\"pv3\" . 10.33.0.0/16,\"pv3\" . 172.19.0.3,\"pv3\" . 172.19.0.5,"
           "\"pv3-2\" . 10.33.0.0/16,\"pv3-2\" . 172.19.0.3,\"pv3-2\" . 172.19.0.5,"
           "\"pv4\" . 10.5.0.0/16,\"pv4\" . 172.17.4.2");
}
END_TEST

START_TEST(nothing_changes_after_no_change)
{
    _cleanup_free_ char *alone = NULL, *both = NULL;
    struct world before, now;

    world_init(&before);
    world_init(&now);
    now.b.manage_wan_firewall = before.b.manage_wan_firewall = true;
    now.links[1].remote_host = before.links[1].remote_host = "203.0.113.1";
    now.links[2].remote_host = before.links[2].remote_host = "hub.example.net";
    alone = render(&now);
    now.f.before = &before.b;
    both = render(&now);
    ck_assert_str_eq(alone, both);
}
END_TEST

START_TEST(ports_are_closed_where_it_is_asked_for)
{
    _cleanup_free_ char *without = NULL;
    struct world w;

    world_init(&w);
    w.links[1].remote_host = "203.0.113.1";
    w.links[2].remote_host = "2001:db8::1";
    without = render(&w);
    ck_assert_ptr_null(strstr(without, "wan"));
    ck_assert_ptr_null(strstr(without, "11001"));
    w.b.manage_wan_firewall = true;
    expect(&w, "ports", "11001,11002,11003");
    expect(&w, "open", "11001");
    expect(&w, "endpoints4", "11002 . 203.0.113.1");
    expect(&w, "endpoints6", "11003 . 2001:db8::1");
    ck_assert(!has_hosts(&w.f));
}
END_TEST

START_TEST(names_are_let_in_by_what_they_resolve_to)
{
    const struct prefix found[] = {unit_prefix("203.0.113.7"), unit_prefix("2001:db8::7")};
    const struct firewall_host hosts[] = {{"hub.example.net", found, 2},
                                          {"lost.example.net", NULL, 0}};
    char one[DIGEST_TEXT_LEN + 1], two[DIGEST_TEXT_LEN + 1];
    _cleanup_buf_ struct buf text = BUF_INIT, none = BUF_INIT;
    struct world w;

    world_init(&w);
    w.links[0].remote_host = "lost.example.net";
    w.links[1].remote_host = "hub.example.net";
    ck_assert(!has_hosts(&w.f));
    firewall_render_hosts(&w.f, hosts, 2, &none);
    ck_assert_uint_eq(none.len, 0);
    w.b.manage_wan_firewall = true;
    ck_assert(has_hosts(&w.f));
    ck_assert_int_eq(firewall_digest(&w.f, one, &err), 0);
    firewall_render_hosts(&w.f, hosts, 2, &text);
    ck_assert_int_eq(firewall_digest(&w.f, two, &err), 0);
    ck_assert_str_eq(one, two);
    ck_assert_str_eq(buf_cstr(&text), "flush set inet p2pvpn unresolved\n"
                                      "flush set inet p2pvpn resolved4\n"
                                      "flush set inet p2pvpn resolved6\n"
                                      "add element inet p2pvpn unresolved {\n\t11001\n}\n"
                                      "add element inet p2pvpn resolved4 {\n"
                                      "\t11002 . 203.0.113.7\n}\n"
                                      "add element inet p2pvpn resolved6 {\n"
                                      "\t11002 . 2001:db8::7\n}\n");
}
END_TEST

/* The last gate: the parser of bundles does not let such a name through. */
START_TEST(hostile_names_are_refused)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct world w;

    world_init(&w);
    w.links[0].peer = "x\" } table ip evil { comment \"";
    ck_assert_int_eq(firewall_render(&w.f, &text, &err), -EINVAL);
    ck_assert(unit_says(&err, "may not stand in the firewall"));
    world_init(&w);
    w.b.mesh = "a\nflush ruleset";
    ck_assert_int_eq(firewall_render(&w.f, &text, &err), -EINVAL);
    ck_assert_uint_eq(text.len, 0);
}
END_TEST

START_TEST(the_comment_says_whose_it_is)
{
    char digest[DIGEST_TEXT_LEN + 1], *at, *comment;
    struct firewall_comment c;
    _cleanup_free_ char *text = NULL;
    struct world w;

    world_init(&w);
    text = render(&w);
    ck_assert_int_eq(firewall_digest(&w.f, digest, &err), 0);
    at = strstr(text, "comment \"") + strlen("comment \"");
    comment = strndup(at, strcspn(at, "\""));
    ck_assert(firewall_comment_parse(comment, &c));
    ck_assert_str_eq(c.mesh, "m");
    ck_assert_str_eq(c.digest, digest);
    comment[strlen(comment) - 1] = '\0';
    ck_assert(!firewall_comment_parse(comment, &c));
    ck_assert(!firewall_comment_parse("", &c));
    ck_assert(!firewall_comment_parse("p2pvpn", &c));
    ck_assert(!firewall_comment_parse("p2pvpn  x", &c));
    ck_assert(!firewall_comment_parse("somebody's", &c));
    free(comment);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("firewall");
    TCase *t = unit_case(s, "firewall", NULL, teardown);

    tcase_add_test(t, each_link_has_its_sources);
    tcase_add_test(t, the_own_lan_comes_only_where_it_is_shared);
    tcase_add_test(t, with_a_cache_the_table_says_what_the_mesh_is);
    tcase_add_test(t, both_bundles_count_during_a_change);
    tcase_add_test(t, nothing_changes_after_no_change);
    tcase_add_test(t, ports_are_closed_where_it_is_asked_for);
    tcase_add_test(t, names_are_let_in_by_what_they_resolve_to);
    tcase_add_test(t, hostile_names_are_refused);
    tcase_add_test(t, the_comment_says_whose_it_is);
    return unit_run(s);
}
