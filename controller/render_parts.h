/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Render, inside: what render.c, render_templates.c, render_frr.c and render_openvpn.c share.  Not
 * for other modules.
 */
#ifndef P2PVPN_CONTROLLER_RENDER_PARTS_H
#define P2PVPN_CONTROLLER_RENDER_PARTS_H

#include <stdbool.h>
#include <string.h>

#include "controller/network.h"
#include "controller/render.h"
#include "controller/template.h"

/* The shapes that the templates may refer to; docs/templates.md lists them for people. */
extern const struct template_type frr_template_type, openvpn_template_type;

enum { RENDER_KIND_FRR, RENDER_KIND_OPENVPN, RENDER_KINDS };
struct render_kind {
    const char *folder, *main;
    const struct template_type *type;
    size_t line_max; /* bytes, newline included */
};
extern const struct render_kind render_kinds[RENDER_KINDS];

struct renderer {
    struct template *templates[RENDER_KINDS];
    char *files[RENDER_KINDS]; /* for messages: where to look when the text is wrong */
    bool site[RENDER_KINDS];   /* some of it is the site's own */
};

/* One gateway while it is rendered.  `ends` are its links, by peer number. */
struct render_job {
    const struct network *net;
    uint32_t self;
    const struct mesh_gateway *gateway; /* of the mesh, and: */
    const struct network_gateway *number;
    struct link_end *ends;
    char (*interfaces)[BUNDLE_INTERFACE_SIZE]; /* "pv7", one for each end */
    const char **paths;                        /* "openvpn/pv7.conf", too */
    const char **tls_crypt;                    /* link_key_file(), too; NULL: none */
    size_t n_ends;
    const char *subject; /* for messages: gateway 'perth' */
    struct arena *arena;
    struct buf *out; /* appended to */
    struct error_list *err;
};

/* 0 or -EINVAL with the reason in job->err. */
int render_frr(const struct template *t, const struct render_job *job);
int render_openvpn(const struct template *t, const struct render_job *job, size_t end);

static inline struct template_value value_text(const char *s)
{
    return (struct template_value){s, s ? strlen(s) : 0};
}

static inline struct template_value value_number(size_t n)
{
    return (struct template_value){NULL, n};
}

static inline struct template_value value_list(const void *items, size_t n)
{
    return (struct template_value){items, n};
}

#endif
