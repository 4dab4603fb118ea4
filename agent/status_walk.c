/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status_walk.h"

#include "agent/link_unit.h"
#include "agent/status.h"

static struct status_cell text(const char *s)
{
    return (struct status_cell){.text = s && *s ? s : NULL};
}

static struct status_cell state(const char *s, bool good)
{
    return (struct status_cell){.text = s, .bad = !good};
}

static struct status_cell count(uint64_t n, bool known)
{
    return (struct status_cell){.number = n, .known = known};
}

static void walk_links(const struct status *s, const struct status_printer *p, void *to)
{
    bool units = false;

    for (size_t i = 0; i < s->n_links; i++)
        units = units || s->links[i].unit;

    const struct status_column columns[] = {
        {"interface", "LINK", CELL_TEXT},   {"peer", "PEER", CELL_TEXT},
        {"state", "STATE", CELL_STATE},     {"seconds", "SINCE", CELL_SECONDS},
        {"cipher", "CIPHER", CELL_TEXT},    {"bytes-in", "IN", CELL_BYTES},
        {"bytes-out", "OUT", CELL_BYTES},   {"remote", "REMOTE", CELL_TEXT},
        {"openvpn-state", NULL, CELL_TEXT}, {"unit", units ? "UNIT" : NULL, CELL_TEXT},
    };

    p->table_begin(to, "links", columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < s->n_links; i++) {
        const struct status_link *l = &s->links[i];
        bool answers = *l->vpn.state != '\0', since = answers && l->vpn.since <= s->now;
        char unit[LINK_UNIT_NAME_SIZE] = "";

        if (l->unit)
            link_unit_name(l->link->interface, unit);

        struct status_cell row[] = {
            text(l->link->interface),
            text(l->link->peer),
            state(!l->up      ? "down"
                  : l->silent ? "silent"
                              : "up",
                  l->up && !l->silent),
            count(since ? (uint64_t)(s->now - l->vpn.since) : 0, since),
            text(l->vpn.cipher),
            count(l->vpn.bytes_in, answers),
            count(l->vpn.bytes_out, answers),
            text(l->vpn.remote),
            text(l->vpn.state),
            text(unit),
        };

        p->row(to, row);
    }
    p->table_end(to);
}

static void walk_sessions(const struct status *s, const struct status_printer *p, void *to)
{
    static const struct status_column columns[] = {
        {"neighbor", "NEIGHBOR", CELL_TEXT},
        {"peer", "PEER", CELL_TEXT},
        {"interface", "LINK", CELL_TEXT},
        {"family", "ROUTES", CELL_TEXT},
        {"bgp", "BGP", CELL_STATE},
        {"seconds", "SINCE", CELL_SECONDS},
        {"prefixes-received", "RECEIVED", CELL_COUNT},
        {"prefixes-sent", "SENT", CELL_COUNT},
        {"bfd", "BFD", CELL_STATE},
    };

    p->table_begin(to, "sessions", columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < s->n_sessions; i++) {
        const struct status_session *n = &s->sessions[i];
        const struct bgp_session *b = n->bgp;
        char address[PREFIX_TEXT_MAX];
        struct status_cell row[] = {
            text(prefix_format_address(&n->address, address)),
            text(n->link->peer),
            text(n->link->interface),
            text(n->address.family == FAMILY_IPV4 ? "IPv4" : "IPv6"),
            state(b          ? b->state
                  : n->known ? "missing"
                             : "unknown",
                  b && b->established),
            count(b ? b->up_ms / 1000 : 0, b && b->up_ms >= 1000),
            count(b ? b->received : 0, b && b->established),
            count(b ? b->sent : 0, b && b->established),
            state(n->bfd ? n->bfd->status : "-", !n->bfd || n->bfd->up),
        };

        p->row(to, row);
    }
    p->table_end(to);
}

void status_walk(const struct status *s, const struct status_printer *p, void *to)
{
    p->field(to, "gateway", s->bundle->gateway);
    p->field(to, "mesh", s->bundle->mesh);
    p->field(to, "lan", s->bundle->lan);
    p->field(to, "revision", s->bundle->revision);
    p->problems(to, &s->problems);
    p->agent(to, s);
    if (s->repository.wanted)
        p->repository(to, s);
    if (s->controller.url)
        p->controller(to, s);
    walk_links(s, p, to);
    if (s->frr_asked) {
        walk_sessions(s, p, to);
        if (s->origins.wanted)
            p->origins(to, &s->origins);
        p->prefixes(to, s);
    }
}
