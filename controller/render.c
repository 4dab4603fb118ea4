/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/render.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/directives.h"
#include "common/frr_config.h"
#include "common/link_key.h"
#include "common/name.h"
#include "controller/render_parts.h"

#define FRR_FILE "frr/frr.conf"

/* --- checks ----------------------------------------------------------------------------------- */

/* The first line that is longer than `max` bytes; 0: none is. */
static unsigned long_line(const char *text, const char *end, size_t max, size_t *ret_len)
{
    for (unsigned line = 1; text < end; line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));

        *ret_len = (size_t)((newline ? newline + 1 : end) - text);
        if (*ret_len > max)
            return line;
        text += *ret_len;
    }
    return 0;
}

/* Every line of the file, which begins at `from` of the text, must be short enough.  All are if
 * each stretch of `max` bytes has an end of a line; only otherwise the lines are looked at one by
 * one. */
static int check_lines(const struct renderer *r, const struct render_job *job, unsigned kind,
                       const char *path, size_t from)
{
    const char *text = job->out->data + from, *end = job->out->data + job->out->len, *at = text;
    size_t max = render_kinds[kind].line_max, len;
    unsigned line;

    while ((size_t)(end - at) > max) {
        const char *newline = memrchr(at, '\n', max);

        if (!newline)
            break;
        at = newline + 1;
    }
    if ((size_t)(end - at) <= max)
        return 0;
    line = long_line(text, end, max, &len);
    return line == 0 ? 0
                     : error_add(job->err, r->files[kind], 0, NULL,
                                 "line %u of %s for %s has %zu bytes, and only %zu are read; "
                                 "shorten the names or the template",
                                 line, path, job->subject, len, max);
}

/* Only what a template of the site made: the agent refuses what is not of its dialect, and who
 * wrote the template should hear so now, not at the roll-out.  Ours are tested, and a large mesh
 * has thousands of files. */
static int check_dialect(const struct renderer *r, const struct render_job *job, unsigned kind,
                         const char *path, const char *interface, const char *tls_crypt,
                         size_t from)
{
    const char *text = job->out->data + from;
    size_t len = job->out->len - from;
    struct error_list found = ERROR_LIST_INIT;
    int k;

    if (!r->site[kind])
        return 0;
    if (kind == RENDER_KIND_OPENVPN) {
        k = directives_check(text, len, interface, tls_crypt, path, &found);
    } else {
        struct frr_config config = FRR_CONFIG_INIT;

        frr_config_parse(&config, text, len);
        k = frr_config_validate(&config, path, &found);
        frr_config_free(&config);
    }
    for (size_t i = 0; i < found.n; i++)
        error_add(job->err, r->files[kind], 0, NULL, "line %u of %s for %s: %s",
                  found.items[i].line, path, job->subject, found.items[i].message);
    error_clear(&found);
    return k;
}

/* An IP address or a DNS name.  The model has checked it; this is for whatever got past it. */
static bool endpoint_valid(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-");

    return n > 0 && n <= 253 && s[n] == '\0' && s[0] != '-';
}

static int bad_text(const struct render_job *job, const char *list, const char *name,
                    const char *what, const char *value, const char *advice)
{
    _cleanup_free_ char *path = list ? xasprintf("/p2pvpn-mesh:mesh/%s[name='%s']", list, name)
                                     : xstrdup("/p2pvpn-mesh:mesh/name");

    return error_add(job->err, job->net->mesh->file, 0, path,
                     "the %s may not stand in a configuration file: '%.80s'; %s", what, value,
                     advice);
}

#define NAME_ADVICE "use at most 48 letters, digits, '.', '_' and '-'"
#define TEXT_ADVICE "leave out control characters, quotes and backslashes"

