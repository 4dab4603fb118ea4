/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Render: the files of one gateway, from the compiled network and the templates.  Pure.
 *
 * Templates (frr-templates/, openvpn-templates/) hold text; every decision is made here in C
 * (render_frr.c, render_openvpn.c).  Values are checked as they are emitted (common/name.h): a
 * control byte, quote or backslash never reaches a file, whatever the model let through.
 */
#ifndef P2PVPN_CONTROLLER_RENDER_H
#define P2PVPN_CONTROLLER_RENDER_H

#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/error.h"

struct network;
struct renderer; /* compiled templates; made once, used for every gateway */

struct rendered_file {
    const char *path; /* relative: "frr/frr.conf", "openvpn/pv7.conf" */
    const char *data;
    size_t len;
};

/* The files of one gateway.  Reused from gateway to gateway: rendered_reset() keeps the memory. */
struct rendered {
    struct rendered_file *files; /* sorted by path, bundle.json last */
    size_t n_files, cap_files;
    struct buf text;
    struct arena arena;
};

/* Where templates are: P2PVPN_TEMPLATE_DIR, else the installed place; it holds frr/ and openvpn/.
 */
const char *render_template_dir(void);

/* override_dir (may be NULL) replaces templates file by file.  -EINVAL: broken template
 * (file:line). */
int renderer_new(const char *override_dir, struct renderer **ret, struct error_list *err);
struct renderer *renderer_free(struct renderer *r); /* NULL ok; returns NULL */

/* All files of gateway `gw`, bundle.json included (bundle_format()). */
int render_gateway(const struct renderer *r, const struct network *net, uint32_t gw,
                   struct rendered *ret, struct error_list *err);
void rendered_reset(struct rendered *r);
void rendered_free(struct rendered *r);

#endif
