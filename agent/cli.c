/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/enroll.h"
#include "agent/log.h"
#include "agent/loop.h"
#include "agent/once.h"
#include "agent/settings.h"
#include "agent/status.h"
#include "agent/status_print.h"
#include "common/alloc.h"

static const char usage[] =
    "usage: p2pvpn-agent VERB [OPTIONS] [ARGUMENTS]\n"
    "\n"
    "  apply BUNDLE             make this gateway what the bundle says, once\n"
    "  plan BUNDLE              print what that would do, and why (also: apply --dry-run)\n"
    "  run BUNDLE               the same, then stay, watch the bundle and the gateway, and repair\n"
    "  status [--json]          links, sessions and routes; exit status 1 if something is wrong\n"
    "  enroll --gateway NAME [-o REQUEST]\n"
    "                           make this gateway's key and a request for its certificate\n"
    "  enroll --install ANSWER  install the certificates that answer the request\n"
    "  remove                   take everything away that the agent made; keys stay\n"
    "\n"
    "BUNDLE is a folder or an archive, as p2pvpn-ctl compile wrote it.\n"
    "\n"
    "options:\n"
    "  --state DIR              keys and the bundle in force (default " SETTINGS_STATE_DIR ")\n"
    "  --run-dir DIR            sockets, logs, locks (default " SETTINGS_RUN_DIR ")\n"
    "  --link-user USER         whom OpenVPN runs as (default " SETTINGS_LINK_USER ")\n"
    "  --origins FILE           the mesh's table of origins, for a bundle that wants it\n"
    "                           (default " SETTINGS_ORIGINS ")\n"
    "  --frr-namespace NAME     the FRR whose daemons run with -N NAME\n"
    "  --no-frr                 leave FRR alone: links only\n"
    "  -h, --help               this text\n"
    "  -V, --version            the version\n"
    "\n"
    "Exit status: 0 done, 1 the input or the state is wrong, 2 usage, 3 the system failed.\n"
    "p2pvpn-agent(8) tells more.\n";

struct options {
    struct settings settings;
    bool json, dry_run;
    const char *gateway, *install, *output; /* of enroll */
};

struct verb {
    const char *name;
    int min_args, max_args;
    int (*run)(const struct options *o, char **args, struct error_list *err);
};

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
    return loop_run(&o->settings, args[0], err);
}

static int verb_enroll(const struct options *o, char **args, struct error_list *err)
{
    (void)args;
    return o->install ? enroll_install(&o->settings, o->install, err)
                      : enroll_request(&o->settings, o->gateway, o->output, err);
}

/* A gateway with problems is a state that is wrong: scripts see it by the exit code. */
static int verb_status(const struct options *o, char **args, struct error_list *err)
{
    _cleanup_free_ char *current = settings_current_dir(&o->settings);
    _cleanup_free_ char *management = settings_management_dir(&o->settings);
    _cleanup_free_ char *origins = settings_origins_copy(&o->settings);
    _cleanup_free_ char *report = settings_origin_report(&o->settings);
    const struct status_query query = {
        .bundle_dir = current,
        .management_dir = management,
        .log_dir = o->settings.run_dir,
        .origins = origins,
        .origin_report = report,
        .frr_namespace = o->settings.frr_namespace,
        .no_frr = o->settings.no_frr,
    };
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct status *status = NULL;
    int r = status_collect(&query, &status, err);

    (void)args;
    if (r < 0)
        return r;
    (o->json ? status_print_json : status_print_text)(status, &text);
    fputs(buf_cstr(&text), stdout);
    r = status->problems.n ? -EINVAL : 0;
    status_free(status);
    return r;
}

static int verb_remove(const struct options *o, char **args, struct error_list *err)
{
    (void)args;
    return once_remove(&o->settings, err);
}

static const struct verb verbs[] = {
    {"apply", 1, 1, verb_apply},   {"plan", 1, 1, verb_plan},     {"run", 1, 1, verb_run},
    {"enroll", 0, 0, verb_enroll}, {"remove", 0, 0, verb_remove}, {"status", 0, 0, verb_status},
};