static int check_gateway(const struct render_job *job, uint32_t index)
{
    const struct mesh_gateway *g = &job->net->mesh->gateways[index];
    const struct mesh_lan *lan = &job->net->mesh->lans[g->lan];
    int r = 0;

    if (!name_valid(g->name))
        r = bad_text(job, "gateway", g->name, "name", g->name, NAME_ADVICE);
    if (!name_valid(g->short_name) || strlen(g->short_name) > SHORT_NAME_MAX)
        r = bad_text(job, "gateway", g->name, "short name", g->short_name,
                     "use at most 12 letters, digits, '.', '_' and '-'");
    if (g->description && !value_valid(g->description, strlen(g->description)))
        r = bad_text(job, "gateway", g->name, "description", g->description, TEXT_ADVICE);
    if (g->endpoint && !endpoint_valid(g->endpoint))
        r = bad_text(job, "gateway", g->name, "endpoint", g->endpoint,
                     "give an IP address or a DNS name");
    if (!name_valid(lan->name))
        r = bad_text(job, "lan", lan->name, "name", lan->name, NAME_ADVICE);
    if (lan->description && !value_valid(lan->description, strlen(lan->description)))
        r = bad_text(job, "lan", lan->name, "description", lan->description, TEXT_ADVICE);
    return r;
}

static int check_names(const struct render_job *job)
{
    int r = check_gateway(job, job->self);

    if (!name_valid(job->net->mesh->name))
        r = bad_text(job, NULL, NULL, "name", job->net->mesh->name, NAME_ADVICE);
    for (size_t i = 0; i < job->n_ends; i++)
        if (check_gateway(job, job->ends[i].peer) < 0)
            r = -EINVAL;
    return r;
}

/* --- files ------------------------------------------------------------------------------------ */

