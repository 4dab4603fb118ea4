/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules do not grow with the number of links: what differs between them stands in sets and maps
 * whose keys begin with the interface.  A chain for each link would read better, but nft takes half
 * a minute for 5,000 of them, and a third of a second for sets.
 */
#include "agent/firewall.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/firewall_sources.h"
#include "common/name.h"

/* BGP; BFD of one hop, its echo, BFD of several hops. */
#define BGP_PORT "179"
#define BFD_PORTS "3784, 3785, 4784"

struct writer {
    const struct firewall *f;
    struct buf *out;
    struct firewall_links all;
    bool wan, hosts;
    bool first; /* of a list of elements */
};

static const uint8_t families[2] = {FAMILY_IPV4, FAMILY_IPV6};

static char digit(uint8_t family)
{
    return (char)('0' + family);
}

/* --- sets and maps -------------------------------------------------------------------------- */

static void line(struct writer *w, const char *text)
{
    buf_str(w->out, text);
    buf_char(w->out, '\n');
}

static void begin(struct writer *w, const char *kind, const char *name, char suffix,
                  const char *type)
{
    buf_str(w->out, "\n\t");
    buf_str(w->out, kind);
    buf_char(w->out, ' ');
    buf_str(w->out, name);
    if (suffix)
        buf_char(w->out, suffix);
    buf_str(w->out, " {\n\t\ttype ");
    line(w, type);
    w->first = true;
}

/* Before each element. */
static void element(struct writer *w)
{
    buf_str(w->out, w->first ? "\t\telements = {\n\t\t\t" : ",\n\t\t\t");
    w->first = false;
}

static void end(struct writer *w)
{
    line(w, w->first ? "\t}" : "\n\t\t}\n\t}");
}

static void add_interface(struct writer *w, const struct firewall_link *l)
{
    buf_char(w->out, '"');
    buf_str(w->out, firewall_link_any(l)->interface);
    buf_char(w->out, '"');
}

static void add_prefix(struct writer *w, const struct prefix *p)
{
    char text[PREFIX_TEXT_MAX];

    buf_str(w->out, p->len == (p->family == FAMILY_IPV4 ? 32 : 128) ? prefix_format_address(p, text)
                                                                    : prefix_format(p, text));
}

static bool gives_transit(const struct firewall_link *l)
{
    return (l->now && l->now->transit) || (l->before && l->before->transit);
}

static void add_links(struct writer *w)
{
    begin(w, "set", "links", 0, "ifname");
    for (size_t i = 0; i < w->all.n; i++) {
        element(w);
        add_interface(w, &w->all.items[i]);
    }
    end(w);
    begin(w, "set", "transit", 0, "ifname");
    for (size_t i = 0; i < w->all.n; i++)
        if (gives_transit(&w->all.items[i])) {
            element(w);
            add_interface(w, &w->all.items[i]);
        }
    end(w);
}

static const char *key_type(uint8_t family)
{
    return family == FAMILY_IPV4 ? "ifname . ipv4_addr" : "ifname . ipv6_addr";
}

static void add_peers_of(struct writer *w, const struct firewall_link *l,
                         const struct bundle_link *link, uint8_t family)
{
    for (size_t i = 0; link && i < link->n_addresses; i++) {
        struct prefix address = prefix_host(link->peer_addresses[i]);

        if (address.family != family ||
            (link == l->before && l->now &&
             prefix_is_one_of(&link->peer_addresses[i], l->now->peer_addresses,
                              l->now->n_addresses)))
            continue;
        element(w);
        add_interface(w, l);
        buf_str(w->out, " . ");
        add_prefix(w, &address);
    }
}

/* The peer's address at this very link: who may speak BGP and BFD here. */
static void add_peers(struct writer *w, uint8_t family)
{
    begin(w, "set", "peers", digit(family), key_type(family));
    for (size_t i = 0; i < w->all.n; i++) {
        add_peers_of(w, &w->all.items[i], w->all.items[i].now, family);
        add_peers_of(w, &w->all.items[i], w->all.items[i].before, family);
    }
    end(w);
}

static void add_sources(struct writer *w, uint8_t family)
{
    struct prefix_list l = {NULL, 0, 0};

    begin(w, "set", "sources", digit(family), key_type(family));
    line(w, "\t\tflags interval");
    for (size_t i = 0; i < w->all.n; i++) {
        l.n = 0;
        firewall_sources_link(&w->all, i, &l);
        for (size_t k = 0; k < l.n; k++)
            if (l.items[k].family == family) {
                element(w);
                add_interface(w, &w->all.items[i]);
                buf_str(w->out, " . ");
                add_prefix(w, &l.items[k]);
            }
    }
    end(w);
    free(l.items);
}

