/* SPDX-License-Identifier: Apache-2.0 */
/* What a model becomes.  What wrong models say is in tests/models/bad/. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/fs.h"
#include "controller/mesh.h"
#include "controller/model.h"
#include "tests/unit/unit.h"

static struct error_list warnings, err;

static void teardown(void)
{
    error_clear(&warnings);
    error_clear(&err);
}

static struct mesh *parse(const char *text, const char *file)
{
    struct mesh *mesh = NULL;
    int r = model_parse(text, strlen(text), file, &mesh, &warnings, &err);

    if (r < 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(err.n, 0);
    return mesh;
}

#define GATEWAYS                                                                                 \
    "\"lan\":[{\"prefix\":[\"fd10:2::/48\",\"10.2.0.0/16\"],\"name\":\"b\"},"                    \
    "{\"name\":\"a\",\"prefix\":[\"10.1.0.0/16\"]}],"                                            \
    "\"gateway\":[{\"name\":\"gw-b-with-long-name\",\"lan\":\"b\",\"endpoint\":\"2001:DB8::1\"," \
    "\"transit\":false,\"manage-wan-firewall\":false,\"router-id\":\"100.64.1.2\",\"group\":["   \
    "\"y\",\"x\"]},"                                                                             \
    "{\"lan\":\"a\",\"name\":\"gw-a\",\"description\":\"Z\\u00fcrich\",\"endpoint\":"            \
    "\"vpn.example.net\",\"short-name\":\"za\",\"bfd\":{\"interval\":50}}]"

START_TEST(everything_has_its_default)
{
    struct mesh *m = parse("{\"p2pvpn-mesh:mesh\":{\"name\":\"m\"," GATEWAYS "}}", "m.json");

    ck_assert_str_eq(m->name, "m");
    ck_assert_ptr_null(m->description);
    ck_assert_uint_eq(m->base_port, 11000);
    ck_assert_uint_eq(m->base_asn, 4200000000u);
    ck_assert(!m->allow_public_prefix);
    ck_assert(!m->manage_wan_firewall);
    ck_assert_uint_eq(m->defaults.underlay_mtu, 1500);
    ck_assert_uint_eq(m->defaults.bfd_interval, 300);
    ck_assert_uint_eq(m->defaults.bfd_multiplier, 3);
    ck_assert_uint_eq(m->defaults.queue_length, 500);
    ck_assert_uint_eq(m->defaults.socket_buffer, 0);
    ck_assert_uint_eq(m->n_link_prefixes, 0);
    ck_assert(m->full_mesh && m->has_ipv4 && m->has_ipv6);
    mesh_free(m);
}
END_TEST

START_TEST(lists_are_sorted_and_references_followed)
{
    struct mesh *m = parse("{\"p2pvpn-mesh:mesh\":{\"name\":\"m\","
                           "\"defaults\":{\"manage-wan-firewall\":true},\n" GATEWAYS
                           ",\n\"topology\":{\"link\":[\n{\"a\":\"gw-b-with-long-name\","
                           "\"b\":\"gw-a\",\"queue-length\":9}]}}}",
                           "m.json");
    const struct mesh_gateway *a = &m->gateways[0], *b = &m->gateways[1];

    ck_assert_uint_eq(m->n_lans, 2);
    ck_assert_str_eq(m->lans[0].name, "a");
    ck_assert_uint_eq(m->lans[1].prefixes[0].family, FAMILY_IPV4);
    ck_assert_uint_eq(m->lans[1].prefixes[1].family, FAMILY_IPV6);
    ck_assert_uint_eq(m->n_gateways, 2);
    ck_assert_str_eq(a->name, "gw-a");
    ck_assert_uint_eq(a->lan, 0);
    ck_assert_str_eq(a->short_name, "za");
    ck_assert_str_eq(a->description, "Z\xc3\xbcrich");
    ck_assert_uint_eq(a->endpoint_family, FAMILY_NONE);
    ck_assert_int_eq(a->transit, TRI_UNSET);
    ck_assert_int_eq(a->manage_wan_firewall, TRI_UNSET);
    ck_assert(m->manage_wan_firewall);
    ck_assert_uint_eq(m->lans[a->lan].n_gateways, 1);
    ck_assert_uint_eq(a->settings.bfd_interval, 50);
    ck_assert_uint_eq(a->settings.bfd_multiplier, 0);
    ck_assert_uint_eq(b->lan, 1);
    ck_assert_str_eq(b->short_name, "gw-b-with-lo");
    ck_assert_str_eq(b->endpoint, "2001:db8::1");
    ck_assert_uint_eq(b->endpoint_family, FAMILY_IPV6);
    ck_assert_int_eq(b->transit, TRI_NO);
    ck_assert_int_eq(b->manage_wan_firewall, TRI_NO);
    ck_assert_uint_eq(b->router_id, 0x64400102);
    ck_assert_uint_eq(b->n_groups, 2);
    ck_assert_str_eq(b->groups[0], "x");
    ck_assert(!m->full_mesh);
    ck_assert_uint_eq(m->n_links, 1);
    ck_assert_uint_eq(m->links[0].a, 0);
    ck_assert_uint_eq(m->links[0].b, 1);
    ck_assert_uint_eq(m->links[0].settings.queue_length, 9);
    ck_assert_uint_eq(m->links[0].line, 4);
    ck_assert_uint_eq(a->line, 2);
    mesh_free(m);
}
END_TEST

START_TEST(short_name_ends_well)
{
    struct mesh *m = parse("{\"p2pvpn-mesh:mesh\":{\"name\":\"m\",\"lan\":[{\"name\":\"l\","
                           "\"prefix\":[\"10.1.0.0/16\"]}],\"gateway\":[{\"name\":"
                           "\"head-office_-2\",\"lan\":\"l\"}]}}",
                           "m.json");

    ck_assert_str_eq(m->gateways[0].short_name, "head-office");
    ck_assert_uint_eq(warnings.n, 1); /* the only gateway */
    ck_assert_uint_eq(warnings.items[0].line, 1);
    mesh_free(m);
}
END_TEST

