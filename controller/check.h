/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check: what YANG cannot say, or only at a cost that grows with the square of the entries.
 *
 * Everything is found by sorting and in one pass behind it, and everything is reported.  Whether
 * the topology hangs together and the link pool suffices is known only after allocation
 * (topology.h, allocate.h).
 */
#ifndef P2PVPN_CONTROLLER_CHECK_H
#define P2PVPN_CONTROLLER_CHECK_H

#include "common/error.h"

struct mesh;
struct mesh_places;

/* 0 or -EINVAL with errors.  Copes with a mesh that has gaps where errors were found before. */
int check_mesh(const struct mesh *mesh, const struct mesh_places *places,
               struct error_list *warnings, struct error_list *err);

#endif
