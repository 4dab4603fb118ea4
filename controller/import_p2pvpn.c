/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/import_p2pvpn.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/name.h"
#include "controller/lock.h"
#include "controller/p2pvpn_files.h"

/* What servers/ has for one end of a pair. */
struct end {
    struct p2pvpn_conf *conf; /* NULL: no file */
    const char *owner;        /* from the symbolic link; NULL: none */
};

struct reader {
    const char *dir;
    struct import *in;
    struct error_list *err;
    struct p2pvpn_cache cache;
    struct end (*ends)[2]; /* by pair number, 0 .. P2PVPN_MAX_PAIRS */
    uint32_t highest;
    char *cache_file;
    int system; /* a negative errno when something could not be read */
};

static int read_text(struct reader *r, const char *path, struct buf *ret)
{
    struct stat st;
    int e;

    if (lstat(path, &st) < 0)
        return error_sys(r->err, errno, path, "cannot read the file");
    if (!S_ISREG(st.st_mode))
        return error_add(r->err, path, 0, NULL,
                         "it is not a regular file; restore the one that P2P-VPN wrote");
    e = fs_read(path, P2PVPN_MAX_BYTES, ret, r->err);
    return e == -EFBIG ? -EINVAL : e;
}

static void note_failure(struct reader *r, int e)
{
    if (e < 0 && e != -EINVAL && !r->system)
        r->system = e;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void read_cache(struct reader *r)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct stat st;
    int e;

    if (lstat(r->cache_file, &st) < 0 && errno == ENOENT) {
        error_add(r->err, r->dir, 0, NULL,
                  "it has no cache.txt; give the working directory of P2P-VPN, the one with "
                  "make-pair in it");
        return;
    }
    e = read_text(r, r->cache_file, &text);
    if (e == 0)
        e = p2pvpn_parse_cache(buf_cstr(&text), text.len, r->cache_file, &r->in->arena, &r->cache,
                               r->in->notes, r->err);
    note_failure(r, e);
}

static void read_conf(struct reader *r, const char *path, uint32_t id, unsigned side)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct p2pvpn_conf *conf = arena_alloc(&r->in->arena, 1, sizeof(*conf));
    int e = read_text(r, path, &text);

    if (e == 0)
        e = p2pvpn_parse_conf(buf_cstr(&text), text.len, path, &r->in->arena, conf, r->in->notes,
                              r->err);
    note_failure(r, e);
    r->ends[id][side - 1].conf = conf;
    conf->file = arena_strdup(&r->in->arena, path);
    if (id > r->highest)
        r->highest = id;
}

static void read_link(struct reader *r, const char *path, const char *file_name)
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    const char *name, *base;
    uint32_t id, target_id;
    unsigned side;
    struct end *end;

    if (n < 0) {
        note_failure(r, error_sys(r->err, errno, path, "cannot read the symbolic link"));
        return;
    }
    target[n] = '\0';
    base = strrchr(target, '/');
    base = base ? base + 1 : target;
    if (!p2pvpn_link_name(file_name, &r->in->arena, &name, &id) ||
        !p2pvpn_conf_name(base, &target_id, &side) || id != target_id) {
        error_add(r->err, path, 0, NULL,
                  "a link here is called NAME_ID.conf and points to server_ID_1.conf or "
                  "server_ID_2.conf with the same ID, not to '%s'; correct it, or remove it",
                  target);
        return;
    }
    end = &r->ends[id][side - 1];
    if (end->owner)
        error_add(r->err, path, 0, NULL,
                  "server_%" PRIu32 "_%u.conf is that of '%s' by another link; remove the wrong "
                  "one",
                  id, side, end->owner);
    end->owner = name;
    if (id > r->highest)
        r->highest = id;
}

static void read_servers(struct reader *r)
{
    _cleanup_free_ char *folder = xasprintf("%s/servers", r->dir);
    struct dirent **names;
    int n = scandir(folder, &names, NULL, alphasort);

    if (n < 0) {
        int e = errno;

        if (e == ENOENT || e == ENOTDIR)
            error_add(r->err, r->dir, 0, NULL,
                      "it has no folder servers/, so there is no pair; give the working directory "
                      "of P2P-VPN");
        else
            note_failure(r, error_sys(r->err, e, folder, "cannot read the folder"));
        return;
    }
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
        struct stat st;
        unsigned side;
        uint32_t id;

        if (name[0] == '.' || lstat(path, &st) < 0)
            ;
        else if (S_ISLNK(st.st_mode))
            read_link(r, path, name);
        else if (p2pvpn_conf_name(name, &id, &side))
            read_conf(r, path, id, side);
        else
            error_add(r->in->notes, path, 0, NULL,
                      "it is none of the files that P2P-VPN makes, and was not looked at");
        free(names[i]);
    }
    free(names);
}

