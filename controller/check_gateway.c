/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways and LANs: names, numbers and endpoints that clash or are out of range. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"
#include "controller/check_internal.h"

/* What is inside the tunnel needs 1280 bytes (RFC 8200, 5); a tunnel adds 20 for IPv4, 8 for UDP
 * and 24 for OpenVPN with an AEAD cipher.  One over IPv6 adds 20 more; topology.h looks at each. */
#define UNDERLAY_MTU_MIN_IPV6 (1280 + 52)

/* The ends of the two ranges of private ASNs (RFC 6996). */
#define PRIVATE_ASN_16_END 65534u
#define PRIVATE_ASN_32_END 4294967294u

/* --- clashes: what is equal is side by side after sorting ----------------------------------- */

struct item {
    const char *text; /* letter case does not count; NULL: only the number does */
    uint32_t number; /* of a text: its hash, so that texts are compared only where they are equal */
    uint32_t line, index;
};

typedef void (*tell_fn)(const struct check *c, const struct item *first, const struct item *again);

static int compare_values(const struct item *a, const struct item *b)
{
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->text ? strcasecmp(a->text, b->text) : 0;
}

static int compare_items(const void *pa, const void *pb)
{
    const struct item *a = pa, *b = pb;
    int r = compare_values(a, b);

    if (r == 0 && a->line != b->line) /* all on one line is JSON, too */
        return a->line < b->line ? -1 : 1;
    return r ? r : a->index < b->index ? -1 : a->index > b->index;
}

/* FNV-1a of the text in small letters. */
static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        hash = (hash ^ (c >= 'A' && c <= 'Z' ? c | 0x20u : c)) * 16777619u;
    }
    return hash;
}

/* Tells each item that has an equal one before it in the file. */
static void tell_clashes(const struct check *c, struct item *items, size_t n, tell_fn tell)
{
    size_t first = 0;

    if (n > 1)
        qsort(items, n, sizeof(*items), compare_items);
    for (size_t i = 1; i < n; i++) {
        if (compare_values(&items[first], &items[i]) == 0)
            tell(c, &items[first], &items[i]);
        else
            first = i;
    }
}

static void tell_number(const struct check *c, const struct item *first, const struct item *again)
{
    check_report(c, c->err, c->places->gateways[again->index], "number",
                 "%" PRIu32 " is also the number of gateway '%s' (line %" PRIu32
                 "); choose another, or leave it out to get a free one",
                 again->number, c->mesh->gateways[first->index].name, first->line);
}

static void tell_asn(const struct check *c, const struct item *first, const struct item *again)
{
    check_report(c, c->err, c->places->gateways[again->index], "asn",
                 "%" PRIu32 " is also the ASN of gateway '%s' (line %" PRIu32
                 "), and BGP takes a route from it for its own; choose another, or leave it out",
                 again->number, c->mesh->gateways[first->index].name, first->line);
}

static void tell_router_id(const struct check *c, const struct item *first,
                           const struct item *again)
{
    check_report(c, c->err, c->places->gateways[again->index], "router-id",
                 "it is also the router id of gateway '%s' (line %" PRIu32
                 "), with which no BGP session would come up; choose another, or leave it out",
                 c->mesh->gateways[first->index].name, first->line);
}

static void tell_gateway_name(const struct check *c, const struct item *first,
                              const struct item *again)
{
    check_report(c, c->err, c->places->gateways[again->index], "name",
                 "'%s' differs from gateway '%s' (line %" PRIu32
                 ") only in upper and lower case, which not every file system keeps apart; rename "
                 "one",
                 again->text, first->text, first->line);
}

static void tell_lan_name(const struct check *c, const struct item *first, const struct item *again)
{
    check_report(c, c->err, c->places->lans[again->index], "name",
                 "'%s' differs from lan '%s' (line %" PRIu32
                 ") only in upper and lower case; rename one",
                 again->text, first->text, first->line);
}

