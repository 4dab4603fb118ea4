/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/fleet_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/name.h"
#include "common/visible.h"

#define LINE_MAX_BYTES 2000 /* of a problem */

static int64_t number(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

static const char *shown(const json_t *value)
{
    const char *text = json_string_value(value);

    return text && *text && value_valid(text, strlen(text)) ? text : "-";
}

const char *fleet_text_word(const json_t *row, const char *key)
{
    return shown(json_object_get(row, key));
}

const char *fleet_text_time(int64_t at, char ret[static FLEET_TEXT_TIME_SIZE])
{
    time_t t = (time_t)at;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(ret, FLEET_TEXT_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(ret, FLEET_TEXT_TIME_SIZE, "-");
    return ret;
}

void fleet_text_tokens(const json_t *answer, struct buf *ret)
{
    char created[FLEET_TEXT_TIME_SIZE], expires[FLEET_TEXT_TIME_SIZE];
    const json_t *row;
    size_t i;

    buf_printf(ret, "%-24s %-8s %3s  %-19s  %-19s  %s\n", "GATEWAY", "STATE", "GEN", "CREATED",
               "EXPIRES", "BY");
    json_array_foreach(json_object_get(answer, "tokens"), i, row)
    {
        buf_printf(ret, "%-24s %-8s %3" PRId64 "  %-19s  %-19s  %s\n",
                   fleet_text_word(row, "gateway"), fleet_text_word(row, "state"),
                   number(row, "generation"), fleet_text_time(number(row, "created"), created),
                   fleet_text_time(number(row, "expires"), expires), fleet_text_word(row, "by"));
    }
}

/* --- the table ---------------------------------------------------------------------------------
 */

static void add_age(struct buf *b, const json_t *row)
{
    int64_t s = number(row, "seconds");

    if (!json_object_get(row, "seconds"))
        buf_str(b, "never");
    else if (s < 120)
        buf_printf(b, "%" PRId64 " s", s);
    else if (s < 7200)
        buf_printf(b, "%" PRId64 " min", s / 60);
    else if (s < 172800)
        buf_printf(b, "%" PRId64 " h", s / 3600);
    else
        buf_printf(b, "%" PRId64 " d", s / 86400);
}

static const char *state_of(const json_t *row)
{
    if (json_is_true(json_object_get(row, "revoked")))
        return "revoked";
    if (!json_object_get(row, "seen"))
        return "unknown";
    if (json_is_true(json_object_get(row, "drained")))
        return "drained";
    return json_is_true(json_object_get(row, "healthy")) ? "healthy" : "problems";
}

static void add_pair(struct buf *b, const json_t *row, const char *up, const char *all)
{
    if (json_object_get(row, all))
        buf_printf(b, "%" PRId64 "/%" PRId64, number(row, up), number(row, all));
    else
        buf_char(b, '-');
}

static void add_number(struct buf *b, const json_t *row, const char *key)
{
    if (json_object_get(row, key))
        buf_printf(b, "%" PRId64, number(row, key));
    else
        buf_char(b, '-');
}

static void add_row(struct buf *ret, const json_t *row)
{
    _cleanup_buf_ struct buf age = BUF_INIT, links = BUF_INIT, sessions = BUF_INIT, days = BUF_INIT,
                             generation = BUF_INIT;

    add_age(&age, row);
    add_pair(&links, row, "links-up", "links");
    add_pair(&sessions, row, "sessions-up", "sessions");
    add_number(&days, row, "certificate-days");
    add_number(&generation, row, "generation");
    buf_printf(ret, "%-24s %-8s %-12.12s %-12.12s %9s %9s %8s %5s %3s%s%s\n",
               fleet_text_word(row, "gateway"), state_of(row), fleet_text_word(row, "wanted"),
               fleet_text_word(row, "revision"), buf_cstr(&links), buf_cstr(&sessions),
               buf_cstr(&age), buf_cstr(&days), buf_cstr(&generation),
               json_is_true(json_object_get(row, "drift")) ? "  drift" : "",
               json_is_true(json_object_get(row, "renewal-due")) ? "  renew" : "");
}

static void add_head(struct buf *ret)
{
    buf_printf(ret, "%-24s %-8s %-12s %-12s %9s %9s %8s %5s %3s\n", "GATEWAY", "STATE", "WANTED",
               "RUNNING", "LINKS", "SESSIONS", "SEEN", "DAYS", "GEN");
}

void fleet_text_fleet(const json_t *answer, struct buf *ret)
{
    const json_t *row;
    size_t i;

    add_head(ret);
    json_array_foreach(json_object_get(answer, "gateways"), i, row)
    {
        add_row(ret, row);
    }
}

/* --- one gateway -------------------------------------------------------------------------------
 */

/* The values of one member of all rows, or the rows themselves without one: a set. */
static json_t *set_of(const json_t *rows, const char *member)
{
    json_t *set = json_object();
    const json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        const json_t *value = member ? json_object_get(row, member) : row;

        if (json_is_string(value))
            json_object_set_new(set, json_string_value(value), json_true());
    }
    return set;
}

static bool has(const json_t *set, const json_t *value)
{
    return json_is_string(value) && json_object_get(set, json_string_value(value));
}

static void add_link(struct buf *ret, const json_t *link, const char *expected,
                     const char *reported)
{
    buf_printf(ret, "%-16s %-24s %-8s %s\n", fleet_text_word(link, "interface"),
               fleet_text_word(link, "peer"), expected, reported);
}

/* What is reported, and behind it what is expected and not reported. */
static void add_links(struct buf *ret, const json_t *expected, const json_t *reported)
{
    json_t *wanted = set_of(expected, "interface"), *there = set_of(reported, "interface");
    const json_t *link;
    size_t i;

    buf_printf(ret, "\n%-16s %-24s %-8s %s\n", "LINK", "PEER", "EXPECTED", "REPORTED");
    json_array_foreach(reported, i, link)
    {
        const char *is = !json_is_array(expected)                          ? "-"
                         : has(wanted, json_object_get(link, "interface")) ? "yes"
                                                                           : "no";

        add_link(ret, link, is, fleet_text_word(link, "state"));
    }
    json_array_foreach(expected, i, link)
    {
        if (!has(there, json_object_get(link, "interface")))
            add_link(ret, link, "yes", "-");
    }
    json_decref(wanted);
    json_decref(there);
}

static void add_sessions(struct buf *ret, const json_t *sessions)
{
    const json_t *row;
    size_t i;

    if (json_array_size(sessions) == 0)
        return;
    buf_printf(ret, "\n%-24s %-24s %-16s %s\n", "NEIGHBOR", "PEER", "BGP", "BFD");
    json_array_foreach(sessions, i, row)
    {
        buf_printf(ret, "%-24s %-24s %-16s %s\n", fleet_text_word(row, "neighbor"),
                   fleet_text_word(row, "peer"), fleet_text_word(row, "bgp"),
                   fleet_text_word(row, "bfd"));
    }
}

/* Those that differ, one a line, and how many are as expected. */
static void add_routes(struct buf *ret, const json_t *expected, const json_t *reported)
{
    const json_t *runs = json_object_get(reported, "expected"), *prefix,
                 *gone = json_object_get(reported, "missing");
    json_t *missing = set_of(gone, NULL), *running = set_of(runs, NULL), *wanted;
    size_t i, n = 0;

    /* With origins checked by a cache the bundle does not name them, and the gateway's table does.
     */
    if (!json_is_array(expected))
        expected = runs;
    wanted = set_of(expected, NULL);
    if (!json_is_array(gone)) {
        buf_printf(ret, "\nroutes: not reported, %zu expected\n", json_array_size(expected));
    } else {
        json_array_foreach(expected, i, prefix)
        {
            n += has(running, prefix) && !has(missing, prefix);
        }
        buf_printf(ret, "\nroutes: %zu of %zu expected\n", n, json_array_size(expected));
        json_array_foreach(expected, i, prefix)
        {
            if (!has(running, prefix) || has(missing, prefix))
                buf_printf(ret, "no route to %s\n", shown(prefix));
        }
        json_array_foreach(runs, i, prefix)
        {
            if (!has(wanted, prefix) && !has(missing, prefix))
                buf_printf(ret, "a route to %s, which is not expected any more\n", shown(prefix));
        }
    }
    json_decref(missing);
    json_decref(running);
    json_decref(wanted);
}

void fleet_text_gateway(const json_t *answer, struct buf *ret)
{
    const json_t *report = json_object_get(answer, "report"), *one,
                 *expected = json_object_get(answer, "expected");
    size_t i;

    add_head(ret);
    add_row(ret, answer);
    json_array_foreach(json_object_get(report, "problems"), i, one)
    {
        const char *text = json_string_value(one);

        buf_str(ret, "problem: ");
        visible_add(ret, text ? text : "-", LINE_MAX_BYTES);
        buf_char(ret, '\n');
    }
    add_links(ret, json_object_get(expected, "links"), json_object_get(report, "links"));
    add_sessions(ret, json_object_get(report, "sessions"));
    add_routes(ret, json_object_get(expected, "prefixes"), json_object_get(report, "prefixes"));
}
