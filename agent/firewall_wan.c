/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/firewall_wan.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

/* --- sets ----------------------------------------------------------------------------------- */

enum whom { WHOM_ALL, WHOM_ADDRESS, WHOM_HOST };

/* Who may send to the port of a link. */
static enum whom whom(const struct bundle_link *link, struct prefix *ret)
{
    if (!link->remote_host)
        return WHOM_ALL;
    return prefix_parse(link->remote_host, ret) ? WHOM_ADDRESS : WHOM_HOST;
}

/* Each link of both bundles with a port of its own; ones that did not change only once. */
static bool each_port(const struct firewall_writer *w, size_t *at, const struct bundle_link **ret)
{
    while (*at < 2 * w->all.n) {
        const struct firewall_link *l = &w->all.items[*at / 2];
        bool old = *at % 2;

        ++*at;
        *ret = old ? l->before : l->now;
        if (*ret &&
            !(old && l->now && l->now->local_port == l->before->local_port &&
              (!l->now->remote_host || (l->before->remote_host &&
                                        strcmp(l->now->remote_host, l->before->remote_host) == 0))))
            return true;
    }
    return false;
}

struct port {
    uint16_t port;
    struct prefix from; /* family 0: anybody */
};

static int compare_ports(const void *pa, const void *pb)
{
    const struct port *a = pa, *b = pb;

    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    return prefix_compare(&a->from, &b->from);
}

/* Writes the elements of one set: each once, in order. */
static void add_ports(struct firewall_writer *w, struct port *ports, size_t n)
{
    if (n > 1)
        qsort(ports, n, sizeof(*ports), compare_ports);
    for (size_t i = 0; i < n; i++) {
        if (i && compare_ports(&ports[i - 1], &ports[i]) == 0)
            continue;
        firewall_element(w);
        buf_number(w->out, ports[i].port);
        if (ports[i].from.family == FAMILY_NONE)
            continue;
        buf_str(w->out, " . ");
        firewall_add_prefix(w, &ports[i].from);
    }
}

/* Those that `which` says, of this family: 0 for a set of mere ports. */
static void add_port_set(struct firewall_writer *w, const char *name, unsigned which,
                         uint8_t family)
{
    struct port *ports = xcalloc(2 * w->all.n + 1, sizeof(*ports));
    const struct bundle_link *link;
    size_t n = 0, at = 0;

    firewall_begin(w, "set", name, family ? firewall_digit(family) : 0,
                   family == FAMILY_IPV4   ? "inet_service . ipv4_addr"
                   : family == FAMILY_IPV6 ? "inet_service . ipv6_addr"
                                           : "inet_service");
    while (each_port(w, &at, &link)) {
        struct prefix from = {0};

        if (!(which & 1u << whom(link, &from)) || (family && from.family != family))
            continue;
        ports[n++] = (struct port){link->local_port, family ? from : (struct prefix){0}};
    }
    add_ports(w, ports, n);
    firewall_end(w);
    free(ports);
}

void firewall_add_wan(struct firewall_writer *w)
{
    add_port_set(w, "ports", ~0u, 0);
    add_port_set(w, "open", 1u << WHOM_ALL, 0);
    for (unsigned i = 0; i < 2; i++)
        add_port_set(w, "endpoints", 1u << WHOM_ADDRESS, firewall_families[i]);
    if (w->hosts) { /* filled by firewall_render_hosts() */
        add_port_set(w, "unresolved", 0, 0);
        for (unsigned i = 0; i < 2; i++)
            add_port_set(w, "resolved", 0, firewall_families[i]);
    }
    firewall_line(w, "\n\tcounter closed {\n\t\tcomment \"to a link's port from elsewhere\"\n\t}");
}