static void tell_short_name(const struct check *c, const struct item *first,
                            const struct item *again)
{
    const struct mesh_gateway *a = &c->mesh->gateways[first->index];
    const struct mesh_gateway *b = &c->mesh->gateways[again->index];

    if (strcasecmp(a->name, b->name) == 0)
        return; /* told as a clash of names */
    check_report(c, c->err, c->places->gateways[again->index], "short-name",
                 "its interface would be called pv-%s as that of gateway '%s' (line %" PRIu32
                 "); set a short-name of up to %d characters that no other gateway has",
                 again->text, a->name, first->line, SHORT_NAME_MAX);
}

/* Every gateway calls both at the same address and port, base-port plus its own number.  Where the
 * topology has gaps this may go well: each caller may have a link to only one of them. */
static void tell_endpoint(const struct check *c, const struct item *first, const struct item *again)
{
    const struct mesh *m = c->mesh;

    check_report(c, m->full_mesh && m->n_gateways > 2 ? c->err : c->warnings,
                 c->places->gateways[again->index], "endpoint",
                 "'%s' is also the endpoint of gateway '%s' (line %" PRIu32
                 "), so a gateway with links to both would call the same UDP port for them; give "
                 "one of them another endpoint",
                 again->text, m->gateways[first->index].name, first->line);
}

static void check_clashes(const struct check *c)
{
    const struct mesh *m = c->mesh;
    size_t most = m->n_gateways > m->n_lans ? m->n_gateways : m->n_lans;
    struct item *items = xreallocarray(NULL, most, sizeof(*items));

    for (unsigned kind = 0; kind < 6; kind++) {
        static const tell_fn tell[] = {tell_number,       tell_asn,        tell_router_id,
                                       tell_gateway_name, tell_short_name, tell_endpoint};
        size_t n = 0;

        for (uint32_t i = 0; i < m->n_gateways; i++) {
            const struct mesh_gateway *gw = &m->gateways[i];
            const uint32_t number[] = {gw->number, gw->asn, gw->router_id};
            const char *const text[] = {gw->name, gw->short_name, gw->endpoint};
            struct item item = {.line = gw->line, .index = i};

            if (kind < 3)
                item.number = number[kind];
            else
                item.text = text[kind - 3];
            if (item.text)
                item.number = hash_text(item.text);
            if (item.number || item.text)
                items[n++] = item;
        }
        tell_clashes(c, items, n, tell[kind]);
    }
    for (uint32_t i = 0; i < m->n_lans; i++)
        items[i] = (struct item){.text = m->lans[i].name,
                                 .number = hash_text(m->lans[i].name),
                                 .line = m->lans[i].line,
                                 .index = i};
    tell_clashes(c, items, m->n_lans, tell_lan_name);
    free(items);
}

/* --- parallel tunnels ------------------------------------------------------------------------- */

static uint32_t most_tunnels(const struct mesh *m)
{
    uint32_t most = 1;

    for (size_t i = 0; i < m->n_segments; i++)
        most = m->segments[i].parallel > most ? m->segments[i].parallel : most;
    for (size_t i = 0; i < m->n_links; i++)
        most = m->links[i].parallel > most ? m->links[i].parallel : most;
    return most;
}

static int compare_texts(const void *pa, const void *pb)
{
    return compare_values(pa, pb);
}

/* The second tunnel to 'perth' is called pv-perth-2, so no other gateway may be 'perth-2'. */
static void check_altname(const struct check *c, const struct item *short_names, uint32_t self,
                          uint32_t most)
{
    const struct mesh_gateway *gw = &c->mesh->gateways[self];
    size_t len = strlen(gw->short_name);
    _cleanup_free_ char *begin = xstrdup(gw->short_name);
    const struct item *other;

    if (len < 3 || begin[len - 2] != '-' || begin[len - 1] < '2' ||
        (uint32_t)(begin[len - 1] - '0') > most)
        return;
    begin[len - 2] = '\0';
    other = bsearch(&(struct item){.text = begin, .number = hash_text(begin)}, short_names,
                    c->mesh->n_gateways, sizeof(*short_names), compare_texts);
    if (other)
        check_report(c, c->err, c->places->gateways[self], "short-name",
                     "its interface would be called pv-%s as tunnel %c to gateway '%s' (line "
                     "%" PRIu32 "), because there are parallel tunnels; set a short-name that is "
                     "not another one with a number behind it",
                     gw->short_name, begin[len - 1], c->mesh->gateways[other->index].name,
                     other->line);
}

