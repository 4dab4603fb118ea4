/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/routing.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/vtysh.h"
#include "agent/vtysh_json.h"
#include "common/alloc.h"
#include "common/bundle.h"
#include "common/frr_config.h"
#include "common/fs.h"

typedef int frr_function(const struct vtysh *, const char *, const char *, struct frr_result *,
                         struct error_list *);

static int read_config(const struct settings *s, struct buf *ret, struct error_list *err)
{
    _cleanup_free_ char *current = settings_current_dir(s);
    _cleanup_free_ char *path = xasprintf("%s/" ROUTING_CONFIG, current);

    return fs_read(path, BUNDLE_MAX_BYTES, ret, err);
}

/* What was applied last; without it nothing is kept that the bundle does not have. */
static void read_record(const struct settings *s, struct buf *ret)
{
    _cleanup_free_ char *path = xasprintf("%s/" FRR_APPLIED_FILE, s->state_dir);
    struct error_list ignored = ERROR_LIST_INIT;

    if (access(path, F_OK) == 0)
        fs_read(path, BUNDLE_MAX_BYTES, ret, &ignored);
    error_clear(&ignored);
}

static int with_config(frr_function *act, const struct settings *s,
                       const struct drain_request *drain, struct frr_result *ret,
                       struct error_list *err)
{
    _cleanup_buf_ struct buf bundle = BUF_INIT, record = BUF_INIT, text = BUF_INIT;
    struct vtysh v;
    int r = read_config(s, &bundle, err);

    if (r == 0)
        r = vtysh_open(&v, s->frr_namespace, err);
    if (r < 0)
        return r;
    read_record(s, &record);
    drain_text(buf_cstr(&bundle), buf_cstr(&record), drain, &text);
    return act(&v, buf_cstr(&text), s->state_dir, ret, err);
}

int routing_apply(const struct settings *s, const struct drain_request *drain,
                  struct frr_result *ret, struct error_list *err)
{
    return with_config(frr_apply, s, drain, ret, err);
}

int routing_check(const struct settings *s, const struct drain_request *drain,
                  struct frr_result *ret, struct error_list *err)
{
    return with_config(frr_check, s, drain, ret, err);
}

int routing_compare(const struct settings *s, const char *config, struct frr_result *ret,
                    struct error_list *err)
{
    struct vtysh v;
    int r = vtysh_open(&v, s->frr_namespace, err);

    return r < 0 ? r : frr_check(&v, config, s->state_dir, ret, err);
}

int routing_remove(const struct settings *s, struct frr_result *ret, struct error_list *err)
{
    struct vtysh v;
    int r = vtysh_open(&v, s->frr_namespace, err);

    return r < 0 ? r : frr_remove(&v, s->state_dir, ret, err);
}

int routing_sessions(const struct settings *s, const struct bundle *b, struct error_list *ret)
{
    struct bgp_sessions sessions = {0};
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct vtysh v;
    int r = vtysh_open(&v, s->frr_namespace, ret);

    if (r == 0)
        r = vtysh_show(&v, "bgpd", "show bgp summary json", &text, ret);
    if (r == 0)
        r = vtysh_json_bgp_summary(buf_cstr(&text), &sessions, ret);
    for (size_t i = 0; r == 0 && i < b->n_links; i++)
        for (size_t k = 0; k < b->links[i].n_addresses; k++) {
            const struct prefix *peer = &b->links[i].peer_addresses[k];
            const struct bgp_session *is = bgp_sessions_find(&sessions, peer, peer->family);

            if (is && is->established)
                error_add(ret, NULL, 0, NULL, "%s %c", b->links[i].interface,
                          peer->family == FAMILY_IPV4 ? '4' : '6');
        }
    bgp_sessions_free(&sessions);
    return r;
}

static int wait_synchronized(const struct vtysh *v, struct error_list *err)
{
    int r = vtysh_rpki_wait(v, err);

    if (r == -ETIMEDOUT)
        error_add(
            err, NULL, 0, NULL,
            "bgpd was sent the table of origins but does not go by it yet: see \"vtysh -c 'show "
            "rpki cache-connection'\"; it is tried again");
    return r;
}

/* One family of one peer-group of the mesh; an operator's neighbors are not asked anything. */
static int reconsider(const struct vtysh *v, const struct frr_line *l, struct error_list *err)
{
    static const char family[] = "address-family ", end[] = " activate";
    _cleanup_buf_ struct buf ignored = BUF_INIT;
    _cleanup_free_ char *command = NULL;

    if (l->kind != FRR_NEIGHBOR || l->parent->kind != FRR_FAMILY || !frr_own_name(l->object) ||
        strcmp(l->text + frr_head_len(l), end) != 0)
        return 0;
    command = xasprintf("clear bgp %s peer-group %s soft in", l->parent->text + strlen(family),
                        l->object);
    return vtysh_show(v, "bgpd", command, &ignored, err);
}

int routing_reconsider(const struct settings *s, struct error_list *err)
{
    struct frr_config config = FRR_CONFIG_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct vtysh v;
    int r = read_config(s, &text, err);

    if (r == 0)
        r = vtysh_open(&v, s->frr_namespace, err);
    if (r == 0)
        r = wait_synchronized(&v, err);
    if (r == 0)
        frr_config_parse(&config, buf_cstr(&text), text.len);
    for (size_t i = 0; r == 0 && i < config.n; i++)
        r = reconsider(&v, config.lines[i], err);
    frr_config_free(&config);
    return r;
}

uint64_t routing_incarnation(const struct settings *s)
{
    struct vtysh v = {.frr_namespace = s->frr_namespace};

    return vtysh_incarnation(&v);
}