/*
 * Every address of every link: what the sets before this one do not know is dropped by it.  The
 * kernel (6.18, nft_set_pipapo) fills in sets with ranges one after the other, just after the rules
 * of a new table have come into force: a plain "drop" would take what is legitimate until they are
 * filled.  This set is filled after them, so it does not.
 */
static void add_every(struct writer *w, uint8_t family)
{
    begin(w, "set", "every", digit(family), key_type(family));
    line(w, "\t\tflags interval");
    for (size_t i = 0; i < w->all.n; i++) {
        element(w);
        add_interface(w, &w->all.items[i]);
        buf_str(w->out, family == FAMILY_IPV4 ? " . 0.0.0.0/0" : " . ::/0");
    }
    end(w);
}

static void add_prefixes(struct writer *w, const char *name, const struct prefix_list *l,
                         uint8_t family)
{
    begin(w, "set", name, digit(family), family == FAMILY_IPV4 ? "ipv4_addr" : "ipv6_addr");
    line(w, "\t\tflags interval");
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].family == family) {
            element(w);
            add_prefix(w, &l->items[i]);
        }
    end(w);
}

/* The LANs of the mesh, and the addresses between its gateways. */
static void add_mesh(struct writer *w)
{
    struct prefix_list mesh = {NULL, 0, 0}, hops = {NULL, 0, 0};

    firewall_sources_mesh(&w->all, &mesh);
    prefix_list_add(&hops, w->f->now->link_prefixes, w->f->now->n_link_prefixes);
    if (w->f->before)
        prefix_list_add(&hops, w->f->before->link_prefixes, w->f->before->n_link_prefixes);
    prefix_list_tidy(&hops);
    for (unsigned i = 0; i < 2; i++) {
        add_prefixes(w, "mesh", &mesh, families[i]);
        add_prefixes(w, "hops", &hops, families[i]);
    }
    free(mesh.items);
    free(hops.items);
}

/* So that a person sees through which link the wrong ones came. */
static int add_counters(struct writer *w, struct error_list *err)
{
    for (size_t i = 0; i < w->all.n; i++) {
        const struct bundle_link *link = firewall_link_any(&w->all.items[i]);

        if (!name_valid(link->peer))
            return error_add(err, NULL, 0, NULL,
                             "the name of the peer of %s may not stand in the firewall",
                             link->interface);
        buf_str(w->out, i ? "\tcounter foreign-" : "\n\tcounter foreign-");
        buf_str(w->out, link->interface);
        buf_str(w->out, " {\n\t\tcomment \"from ");
        buf_str(w->out, link->peer);
        line(w, "\"\n\t}");
    }
    begin(w, "map", "foreign", 0, "ifname : counter");
    for (size_t i = 0; i < w->all.n; i++) {
        element(w);
        add_interface(w, &w->all.items[i]);
        buf_str(w->out, " : \"foreign-");
        buf_str(w->out, firewall_link_any(&w->all.items[i])->interface);
        buf_char(w->out, '"');
    }
    end(w);
    return 0;
}

/* --- the side of the world ------------------------------------------------------------------ */

enum whom { WHOM_ALL, WHOM_ADDRESS, WHOM_HOST };

/* Who may send to the port of a link. */
static enum whom whom(const struct bundle_link *link, struct prefix *ret)
{
    if (!link->remote_host)
        return WHOM_ALL;
    return prefix_parse(link->remote_host, ret) ? WHOM_ADDRESS : WHOM_HOST;
}

/* Each link of both bundles with a port of its own; ones that did not change only once. */
static bool each_port(const struct writer *w, size_t *at, const struct bundle_link **ret)
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
static void add_ports(struct writer *w, struct port *ports, size_t n)
{
    if (n > 1)
        qsort(ports, n, sizeof(*ports), compare_ports);
    for (size_t i = 0; i < n; i++) {
        if (i && compare_ports(&ports[i - 1], &ports[i]) == 0)
            continue;
        element(w);
        buf_number(w->out, ports[i].port);
        if (ports[i].from.family == FAMILY_NONE)
            continue;
        buf_str(w->out, " . ");
        add_prefix(w, &ports[i].from);
    }
}