static void check_altnames(const struct check *c)
{
    const struct mesh *m = c->mesh;
    uint32_t most = most_tunnels(m);
    struct item *items = NULL;

    if (most > 1)
        items = xreallocarray(NULL, m->n_gateways, sizeof(*items));
    for (uint32_t i = 0; items && i < m->n_gateways; i++)
        items[i] = (struct item){.text = m->gateways[i].short_name,
                                 .number = hash_text(m->gateways[i].short_name),
                                 .line = m->gateways[i].line,
                                 .index = i};
    if (items && m->n_gateways > 1)
        qsort(items, m->n_gateways, sizeof(*items), compare_items);
    for (uint32_t i = 0; items && i < m->n_gateways; i++)
        check_altname(c, items, i, most);
    free(items);
}

/* --- ranges ---------------------------------------------------------------------------------- */

/* How many gateways can be numbered from 1 on. */
static uint32_t asn_room(const struct mesh *m)
{
    if (m->base_asn <= PRIVATE_ASN_16_END)
        return PRIVATE_ASN_16_END - m->base_asn;
    return PRIVATE_ASN_32_END - m->base_asn;
}

static void check_number_ranges(const struct check *c)
{
    const struct mesh *m = c->mesh;
    uint32_t port_room = 65535u - m->base_port, n_derived = 0;
    const struct document_node *addressing = document_child(c->places->mesh, "addressing");
    /* Zero: what is in the file is wrong and has been told. */
    bool ports = m->base_port != 0, asns = m->base_asn != 0;

    for (uint32_t i = 0; i < m->n_gateways; i++) {
        const struct mesh_gateway *gw = &m->gateways[i];

        n_derived += gw->asn == 0;
        if (ports && gw->number > port_room)
            check_report(c, c->err, c->places->gateways[i], "number",
                         "%" PRIu32 " is too high: base-port %u plus the number has to be a UDP "
                         "port; lower one of them",
                         gw->number, m->base_port);
        if (asns && gw->asn == 0 && gw->number > asn_room(m))
            check_report(c, c->err, c->places->gateways[i], "number",
                         "%" PRIu32 " is too high: base-asn %" PRIu32
                         " plus the number has to be a private ASN; lower one of them",
                         gw->number, m->base_asn);
    }
    if (ports && m->n_gateways > port_room)
        check_report(c, c->err, addressing, "base-port",
                     "%u leaves UDP ports for the gateway numbers up to %" PRIu32
                     ", and there are %zu gateways; lower it",
                     m->base_port, port_room, m->n_gateways);
    if (asns && n_derived > asn_room(m))
        check_report(c, c->err, addressing, "base-asn",
                     "%" PRIu32 " leaves private ASNs for the gateway numbers up to %" PRIu32
                     ", and %" PRIu32 " gateways need one; lower it",
                     m->base_asn, asn_room(m), n_derived);
}

static void check_mtu(const struct check *c, const struct document_node *node, uint16_t mtu)
{
    if (mtu && mtu < UNDERLAY_MTU_MIN_IPV6)
        check_report(c, c->err, node, "underlay-mtu",
                     "%u leaves less than the 1280 bytes that IPv6 needs in a tunnel, and the "
                     "mesh has IPv6 LANs; at least %u is needed, 1352 for tunnels over IPv6",
                     mtu, UNDERLAY_MTU_MIN_IPV6);
}

