/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/drain_wait.h"
#include "agent/enroll.h"
#include "agent/fetch.h"
#include "agent/log.h"
#include "agent/loop.h"
#include "agent/metrics_file.h"
#include "agent/once.h"
#include "agent/reach.h"
#include "agent/reader.h"
#include "agent/report.h"
#include "agent/reporter.h"
#include "agent/repository.h"
#include "agent/settings.h"
#include "agent/settings_file.h"
#include "agent/status.h"
#include "agent/status_print.h"
#include "agent/supervise.h"
#include "common/alloc.h"

static const char usage[] =
    "usage: p2pvpn-agent VERB [OPTIONS] [ARGUMENTS]\n"
    "\n"
    "  apply BUNDLE             make this gateway what the bundle says, once\n"
    "  plan BUNDLE              print what that would do, and why (also: apply --dry-run)\n"
    "  run [BUNDLE]             the same, then stay, watch the bundle and the gateway, and repair\n"
    "  rollback                 the running agent goes back to the bundle of before\n"
    "  confirm                  the running agent keeps the change that it is proving\n"
    "  reload                   the running agent looks at everything again\n"
    "  drain [--wait SECONDS]   the running agent moves traffic to other gateways, for "
    "maintenance;\n"
    "                           until undrain.  Waits until it is gone, 30 s at most if not told\n"
    "                           otherwise; exit status 1 if some stays\n"
    "  undrain                  the gateway is used again\n"
    "  status [--json]          links, sessions and routes; exit status 1 if something is wrong\n"
    "  metrics                  the same for Prometheus\n"
    "  firewall [BUNDLE]        print the nftables table of the bundle, or of the one in force\n"
    "  enroll --gateway NAME [-o REQUEST]\n"
    "                           make this gateway's keys and a request for its certificate\n"
    "  enroll --renew [-o REQUEST]\n"
    "                           a request for another certificate for the same keys\n"
    "  enroll --rekey [-o REQUEST]\n"
    "                           new keys, which take the place of the old ones with the answer\n"
    "  enroll --install ANSWER  install the certificates that answer the request\n"
    "  enroll --controller URL [--token TOKEN | --token-file FILE] [--gateway NAME]\n"
    "                           all of that over the controller; without a token it has to be "
    "approved\n"
    "                           there, and --pin says whom to believe; --wait SECONDS for that\n"
    "  report [--once]          tell the controller the status, and renew the certificate when it "
    "has\n"
    "                           less than 120 days left; and stay to tell what changes\n"
    "  report --renew           once, and renew the certificate however long it is good\n"
    "  fetch [--once]           bring this gateway's bundle from the signed repository, and stay\n"
    "                           to bring the next; with --once only what is there now\n"
    "  settings                 print the settings that are in force, as a settings file\n"
    "  remove                   take everything away that the agent made; keys stay\n"
    "\n"
    "BUNDLE is a folder or an archive, as p2pvpn-ctl compile wrote it.\n"
    "\n"
    "settings, each of which may also stand in the settings file (p2pvpn-agent.conf(5)):\n";

static const char usage_end[] =
    "\n"
    "other options:\n"
    "  --config FILE            the settings file\n"
    "  --dry-run, --install ANSWER, -o REQUEST, --json, --once, --rekey, --renew,\n"
    "    --token TOKEN, --token-file FILE, --wait SECONDS\n"
    "                           of the verbs above\n"
    "  -h, --help               this text\n"
    "  -V, --version            the version\n"
    "\n"
    "Exit status: 0 done, 1 the input or the state is wrong, 2 usage, 3 the system failed.\n"
    "p2pvpn-agent(8) tells more.\n";

struct options {
    struct settings settings;
    const char **given; /* of each setting; NULL: not on the command line */
    const char *config; /* NULL: the default file */
    bool json, dry_run, once;
    const char *install, *output; /* of enroll, and: */
    enum key_wish wish;
    const char *token, *token_file;
    const char *wait; /* of drain and enroll; NULL: not said */
};

struct verb {
    const char *name;
    int min_args, max_args;
    int (*run)(const struct options *o, char **args, struct error_list *err);
    bool reads; /* a bundle, for which the reader needs its user */
};

/* On the command line. */
static bool was_given(const struct options *o, const char *setting)
{
    for (size_t i = 0; i < n_settings_table; i++)
        if (strcmp(settings_table[i].name, setting) == 0)
            return o->given[i] != NULL;
    return false;
}

static int verb_apply(const struct options *o, char **args, struct error_list *err)
{
    return o->dry_run ? once_plan(&o->settings, args[0], err)
                      : once_apply(&o->settings, args[0], err);
}