/* Those that `which` says, of this family: 0 for a set of mere ports. */
static void add_port_set(struct writer *w, const char *name, unsigned which, uint8_t family)
{
    struct port *ports = xcalloc(2 * w->all.n + 1, sizeof(*ports));
    const struct bundle_link *link;
    size_t n = 0, at = 0;

    begin(w, "set", name, family ? digit(family) : 0,
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
    end(w);
    free(ports);
}

static void add_wan(struct writer *w)
{
    add_port_set(w, "ports", ~0u, 0);
    add_port_set(w, "open", 1u << WHOM_ALL, 0);
    for (unsigned i = 0; i < 2; i++)
        add_port_set(w, "endpoints", 1u << WHOM_ADDRESS, families[i]);
    if (w->hosts) { /* filled by firewall_render_hosts() */
        add_port_set(w, "unresolved", 0, 0);
        for (unsigned i = 0; i < 2; i++)
            add_port_set(w, "resolved", 0, families[i]);
    }
    line(w, "\n\tcounter closed {\n\t\tcomment \"to a link's port from elsewhere\"\n\t}");
}

/* --- chains --------------------------------------------------------------------------------- */

#define HOPS "icmp type { destination-unreachable, time-exceeded, parameter-problem }"
#define HOPS6 \
    "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }"

/* Before connection tracking, which so never hears of what is dropped. */
static const char source_chains[] =
    "\n\tchain prerouting {\n"
    "\t\ttype filter hook prerouting priority raw; policy accept;\n"
    "\t\tiifname @links goto source\n"
    "\t}\n"
    "\n"
    "\tchain source {\n"
    "\t\tiifname . ip saddr @sources4 accept\n"
    "\t\tiifname . ip6 saddr @sources6 accept\n"
    "\t\tiifname @transit ip saddr @mesh4 accept\n"
    "\t\tiifname @transit ip6 saddr @mesh6 accept\n"
    "\t\tiifname @transit ip saddr @hops4 " HOPS " accept\n"
    "\t\tiifname @transit ip6 saddr @hops6 " HOPS6 " accept\n"
    "\t\tip6 saddr { ::, fe80::/10 } ip6 daddr { fe80::/10, ff02::/16 } meta l4proto 58 "
    "accept\n"
    "\t\tiifname . ip saddr @every4 goto foreign\n"
    "\t\tiifname . ip6 saddr @every6 goto foreign\n"
    "\t}\n"
    "\n"
    "\tchain foreign {\n"
    "\t\tcounter name iifname map @foreign\n"
    "\t\tdrop\n"
    "\t}\n";

static const char session_chains[] =
    "\n\tchain session {\n"
    "\t\tiifname . ip saddr @peers4 accept\n"
    "\t\tiifname . ip6 saddr @peers6 accept\n"
    "\t\tcounter name \"session\"\n"
    "\t\tdrop\n"
    "\t}\n"
    "\n"
    "\tchain input {\n"
    "\t\ttype filter hook input priority filter - 10; policy accept;\n"
    "\t\tiifname @links tcp dport " BGP_PORT " goto session\n"
    "\t\tiifname @links udp dport { " BFD_PORTS " } goto session\n";

static const char wan_chain[] = "\n\tchain wan {\n"
                                "\t\tudp dport @open accept\n"
                                "\t\tudp dport . ip saddr @endpoints4 accept\n"
                                "\t\tudp dport . ip6 saddr @endpoints6 accept\n";

static const char host_rules[] = "\t\tudp dport . ip saddr @resolved4 accept\n"
                                 "\t\tudp dport . ip6 saddr @resolved6 accept\n"
                                 "\t\tudp dport @unresolved accept\n";

/* `rt mtu` goes by the way there and the way back, and only ever lowers. */
#define CLAMP " tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu\n"
static const char mss_chains[] = "\n\tchain forward {\n"
                                 "\t\ttype filter hook forward priority mangle; policy accept;\n"
                                 "\t\tiifname @links" CLAMP "\t\toifname @links" CLAMP "\t}\n"
                                 "\n"
                                 "\tchain output {\n"
                                 "\t\ttype filter hook output priority mangle; policy accept;\n"
                                 "\t\toifname @links" CLAMP "\t}\n";

static int render_body(struct writer *w, struct error_list *err)
{
    int r;

    add_links(w);
    for (unsigned i = 0; i < 2; i++) {
        add_peers(w, families[i]);
        add_sources(w, families[i]);
    }
    add_mesh(w);
    for (size_t i = 0; i < 2; i++)
        add_every(w, families[i]);
    r = add_counters(w, err);
    if (r < 0)
        return r;
    line(w, "\n\tcounter session {\n\t\tcomment \"BGP or BFD, but not from the peer\"\n\t}");
    if (w->wan)
        add_wan(w);
    buf_str(w->out, source_chains);
    if (w->wan) {
        buf_str(w->out, wan_chain);
        if (w->hosts)
            buf_str(w->out, host_rules);
        buf_str(w->out, "\t\tcounter name \"closed\"\n\t\tdrop\n\t}\n");
    }
    buf_str(w->out, session_chains);
    if (w->wan)
        buf_str(w->out, "\t\tudp dport @ports goto wan\n");
    line(w, "\t}");
    buf_str(w->out, mss_chains);
    line(w, "}");
    return 0;
}

static void writer_init(struct writer *w, const struct firewall *f, struct buf *out)
{
    const struct bundle_link *link;
    struct prefix address;
    size_t at = 0;

    *w = (struct writer){.f = f, .out = out, .wan = f->now->manage_wan_firewall};
    w->all.f = f;
    firewall_links_merge(&w->all);
    while (w->wan && !w->hosts && each_port(w, &at, &link))
        w->hosts = whom(link, &address) == WHOM_HOST;
}

static int render(const struct firewall *f, struct buf *body,
                  char digest[static DIGEST_TEXT_LEN + 1], struct error_list *err)
{
    struct writer w;
    int r;

    writer_init(&w, f, body);
    r = render_body(&w, err);
    free(w.all.items);
    if (r == 0)
        digest_sha256_text(body->data, body->len, digest);
    return r;
}

int firewall_digest(const struct firewall *f, char ret[static DIGEST_TEXT_LEN + 1],
                    struct error_list *err)
{
    _cleanup_buf_ struct buf body = BUF_INIT;

    return render(f, &body, ret, err);
}

int firewall_render(const struct firewall *f, struct buf *ret, struct error_list *err)
{
    static const char table[] = "table inet " FIREWALL_TABLE;
    _cleanup_buf_ struct buf body = BUF_INIT;
    char digest[DIGEST_TEXT_LEN + 1];
    int r = render(f, &body, digest, err);

    if (r < 0)
        return r;
    if (!name_valid(f->now->mesh))
        return error_add(err, NULL, 0, NULL,
                         "the name of the mesh may not stand in the firewall; compile it again");
    /* Declared first, so that there is one to delete. */
    buf_printf(ret, "%s\ndelete %s\n%s {\n\tcomment \"" FIREWALL_MARKER "%s %s\"\n", table, table,
               table, f->now->mesh, digest);
    buf_add(ret, body.data, body.len);
    return 0;
}

/* --- hosts ---------------------------------------------------------------------------------- */

static int compare_host(const void *name, const void *h)
{
    return strcmp(name, ((const struct firewall_host *)h)->name);
}

static void fill(struct writer *w, const char *set, char suffix, struct port *ports, size_t n)
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
            add_prefix(w, &ports[i].from);
        }
    }
    line(w, "\n}");
}

