/* SPDX-License-Identifier: Apache-2.0 */
/* `p2pvpn-ctl token ...` and `p2pvpn-ctl status`: what the controller is asked and what is printed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/name.h"
#include "controller/cli.h"
#include "controller/fleet_text.h"
#include "controller/service_ask.h"

#define WATCH_SECONDS 2

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

static int64_t number(const json_t *answer, const char *key)
{
    return json_integer_value(json_object_get(answer, key));
}

/* --- tokens ------------------------------------------------------------------------------------
 */

int cli_token_create(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    json_t *body = json_pack("{s:s}", "gateway", args->argument), *answer = NULL;
    char until[FLEET_TEXT_TIME_SIZE];
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
        puts(fleet_text_word(answer, "token"));
        if (!args->quiet)
            fprintf(stderr, "For %s, generation %" PRId64 ", once, until %s UTC\n",
                    fleet_text_word(answer, "gateway"), number(answer, "generation"),
                    fleet_text_time(number(answer, "expires"), until));
    }
    json_decref(answer);
    return finish(r, &err);
}

int cli_token_list(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    json_t *answer = NULL;
    int r = service_ask(&args->service, "GET", "/v1/tokens", NULL, &answer, &err);

    if (r == 0 && args->json) {
        print_json(answer);
    } else if (r == 0) {
        fleet_text_tokens(answer, &text);
        fputs(buf_cstr(&text), stdout);
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

static int ask_once(const struct cli_args *args, const char *path)
{
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    json_t *answer = NULL;
    int r = service_ask(&args->service, "GET", path, NULL, &answer, &err);

    if (r == 0 && !args->json && args->argument)
        fleet_text_gateway(answer, &text);
    else if (r == 0 && !args->json)
        fleet_text_fleet(answer, &text);
    if (args->watch && isatty(STDOUT_FILENO))
        fputs("\033[H\033[2J", stdout);
    if (r == 0 && args->json)
        print_json(answer);
    fputs(buf_cstr(&text), stdout);
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
        r = ask_once(args, path);
        if (!args->watch || fflush(stdout) != 0)
            return r;
        sleep(WATCH_SECONDS);
    }
}
