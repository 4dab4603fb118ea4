/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/origins.h"
#include "controller/allocate.h"
#include "controller/lock.h"
#include "controller/registry.h"
#include "tests/unit/build_mesh.h"
#include "tests/unit/unit.h"

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

/* The table of a mesh, read back. */
static struct origins *table_of(struct mesh *m)
{
    struct error_list warnings = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct origins *o = NULL;
    struct network *net;
    struct lock *lock;

    ck_assert_int_eq(allocate_network(m, NULL, &net, &lock, &warnings, &err), 0);
    if (registry_format(net, &text, &err) == 0)
        ck_assert_int_eq(origins_parse(text.data, text.len, "origins", &o, &err), 0);
    network_free(net);
    lock_free(lock);
    error_clear(&warnings);
    return o;
}

START_TEST(every_prefix_with_the_gateways_of_its_lan)
{
    struct mesh *m = build_mesh(5, true, true);
    struct origins *o;

    /* Against the order of the names: the ASNs are ascending all the same. */
    m->gateways[0].number = 9;
    m->gateways[1].lan = m->gateways[4].lan = 0;
    o = table_of(m);
    ck_assert_ptr_nonnull(o);
    ck_assert_str_eq(o->mesh, "m");
    ck_assert_uint_eq(o->n, 6); /* of three LANs; nobody serves the two others */
    for (size_t i = 0; i < o->n; i++) {
        const struct origin *e = &o->entries[i];
        uint32_t lan = i % 3 == 0 ? 0 : (uint32_t)(i % 3) + 1;

        ck_assert_str_eq(e->lan, m->lans[lan].name);
        ck_assert_int_eq(prefix_compare(&e->prefix, &m->lans[lan].prefixes[i / 3]), 0);
        ck_assert_uint_eq(e->n_asns, lan ? 1 : 3);
        ck_assert_uint_eq(e->asns[e->n_asns - 1] - m->base_asn, lan == 0 ? 9 : lan);
    }
    origins_free(o);
    build_free(m);
}
END_TEST

/* One LAN has nearly all prefixes. */
static struct mesh *with_prefixes(uint32_t gateways, size_t n)
{
    struct mesh *m = build_mesh(gateways, true, false);
    struct mesh_lan *lan = &m->lans[0];

    for (uint32_t i = 0; i < gateways; i++)
        m->gateways[i].lan = 0;
    lan->prefixes = arena_alloc(&m->arena, n, sizeof(*lan->prefixes));
    lan->n_prefixes = n;
    for (size_t i = 0; i < n; i++)
        lan->prefixes[i] = (struct prefix){
            FAMILY_IPV4, 32, {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
    return m;
}

START_TEST(as_many_as_the_format_takes)
{
    struct mesh *m = with_prefixes(5, ORIGINS_MAX_ENTRIES);
    struct origins *o = table_of(m);

    ck_assert_ptr_nonnull(o);
    ck_assert_uint_eq(o->n, ORIGINS_MAX_ENTRIES);
    origins_free(o);
    build_free(m);

    m = with_prefixes(5, ORIGINS_MAX_ENTRIES + 1);
    ck_assert_ptr_null(table_of(m));
    build_refused(&err, "/p2pvpn-mesh:mesh",
                  "the LANs with a gateway have 200001 prefixes, and more than 200000 are not "
                  "supported; join adjacent prefixes, or make two meshes of this one");
    build_free(m);

    m = with_prefixes(6, ORIGINS_MAX_ENTRIES);
    ck_assert_ptr_null(table_of(m));
    build_refused(&err, "/p2pvpn-mesh:mesh",
                  "the prefixes of the LANs have 1200000 pairs with a gateway, and more than "
                  "1000000 are not supported; join adjacent prefixes, or give LANs with many of "
                  "them fewer gateways");
    build_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("registry");
    TCase *t = unit_case(s, "registry", NULL, teardown);

    tcase_add_test(t, every_prefix_with_the_gateways_of_its_lan);
    tcase_add_test(t, as_many_as_the_format_takes);
    return unit_run(s);
}