static int verb_plan(const struct options *o, char **args, struct error_list *err)
{
    return once_plan(&o->settings, args[0], err);
}

static int verb_run(const struct options *o, char **args, struct error_list *err)
{
    return loop_run(&o->settings, args[0] ? args[0] : o->settings.bundle, err);
}

/* Whether enroll talks to the controller itself. */
static bool is_online(const struct options *o)
{
    return was_given(o, "controller") || o->token || o->token_file;
}

/* --wait. */
static int parse_wait(const struct options *o, unsigned max, unsigned *seconds,
                      struct error_list *err)
{
    char *end;
    unsigned long n;

    if (!o->wait)
        return 0;
    n = strtoul(o->wait, &end, 10);
    if (!isdigit((unsigned char)*o->wait) || *end || n > max)
        return error_add(err, NULL, 0, NULL,
                         "--wait %s: give a number of seconds from 0 (do not wait) to %u", o->wait,
                         max);
    *seconds = (unsigned)n;
    return 0;
}

static int enroll_online(const struct options *o, struct error_list *err)
{
    struct enroll_order order = {.gateway = o->settings.gateway,
                                 .wish = o->wish,
                                 .token = o->token,
                                 .token_file = o->token_file};
    int r = parse_wait(o, ENROLL_WAIT_MAX_S, &order.wait, err);

    return r == 0 ? enroll_at_controller(&o->settings, &order, err) : r;
}

static int verb_enroll(const struct options *o, char **args, struct error_list *err)
{
    const char *gateway = was_given(o, "gateway") ? o->settings.gateway : NULL;

    (void)args;
    if (is_online(o))
        return enroll_online(o, err);
    return o->install ? enroll_install(&o->settings, o->install, err)
                      : enroll_request(&o->settings, gateway, o->wish, o->output, err);
}

static int verb_fetch(const struct options *o, char **args, struct error_list *err)
{
    (void)args;
    return fetch_run(&o->settings, o->once, err);
}

static int verb_report(const struct options *o, char **args, struct error_list *err)
{
    bool renew = o->wish == KEY_RENEW;

    (void)args;
    return o->once || renew ? report_once(&o->settings, renew, err)
                            : reporter_run(&o->settings, err);
}

/* A gateway with problems is a state that is wrong: scripts see it by the exit code. */
static int verb_status(const struct options *o, char **args, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct arena paths = ARENA_INIT;
    const struct status_query query = status_query_of(&o->settings, &paths);
    struct status *status = NULL;
    int r = status_collect(&query, &status, err);

    (void)args;
    if (r == 0) {
        (o->json ? status_print_json : status_print_text)(status, &text);
        fputs(buf_cstr(&text), stdout);
        r = status->problems.n ? -EINVAL : 0;
    }
    status_free(status);
    arena_free(&paths);
    return r;
}

static int verb_metrics(const struct options *o, char **args, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = metrics_collect(&o->settings, NULL, &text, err);

    (void)args;
    fputs(buf_cstr(&text), stdout);
    return r;
}

/* A command for the running agent. */
static int ask(const struct options *o, const char *verb, struct error_list *err)
{
    _cleanup_buf_ struct buf said = BUF_INIT;
    int r = control_ask(&o->settings, verb, NULL, &said, err);

    if (r == 0)
        puts(buf_cstr(&said));
    return r;
}

static int verb_rollback(const struct options *o, char **args, struct error_list *err)
{
    (void)args;
    return ask(o, "rollback", err);
}

static int verb_confirm(const struct options *o, char **args, struct error_list *err)
{
    (void)args;
    return ask(o, "confirm", err);
}

static int verb_reload(const struct options *o, char **args, struct error_list *err)
{
    (void)args;
    return ask(o, "reload", err);
}

static int verb_firewall(const struct options *o, char **args, struct error_list *err)
{
    return once_firewall(&o->settings, args[0], err);
}

static int verb_drain(const struct options *o, char **args, struct error_list *err)
{
    unsigned seconds = DRAIN_WAIT_S;
    int r = parse_wait(o, DRAIN_WAIT_MAX_S, &seconds, err);

    (void)args;
    if (r == 0)
        r = ask(o, "drain", err);
    fflush(stdout);
    return r == 0 && seconds > 0 ? drain_wait(&o->settings, seconds, err) : r;
}

static int verb_undrain(const struct options *o, char **args, struct error_list *err)
{
    (void)args;
    return ask(o, "undrain", err);
}

static int verb_remove(const struct options *o, char **args, struct error_list *err)
{
    (void)args;
    return once_remove(&o->settings, err);
}

