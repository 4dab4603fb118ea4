/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/json_text.h"
#include "agent/status.h"
#include "agent/status_agent.h"
#include "agent/status_print.h"
#include "agent/status_repository.h"
#include "agent/status_walk.h"

struct json_printer {
    json_t *root, *rows;
    const struct status_column *columns;
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

/* Words with blanks in between. */
static json_t *json_words(const char *text)
{
    json_t *list = json_array();

    while (*text) {
        size_t n = strcspn(text, " ");

        json_array_append_new(list, json_stringn(text, n));
        text += n + (text[n] == ' ');
    }
    return list;
}

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
    if (a->authorities)
        json_object_set_new(certificate, "authorities", json_words(a->authorities));
    json_object_set_new(j->root, "certificate", certificate);
}

static void set_time(json_t *o, const char *key, int64_t at)
{
    if (at)
        json_object_set_new(o, key, json_integer(at));
}

static void json_repository(void *to, const struct status *s)
{
    const struct fetch_report *f = &s->repository.report;
    struct json_printer *j = to;
    json_t *object = json_object(), *error = json_object();

    json_object_set_new(object, "running", json_boolean(s->repository.running));
    json_object_set_new(object, "frozen", json_boolean(status_repository_frozen(s)));
    set_time(object, "fresh", f->fresh);
    set_time(object, "changed", f->changed);
    set_time(object, "version", f->version);
    set_time(object, "expires", f->expires);
    set_time(object, "next", f->next);
    if (*f->mirror)
        json_object_set_new(object, "mirror", json_string(f->mirror));
    if (*f->code) {
        json_object_set_new(error, "code", json_string(f->code));
        json_object_set_new(error, "text", json_string(f->text));
        set_time(error, "since", f->since);
        json_object_set_new(error, "tries", json_integer(f->tries));
        json_object_set(object, "error", error);
    }
    json_decref(error);
    json_object_set_new(j->root, "repository", object);
}

static void json_controller(void *to, const struct status *s)
{
    const struct report_note *n = &s->controller.note;
    struct json_printer *j = to;
    json_t *object = json_object(), *error = json_object();

    json_object_set_new(object, "url", json_string(s->controller.url));
    json_object_set_new(object, "running", json_boolean(s->controller.running));
    set_time(object, "told", n->told);
    set_time(object, "next", n->next);
    if (*n->text) {
        json_object_set_new(error, "text", json_string(n->text));
        json_object_set_new(error, "refused", json_boolean(n->refused));
        json_object_set_new(error, "since", json_integer(n->since));
        json_object_set_new(error, "tries", json_integer(n->tries));
        json_object_set(object, "error", error);
    }
    json_decref(error);
    json_object_set_new(j->root, "controller", object);
}

static void json_table_begin(void *to, const char *key, const struct status_column *columns,
                             size_t n)
{
    struct json_printer *j = to;

    j->rows = json_array();
    j->columns = columns;
    j->n_columns = n;
    json_object_set_new(j->root, key, j->rows);
}

/* What is unknown is absent. */
static void json_row(void *to, const struct status_cell *cells)
{
    struct json_printer *j = to;
    json_t *row = json_object();

    for (size_t i = 0; i < j->n_columns; i++) {
        enum status_cell_type type = j->columns[i].type;

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
    static const struct status_printer p = {
        json_field,       json_problems, json_agent,     json_repository, json_controller,
        json_table_begin, json_row,      json_table_end, json_origins,    json_prefixes};
    struct json_printer j = {.root = json_object()};

    status_walk(s, &p, &j);
    json_text_take(j.root, ret);
}
