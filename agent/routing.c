/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/routing.h"

#include "agent/vtysh.h"
#include "common/alloc.h"
#include "common/bundle.h"
#include "common/fs.h"

#define FRR_CONFIG "frr/frr.conf" /* in a bundle */

typedef int frr_function(const struct vtysh *, const char *, const char *, struct frr_result *,
                         struct error_list *);

static int with_config(frr_function *act, const struct settings *s, struct frr_result *ret,
                       struct error_list *err)
{
    _cleanup_free_ char *current = settings_current_dir(s);
    _cleanup_free_ char *path = xasprintf("%s/" FRR_CONFIG, current);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct vtysh v;
    int r = fs_read(path, BUNDLE_MAX_BYTES, &text, err);

    if (r == 0)
        r = vtysh_open(&v, s->frr_namespace, err);
    return r < 0 ? r : act(&v, buf_cstr(&text), s->state_dir, ret, err);
}

int routing_apply(const struct settings *s, struct frr_result *ret, struct error_list *err)
{
    return with_config(frr_apply, s, ret, err);
}

int routing_check(const struct settings *s, struct frr_result *ret, struct error_list *err)
{
    return with_config(frr_check, s, ret, err);
}

int routing_remove(const struct settings *s, struct frr_result *ret, struct error_list *err)
{
    struct vtysh v;
    int r = vtysh_open(&v, s->frr_namespace, err);

    return r < 0 ? r : frr_remove(&v, s->state_dir, ret, err);
}

uint64_t routing_incarnation(const struct settings *s)
{
    struct vtysh v = {.frr_namespace = s->frr_namespace};

    return vtysh_incarnation(&v);
}
