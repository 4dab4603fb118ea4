/* SPDX-License-Identifier: Apache-2.0 */
/* Edges that are just allowed, and the sweep over prefixes against comparing every pair.  What the
 * errors say is in tests/models/bad/. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "controller/mesh.h"
#include "controller/model.h"
#include "controller/schema.h"
#include "tests/unit/unit.h"

static struct schema *schema;

static void setup(void)
{
    struct error_list err = ERROR_LIST_INIT;

    ck_assert_int_eq(schema_new(&schema, &err), 0);
}

static void teardown(void)
{
    schema = schema_free(schema);
}

/* The numbers of errors and warnings; whether the errors can be printed is for their own tests. */
static size_t errors_of(const char *text, size_t *ret_warnings)
{
    struct error_list warnings = ERROR_LIST_INIT, err = ERROR_LIST_INIT;
    struct mesh *mesh = NULL;
    size_t n;

    model_parse_with(schema, text, strlen(text), "m.json", &mesh, &warnings, &err);
    mesh_free(mesh);
    n = err.n;
    if (ret_warnings)
        *ret_warnings = warnings.n;
    error_clear(&warnings);
    error_clear(&err);
    return n;
}

#define MESH(before, lan, gateway, behind)                                                    \
    "{\"p2pvpn-mesh:mesh\":{\"name\":\"m\"," before "\"lan\":[" lan "],\"gateway\":[" gateway \
    "]" behind "}}"
#define LAN(name, prefixes) "{\"name\":\"" name "\",\"prefix\":[" prefixes "]}"
#define GW(name, lan, more) "{\"name\":\"" name "\",\"lan\":\"" lan "\"" more "}"
#define TWO_LANS LAN("a", "\"10.1.0.0/16\"") "," LAN("b", "\"10.2.0.0/16\"")
#define AT(address) ",\"endpoint\":\"" address "\""

START_TEST(just_allowed)
{
    static const char *const good[] = {
        /* the largest and the smallest prefixes, side by side */
        MESH("",
             LAN("a", "\"10.0.0.0/8\",\"fd00::/16\"") "," LAN(
                 "b", "\"192.168.0.0/30\",\"192.168.0.4/30\",\"fd01::/126\""),
             GW("g", "a", AT("203.0.113.1")) "," GW("h", "b", ""), ""),
        MESH("\"addressing\":{\"allow-public-prefix\":true},",
             LAN("a", "\"8.8.8.0/24\"") "," LAN("b", "\"10.2.0.0/16\""),
             GW("g", "a", AT("8.8.9.1")) "," GW("h", "b", ""), ""),
        /* the last port and the last ASN */
        MESH("\"addressing\":{\"base-port\":60000},", TWO_LANS,
             GW("g", "a", AT("203.0.113.1") ",\"number\":5535") "," GW("h", "b", ""), ""),
        MESH("\"addressing\":{\"base-asn\":64512},", TWO_LANS,
             GW("g", "a", AT("203.0.113.1") ",\"number\":1022") "," GW("h", "b", ""), ""),
        MESH("\"addressing\":{\"base-asn\":4294967294},", TWO_LANS,
             GW("g", "a", AT("203.0.113.1") ",\"asn\":64512") "," GW("h", "b", ",\"asn\":64513"),
             ""),
        /* next to the link addresses, and in them when those are elsewhere */
        MESH("", LAN("a", "\"172.18.0.0/16\"") "," LAN("b", "\"172.20.0.0/16\""),
             GW("g", "a", AT("203.0.113.1")) "," GW("h", "b", ""), ""),
        MESH("\"addressing\":{\"link-prefix\":[\"172.20.0.0/16\"]},",
             LAN("a", "\"172.19.0.0/16\"") "," LAN("b", "\"10.2.0.0/16\""),
             GW("g", "a", AT("203.0.113.1")) "," GW("h", "b", ""), ""),
        /* the smallest MTU for IPv6, a smaller one without */
        MESH("\"defaults\":{\"underlay-mtu\":1332},", LAN("a", "\"fd01::/48\""),
             GW("g", "a", AT("203.0.113.1")) "," GW("h", "a", AT("203.0.113.2")), ""),
        MESH("\"defaults\":{\"underlay-mtu\":576},", TWO_LANS,
             GW("g", "a", AT("203.0.113.1")) "," GW("h", "b", ""), ""),
        /* names that only begin alike; two gateways of one LAN */
        MESH("", TWO_LANS,
             GW("office-1234a", "a", AT("203.0.113.1")) "," GW("office-1234b", "b", "") "," GW(
                 "office-1234b-more", "b", ",\"short-name\":\"o\""),
             ""),
        /* an empty topology is none */
        MESH("", TWO_LANS, GW("g", "a", AT("203.0.113.1")) "," GW("h", "b", ""),
             ",\"topology\":{\"segment\":[],\"link\":[]}"),
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t n_warnings;

        ck_assert_msg(errors_of(good[i], &n_warnings) == 0, "refused: %s", good[i]);
        ck_assert_msg(n_warnings == 0, "warned of: %s", good[i]);
    }
}
END_TEST

