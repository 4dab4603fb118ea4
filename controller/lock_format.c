/* SPDX-License-Identifier: Apache-2.0 */
/* The lock as text: one record a line, so that a difference in version control reads well. */
#include <inttypes.h>

#include "controller/lock.h"

/* How many links from here on are one run. */
static uint32_t run_length(const struct lock *lock, size_t first)
{
    const struct lock_link *l = &lock->links[first];
    uint32_t n = 1;

    while (!l->override && first + n < lock->n_links && !l[n].override && l[n].b == l->b &&
           l[n].tunnel == l->tunnel && l[n].a == l->a + n && l[n].index == l->index + n)
        n++;
    return n;
}

static void add_number(struct buf *b, const char *before, uint32_t number)
{
    buf_str(b, before);
    buf_number(b, number);
}

static void format_gateway(const struct lock_gateway *g, struct buf *ret)
{
    buf_str(ret, "      {\"name\": \"");
    buf_str(ret, g->name);
    add_number(ret, "\", \"number\": ", g->number);
    add_number(ret, ", \"asn\": ", g->asn);
    add_number(ret, ", \"router-id\": \"", g->router_id >> 24);
    add_number(ret, ".", g->router_id >> 16 & 0xff);
    add_number(ret, ".", g->router_id >> 8 & 0xff);
    add_number(ret, ".", g->router_id & 0xff);
    add_number(ret, "\", \"generation\": ", g->generation);
    for (unsigned i = 0; i < NETWORK_MAX_TUNNELS - 1 && g->extra[i]; i++)
        add_number(ret, i ? ", " : ", \"extra-number\": [", g->extra[i]);
    if (g->extra[0])
        buf_char(ret, ']');
    buf_str(ret, g->transit ? ", \"transit\": true}" : "}");
}

static void format_link(const struct lock_link *l, uint32_t count, struct buf *ret)
{
    const struct link_override *o = l->override;
    char text[PREFIX_TEXT_MAX];

    add_number(ret, "      {\"index\": ", l->index);
    add_number(ret, ", \"a\": ", l->a);
    add_number(ret, ", \"b\": ", l->b);
    if (l->tunnel)
        add_number(ret, ", \"tunnel\": ", l->tunnel + 1u);
    if (count > 1)
        add_number(ret, ", \"count\": ", count);
    if (o && o->address_a.family) {
        buf_printf(ret, ", \"address-a\": \"%s\"", prefix_format_address(&o->address_a, text));
        buf_printf(ret, ", \"address-b\": \"%s\"", prefix_format_address(&o->address_b, text));
    }
    if (o && o->port_a)
        buf_printf(ret, ", \"port-a\": %u", o->port_a);
    if (o && o->port_b)
        buf_printf(ret, ", \"port-b\": %u", o->port_b);
    buf_char(ret, '}');
}

void lock_format(const struct lock *lock, struct buf *ret)
{
    char text[PREFIX_TEXT_MAX];

    buf_printf(ret, "{\n  \"p2pvpn-lock:lock\": {\n    \"mesh\": \"%s\"",
               lock->mesh ? lock->mesh : "");
    if (lock->origin_check == BUNDLE_ORIGINS_BY_CACHE)
        buf_str(ret, ",\n    \"origin-check\": \"" BUNDLE_ORIGIN_CHECK_CACHE "\"");
    for (size_t i = 0; i < lock->n_link_prefixes; i++)
        buf_printf(ret, "%s      \"%s\"", i ? ",\n" : ",\n    \"link-prefix\": [\n",
                   prefix_format(&lock->link_prefixes[i], text));
    if (lock->n_link_prefixes)
        buf_str(ret, "\n    ]");
    for (size_t i = 0; i < lock->n_gateways; i++) {
        buf_str(ret, i ? ",\n" : ",\n    \"gateway\": [\n");
        format_gateway(&lock->gateways[i], ret);
    }
    if (lock->n_gateways)
        buf_str(ret, "\n    ]");
    for (size_t i = 0; i < lock->n_links;) {
        uint32_t count = run_length(lock, i);

        buf_str(ret, i ? ",\n" : ",\n    \"link\": [\n");
        format_link(&lock->links[i], count, ret);
        i += count;
    }
    if (lock->n_links)
        buf_str(ret, "\n    ]");
    buf_str(ret, "\n  }\n}\n");
}
