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
           l[n].a == l->a + n && l[n].index == l->index + n)
        n++;
    return n;
}

static void format_link(const struct lock_link *l, uint32_t count, struct buf *ret)
{
    const struct link_override *o = l->override;
    char text[PREFIX_TEXT_MAX];

    buf_printf(ret, "      {\"index\": %" PRIu32 ", \"a\": %" PRIu32 ", \"b\": %" PRIu32, l->index,
               l->a, l->b);
    if (count > 1)
        buf_printf(ret, ", \"count\": %" PRIu32, count);
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
    for (size_t i = 0; i < lock->n_link_prefixes; i++)
        buf_printf(ret, "%s      \"%s\"", i ? ",\n" : ",\n    \"link-prefix\": [\n",
                   prefix_format(&lock->link_prefixes[i], text));
    if (lock->n_link_prefixes)
        buf_str(ret, "\n    ]");
    for (size_t i = 0; i < lock->n_gateways; i++) {
        const struct lock_gateway *g = &lock->gateways[i];

        buf_printf(ret,
                   "%s      {\"name\": \"%s\", \"number\": %" PRIu32 ", \"asn\": %" PRIu32
                   ", \"router-id\": \"%u.%u.%u.%u\", \"generation\": %" PRIu32 "}",
                   i ? ",\n" : ",\n    \"gateway\": [\n", g->name, g->number, g->asn,
                   g->router_id >> 24, g->router_id >> 16 & 0xff, g->router_id >> 8 & 0xff,
                   g->router_id & 0xff, g->generation);
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