static int verb_settings(const struct options *o, char **args, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    (void)args;
    (void)err;
    settings_file_format(&o->settings, &text);
    fputs(buf_cstr(&text), stdout);
    return 0;
}

static const struct verb verbs[] = {
    {"apply", 1, 1, verb_apply, true},
    {"plan", 1, 1, verb_plan, true},
    {"run", 0, 1, verb_run, true},
    {"enroll", 0, 0, verb_enroll, false},
    {"remove", 0, 0, verb_remove, true},
    {"status", 0, 0, verb_status, true},
    {"rollback", 0, 0, verb_rollback, false},
    {"confirm", 0, 0, verb_confirm, false},
    {"reload", 0, 0, verb_reload, false},
    {"settings", 0, 0, verb_settings, false},
    {"metrics", 0, 0, verb_metrics, true},
    {"firewall", 0, 1, verb_firewall, true},
    {"drain", 0, 0, verb_drain, true},
    {"undrain", 0, 0, verb_undrain, false},
    {"fetch", 0, 0, verb_fetch, false},
    {"report", 0, 0, verb_report, true},
};

enum {
    OPT_CONFIG = 256,
    OPT_DRY_RUN,
    OPT_INSTALL,
    OPT_JSON,
    OPT_ONCE,
    OPT_REKEY,
    OPT_RENEW,
    OPT_TOKEN,
    OPT_TOKEN_FILE,
    OPT_WAIT,
    OPT_SETTING, /* the first of the table, the others behind it */
};

static const struct option own_options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"install", required_argument, NULL, OPT_INSTALL},
    {"output", required_argument, NULL, 'o'},
    {"json", no_argument, NULL, OPT_JSON},
    {"once", no_argument, NULL, OPT_ONCE},
    {"rekey", no_argument, NULL, OPT_REKEY},
    {"renew", no_argument, NULL, OPT_RENEW},
    {"token", required_argument, NULL, OPT_TOKEN},
    {"token-file", required_argument, NULL, OPT_TOKEN_FILE},
    {"wait", required_argument, NULL, OPT_WAIT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
};
#define N_OWN (sizeof(own_options) / sizeof(own_options[0]))

/* What getopt_long() wants: our own and a row of each setting.  The caller frees it. */
static struct option *all_options(void)
{
    struct option *all = xcalloc(N_OWN + n_settings_table + 1, sizeof(*all));

    memcpy(all, own_options, sizeof(own_options));
    for (size_t i = 0; i < n_settings_table; i++)
        all[N_OWN + i] = (struct option){
            .name = settings_table[i].name,
            .has_arg = settings_table[i].argument ? required_argument : no_argument,
            .val = OPT_SETTING + (int)i,
        };
    return all;
}

static void print_usage(void)
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    buf_str(&text, usage);
    settings_help(&text);
    buf_str(&text, usage_end);
    fputs(buf_cstr(&text), stdout);
}

static int usage_error(const char *sentence, const char *what)
{
    fprintf(stderr, "p2pvpn-agent: %s%s; 'p2pvpn-agent --help' tells the usage\n", sentence, what);
    return EXIT_USAGE;
}

