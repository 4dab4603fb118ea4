/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Previous: what an earlier compile left in a folder, looked at and never touched.
 *
 * A gateway's bundle is a folder GATEWAY/ or an archive GATEWAY.tar; the mesh-wide table is
 * @mesh/origins.  Everything else in the folder is not looked at.
 */
#ifndef P2PVPN_CONTROLLER_PREVIOUS_H
#define P2PVPN_CONTROLLER_PREVIOUS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct bundle_source; /* common/bundle.h */
struct buf;
struct origins;
struct previous;
struct rendered; /* controller/rendered.h */

/* A folder that is not there is an empty one.  -EINVAL: it holds no output of compile, but other
 * things; another negative errno: it cannot be read. */
int previous_open(const char *dir, struct previous **ret, struct error_list *err);
struct previous *previous_close(struct previous *p); /* NULL ok; returns NULL */

/* The gateways that have a bundle there, in ascending order. */
size_t previous_count(const struct previous *p);
const char *previous_name(const struct previous *p, size_t i);
bool previous_has(const struct previous *p, const char *gateway);

/* The mesh that the gateway's bundle there is of, the caller's; NULL: it is none that compile wrote
 * for this gateway, going by its bundle.json. */
char *previous_mesh(const struct previous *p, const char *gateway);

/* True: the gateway's bundle there is this one to the byte, every file of it. */
bool previous_same(const struct previous *p, const char *gateway, const struct rendered *now);

/* The gateway's bundle, verified whole; -EINVAL: it is not intact. */
int previous_bundle(const struct previous *p, const char *gateway, struct bundle_source **ret,
                    struct error_list *err);

/* True: the table of origins there has this text. */
bool previous_origins_same(const struct previous *p, const struct buf *now);

/* The table of origins; 1: there is none that can be read. */
int previous_origins(const struct previous *p, struct origins **ret);

#endif
