/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status_print.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/link_unit.h"
#include "agent/status.h"
#include "agent/status_agent.h"

#define MAX_COLUMNS 10

/* --- what both printers are given ---------------------------------------------------------------
 */

enum cell_type { CELL_TEXT, CELL_SECONDS, CELL_BYTES, CELL_COUNT, CELL_STATE };

struct column {
    const char *key;   /* in JSON */
    const char *title; /* in text; NULL: not shown there */
    enum cell_type type;
};

struct cell {
    const char *text; /* CELL_TEXT, CELL_STATE; NULL: unknown */
    uint64_t number;
    bool known; /* of a number */
    bool bad;   /* CELL_STATE: written in capitals */
};

/* The walk hands over values in this order: fields, problems, agent, tables, origins, prefixes. */
struct printer {
    void (*field)(void *to, const char *key, const char *value);
    void (*problems)(void *to, const struct error_list *problems);
    void (*agent)(void *to, const struct status *s);
    void (*table_begin)(void *to, const char *key, const struct column *columns, size_t n);
    void (*row)(void *to, const struct cell *cells);
    void (*table_end)(void *to);
    void (*origins)(void *to, const struct status_origins *o);
    void (*prefixes)(void *to, const struct status *s);
};

static struct cell text(const char *s)
{
    return (struct cell){.text = s && *s ? s : NULL};
}

static struct cell state(const char *s, bool good)
{
    return (struct cell){.text = s, .bad = !good};
}

static struct cell count(uint64_t n, bool known)
{
    return (struct cell){.number = n, .known = known};
}