/* EXIT_DONE and *stop: help or version was printed. */
static int parse_options(int argc, char **argv, struct options *o, bool *stop)
{
    _cleanup_free_ struct option *options = all_options();
    int c;

    while ((c = getopt_long(argc, argv, "ho:V", options, NULL)) != -1) {
        switch (c) {
        case OPT_CONFIG:
            o->config = optarg;
            break;
        case OPT_DRY_RUN:
            o->dry_run = true;
            break;
        case OPT_INSTALL:
            o->install = optarg;
            break;
        case OPT_JSON:
            o->json = true;
            break;
        case OPT_ONCE:
            o->once = true;
            break;
        case OPT_REKEY:
            o->wish = KEY_REPLACE;
            break;
        case OPT_RENEW:
            o->wish = KEY_RENEW;
            break;
        case OPT_TOKEN:
            o->token = optarg;
            break;
        case OPT_TOKEN_FILE:
            o->token_file = optarg;
            break;
        case OPT_WAIT:
            o->wait = optarg;
            break;
        case 'o':
            o->output = optarg;
            break;
        case 'h':
            print_usage();
            *stop = true;
            return EXIT_DONE;
        case 'V':
            puts("p2pvpn-agent " P2PVPN_VERSION);
            *stop = true;
            return EXIT_DONE;
        default:
            if (c < OPT_SETTING)
                return EXIT_USAGE;                               /* getopt_long() said why */
            o->given[c - OPT_SETTING] = optarg ? optarg : "yes"; /* a switch */
        }
    }
    return EXIT_DONE;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* Programs that are started have another working directory, and the link user may have no right to
 * pass through this one (/root): so what is there is resolved, and what is not yet is appended. The
 * caller frees it. */
static char *absolute(const char *path)
{
    _cleanup_free_ char *head = xasprintf("./%s", path);
    char *real = NULL;
    size_t end = strlen(head);

    if (path[0] == '/')
        return xstrdup(path);
    while (!(real = realpath(head, NULL)) && end > 1) {
        while (head[--end] != '/')
            continue;
        head[end] = '\0';
    }
    if (real && end < strlen(path) + 2) { /* "./" stands before it; end is at a slash */
        char *whole = xasprintf("%s/%s", real, path + (end - 1));

        free(real);
        return whole;
    }
    return real ? real : xstrdup(path);
}

/* From the defaults, over the file, to the command line, which wins. */
static int read_settings(struct options *o, struct arena *keep, struct error_list *err)
{
    int r = settings_file_read(o->config, keep, &o->settings, err);

    for (size_t i = 0; i < n_settings_table; i++) {
        const struct setting *t = &settings_table[i];
        _cleanup_free_ char *path = NULL;
        const char *value = o->given[i];
        int set;

        if (!value)
            continue;
        if (t->type == SETTING_PATH && *value)
            value = path = absolute(value);
        set = setting_set(t, value, NULL, 0, keep, &o->settings, err);
        r = r < 0 ? r : set;
    }
    if (r == 0)
        repository_default_source(&o->settings, keep);
    return r;
}

/* What neither needs root nor touches the gateway. */
static bool is_modest(const struct verb *verb)
{
    return verb->run == verb_settings || verb->run == verb_fetch;
}

static int run_verb(const struct verb *verb, struct options *o, char **args)
{
    struct error_list err = ERROR_LIST_INIT;
    struct arena keep = ARENA_INIT;
    int r = read_settings(o, &keep, &err);

    if (r == 0 && geteuid() != 0 && !is_modest(verb))
        r = error_sys(&err, EPERM, NULL, "'p2pvpn-agent %s' needs root's rights: run it as root",
                      verb->name);
    if (r == 0)
        r = supervisor_check(&o->settings, &err);
    if (r == 0 && o->settings.reach)
        r = reach_check(o->settings.reach, &err);
    if (r == 0 && verb->run != verb_status && verb->run != verb_metrics && !is_modest(verb))
        r = settings_resolve_user(&o->settings, &err);
    if (r == 0 && verb->reads)
        r = settings_resolve_reader(&o->settings, &err);
    if (r == 0)
        r = verb->run(o, args, &err);
    error_sort(&err);
    log_errors(LOG_LEVEL_ERROR, &err);
    error_clear(&err);
    arena_free(&keep);
    return error_exit_code(r);
}

/* NULL: it is clear what is wanted. */
static const char *enroll_misuse(const struct options *o)
{
    if (!is_online(o))
        return (!was_given(o, "gateway") && o->wish == KEY_KEEP) == !o->install
                   ? "enroll wants one of --gateway NAME, --renew, --rekey, --install ANSWER and "
                     "--controller URL"
                   : NULL;
    if (o->install || o->output)
        return "over the controller there are no files: leave --install and -o away";
    return o->token && o->token_file ? "enroll wants one of --token and --token-file" : NULL;
}

int agent_main(int argc, char **argv)
{
    _cleanup_free_ const char **given = xcalloc(n_settings_table, sizeof(*given));
    struct options o = {.given = given};
    const struct verb *verb;
    const char *why;
    bool stop = false;
    int r, n;

    /* Not for people: p2pvpn-reader@.service(8). */
    if (argc == 2 && strcmp(argv[1], "reader") == 0)
        return reader_serve(STDIN_FILENO) < 0 ? EXIT_SYSTEM : EXIT_DONE;
    settings_defaults(&o.settings);
    r = parse_options(argc, argv, &o, &stop);
    if (r != EXIT_DONE || stop)
        return r;
    if (optind == argc)
        return usage_error("say what to do", "");
    verb = find_verb(argv[optind]);
    if (!verb)
        return usage_error("there is no verb ", argv[optind]);
    n = argc - optind - 1;
    if (n < verb->min_args || n > verb->max_args)
        return usage_error(n < verb->min_args ? "a folder is missing after "
                                              : "too many words after ",
                           verb->name);
    if (verb->run == verb_enroll && (why = enroll_misuse(&o)) != NULL)
        return usage_error(why, "");
    return run_verb(verb, &o, argv + optind + 1);
}
