/* SPDX-License-Identifier: Apache-2.0 */
/* A network out of a built mesh, as far as topology.h makes it. */
#ifndef P2PVPN_TESTS_BUILD_NETWORK_H
#define P2PVPN_TESTS_BUILD_NETWORK_H

#include "controller/allocate.h"
#include "controller/topology.h"
#include "tests/unit/build_mesh.h"

static struct error_list warnings, err;

static inline void teardown(void)
{
    error_clear(&warnings);
    error_clear(&err);
}

/* Gateway i has number i + 1 unless the model says otherwise. */
static inline struct network *network_of(const struct mesh *m)
{
    struct network *net = xcalloc(1, sizeof(*net));

    net->mesh = m;
    net->gateways = arena_alloc(&net->arena, m->n_gateways, sizeof(*net->gateways));
    for (uint32_t i = 0; i < m->n_gateways; i++)
        net->gateways[i].number = m->gateways[i].number ? m->gateways[i].number : i + 1;
    return net;
}

static inline struct network *build(const struct mesh *m)
{
    struct network *net = network_of(m);
    int r = topology_build(net, &warnings, &err);

    if (r != 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    return net;
}

#endif
