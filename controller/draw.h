/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draw: the compiled network as SVG.  Graphviz lays it out; this runs it.
 *
 * The time that a layout takes grows faster than the mesh does, so there is a limit, and the
 * message at it says what else can be done.
 */
#ifndef P2PVPN_CONTROLLER_DRAW_H
#define P2PVPN_CONTROLLER_DRAW_H

#include "common/error.h"

struct buf;
struct network;

#define DRAW_PROGRAM "/usr/bin/dot"
#define DRAW_TIMEOUT_MS 120000

/* The program that draws: the environment variable P2PVPN_DOT, else DRAW_PROGRAM. */
const char *draw_program(void);

/* Appends to *ret.  -EINVAL: no absolute path, or too large a mesh to be drawn; -ENOENT: there is
 * no such program; -ETIMEDOUT; -EIO: it failed. */
int draw_svg(const struct network *net, const char *program, unsigned timeout_ms, struct buf *ret,
             struct error_list *err);

#endif