void firewall_writer_init(struct firewall_writer *w, const struct firewall *f, struct buf *out)
{
    const struct bundle_link *link;
    struct prefix address;
    size_t at = 0;

    *w = (struct firewall_writer){.f = f, .out = out, .wan = f->now->manage_wan_firewall};
    w->all.f = f;
    firewall_links_merge(&w->all);
    while (w->wan && !w->hosts && each_port(w, &at, &link))
        w->hosts = whom(link, &address) == WHOM_HOST;
}

/* --- hosts ---------------------------------------------------------------------------------- */

static int compare_host(const void *name, const void *h)
{
    return strcmp(name, ((const struct firewall_host *)h)->name);
}

static void fill(struct firewall_writer *w, const char *set, char suffix, struct port *ports,
                 size_t n)
{
    if (n == 0)
        return;
    buf_str(w->out, "add element inet " FIREWALL_TABLE " ");
    buf_str(w->out, set);
    if (suffix)
        buf_char(w->out, suffix);
    buf_str(w->out, " {\n");
    w->first = true;
    if (n > 1)
        qsort(ports, n, sizeof(*ports), compare_ports);
    for (size_t i = 0; i < n; i++) {
        if (i && compare_ports(&ports[i - 1], &ports[i]) == 0)
            continue;
        buf_str(w->out, w->first ? "\t" : ",\n\t");
        w->first = false;
        buf_number(w->out, ports[i].port);
        if (ports[i].from.family != FAMILY_NONE) {
            buf_str(w->out, " . ");
            firewall_add_prefix(w, &ports[i].from);
        }
    }
    firewall_line(w, "\n}");
}

static void fill_family(struct firewall_writer *w, const struct firewall_host *hosts, size_t n,
                        uint8_t family)
{
    const struct bundle_link *link;
    struct port *ports = NULL;
    size_t n_ports = 0, at = 0;
    struct prefix ignored;

    while (each_port(w, &at, &link)) {
        const struct firewall_host *h;

        if (whom(link, &ignored) != WHOM_HOST)
            continue;
        h = n ? bsearch(link->remote_host, hosts, n, sizeof(*hosts), compare_host) : NULL;
        ports = xreallocarray(ports, n_ports + (h ? h->n : 0) + 1, sizeof(*ports));
        for (size_t i = 0; family && h && i < h->n; i++)
            if (h->addresses[i].family == family)
                ports[n_ports++] = (struct port){link->local_port, prefix_host(h->addresses[i])};
        if (!family && (!h || h->n == 0))
            ports[n_ports++] = (struct port){.port = link->local_port};
    }
    fill(w, family ? "resolved" : "unresolved", family ? firewall_digit(family) : 0, ports,
         n_ports);
    free(ports);
}

void firewall_render_hosts(const struct firewall *f, const struct firewall_host *hosts, size_t n,
                           struct buf *ret)
{
    struct firewall_writer w;

    firewall_writer_init(&w, f, ret);
    if (w.hosts) {
        static const char flush[] = "flush set inet " FIREWALL_TABLE " ";

        buf_printf(ret, "%sunresolved\n%sresolved4\n%sresolved6\n", flush, flush, flush);
        fill_family(&w, hosts, n, FAMILY_NONE);
        for (unsigned i = 0; i < 2; i++)
            fill_family(&w, hosts, n, firewall_families[i]);
    }
    free(w.all.items);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **firewall_hosts(const struct firewall *f, size_t *ret_n)
{
    struct buf unused = BUF_INIT;
    const struct bundle_link *link;
    struct prefix ignored;
    const char **names;
    size_t n = 0, at = 0;
    struct firewall_writer w;

    firewall_writer_init(&w, f, &unused);
    names = xcalloc(2 * w.all.n + 1, sizeof(*names));
    while (w.hosts && each_port(&w, &at, &link))
        if (whom(link, &ignored) == WHOM_HOST)
            names[n++] = link->remote_host;
    if (n > 1)
        qsort(names, n, sizeof(*names), compare_texts);
    *ret_n = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            names[(*ret_n)++] = names[i];
    free(w.all.items);
    return names;
}
