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
#include "agent/firewall_text.h"
#include "agent/firewall_wan.h"
#include "common/name.h"

/* BGP; BFD of one hop, its echo, BFD of several hops. */
#define BGP_PORT "179"
#define BFD_PORTS "3784, 3785, 4784"

/* --- sets and maps -------------------------------------------------------------------------- */

static void add_interface(struct firewall_writer *w, const struct firewall_link *l)
{
    buf_char(w->out, '"');
    buf_str(w->out, firewall_link_any(l)->interface);
    buf_char(w->out, '"');
}

static bool gives_transit(const struct firewall_link *l)
{
    return (l->now && l->now->transit) || (l->before && l->before->transit);
}

static void add_links(struct firewall_writer *w)
{
    firewall_begin(w, "set", "links", 0, "ifname");
    for (size_t i = 0; i < w->all.n; i++) {
        firewall_element(w);
        add_interface(w, &w->all.items[i]);
    }
    firewall_end(w);
    firewall_begin(w, "set", "transit", 0, "ifname");
    for (size_t i = 0; i < w->all.n; i++)
        if (gives_transit(&w->all.items[i])) {
            firewall_element(w);
            add_interface(w, &w->all.items[i]);
        }
    firewall_end(w);
}

static const char *key_type(uint8_t family)
{
    return family == FAMILY_IPV4 ? "ifname . ipv4_addr" : "ifname . ipv6_addr";
}

static void add_peers_of(struct firewall_writer *w, const struct firewall_link *l,
                         const struct bundle_link *link, uint8_t family)
{
    for (size_t i = 0; link && i < link->n_addresses; i++) {
        struct prefix address = prefix_host(link->peer_addresses[i]);

        if (address.family != family ||
            (link == l->before && l->now &&
             prefix_is_one_of(&link->peer_addresses[i], l->now->peer_addresses,
                              l->now->n_addresses)))
            continue;
        firewall_element(w);
        add_interface(w, l);
        buf_str(w->out, " . ");
        firewall_add_prefix(w, &address);
    }
}

/* The peer's address at this very link: who may speak BGP and BFD here. */
static void add_peers(struct firewall_writer *w, uint8_t family)
{
    firewall_begin(w, "set", "peers", firewall_digit(family), key_type(family));
    for (size_t i = 0; i < w->all.n; i++) {
        add_peers_of(w, &w->all.items[i], w->all.items[i].now, family);
        add_peers_of(w, &w->all.items[i], w->all.items[i].before, family);
    }
    firewall_end(w);
}

static void add_sources(struct firewall_writer *w, uint8_t family)
{
    struct prefix_list l = {NULL, 0, 0};

    firewall_begin(w, "set", "sources", firewall_digit(family), key_type(family));
    firewall_line(w, "\t\tflags interval");
    for (size_t i = 0; i < w->all.n; i++) {
        l.n = 0;
        firewall_sources_link(&w->all, i, &l);
        for (size_t k = 0; k < l.n; k++)
            if (l.items[k].family == family) {
                firewall_element(w);
                add_interface(w, &w->all.items[i]);
                buf_str(w->out, " . ");
                firewall_add_prefix(w, &l.items[k]);
            }
    }
    firewall_end(w);
    free(l.items);
}

/*
 * Every address of every link: what the sets before this one do not know is dropped by it.  The
 * kernel (6.18, nft_set_pipapo) fills in sets with ranges one after the other, just after the rules
 * of a new table have come into force: a plain "drop" would take what is legitimate until they are
 * filled.  This set is filled after them, so it does not.
 */
static void add_every(struct firewall_writer *w, uint8_t family)
{
    firewall_begin(w, "set", "every", firewall_digit(family), key_type(family));
    firewall_line(w, "\t\tflags interval");
    for (size_t i = 0; i < w->all.n; i++) {
        firewall_element(w);
        add_interface(w, &w->all.items[i]);
        buf_str(w->out, family == FAMILY_IPV4 ? " . 0.0.0.0/0" : " . ::/0");
    }
    firewall_end(w);
}

static void add_prefixes(struct firewall_writer *w, const char *name, const struct prefix_list *l,
                         uint8_t family)
{
    firewall_begin(w, "set", name, firewall_digit(family),
                   family == FAMILY_IPV4 ? "ipv4_addr" : "ipv6_addr");
    firewall_line(w, "\t\tflags interval");
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].family == family) {
            firewall_element(w);
            firewall_add_prefix(w, &l->items[i]);
        }
    firewall_end(w);
}

/* The LANs of the mesh, and the addresses between its gateways. */
static void add_mesh(struct firewall_writer *w)
{
    struct prefix_list mesh = {NULL, 0, 0}, hops = {NULL, 0, 0};

    firewall_sources_mesh(&w->all, &mesh);
    prefix_list_add(&hops, w->f->now->link_prefixes, w->f->now->n_link_prefixes);
    if (w->f->before)
        prefix_list_add(&hops, w->f->before->link_prefixes, w->f->before->n_link_prefixes);
    prefix_list_tidy(&hops);
    for (unsigned i = 0; i < 2; i++) {
        add_prefixes(w, "mesh", &mesh, firewall_families[i]);
        add_prefixes(w, "hops", &hops, firewall_families[i]);
    }
    free(mesh.items);
    free(hops.items);
}

/* So that a person sees through which link the wrong ones came. */
static int add_counters(struct firewall_writer *w, struct error_list *err)
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
        firewall_line(w, "\"\n\t}");
    }
    firewall_begin(w, "map", "foreign", 0, "ifname : counter");
    for (size_t i = 0; i < w->all.n; i++) {
        firewall_element(w);
        add_interface(w, &w->all.items[i]);
        buf_str(w->out, " : \"foreign-");
        buf_str(w->out, firewall_link_any(&w->all.items[i])->interface);
        buf_char(w->out, '"');
    }
    firewall_end(w);
    return 0;
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

static int render_body(struct firewall_writer *w, struct error_list *err)
{
    int r;

    add_links(w);
    for (unsigned i = 0; i < 2; i++) {
        add_peers(w, firewall_families[i]);
        add_sources(w, firewall_families[i]);
    }
    add_mesh(w);
    for (size_t i = 0; i < 2; i++)
        add_every(w, firewall_families[i]);
    r = add_counters(w, err);
    if (r < 0)
        return r;
    firewall_line(w,
                  "\n\tcounter session {\n\t\tcomment \"BGP or BFD, but not from the peer\"\n\t}");
    if (w->wan)
        firewall_add_wan(w);
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
    firewall_line(w, "\t}");
    buf_str(w->out, mss_chains);
    firewall_line(w, "}");
    return 0;
}

static int render(const struct firewall *f, struct buf *body,
                  char digest[static DIGEST_TEXT_LEN + 1], struct error_list *err)
{
    struct firewall_writer w;
    int r;

    firewall_writer_init(&w, f, body);
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