enum {
    OPT_STATE = 256,
    OPT_RUN_DIR,
    OPT_LINK_USER,
    OPT_ORIGINS,
    OPT_FRR_NAMESPACE,
    OPT_NO_FRR,
    OPT_DRY_RUN,
    OPT_GATEWAY,
    OPT_INSTALL,
    OPT_JSON,
};

static const struct option long_options[] = {
    {"state", required_argument, NULL, OPT_STATE},
    {"run-dir", required_argument, NULL, OPT_RUN_DIR},
    {"link-user", required_argument, NULL, OPT_LINK_USER},
    {"origins", required_argument, NULL, OPT_ORIGINS},
    {"frr-namespace", required_argument, NULL, OPT_FRR_NAMESPACE},
    {"no-frr", no_argument, NULL, OPT_NO_FRR},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"gateway", required_argument, NULL, OPT_GATEWAY},
    {"install", required_argument, NULL, OPT_INSTALL},
    {"output", required_argument, NULL, 'o'},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static int usage_error(const char *sentence, const char *what)
{
    fprintf(stderr, "p2pvpn-agent: %s%s; 'p2pvpn-agent --help' tells the usage\n", sentence, what);
    return EXIT_USAGE;
}

/* EXIT_DONE and *stop: help or version was printed. */
static int parse_options(int argc, char **argv, struct options *o, bool *stop)
{
    int c;

    while ((c = getopt_long(argc, argv, "ho:V", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_STATE:
            o->settings.state_dir = optarg;
            break;
        case OPT_RUN_DIR:
            o->settings.run_dir = optarg;
            break;
        case OPT_LINK_USER:
            o->settings.link_user = optarg;
            break;
        case OPT_ORIGINS:
            o->settings.origins = optarg;
            break;
        case OPT_FRR_NAMESPACE:
            o->settings.frr_namespace = optarg;
            break;
        case OPT_NO_FRR:
            o->settings.no_frr = true;
            break;
        case OPT_DRY_RUN:
            o->dry_run = true;
            break;
        case OPT_GATEWAY:
            o->gateway = optarg;
            break;
        case OPT_INSTALL:
            o->install = optarg;
            break;
        case OPT_JSON:
            o->json = true;
            break;
        case 'o':
            o->output = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            *stop = true;
            return EXIT_DONE;
        case 'V':
            puts("p2pvpn-agent " P2PVPN_VERSION);
            *stop = true;
            return EXIT_DONE;
        default:
            return EXIT_USAGE; /* getopt_long() said why */
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

static int run_verb(const struct verb *verb, struct options *o, char **args)
{
    struct error_list err = ERROR_LIST_INIT;
    int r = 0;

    if (geteuid() != 0)
        r = error_sys(&err, EPERM, NULL, "'p2pvpn-agent %s' needs root's rights: run it as root",
                      verb->name);
    if (r == 0 && verb->run != verb_status)
        r = settings_resolve_user(&o->settings, &err);
    if (r == 0)
        r = verb->run(o, args, &err);
    error_sort(&err);
    log_errors(LOG_LEVEL_ERROR, &err);
    error_clear(&err);
    return error_exit_code(r);
}

int agent_main(int argc, char **argv)
{
    struct options o = {
        .settings = {.state_dir = SETTINGS_STATE_DIR,
                     .run_dir = SETTINGS_RUN_DIR,
                     .origins = SETTINGS_ORIGINS,
                     .link_user = SETTINGS_LINK_USER},
    };
    _cleanup_free_ char *state_dir = NULL, *run_dir = NULL;
    const struct verb *verb;
    bool stop = false;
    int r = parse_options(argc, argv, &o, &stop), n;

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
    if (verb->run == verb_enroll && !o.gateway == !o.install)
        return usage_error("enroll wants either --gateway NAME or --install ANSWER", "");
    o.settings.state_dir = state_dir = absolute(o.settings.state_dir);
    o.settings.run_dir = run_dir = absolute(o.settings.run_dir);
    return run_verb(verb, &o, argv + optind + 1);
}