/* The counter is worth a look only because it tells of a directory that lost something. */
static void read_next_id(struct reader *r)
{
    _cleanup_free_ char *path = xasprintf("%s/p2p_pair_id.txt", r->dir);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct stat st;
    uint32_t next;
    int e;

    if (lstat(path, &st) < 0 && errno == ENOENT) {
        error_add(r->in->notes, path, 0, NULL,
                  "the file is missing; the pairs were read from "
                  "servers/ alone");
        return;
    }
    e = read_text(r, path, &text);
    if (e == 0)
        e = p2pvpn_parse_next_id(buf_cstr(&text), text.len, path, &next, r->err);
    note_failure(r, e);
    if (e == 0 && next <= r->highest)
        error_add(r->in->notes, path, 1, NULL,
                  "the next pair would be number %" PRIu32 ", but servers/ has number %" PRIu32
                  " already; make sure that no pair was overwritten",
                  next, r->highest);
}

/* --- putting it together ------------------------------------------------------------------------
 */

static int compare_servers(const void *pa, const void *pb)
{
    const struct p2pvpn_server *a = pa, *b = pb;

    return strcmp(a->name, b->name);
}

static const struct p2pvpn_server *find_server(const struct reader *r, const char *name)
{
    const struct p2pvpn_server key = {.name = name};

    return r->cache.n_servers
               ? bsearch(&key, r->cache.servers, r->cache.n_servers, sizeof(key), compare_servers)
               : NULL;
}

/* The link's name, which is how a person sees it, else the certificate's. */
static const struct p2pvpn_server *owner_of(struct reader *r, uint32_t id, unsigned side)
{
    const struct end *end = &r->ends[id][side];
    const struct p2pvpn_conf *c = end->conf;
    const char *name = end->owner ? end->owner : c->own_name;
    const struct p2pvpn_server *s;

    if (!name) {
        error_add(r->err, c->file, 0, NULL,
                  "no symbolic link NAME_%" PRIu32 ".conf points to it, so nobody knows whose it "
                  "is; make the link again",
                  id);
        return NULL;
    }
    if (end->owner && c->own_name && strcmp(end->owner, c->own_name) != 0)
        error_add(r->err, c->file, c->own_name_line, NULL,
                  "the certificate is that of '%s', but the symbolic link says that the file is "
                  "'%s'; correct the one that is wrong",
                  c->own_name, end->owner);
    s = find_server(r, name);
    if (!s)
        error_add(r->err, c->file, 0, NULL,
                  "server '%s' is not in cache.txt; add a line with its name, address and subnet",
                  name);
    return s;
}

/* Two ends that tell different stories cannot have been up. */
static void check_ends(struct reader *r, const struct p2pvpn_conf *x, const struct p2pvpn_conf *y,
                       const struct p2pvpn_server *other)
{
    if (prefix_compare(&x->address, &y->peer_address) != 0)
        error_add(r->err, x->file, x->ifconfig_line, NULL,
                  "its own address is not the one that %s has for the other end; correct the "
                  "wrong 'ifconfig'",
                  y->file);
    if (x->remote && x->rport != y->lport)
        error_add(r->err, x->file, x->remote_line, NULL,
                  "it calls port %u, but %s listens on %u; correct 'rport' or 'lport'", x->rport,
                  y->file, y->lport);
    if (x->peer_name && strcmp(x->peer_name, other->name) != 0)
        error_add(r->err, x->file, x->peer_name_line, NULL,
                  "it expects '%s' at the other end, but that is '%s'; correct it", x->peer_name,
                  other->name);
    if (x->remote && strcasecmp(x->remote, other->endpoint) != 0)
        error_add(r->in->notes, x->file, x->remote_line, NULL,
                  "it calls '%s' at %s, but cache.txt has %s, which is taken; change the endpoint "
                  "in the model if that is wrong",
                  other->name, x->remote, other->endpoint);
}

