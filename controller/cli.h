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
#include <stdint.h>

/* The options of all commands; which of them a command takes, its table entry says. */
struct cli_args {
    const char *command;   /* "compile", "ca init" */
    const char *argument;  /* the one thing it works on; NULL with a command that has none */
    const char *output;    /* -o */
    const char *lock;      /* --lock */
    const char *templates; /* --templates */
    const char *ca;        /* --ca */
    const char *name;      /* --name */
    uint32_t generation;   /* --generation, 0: not given */
    bool json, quiet;
};

/* Returns the exit code (common/error.h). */
int cli_main(int argc, char **argv);

/* The commands. */
int cli_compile(const struct cli_args *args);
int cli_ca_init(const struct cli_args *args);
int cli_enroll(const struct cli_args *args);
int cli_import(const struct cli_args *args);

#endif
