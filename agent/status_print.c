/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status_print.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/status.h"
#include "agent/status_agent.h"
#include "agent/status_repository.h"
#include "agent/status_walk.h"

#define MAX_COLUMNS 10

struct text_printer {
    struct buf *out;
    const struct status_column *columns;
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

static void text_repository(void *to, const struct status *s)
{
    const struct fetch_report *f = &s->repository.report;
    struct text_printer *t = to;

    if (!s->repository.known || !f->version) {
        buf_str(t->out, "Repository: nothing was fetched yet.\n");
        return;
    }
    buf_printf(t->out, "Repository: version %lld", (long long)f->version);
    if (f->fresh)
        text_ago(t, ", fresh ", f->fresh, s->now);
    buf_str(t->out, f->fresh ? " ago" : ", never fresh");
    if (status_repository_frozen(s))
        buf_str(t->out, ", FROZEN");
    if (*f->code)
        buf_printf(t->out, ", refused (%s)", f->code);
    if (*f->mirror)
        buf_printf(t->out, ", from %s", f->mirror);
    buf_str(t->out, ".\n");
}

static void text_controller(void *to, const struct status *s)
{
    const struct report_note *n = &s->controller.note;
    struct text_printer *t = to;

    buf_printf(t->out, "Controller: %s", s->controller.url);
    if (n->told) {
        text_ago(t, ", told ", n->told, s->now);
        buf_str(t->out, " ago");
    } else {
        buf_str(t->out, ", never told");
    }
    if (*n->text) {
        text_ago(t, n->refused ? ", REFUSED for " : ", not reached for ", n->since, s->now);
        buf_printf(t->out, ": %s", n->text);
    }
    buf_str(t->out, ".\n");
}

static void text_table_begin(void *to, const char *key, const struct status_column *columns,
                             size_t n)
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

static char *cell_text(const struct status_column *column, const struct status_cell *c)
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

static void text_row(void *to, const struct status_cell *cells)
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
    static const struct status_printer p = {
        text_field,       text_problems, text_agent,     text_repository, text_controller,
        text_table_begin, text_row,      text_table_end, text_origins,    text_prefixes};
    struct text_printer t = {.out = ret};

    status_walk(s, &p, &t);
}