static void add_pair(struct reader *r, uint32_t id)
{
    struct end *e = r->ends[id];
    const struct p2pvpn_server *s[2];
    struct import_pair *p = &r->in->pairs[r->in->n_pairs];

    if (!e[0].conf && !e[1].conf) {
        if (e[0].owner || e[1].owner)
            error_add(r->err, r->dir, 0, NULL,
                      "servers/ has a link of pair %" PRIu32 " but none of its files; restore "
                      "them, or remove the link",
                      id);
        return;
    }
    if (!e[0].conf || !e[1].conf) {
        error_add(r->err, e[0].conf ? e[0].conf->file : e[1].conf->file, 0, NULL,
                  "the other end of pair %" PRIu32 ", server_%" PRIu32 "_%d.conf, is missing; "
                  "restore it, or remove this one",
                  id, id, e[0].conf ? 2 : 1);
        return;
    }
    s[0] = owner_of(r, id, 0);
    s[1] = owner_of(r, id, 1);
    if (!s[0] || !s[1])
        return;
    if (s[0] == s[1]) {
        error_add(r->err, e[0].conf->file, 0, NULL,
                  "both ends of pair %" PRIu32 " are '%s'; correct the symbolic links", id,
                  s[0]->name);
        return;
    }
    check_ends(r, e[0].conf, e[1].conf, s[1]);
    check_ends(r, e[1].conf, e[0].conf, s[0]);
    *p = (struct import_pair){
        .id = id,
        .a = (size_t)(s[0] - r->cache.servers),
        .b = (size_t)(s[1] - r->cache.servers),
        .conf_a = e[0].conf,
        .conf_b = e[1].conf,
    };
    if (p->a > p->b)
        *p = (struct import_pair){id, p->b, p->a, p->conf_b, p->conf_a};
    r->in->n_pairs++;
}

