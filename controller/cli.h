/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of p2pvpn-ctl: finds the command, reads its options, prints what came of it.
 *
 * The commands are a table in cli.c; each is one function that gets its options read and checked.
 * Results go to standard output, problems and progress to standard error.
 */
#ifndef P2PVPN_CONTROLLER_CLI_H
#define P2PVPN_CONTROLLER_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/url.h"
#include "controller/service_ask.h"

/* The options of all commands; which of them a command takes, its table entry says. */
struct cli_args {
    const char *command;   /* "compile", "ca init" */
    const char *argument;  /* the one thing it works on; NULL with a command that has none */
    const char *output;    /* -o */
    const char *lock;      /* --lock */
    const char *keys;      /* --keys: a file, or with a repository a folder */
    const char *templates; /* --templates */
    const char *ca;        /* --ca */
    const char *name;      /* --name */
    const char *urls[URL_MIRRORS_MAX]; /* --url, once or more */
    size_t n_urls;
    const char *gateway; /* --gateway */
    const char *frr;     /* --frr */
    const char *format;  /* --format */
    uint32_t generation; /* --generation, 0: not given */
    uint32_t threads;    /* --threads, 0: not given */
    bool json, quiet;
    bool no_passphrase;          /* --no-passphrase */
    const char *against;         /* --against */
    bool allow_shrink;           /* --allow-shrink */
    bool detailed;               /* --detailed-exitcode */
    const char *passphrase_file; /* --passphrase-file */
    const char *expires;         /* --expires */
    const char *from;            /* --from */
    const char *role;            /* --role */
    const char *repository;      /* --repository */
    const char *repo_keys;       /* --repository-keys */
    bool finish;                 /* --finish */
    uint32_t root_keys;          /* --root-keys, 0: not given */
    uint32_t root_threshold;     /* --root-threshold, 0: not given */
    struct service service;      /* --socket; or --controller, --certificate, --pin */
    uint32_t hours;              /* --hours, 0: not given */
    bool watch;                  /* --watch */
};

/* Returns the exit code (common/error.h). */
int cli_main(int argc, char **argv);

/* What several commands print: each warning as a line on standard error, and as the elements of a
 * JSON array (cli_compile.c); what a mesh costs as the members of a JSON object (cli_cost.c). */
struct buf;
struct cost_figures;
struct error_list;
void cli_print_warnings(const struct error_list *warnings);
void cli_add_warnings(struct buf *b, const struct error_list *warnings);
void cli_add_figures(struct buf *b, const struct cost_figures *f);

/* Root may write into anybody's folder, but keys that it makes there are root's alone, and whoever
 * has the folder, such as the controller, stands without.  -EINVAL: it is another's, and *err says
 * how to go on. */
int cli_check_owner(const struct cli_args *args, const char *folder, struct error_list *err);

/* The commands. */
int cli_compile(const struct cli_args *args);
int cli_cost(const struct cli_args *args);
int cli_ca_init(const struct cli_args *args);
int cli_ca_rollover(const struct cli_args *args);
int cli_ca_switch(const struct cli_args *args);
int cli_ca_retire(const struct cli_args *args);
int cli_ca_operator(const struct cli_args *args);
int cli_enroll(const struct cli_args *args);
int cli_revoke(const struct cli_args *args);
int cli_rekey(const struct cli_args *args);
int cli_import(const struct cli_args *args);
int cli_init(const struct cli_args *args);
int cli_plan(const struct cli_args *args);

/* Progress of a compilation on standard error, for a terminal only; with 0 of 0 it begins. */
void cli_progress(size_t done, size_t total);

/* The words of a change, and all of it as JSON (cli_plan_json.c). */
struct preview;
const char *cli_change_word(int what);
void cli_add_plan(struct buf *b, const struct preview *p, const char *gateway);
void cli_add_plan_text(struct buf *b, const struct preview *p); /* for people (cli_plan.c) */
int cli_show_topology(const struct cli_args *args);

/* The repository (cli_repo.c). */
struct repository_result;
void cli_add_repository(struct buf *b, const struct repository_result *r, bool json);
int cli_publish(const struct cli_args *args);
int cli_repo_init(const struct cli_args *args);
int cli_repo_publish(const struct cli_args *args);
int cli_repo_refresh(const struct cli_args *args);
int cli_repo_rotate(const struct cli_args *args);
int cli_repo_sign(const struct cli_args *args);
int cli_repo_check(const struct cli_args *args);

/* The controller is asked (cli_service.c). */
int cli_token_create(const struct cli_args *args);
int cli_token_list(const struct cli_args *args);
int cli_token_revoke(const struct cli_args *args);
int cli_status(const struct cli_args *args);
int cli_sync(const struct cli_args *args); /* cli_sync.c */

#endif
