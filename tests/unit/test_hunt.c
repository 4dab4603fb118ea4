/* SPDX-License-Identifier: Apache-2.0 */
/* The count of messages against what was measured with FRR 8.4.4, and against what can be counted
 * by hand. */
#include <limits.h>
#include <stdio.h>

#include "controller/allocate.h"
#include "controller/hunt.h"
#include "controller/lock.h"
#include "tests/unit/build_mesh.h"
#include "tests/unit/unit.h"

static struct network *compiled(struct mesh *m)
{
    struct error_list warnings = ERROR_LIST_INIT, err = ERROR_LIST_INIT;
    struct network *net;
    struct lock *lock;
    int r = allocate_network(m, NULL, &net, &lock, &warnings, &err);

    if (r < 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    lock_free(lock);
    error_clear(&warnings);
    return net;
}

static uint64_t count(const struct network *net, uint32_t origin, struct hunt_policy policy)
{
    struct hunt_result r = hunt_withdrawal(net, origin, &policy);

    ck_assert(!r.more);
    return r.updates;
}

/* docs/performance.md, "Updates per withdrawal". */
START_TEST(full_mesh_as_measured)
{
    for (uint32_t n = 10; n <= 20; n += 10) {
        struct mesh *m = build_mesh(n, true, false);
        struct network *net = compiled(m);
        uint64_t all = count(net, 0, (struct hunt_policy){.everybody = true});

        fprintf(stderr, "# full mesh of %u, nothing bounded: %u\n", n, (unsigned)all);
        ck_assert_uint_eq(count(net, 0, (struct hunt_policy){.everybody = true, .inbound = 2}),
                          (n - 1) * (2 * n - 1)); /* 171 and 741, exactly what was measured */
        ck_assert_uint_eq(count(net, 0, (struct hunt_policy){.relay = UINT_MAX}), n - 1);
        network_free(net);
        build_free(m);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hunt");
    TCase *t = unit_case(s, "hunt", NULL, NULL);

    tcase_add_test(t, full_mesh_as_measured);
    return unit_run(s);
}
