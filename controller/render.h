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

#include "common/bundle.h"
#include "common/error.h"
#include "controller/rendered.h"

struct network;
struct renderer; /* compiled templates; made once, used for every gateway */

/* Where templates are: the environment variable P2PVPN_TEMPLATE_DIR, else the installed place.  As
 * installed it holds frr/ and openvpn/; a folder with frr-templates/ and openvpn-templates/, as the
 * source tree is, does as well. */
const char *render_template_dir(void);

/* override_dir (may be NULL), of the same form, replaces templates file by file and may have one of
 * the two folders only.  -EINVAL: a broken template (file:line), a folder without templates, or one
 * with a template that nothing includes; another negative errno: they cannot be read. */
int renderer_new(const char *override_dir, struct renderer **ret, struct error_list *err);
struct renderer *renderer_free(struct renderer *r); /* NULL ok; returns NULL */

/* The configuration files of gateway `gw`.  Resets *ret first.  -EINVAL: a value may not stand in a
 * file, a line would be too long for its reader, or a template of the override folder made one that
 * the agent would refuse (common/directives.h, common/frr_config.h).  The errors of the gateway are
 * reported, and *ret is then of no use.  Several threads may render at the same time, each with a
 * `struct rendered` and an error list of its own. */
int render_configs(const struct renderer *r, const struct network *net, uint32_t gw,
                   struct rendered *ret, struct error_list *err);

/* Adds bundle.json (bundle_format()), which says what render_configs() has just put into *ret.
 * -EINVAL: the agent would not take it, because it, a file or all together is too large. */
int render_seal(struct rendered *ret, struct error_list *err);

/* Both. */
int render_gateway(const struct renderer *r, const struct network *net, uint32_t gw,
                   struct rendered *ret, struct error_list *err);

#endif