static int compare_pairs(const void *pa, const void *pb)
{
    const struct import_pair *x = pa, *y = pb;

    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    if (x->b != y->b)
        return x->b < y->b ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* A second pair of the same two: the mesh has one link for them. */
static void drop_parallel(struct reader *r)
{
    struct import *in = r->in;
    size_t n = 0;

    for (size_t i = 0; i < in->n_pairs; i++) {
        const struct import_pair *p = &in->pairs[i], *old = n ? &in->pairs[n - 1] : NULL;

        if (old && old->a == p->a && old->b == p->b)
            error_add(in->notes, p->conf_a->file, 0, NULL,
                      "pair %" PRIu32 " joins '%s' and '%s' as pair %" PRIu32 " does; two gateways "
                      "have one link, and that is pair %" PRIu32 "'s",
                      p->id, r->cache.servers[p->a].name, r->cache.servers[p->b].name, old->id,
                      old->id);
        else
            in->pairs[n++] = *p;
    }
    in->n_pairs = n;
}

/* Servers that are in a pair become gateways; pairs then count in those. */
static void make_gateways(struct reader *r)
{
    struct import *in = r->in;
    size_t n = r->cache.n_servers, *index = xcalloc(n, sizeof(*index));
    bool *used = xcalloc(n, sizeof(*used));

    for (size_t i = 0; i < in->n_pairs; i++)
        used[in->pairs[i].a] = used[in->pairs[i].b] = true;
    in->gateways = arena_alloc(&in->arena, n, sizeof(*in->gateways));
    for (size_t i = 0; i < n; i++) {
        const struct p2pvpn_server *s = &r->cache.servers[i];

        if (!used[i]) {
            error_add(in->notes, r->cache_file, s->line, NULL,
                      "'%s' is in no pair, so it is left out; add it to the model with a link, if "
                      "it is needed",
                      s->name);
            continue;
        }
        index[i] = in->n_gateways;
        in->gateways[in->n_gateways++] = (struct import_gateway){.server = s};
    }
    for (size_t i = 0; i < in->n_pairs; i++) {
        struct import_pair *p = &in->pairs[i];

        p->a = index[p->a];
        p->b = index[p->b];
        in->gateways[p->a].called |= p->conf_b->remote != NULL;
        in->gateways[p->b].called |= p->conf_a->remote != NULL;
        if (!p->conf_a->remote && !p->conf_b->remote)
            error_add(r->err, p->conf_a->file, 0, NULL,
                      "no end of pair %" PRIu32 " has a 'remote', so neither can call the other; "
                      "restore one, or remove the pair",
                      p->id);
    }
    free(index);
    free(used);
}

static int compare_prefixes(const void *pa, const void *pb)
{
    return prefix_compare(pa, pb);
}

/* Adds a prefix to a LAN, unless something there contains it. */
static void add_prefix(struct import *in, struct import_gateway *g, const struct prefix *p)
{
    struct prefix *more;

    for (size_t i = 0; i < g->n_prefixes; i++)
        if (prefix_contains(&g->prefixes[i], p))
            return;
    more = arena_alloc(&in->arena, g->n_prefixes + 1, sizeof(*more));
    if (g->n_prefixes)
        memcpy(more, g->prefixes, g->n_prefixes * sizeof(*more));
    more[g->n_prefixes++] = *p;
    g->prefixes = more;
    qsort(g->prefixes, g->n_prefixes, sizeof(*g->prefixes), compare_prefixes);
}

/* Servers with one and the same subnet serve one LAN; overlapping subnets cannot be told apart. */
static void make_lans(struct reader *r)
{
    struct import *in = r->in;

    for (size_t i = 0; i < in->n_gateways; i++) {
        struct import_gateway *g = &in->gateways[i];

        g->lan = i;
        for (size_t k = 0; k < i; k++) {
            const struct p2pvpn_server *x = g->server, *y = in->gateways[k].server;
            char text[2][PREFIX_TEXT_MAX];

            if (in->gateways[k].lan != k || !prefix_overlaps(&x->subnet, &y->subnet))
                continue;
            if (prefix_compare(&x->subnet, &y->subnet) != 0) {
                error_add(r->err, r->cache_file, x->line, NULL,
                          "%s of '%s' overlaps %s of '%s' (line %u); correct the one that is wrong",
                          prefix_format(&x->subnet, text[0]), x->name,
                          prefix_format(&y->subnet, text[1]), y->name, y->line);
                continue;
            }
            error_add(in->notes, r->cache_file, x->line, NULL,
                      "'%s' and '%s' have the same subnet, so they become two gateways of one LAN, "
                      "'%s'",
                      x->name, y->name, y->name);
            g->lan = k;
            break;
        }
        if (g->lan == i)
            add_prefix(in, g, &g->server->subnet);
    }
}

/* A route into a known LAN is BGP's business now; any other belongs to the end it points to. */
static void add_route(struct reader *r, const struct p2pvpn_conf *c, const struct p2pvpn_route *t,
                      size_t toward)
{
    struct import *in = r->in;
    char text[PREFIX_TEXT_MAX];

    for (size_t i = 0; i < in->n_gateways; i++) {
        if (!prefix_overlaps(&in->gateways[i].server->subnet, &t->prefix))
            continue;
        if (i != toward && in->gateways[i].lan != in->gateways[toward].lan)
            error_add(in->notes, c->file, t->line, NULL,
                      "the static route to %s, behind '%s', is dropped: BGP finds the way",
                      prefix_format(&t->prefix, text), in->gateways[i].server->name);
        else if (!prefix_contains(&in->gateways[i].server->subnet, &t->prefix))
            error_add(in->notes, c->file, t->line, NULL,
                      "the static route to %s is wider than the subnet of '%s' in cache.txt, which "
                      "is taken; correct the prefix in the model if that is wrong",
                      prefix_format(&t->prefix, text), in->gateways[i].server->name);
        return;
    }
    error_add(in->notes, c->file, t->line, NULL,
              "%s is not in cache.txt; it becomes a second prefix of the LAN of '%s', to which "
              "the route points",
              prefix_format(&t->prefix, text), in->gateways[toward].server->name);
    add_prefix(in, &in->gateways[in->gateways[toward].lan], &t->prefix);
}

static void make_routes(struct reader *r)
{
    for (size_t i = 0; i < r->in->n_pairs; i++) {
        const struct import_pair *p = &r->in->pairs[i];

        for (size_t k = 0; k < p->conf_a->n_routes; k++)
            add_route(r, p->conf_a, &p->conf_a->routes[k], p->b);
        for (size_t k = 0; k < p->conf_b->n_routes; k++)
            add_route(r, p->conf_b, &p->conf_b->routes[k], p->a);
    }
}

static int compare_texts(const void *pa, const void *pb)
{
    return strcasecmp(*(const char *const *)pa, *(const char *const *)pb);
}

static void check_case(struct reader *r)
{
    const char **names = xcalloc(r->cache.n_servers, sizeof(const char *));

    for (size_t i = 0; i < r->cache.n_servers; i++)
        names[i] = r->cache.servers[i].name;
    if (r->cache.n_servers)
        qsort(names, r->cache.n_servers, sizeof(*names), compare_texts);
    for (size_t i = 1; i < r->cache.n_servers; i++)
        if (strcasecmp(names[i - 1], names[i]) == 0)
            error_add(r->err, r->cache_file, 0, NULL,
                      "'%s' and '%s' differ only in upper and lower case; rename one, here, in the "
                      "file names under servers/ and in their 'cert' and 'tls-remote' lines",
                      names[i - 1], names[i]);
    free(names);
}

static void put_together(struct reader *r)
{
    struct import *in = r->in;

    check_case(r);
    if (r->cache.n_servers)
        qsort(r->cache.servers, r->cache.n_servers, sizeof(*r->cache.servers), compare_servers);
    in->pairs = arena_alloc(&in->arena, (size_t)r->highest + 1, sizeof(*in->pairs));
    for (uint32_t id = 0; id <= r->highest; id++)
        add_pair(r, id);
    if (r->err->n)
        return;
    if (in->n_pairs == 0) {
        error_add(r->err, r->dir, 0, NULL,
                  "servers/ has no pair; there is nothing to import yet, so write a model by hand");
        return;
    }
    qsort(in->pairs, in->n_pairs, sizeof(*in->pairs), compare_pairs);
    drop_parallel(r);
    make_gateways(r);
    make_lans(r);
    make_routes(r);
}

/* The name of the directory, where it is a name at all. */
static const char *mesh_name(struct import *in, const char *dir)
{
    _cleanup_free_ char *real = realpath(dir, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;

    return arena_strdup(&in->arena, slash && name_valid(slash + 1) ? slash + 1 : "p2p-vpn");
}

static int write_both(const char *output, const char *lock_file, struct import *in,
                      struct error_list *err)
{
    _cleanup_buf_ struct buf model = BUF_INIT, lock = BUF_INIT;
    const char *const files[] = {output, lock_file};
    struct stat st;
    int r;

    for (unsigned i = 0; i < 2; i++)
        if (lstat(files[i], &st) == 0)
            return error_add(err, files[i], 0, NULL,
                             "it exists already; move it away, or choose another name with -o");
    import_write_model(in, &model, &lock);
    r = fs_write(lock_file, buf_cstr(&lock), lock.len, 0644, err);
    if (r < 0)
        return r;
    r = fs_write(output, buf_cstr(&model), model.len, 0644, err);
    if (r < 0)
        unlink(lock_file);
    return r;
}

int import_p2pvpn(const char *dir, const char *output, struct import_report *report,
                  struct error_list *err)
{
    struct error_list notes = ERROR_LIST_INIT, found = ERROR_LIST_INIT;
    struct import in = {.notes = &notes};
    struct reader r = {.dir = dir, .in = &in, .err = &found};
    _cleanup_free_ char *lock_file = lock_file_name(output);
    int ret = 0;

    r.cache_file = xasprintf("%s/cache.txt", dir);
    r.ends = xcalloc(P2PVPN_MAX_PAIRS + 1, sizeof(*r.ends));
    read_cache(&r);
    if (found.n == 0 || r.cache.n_servers)
        read_servers(&r);
    if (found.n == 0)
        read_next_id(&r);
    if (found.n == 0)
        put_together(&r);
    in.mesh = mesh_name(&in, dir);
    if (found.n)
        ret = r.system ? r.system : -EINVAL;
    else
        ret = write_both(output, lock_file, &in, &found);
    if (ret == 0) {
        error_sort(&notes);
        *report = (struct import_report){in.n_gateways, in.n_pairs, lock_file, notes};
        lock_file = NULL;
        notes = (struct error_list)ERROR_LIST_INIT;
    }
    for (size_t i = 0; i < found.n; i++)
        error_add(err, found.items[i].file, found.items[i].line, found.items[i].path, "%s",
                  found.items[i].message);
    error_clear(&found);
    error_clear(&notes);
    arena_free(&in.arena);
    free(r.ends);
    free(r.cache_file);
    return ret;
}

void import_report_clear(struct import_report *report)
{
    free(report->lock_file);
    error_clear(&report->notes);
    *report = (struct import_report){0};
}