static int compare_prefixes(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

/* What BGP should bring: the prefixes of the other LANs that have a gateway. */
static void add_mesh_prefixes(const struct render_job *job, struct bundle *b)
{
    const struct mesh *mesh = job->net->mesh;
    bool *connected = arena_alloc(job->arena, mesh->n_lans + 1, sizeof(*connected));
    size_t n = 0;

    for (size_t i = 0; i < mesh->n_gateways; i++)
        connected[mesh->gateways[i].lan] = mesh->gateways[i].lan != job->gateway->lan;
    for (size_t i = 0; i < mesh->n_lans; i++)
        n += connected[i] ? mesh->lans[i].n_prefixes : 0;
    b->mesh_prefixes = arena_alloc(job->arena, n + 1, sizeof(*b->mesh_prefixes));
    for (size_t i = 0; i < mesh->n_lans; i++)
        for (size_t k = 0; connected[i] && k < mesh->lans[i].n_prefixes; k++)
            b->mesh_prefixes[b->n_mesh_prefixes++] = mesh->lans[i].prefixes[k];
    qsort(b->mesh_prefixes, b->n_mesh_prefixes, sizeof(*b->mesh_prefixes), compare_prefixes);
}

/* The pools of both families, in order. */
static void add_link_prefixes(const struct render_job *job, struct bundle *b)
{
    const struct network *net = job->net;

    b->link_prefixes =
        arena_alloc(job->arena, net->n_pool[0] + net->n_pool[1], sizeof(*b->link_prefixes));
    for (unsigned f = 0; f < 2; f++)
        for (size_t i = 0; i < net->n_pool[f]; i++)
            b->link_prefixes[b->n_link_prefixes++] = net->pool[f][i];
    qsort(b->link_prefixes, b->n_link_prefixes, sizeof(*b->link_prefixes), compare_prefixes);
}

static void add_link(const struct render_job *job, size_t end, const char *config,
                     struct bundle_link *ret)
{
    const struct link_end *e = &job->ends[end];
    const struct mesh_gateway *peer = &job->net->mesh->gateways[e->peer];
    const struct mesh_lan *lan = &job->net->mesh->lans[peer->lan];

    *ret = (struct bundle_link){
        .interface = job->interfaces[end],
        .alias = e->link->tunnel
                     ? arena_printf(job->arena, "pv-%s-%u", peer->short_name, e->link->tunnel + 1u)
                     : arena_printf(job->arena, "pv-%s", peer->short_name),
        .tunnel = e->link->tunnel + 1u,
        .peer = peer->name,
        .peer_number = job->net->gateways[e->peer].number,
        .peer_asn = job->net->gateways[e->peer].asn,
        .peer_generation = job->net->gateways[e->peer].generation,
        .peer_link_key = job->number->link_key ? job->net->gateways[e->peer].link_key : NULL,
        .transit = job->net->gateways[e->peer].transit,
        .peer_prefixes = lan->prefixes,
        .n_peer_prefixes = lan->n_prefixes,
        .peer_prefix_text = lan->prefix_text,
        .role = e->role,
        .addresses = arena_alloc(job->arena, 2, sizeof(*ret->addresses)),
        .peer_addresses = arena_alloc(job->arena, 2, sizeof(*ret->peer_addresses)),
        .local_port = e->local_port,
        .remote_host = e->remote_host,
        .remote_port = e->remote_host ? e->remote_port : 0,
        .mtu = e->tun_mtu,
        .queue_length = e->settings.queue_length,
        .config = config,
    };
    for (unsigned f = 0; f < 2; f++)
        if (e->address[f].family != FAMILY_NONE) {
            ret->addresses[ret->n_addresses] = e->address[f];
            ret->peer_addresses[ret->n_addresses++] = e->peer_address[f];
        }
}

/* What agents take (common/bundle.h); told here, not on the gateway at night. */
static int check_sizes(const struct render_job *job, const struct rendered *ret,
                       struct error_list *err)
{
    const struct rendered_file *bundle = &ret->files[ret->n_files - 1];

    for (size_t i = 0; i < ret->n_files; i++) {
        const struct rendered_file *f = &ret->files[i];
        size_t max = f == bundle ? BUNDLE_MAX_BYTES : BUNDLE_FILE_MAX_BYTES;

        if (f->len > max)
            return error_add(err, NULL, 0, NULL,
                             "%s, file %s: %zu bytes are more than the %zu that its agent takes; "
                             "it has %zu links: give it fewer, with more hubs or in regions",
                             job->subject, f->path, f->len, max, job->n_ends);
    }
    if (bundle->at + bundle->len <= BUNDLE_ARCHIVE_MAX_BYTES)
        return 0;
    return error_add(err, NULL, 0, NULL,
                     "%s: its files have %zu bytes, more than the %u that its agent takes; it has "
                     "%zu links: give it fewer, with more hubs or in regions",
                     job->subject, bundle->at + bundle->len, BUNDLE_ARCHIVE_MAX_BYTES, job->n_ends);
}

int render_seal(struct rendered *ret, struct error_list *err)
{
    const struct render_job *job = ret->job;
    const struct mesh_lan *lan = &job->net->mesh->lans[job->gateway->lan];
    struct bundle b = {
        .mesh = job->net->mesh->name,
        .gateway = job->gateway->name,
        .number = job->number->number,
        .asn = job->number->asn,
        .router_id = job->number->router_id,
        .generation = job->number->generation,
        .link_key = job->number->link_key,
        .origin_check = job->net->origin_check,
        .manage_wan_firewall = job->gateway->manage_wan_firewall == TRI_UNSET
                                   ? job->net->mesh->manage_wan_firewall
                                   : job->gateway->manage_wan_firewall == TRI_YES,
        .lan = lan->name,
        .lan_shared = lan->n_gateways > 1,
        .lan_prefixes = lan->prefixes,
        .n_lan_prefixes = lan->n_prefixes,
        .links = arena_alloc(job->arena, job->n_ends + 1, sizeof(*b.links)),
        .n_links = job->n_ends,
        .files = arena_alloc(job->arena, ret->n_files + 1, sizeof(*b.files)),
        .n_files = ret->n_files,
    };

    if (b.origin_check == BUNDLE_ORIGINS_BY_LISTS)
        add_mesh_prefixes(job, &b);
    add_link_prefixes(job, &b);
    for (size_t i = 0; i < job->n_ends; i++)
        add_link(job, i, job->paths[i], &b.links[i]);
    for (size_t i = 0; i < ret->n_files; i++) {
        b.files[i].path = ret->files[i].path;
        b.files[i].size = (uint32_t)ret->files[i].len;
        digest_sha256_text(ret->files[i].data, ret->files[i].len, b.files[i].sha256);
    }
    rendered_begin(ret);
    bundle_format(&b, &ret->text);
    rendered_end(ret, BUNDLE_FILE);
    return check_sizes(job, ret, err);
}

struct config {
    const char *path;
    size_t end;
};

static int compare_configs(const void *a, const void *b)
{
    return strcmp(((const struct config *)a)->path, ((const struct config *)b)->path);
}

/* The OpenVPN files in the order of their paths. */
static int add_configs(const struct renderer *r, struct render_job *job, struct rendered *ret)
{
    struct config *order = arena_alloc(job->arena, job->n_ends + 1, sizeof(*order));
    int result = 0;

    job->paths = arena_alloc(job->arena, job->n_ends + 1, sizeof(*job->paths));
    for (size_t i = 0; i < job->n_ends; i++) {
        char *path = arena_alloc(job->arena, sizeof("openvpn/.conf") + sizeof(*job->interfaces), 1);

        stpcpy(stpcpy(stpcpy(path, "openvpn/"), job->interfaces[i]), ".conf");
        job->paths[i] = path;
        order[i] = (struct config){path, i};
    }
    qsort(order, job->n_ends, sizeof(*order), compare_configs);
    for (size_t i = 0; i < job->n_ends; i++) {
        size_t from = rendered_begin(ret);
        int k = render_openvpn(r->templates[RENDER_KIND_OPENVPN], job, order[i].end);

        if (k == 0)
            k = check_lines(r, job, RENDER_KIND_OPENVPN, order[i].path, from);
        /* All links are of one template: the first that is refused says enough. */
        if (k == 0 && result == 0)
            k = check_dialect(r, job, RENDER_KIND_OPENVPN, order[i].path,
                              job->interfaces[order[i].end], job->tls_crypt[order[i].end], from);
        if (k < 0)
            result = k;
        rendered_end(ret, order[i].path);
    }
    return result;
}

/* Where both ends have a link key: the file of what they derive. */
static const char *tls_crypt_file(const struct render_job *job, size_t i)
{
    const struct network *net = job->net;
    uint32_t peer = job->ends[i].peer;
    struct link_key_end own = {job->gateway->name, job->number->generation, job->number->link_key};
    struct link_key_end other = {net->mesh->gateways[peer].name, net->gateways[peer].generation,
                                 net->gateways[peer].link_key};
    _cleanup_buf_ struct buf info = BUF_INIT;
    char *file;

    if (!own.key || !other.key)
        return NULL;
    file = arena_alloc(job->arena, LINK_KEY_FILE_SIZE, 1);
    link_key_info(net->mesh->name, &own, &other, job->ends[i].link->tunnel + 1u, &info);
    link_key_file(job->interfaces[i], &info, file);
    return file;
}

static void fill_ends(struct render_job *job)
{
    const struct network *net = job->net;
    const struct network_gateway *own = &net->gateways[job->self];

    job->n_ends = own->n_peers;
    job->ends = arena_alloc(job->arena, job->n_ends + 1, sizeof(*job->ends));
    job->interfaces = arena_alloc(job->arena, job->n_ends + 1, sizeof(*job->interfaces));
    job->tls_crypt = arena_alloc(job->arena, job->n_ends + 1, sizeof(*job->tls_crypt));
    for (size_t i = 0; i < job->n_ends; i++) {
        const struct network_peer *peer = &net->peers[own->first_peer + i];

        network_link_end(net, job->self, peer, &job->ends[i]);
        bundle_interface(net->gateways[peer->gateway].number, job->ends[i].link->tunnel + 1u,
                         job->interfaces[i]);
        job->tls_crypt[i] = tls_crypt_file(job, i);
    }
}

int render_configs(const struct renderer *r, const struct network *net, uint32_t gw,
                   struct rendered *ret, struct error_list *err)
{
    struct render_job *job;
    size_t from;
    int k, result;

    rendered_reset(ret);
    job = arena_alloc(&ret->arena, 1, sizeof(*job));
    *job = (struct render_job){
        .net = net,
        .self = gw,
        .gateway = &net->mesh->gateways[gw],
        .number = &net->gateways[gw],
        .arena = &ret->arena,
        .out = &ret->text,
        .err = err,
    };
    ret->job = job;
    fill_ends(job);
    job->subject = arena_printf(&ret->arena, "gateway '%s'", job->gateway->name);
    result = check_names(job);
    if (result < 0)
        return result;
    from = rendered_begin(ret);
    result = render_frr(r->templates[RENDER_KIND_FRR], job);
    if (result == 0)
        result = check_lines(r, job, RENDER_KIND_FRR, FRR_FILE, from);
    if (result == 0)
        result = check_dialect(r, job, RENDER_KIND_FRR, FRR_FILE, NULL, NULL, from);
    rendered_end(ret, FRR_FILE);
    k = add_configs(r, job, ret);
    return result == 0 ? k : result;
}

int render_gateway(const struct renderer *r, const struct network *net, uint32_t gw,
                   struct rendered *ret, struct error_list *err)
{
    int k = render_configs(r, net, gw, ret, err);

    return k == 0 ? render_seal(ret, err) : k;
}