static void walk_links(const struct status *s, const struct printer *p, void *to)
{
    bool units = false;

    for (size_t i = 0; i < s->n_links; i++)
        units = units || s->links[i].unit;

    const struct column columns[] = {
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

        struct cell row[] = {
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

static void walk_sessions(const struct status *s, const struct printer *p, void *to)
{
    static const struct column columns[] = {
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
        struct cell row[] = {
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

static void walk(const struct status *s, const struct printer *p, void *to)
{
    p->field(to, "gateway", s->bundle->gateway);
    p->field(to, "mesh", s->bundle->mesh);
    p->field(to, "lan", s->bundle->lan);
    p->field(to, "revision", s->bundle->revision);
    p->problems(to, &s->problems);
    p->agent(to, s);
    walk_links(s, p, to);
    if (s->frr_asked) {
        walk_sessions(s, p, to);
        if (s->origins.wanted)
            p->origins(to, &s->origins);
        p->prefixes(to, s);
    }
}

/* --- text ---------------------------------------------------------------------------------------
 */

struct text_printer {
    struct buf *out;
    const struct column *columns;
    size_t n_columns, n_rows;
    char **cells; /* of the table in hand, row by row, the titles first */
};

void status_print_duration(uint64_t seconds, struct buf *ret)
{
    static const struct {
        uint64_t seconds;
        char name;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;

    while (i < 3 && seconds < units[i].seconds)
        i++;
    buf_printf(ret, "%llu%c", (unsigned long long)(seconds / units[i].seconds), units[i].name);
    if (i < 3)
        buf_printf(ret, " %llu%c",
                   (unsigned long long)(seconds % units[i].seconds / units[i + 1].seconds),
                   units[i + 1].name);
}

void status_print_bytes(uint64_t bytes, struct buf *ret)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double n = (double)bytes;
    size_t i = 0;

    /* 1023.95 would be rounded to "1024.0". */
    while (i < 5 && n >= (i ? 1023.95 : 1024)) {
        n /= 1024;
        i++;
    }
    buf_printf(ret, i ? "%.1f %s" : "%.0f %s", n, units[i]);
}

static void text_field(void *to, const char *key, const char *value)
{
    struct text_printer *t = to;

    /* A revision is compared by its beginning, as with git. */
    if (strcmp(key, "revision") == 0)
        buf_printf(t->out, ", revision %.12s\n", value);
    else
        buf_printf(t->out, "%s%s %s", t->out->len ? ", " : "", key, value);
}

static void text_problems(void *to, const struct error_list *problems)
{
    struct text_printer *t = to;

    if (problems->n == 0)
        buf_str(t->out, "Everything is up.\n");
    else
        buf_printf(t->out, "\n%zu problem%s:\n", problems->n, problems->n == 1 ? "" : "s");
    for (size_t i = 0; i < problems->n; i++)
        buf_printf(t->out, "  %s\n", problems->items[i].message);
}

static void text_ago(const struct text_printer *t, const char *before, int64_t then, int64_t now)
{
    buf_str(t->out, before);
    status_print_duration(then < now ? (uint64_t)(now - then) : 0, t->out);
}

static void text_repairs(const struct text_printer *t, const struct agent_report *r, int64_t now)
{
    uint64_t total = 0;
    int64_t last = 0;

    for (size_t i = 0; i < REPAIR_KINDS; i++) {
        total += r->repairs[i].total;
        last = r->repairs[i].last > last ? r->repairs[i].last : last;
    }
    if (total == 0)
        return;
    buf_printf(t->out, "Repairs: %llu", (unsigned long long)total);
    text_ago(t, ", the last one ", last, now);
    buf_str(t->out, " ago:");
    for (size_t i = 0; i < REPAIR_KINDS; i++)
        if (r->repairs[i].total)
            buf_printf(t->out, " %s %llu", repair_names[i],
                       (unsigned long long)r->repairs[i].total);
    buf_str(t->out, ".\n");
}

static void text_change(const struct text_printer *t, const struct status *s)
{
    const struct status_agent *a = &s->agent;
    const struct change *c = &a->change;
    int64_t left = c->deadline - a->boot_ms;

    if (!a->change_known || c->state == CHANGE_NONE)
        return;
    buf_printf(t->out, "Change: %s",
               c->state == CHANGE_PENDING     ? "PENDING"
               : c->state == CHANGE_CONFIRMED ? "confirmed"
                                              : "ROLLED BACK");
    text_ago(t, c->state == CHANGE_PENDING ? " since " : " ", c->since, s->now);
    buf_str(t->out, c->state == CHANGE_PENDING ? "" : " ago");
    if (c->state == CHANGE_PENDING && left > 0 && left < INT64_MAX / 2) {
        buf_str(t->out, ", for another ");
        status_print_duration((uint64_t)left / 1000, t->out);
    }
    if (c->why)
        buf_printf(t->out, ": %s", c->why);
    buf_str(t->out, ".\n");
}

static void text_agent(void *to, const struct status *s)
{
    const struct status_agent *a = &s->agent;
    struct text_printer *t = to;
    int64_t days = status_certificate_days(s);

    buf_str(t->out, s->problems.n ? "\nAgent: " : "Agent: ");
    if (a->running)
        text_ago(t, "running for ", a->report.since, s->now);
    else
        buf_str(t->out, "NOT RUNNING");
    if (a->running && a->report.source)
        buf_printf(t->out, ", takes bundles from %s", a->report.source);
    buf_str(t->out, ".\n");
    if (a->report.drained)
        buf_str(t->out, "The gateway is DRAINED: \"p2pvpn-agent undrain\" ends that.\n");
    if (a->firewall == STATUS_FIREWALL_MISSING)
        buf_str(t->out, "Firewall: NOT SET.\n");
    text_change(t, s);
    text_repairs(t, &a->report, s->now);
    if (a->certificate_expires == 0)
        buf_str(t->out, "Certificate: NONE.\n");
    else if (days < 0)
        buf_str(t->out, "Certificate: EXPIRED.\n");
    else
        buf_printf(t->out, "Certificate: good for %lld day%s.\n", (long long)days,
                   days == 1 ? "" : "s");
}

static void text_table_begin(void *to, const char *key, const struct column *columns, size_t n)
{
    struct text_printer *t = to;

    (void)key;
    t->columns = columns;
    t->n_columns = n;
    t->n_rows = 1;
    t->cells = xcalloc(n, sizeof(char *));
    for (size_t i = 0; i < n; i++)
        t->cells[i] = xstrdup(columns[i].title ? columns[i].title : "");
}

static char *cell_text(const struct column *column, const struct cell *c)
{
    struct buf b = BUF_INIT;
    bool number = column->type != CELL_TEXT && column->type != CELL_STATE;

    if (number ? !c->known : !c->text)
        buf_char(&b, '-');
    else if (column->type == CELL_SECONDS)
        status_print_duration(c->number, &b);
    else if (column->type == CELL_BYTES)
        status_print_bytes(c->number, &b);
    else if (column->type == CELL_COUNT)
        buf_printf(&b, "%llu", (unsigned long long)c->number);
    else
        for (const char *p = c->text; *p; p++)
            buf_char(&b, c->bad && *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p);
    return buf_steal(&b);
}

static void text_row(void *to, const struct cell *cells)
{
    struct text_printer *t = to;

    t->cells = xreallocarray(t->cells, (t->n_rows + 1) * t->n_columns, sizeof(char *));
    for (size_t i = 0; i < t->n_columns; i++)
        t->cells[t->n_rows * t->n_columns + i] = cell_text(&t->columns[i], &cells[i]);
    t->n_rows++;
}

static void text_table_end(void *to)
{
    struct text_printer *t = to;
    size_t width[MAX_COLUMNS] = {0}, last = 0;

    for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
        if (strlen(t->cells[i]) > width[i % t->n_columns])
            width[i % t->n_columns] = strlen(t->cells[i]);
    for (size_t i = 0; i < t->n_columns; i++)
        if (t->columns[i].title)
            last = i;
    for (size_t r = 0; t->n_rows > 1 && r < t->n_rows; r++) {
        buf_str(t->out, r ? "" : "\n");
        for (size_t i = 0; i <= last; i++) {
            const char *s = t->cells[r * t->n_columns + i];
            bool right = t->columns[i].type == CELL_BYTES || t->columns[i].type == CELL_COUNT;

            if (t->columns[i].title)
                buf_printf(t->out, right ? "%*s%s" : "%-*s%s",
                           i == last && !right ? 0 : (int)width[i], s, i == last ? "\n" : "  ");
        }
    }
    for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
        free(t->cells[i]);
    free(t->cells);
    t->cells = NULL;
}

static void text_origins(void *to, const struct status_origins *o)
{
    struct text_printer *t = to;

    if (o->table)
        buf_printf(t->out, "\nOrigins: revision %.12s, %zu prefixes", o->table->revision,
                   o->table->n);
    else
        buf_str(t->out, "\nOrigins: no table");
    if (o->served)
        buf_printf(t->out, "; routers: %u, with this table: %u", o->rtr.routers, o->rtr.up_to_date);
    else
        buf_str(t->out, "; not served");
    buf_printf(t->out, "; bgpd goes by it: %s.\n",
               !o->bgpd_known         ? "unknown"
               : o->bgpd_synchronized ? "yes"
                                      : "NO");
}

static void text_prefixes(void *to, const struct status *s)
{
    struct text_printer *t = to;
    size_t expected = s->n_expected;

    if (s->routes_known)
        buf_printf(t->out, "\nRoutes by BGP: %zu of %zu prefixes of other LANs.\n",
                   expected - s->n_missing, expected);
    else
        buf_printf(t->out, "\nRoutes by BGP: unknown; %zu prefixes of other LANs are expected.\n",
                   expected);
}

void status_print_text(const struct status *s, struct buf *ret)
{
    static const struct printer p = {text_field, text_problems,  text_agent,   text_table_begin,
                                     text_row,   text_table_end, text_origins, text_prefixes};
    struct text_printer t = {.out = ret};

    walk(s, &p, &t);
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

struct json_printer {
    json_t *root, *rows;
    const struct column *columns;
    size_t n_columns;
};

static void json_field(void *to, const char *key, const char *value)
{
    struct json_printer *j = to;

    json_object_set_new(j->root, key, json_string(value));
}

static void json_problems(void *to, const struct error_list *problems)
{
    struct json_printer *j = to;
    json_t *list = json_array();

    json_object_set_new(j->root, "healthy", json_boolean(problems->n == 0));
    for (size_t i = 0; i < problems->n; i++)
        json_array_append_new(list, json_string(problems->items[i].message));
    json_object_set_new(j->root, "problems", list);
}

static json_t *json_repairs(const struct agent_report *r)
{
    json_t *object = json_object();

    for (size_t i = 0; i < REPAIR_KINDS; i++) {
        json_t *one = json_object();

        json_object_set_new(one, "total", json_integer((json_int_t)r->repairs[i].total));
        if (r->repairs[i].total)
            json_object_set_new(one, "last", json_integer(r->repairs[i].last));
        json_object_set_new(object, repair_names[i], one);
    }
    return object;
}

static json_t *json_change(const struct status_agent *a)
{
    const struct change *c = &a->change;
    int64_t left = c->deadline - a->boot_ms;
    json_t *object = json_object();

    json_object_set_new(object, "state",
                        json_string(change_state_name(a->change_known ? c->state : CHANGE_NONE)));
    if (!a->change_known)
        return object;
    if (c->since)
        json_object_set_new(object, "since", json_integer(c->since));
    if (*c->previous)
        json_object_set_new(object, "previous", json_string(c->previous));
    if (*c->refused)
        json_object_set_new(object, "refused", json_string(c->refused));
    if (c->state == CHANGE_PENDING)
        json_object_set_new(object, "seconds-left", json_integer(left > 0 ? left / 1000 : 0));
    if (c->why)
        json_object_set_new(object, "why", json_string(c->why));
    return object;
}

static const char *const firewall_words[] = {
    [STATUS_FIREWALL_OFF] = "off",
    [STATUS_FIREWALL_SET] = "set",
    [STATUS_FIREWALL_MISSING] = "missing",
};

static void json_agent(void *to, const struct status *s)
{
    const struct status_agent *a = &s->agent;
    struct json_printer *j = to;
    json_t *object = json_object(), *certificate = json_object(), *firewall = json_object();

    json_object_set_new(j->root, "version", json_string(P2PVPN_VERSION));
    json_object_set_new(object, "running", json_boolean(a->running));
    if (a->running) {
        json_object_set_new(object, "pid", json_integer(a->report.pid));
        json_object_set_new(object, "since", json_integer(a->report.since));
    }
    if (a->running && a->report.applied)
        json_object_set_new(object, "applied", json_integer(a->report.applied));
    if (a->report.source)
        json_object_set_new(object, "source", json_string(a->report.source));
    json_object_set_new(object, "drained", json_boolean(a->report.drained));
    json_object_set_new(object, "repairs", json_repairs(&a->report));
    json_object_set_new(j->root, "agent", object);
    json_object_set_new(firewall, "state", json_string(firewall_words[a->firewall]));
    json_object_set_new(j->root, "firewall", firewall);
    json_object_set_new(j->root, "change", json_change(a));
    if (a->certificate_expires) {
        json_object_set_new(certificate, "expires", json_integer(a->certificate_expires));
        json_object_set_new(certificate, "days", json_integer(status_certificate_days(s)));
    }
    json_object_set_new(j->root, "certificate", certificate);
}

static void json_table_begin(void *to, const char *key, const struct column *columns, size_t n)
{
    struct json_printer *j = to;

    j->rows = json_array();
    j->columns = columns;
    j->n_columns = n;
    json_object_set_new(j->root, key, j->rows);
}

/* What is unknown is absent. */
static void json_row(void *to, const struct cell *cells)
{
    struct json_printer *j = to;
    json_t *row = json_object();

    for (size_t i = 0; i < j->n_columns; i++) {
        enum cell_type type = j->columns[i].type;

        if (type != CELL_TEXT && type != CELL_STATE && cells[i].known)
            json_object_set_new(row, j->columns[i].key, json_integer((json_int_t)cells[i].number));
        else if (cells[i].text && strcmp(cells[i].text, "-") != 0)
            json_object_set_new(row, j->columns[i].key, json_string(cells[i].text));
    }
    json_array_append_new(j->rows, row);
}

static void json_table_end(void *to)
{
    (void)to;
}

static json_t *prefix_list(const struct prefix *p, size_t n)
{
    json_t *list = json_array();
    char text_of_one[PREFIX_TEXT_MAX];

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(prefix_format(&p[i], text_of_one)));
    return list;
}

static void json_origins(void *to, const struct status_origins *o)
{
    struct json_printer *j = to;
    json_t *object = json_object();

    if (o->table) {
        json_object_set_new(object, "revision", json_string(o->table->revision));
        json_object_set_new(object, "prefixes", json_integer((json_int_t)o->table->n));
    }
    json_object_set_new(object, "served", json_boolean(o->served));
    if (o->served) {
        json_object_set_new(object, "serial", json_integer(o->rtr.serial));
        json_object_set_new(object, "routers", json_integer(o->rtr.routers));
        json_object_set_new(object, "up-to-date", json_integer(o->rtr.up_to_date));
    }
    if (o->bgpd_known)
        json_object_set_new(object, "synchronized", json_boolean(o->bgpd_synchronized));
    json_object_set_new(j->root, "origins", object);
}

static void json_prefixes(void *to, const struct status *s)
{
    struct json_printer *j = to;
    json_t *o = json_object();

    json_object_set_new(o, "expected", prefix_list(s->expected, s->n_expected));
    if (s->routes_known) {
        json_object_set_new(o, "present", prefix_list(s->routes.items, s->routes.n));
        json_object_set_new(o, "missing", prefix_list(s->missing, s->n_missing));
    }
    json_object_set_new(j->root, "prefixes", o);
}

void status_print_json(const struct status *s, struct buf *ret)
{
    static const struct printer p = {json_field, json_problems,  json_agent,   json_table_begin,
                                     json_row,   json_table_end, json_origins, json_prefixes};
    struct json_printer j = {.root = json_object()};
    char *dump;

    walk(s, &p, &j);
    dump = json_dumps(j.root, JSON_INDENT(2));
    if (dump)
        buf_str(ret, dump);
    buf_char(ret, '\n');
    free(dump);
    json_decref(j.root);
}