START_TEST(xml_says_the_same)
{
    struct mesh *m = parse(
        "<?xml version='1.0'?><!-- x --><p:mesh xmlns:p='urn:p2pvpn:yang:p2pvpn-mesh'>\n"
        "<p:name><![CDATA[m]]></p:name>"
        "<p:addressing><p:base-port> 12000 </p:base-port></p:addressing>"
        "<lan xmlns=\"urn:p2pvpn:yang:p2pvpn-mesh\"><name>l</name><prefix>10.1.0.0/16</prefix>"
        "<description>a &lt;b&gt; &amp; &#252;</description></lan>\n"
        "<p:gateway><p:name>g1</p:name><p:lan>l</p:lan><p:endpoint>203.0.113.1</p:endpoint>"
        "<p:bfd/></p:gateway>"
        "<p:gateway><p:name>g2</p:name><p:lan>l</p:lan></p:gateway></p:mesh>\n",
        "m.XML");

    ck_assert_str_eq(m->name, "m");
    ck_assert_uint_eq(m->base_port, 12000);
    ck_assert_str_eq(m->lans[0].description, "a <b> & \xc3\xbc");
    ck_assert_uint_eq(m->lans[0].line, 2);
    ck_assert_uint_eq(m->n_gateways, 2);
    ck_assert_uint_eq(m->gateways[1].line, 3);
    ck_assert_uint_eq(warnings.n, 0);
    mesh_free(m);
}
END_TEST

START_TEST(the_example_loads)
{
    const char *root = getenv("P2PVPN_SOURCE_ROOT");
    _cleanup_free_ char *file = xasprintf("%s/examples/five-sites/mesh.json", root);
    struct mesh *m = NULL;

    ck_assert_int_eq(model_load(file, &m, &warnings, &err), 0);
    ck_assert_uint_eq(m->n_gateways, 5);
    ck_assert_uint_eq(warnings.n, 0);
    mesh_free(m);
}
END_TEST

START_TEST(failures_of_the_system)
{
    struct mesh *m = NULL;

    ck_assert_int_eq(model_load("/nonexistent/mesh.json", &m, &warnings, &err), -ENOENT);
    ck_assert_uint_eq(err.n, 1);
    setenv("P2PVPN_YANG_DIR", "/nonexistent", 1);
    ck_assert_int_eq(model_parse("{}", 2, "m.json", &m, &warnings, &err), -ENOENT);
    ck_assert_uint_eq(err.n, 2);
    ck_assert_ptr_null(m);
}
END_TEST

/* Order does not matter: the same entries from the last to the first give the same mesh, and a
 * thousand wrong ones are told one by one. */
START_TEST(every_error_is_told)
{
    struct buf text = BUF_INIT;
    struct mesh *m = NULL;

    buf_str(&text, "{\"p2pvpn-mesh:mesh\":{\"name\":\"m\",\"lan\":[");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "%s\n{\"name\":\"l%d\",\"prefix\":[\"10.0.0.0/8\"]}", i ? "," : "", i);
    buf_str(&text, "],\"gateway\":[");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "%s\n{\"name\":\"g%d\",\"lan\":\"x%d\"}", i ? "," : "", i, i);
    buf_str(&text, "]}}");
    ck_assert_int_eq(model_parse(text.data, text.len, "m.json", &m, &warnings, &err), -EINVAL);
    ck_assert_uint_eq(err.n, 999 + 1000);
    ck_assert_uint_eq(err.items[0].line, 3);
    ck_assert_uint_eq(err.items[err.n - 1].line, 2001);
    ck_assert_ptr_null(m);
    buf_free(&text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = unit_case(s, "model", NULL, teardown);

    tcase_add_test(t, everything_has_its_default);
    tcase_add_test(t, lists_are_sorted_and_references_followed);
    tcase_add_test(t, short_name_ends_well);
    tcase_add_test(t, xml_says_the_same);
    tcase_add_test(t, the_example_loads);
    tcase_add_test(t, failures_of_the_system);
    tcase_add_test(t, every_error_is_told);
    return unit_run(s);
}