static void check_mtus(const struct check *c)
{
    const struct mesh *m = c->mesh;

    if (!m->has_ipv6)
        return;
    check_mtu(c, document_child(c->places->mesh, "defaults"), m->defaults.underlay_mtu);
    for (uint32_t i = 0; i < m->n_gateways; i++)
        check_mtu(c, c->places->gateways[i], m->gateways[i].settings.underlay_mtu);
    for (size_t i = 0; i < m->n_links; i++)
        check_mtu(c, c->places->links[i], m->links[i].settings.underlay_mtu);
}

/* --- each by itself -------------------------------------------------------------------------- */

/* "10.1", "0x0a010001", "vpn.example.012": the resolver takes these for addresses (inet_aton(3)),
 * and no name ends like that (RFC 3696, section 2). */
static bool ends_like_a_number(const char *name)
{
    const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;

    if (strncasecmp(last, "0x", 2) == 0)
        return last[2 + strspn(last + 2, "0123456789abcdefABCDEF")] == '\0';
    return *last && last[strspn(last, "0123456789")] == '\0';
}

static void check_gateway(const struct check *c, uint32_t i)
{
    const struct mesh_gateway *gw = &c->mesh->gateways[i];
    const struct document_node *node = c->places->gateways[i];
    const struct document_node *router_id = document_child(node, "router-id");
    struct prefix p;

    if (gw->endpoint && gw->endpoint_family != FAMILY_NONE && prefix_parse(gw->endpoint, &p) &&
        prefix_is_special(&p))
        check_report(c, c->err, node, "endpoint",
                     "%s is a loopback, link-local, multicast or reserved address, which no other "
                     "gateway can reach; write the public one",
                     gw->endpoint);
    if (gw->endpoint && gw->endpoint_family == FAMILY_NONE && ends_like_a_number(gw->endpoint))
        check_report(c, c->err, node, "endpoint",
                     "'%s' is neither a whole address nor a DNS name, whose last part is not a "
                     "number; write one such as 203.0.113.7 or vpn.example.net",
                     gw->endpoint);
    if (gw->endpoint && strncasecmp(gw->endpoint, "localhost", 9) == 0 &&
        (!gw->endpoint[9] || gw->endpoint[9] == '.'))
        check_report(c, c->err, node, "endpoint",
                     "'%s' is every machine's name for itself; write the name that others know",
                     gw->endpoint);
    if (router_id && !router_id->bad && router_id->canonical &&
        prefix_parse(router_id->canonical, &p) && prefix_is_special(&p))
        check_report(c, c->err, node, "router-id",
                     "%s is not an address of a host, which a BGP identifier has to be; write one "
                     "such as 100.64.0.1, or leave it out",
                     router_id->canonical);
}

static void check_lans_served(const struct check *c)
{
    const struct mesh *m = c->mesh;
    bool *served = xcalloc(m->n_lans, sizeof(*served));
    bool sure = true; /* every gateway's LAN is known */

    for (uint32_t i = 0; i < m->n_gateways; i++) {
        if (m->gateways[i].lan == MESH_NONE)
            sure = false;
        else
            served[m->gateways[i].lan] = true;
    }
    for (const struct document_node *n = c->places->mesh->children; n; n = n->next)
        if (document_named(n, "gateway") && (n->bad || !n->n_keys))
            sure = false;
    for (uint32_t i = 0; i < m->n_lans && sure && m->n_gateways; i++)
        if (!served[i])
            check_report(c, c->err, c->places->lans[i], NULL,
                         "no gateway serves it, so nobody could reach it; add a gateway for it, or "
                         "remove it until there is one");
    free(served);
}

void check_gateways(const struct check *c)
{
    check_clashes(c);
    check_altnames(c);
    check_number_ranges(c);
    check_mtus(c);
    for (uint32_t i = 0; i < c->mesh->n_gateways; i++)
        check_gateway(c, i);
    check_lans_served(c);
    if (c->mesh->n_gateways == 1 && c->err->n == 0)
        check_report(c, c->warnings, c->places->gateways[0], NULL,
                     "it is the only gateway, so there is no link; add the others");
}