START_TEST(just_refused)
{
    static const char *const bad[] = {
        MESH("", LAN("a", "\"192.168.0.0/31\""), GW("g", "a", ""), ""),
        MESH("\"addressing\":{\"base-port\":60000},", TWO_LANS,
             GW("g", "a", AT("203.0.113.1") ",\"number\":5536") "," GW("h", "b", ""), ""),
        MESH("\"addressing\":{\"base-asn\":64512},", TWO_LANS,
             GW("g", "a", AT("203.0.113.1") ",\"number\":1023") "," GW("h", "b", ""), ""),
        MESH("\"defaults\":{\"underlay-mtu\":1331},", LAN("a", "\"fd01::/48\""),
             GW("g", "a", AT("203.0.113.1")) "," GW("h", "a", AT("203.0.113.2")), ""),
        MESH("", TWO_LANS, GW("g", "a", AT("10.2.255.255")) "," GW("h", "b", ""), ""),
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(errors_of(bad[i], NULL) == 1, "not one error: %s", bad[i]);
}
END_TEST

/* Where the topology has gaps, two gateways may have one endpoint: told, not refused. */
START_TEST(endpoint_twice_may_go_well)
{
    size_t n_warnings;

    ck_assert_uint_eq(
        errors_of(MESH("", TWO_LANS,
                       GW("g", "a", AT("203.0.113.1")) "," GW("h", "b", AT("203.0.113.1")), ""),
                  &n_warnings),
        0);
    ck_assert_uint_eq(n_warnings, 1);
}
END_TEST

/* Prefixes of a small space, so that they nest, repeat and lie apart.  One error for each that lies
 * in another or repeats one, found here by looking at every pair. */
START_TEST(sweep_finds_what_pairs_find)
{
    enum { N = 60 };

    for (unsigned round = 0; round < 40; round++) {
        struct buf text = BUF_INIT;
        struct prefix p[N] = {0};
        size_t expected = 0;

        srandom(round);
        buf_str(&text, "{\"p2pvpn-mesh:mesh\":{\"name\":\"m\",\"lan\":[");
        for (unsigned i = 0; i < N; i++) {
            bool v6 = random() % 3 == 0;
            char prefix[PREFIX_TEXT_MAX];

            p[i].family = v6 ? FAMILY_IPV6 : FAMILY_IPV4;
            p[i].addr[0] = v6 ? 0xfd : 10;
            p[i].addr[1] = (uint8_t)(random() % 8);
            p[i].addr[2] = (uint8_t)(random() % 256);
            p[i].len = (uint8_t)(v6 ? 16 + random() % 9 : 11 + random() % 14);
            p[i] = prefix_network(&p[i]);
            buf_printf(&text, "%s{\"name\":\"l%u\",\"prefix\":[\"%s\"]}", i ? "," : "", i,
                       prefix_format(&p[i], prefix));
        }
        buf_str(&text, "],\"gateway\":[");
        for (unsigned i = 0; i < N; i++)
            buf_printf(&text, "%s{\"name\":\"g%u\",\"lan\":\"l%u\"}", i ? "," : "", i, i);
        buf_str(&text, "]}}");
        for (unsigned i = 0; i < N; i++) {
            bool lies_in = false;

            for (unsigned k = 0; k < N; k++)
                lies_in |=
                    k != i && prefix_contains(&p[k], &p[i]) && (p[k].len < p[i].len || k < i);
            expected += lies_in;
        }
        ck_assert_uint_gt(expected, 0);
        ck_assert_uint_eq(errors_of(buf_cstr(&text), NULL), expected);
        buf_free(&text);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("check");
    TCase *t = unit_case(s, "check", setup, teardown);

    tcase_add_test(t, just_allowed);
    tcase_add_test(t, just_refused);
    tcase_add_test(t, endpoint_twice_may_go_well);
    tcase_add_test(t, sweep_finds_what_pairs_find);
    return unit_run(s);
}
