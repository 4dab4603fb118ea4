/* SPDX-License-Identifier: Apache-2.0 */
/* `p2pvpn-ctl token ...` and `p2pvpn-ctl status`: what the controller is asked and what is printed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/name.h"
#include "controller/cli.h"
#include "controller/service_ask.h"

#define WATCH_SECONDS 2
#define TIME_SIZE sizeof("2026-11-27 02:00:00")

/* Prints what is wrong; the exit code. */
static int finish(int r, struct error_list *err)
{
    error_print(err, stderr);
    error_clear(err);
    return error_exit_code(r);
}

static void print_json(const json_t *json)
{
    char *dump = json_dumps(json, JSON_INDENT(2));

    if (dump)
        puts(dump);
    free(dump);
}

static int64_t number(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

/* Only what a terminal may see. */
static const char *word(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text && *text && value_valid(text, strlen(text)) ? text : "-";
}

static const char *time_text(int64_t at, char ret[static TIME_SIZE])
{
    time_t t = (time_t)at;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(ret, TIME_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(ret, TIME_SIZE, "-");
    return ret;
}

/* --- tokens ------------------------------------------------------------------------------------
 */

int cli_token_create(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    json_t *body = json_pack("{s:s}", "gateway", args->argument), *answer = NULL;
    char until[TIME_SIZE];
    int r;

    if (body && args->generation)
        json_object_set_new(body, "generation", json_integer(args->generation));
    if (body && args->hours)
        json_object_set_new(body, "seconds", json_integer((json_int_t)args->hours * 3600));
    r = body ? service_ask(&args->service, "POST", "/v1/tokens", body, &answer, &err)
             : error_add(&err, NULL, 0, NULL, "this is not the name of a gateway");
    json_decref(body);
    if (r == 0 && args->json) {
        print_json(answer);
    } else if (r == 0) {
        puts(word(answer, "token"));
        if (!args->quiet)
            fprintf(stderr, "For %s, generation %" PRId64 ", once, until %s UTC\n",
                    word(answer, "gateway"), number(answer, "generation"),
                    time_text(number(answer, "expires"), until));
    }
    json_decref(answer);
    return finish(r, &err);
}

int cli_token_list(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    char created[TIME_SIZE], expires[TIME_SIZE];
    json_t *answer = NULL, *row;
    size_t i;
    int r = service_ask(&args->service, "GET", "/v1/tokens", NULL, &answer, &err);

    if (r == 0 && args->json) {
        print_json(answer);
    } else if (r == 0) {
        printf("%-24s %-8s %3s  %-19s  %-19s  %s\n", "GATEWAY", "STATE", "GEN", "CREATED",
               "EXPIRES", "BY");
        json_array_foreach(json_object_get(answer, "tokens"), i, row)
        {
            printf("%-24s %-8s %3" PRId64 "  %-19s  %-19s  %s\n", word(row, "gateway"),
                   word(row, "state"), number(row, "generation"),
                   time_text(number(row, "created"), created),
                   time_text(number(row, "expires"), expires), word(row, "by"));
        }
    }
    json_decref(answer);
    return finish(r, &err);
}

int cli_token_revoke(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    json_t *answer = NULL;
    int r;

    if (name_valid(args->argument)) {
        _cleanup_free_ char *path = xasprintf("/v1/tokens/%s", args->argument);

        r = service_ask(&args->service, "DELETE", path, NULL, &answer, &err);
    } else {
        r = error_add(&err, NULL, 0, NULL, "this is not the name of a gateway");
    }
    if (r == 0 && !args->quiet)
        printf("%" PRId64 " of %s can no longer be used\n", number(answer, "revoked"),
               args->argument);
    json_decref(answer);
    return finish(r, &err);
}

/* --- the fleet ---------------------------------------------------------------------------------
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

static void print_row(const json_t *row)
{
    _cleanup_buf_ struct buf age = BUF_INIT, links = BUF_INIT, sessions = BUF_INIT, days = BUF_INIT;

    add_age(&age, row);
    add_pair(&links, row, "links-up", "links");
    add_pair(&sessions, row, "sessions-up", "sessions");
    if (json_object_get(row, "certificate-days"))
        buf_printf(&days, "%" PRId64, number(row, "certificate-days"));
    printf("%-24s %-8s %-12.12s %-12.12s %9s %9s %8s %5s %3" PRId64 "  %s%s\n",
           word(row, "gateway"), state_of(row), word(row, "wanted"), word(row, "revision"),
           buf_cstr(&links), buf_cstr(&sessions), buf_cstr(&age), days.len ? days.data : "-",
           number(row, "generation"), json_is_true(json_object_get(row, "drift")) ? "drift " : "",
           json_is_true(json_object_get(row, "renewal-due")) ? "renew" : "");
}

static void print_head(void)
{
    printf("%-24s %-8s %-12s %-12s %9s %9s %8s %5s %3s\n", "GATEWAY", "STATE", "WANTED", "RUNNING",
           "LINKS", "SESSIONS", "SEEN", "DAYS", "GEN");
}

static void print_fleet(const json_t *answer)
{
    const json_t *row;
    size_t i;

    print_head();
    json_array_foreach(json_object_get(answer, "gateways"), i, row)
    {
        print_row(row);
    }
}

static void print_list(const json_t *report, const char *list, const char *const *keys, size_t n)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(report, list), i, row)
    {
        printf("  ");
        for (size_t k = 0; k < n; k++)
            printf(k + 1 < n ? "%-24s " : "%s\n", word(row, keys[k]));
    }
}

static void print_gateway(const json_t *answer)
{
    static const char *const links[] = {"interface", "peer", "state"}, *const sessions[] = {
                                                                           "neighbor", "peer",
                                                                           "bgp", "bfd"};
    const json_t *report = json_object_get(answer, "report");
    const json_t *missing = json_object_get(json_object_get(report, "prefixes"), "missing"), *one;
    size_t i;

    print_head();
    print_row(answer);
    json_array_foreach(json_object_get(report, "problems"), i, one)
    {
        const char *text = json_string_value(one);

        printf("problem: %s\n", text && value_valid(text, strlen(text)) ? text : "(see --json)");
    }
    puts("links:");
    print_list(report, "links", links, 3);
    puts("sessions:");
    print_list(report, "sessions", sessions, 4);
    json_array_foreach(missing, i, one)
    {
        const char *prefix = json_string_value(one);

        printf("no route to %s\n", prefix && value_valid(prefix, strlen(prefix)) ? prefix : "?");
    }
}

static int ask_once(const struct cli_args *args, const char *path)
{
    struct error_list err = ERROR_LIST_INIT;
    json_t *answer = NULL;
    int r = service_ask(&args->service, "GET", path, NULL, &answer, &err);

    if (r == 0 && args->json)
        print_json(answer);
    else if (r == 0 && args->argument)
        print_gateway(answer);
    else if (r == 0)
        print_fleet(answer);
    json_decref(answer);
    return finish(r, &err);
}

int cli_status(const struct cli_args *args)
{
    _cleanup_free_ char *path =
        args->argument ? xasprintf("/v1/gateways/%s", args->argument) : xstrdup("/v1/fleet");
    int r;

    if (args->argument && !name_valid(args->argument)) {
        fprintf(stderr, "p2pvpn-ctl status: this is not the name of a gateway\n");
        return EXIT_INPUT;
    }
    for (;;) {
        if (args->watch && isatty(STDOUT_FILENO))
            fputs("\033[H\033[2J", stdout);
        r = ask_once(args, path);
        if (!args->watch || fflush(stdout) != 0)
            return r;
        sleep(WATCH_SECONDS);
    }
}