static void fill_family(struct writer *w, const struct firewall_host *hosts, size_t n,
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
    fill(w, family ? "resolved" : "unresolved", family ? digit(family) : 0, ports, n_ports);
    free(ports);
}

void firewall_render_hosts(const struct firewall *f, const struct firewall_host *hosts, size_t n,
                           struct buf *ret)
{
    struct writer w;

    writer_init(&w, f, ret);
    if (w.hosts) {
        static const char flush[] = "flush set inet " FIREWALL_TABLE " ";

        buf_printf(ret, "%sunresolved\n%sresolved4\n%sresolved6\n", flush, flush, flush);
        fill_family(&w, hosts, n, FAMILY_NONE);
        for (unsigned i = 0; i < 2; i++)
            fill_family(&w, hosts, n, families[i]);
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
    struct writer w;

    writer_init(&w, f, &unused);
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

/* --- the comment ---------------------------------------------------------------------------- */

bool firewall_comment_parse(const char *comment, struct firewall_comment *ret)
{
    size_t marker = strlen(FIREWALL_MARKER), len;
    const char *space;

    if (strncmp(comment, FIREWALL_MARKER, marker) != 0)
        return false;
    comment += marker;
    space = strchr(comment, ' ');
    len = space ? (size_t)(space - comment) : 0;
    if (len == 0 || len >= sizeof(ret->mesh) || strlen(space + 1) != DIGEST_TEXT_LEN)
        return false;
    memcpy(ret->mesh, comment, len);
    ret->mesh[len] = '\0';
    memcpy(ret->digest, space + 1, DIGEST_TEXT_LEN + 1);
    return true;
}
