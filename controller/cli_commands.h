/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of p2pvpn-ctl as a table: their names, what they take, what --help says of them, and
 * the function that runs.  The letters are those of the options in cli.c.
 */
#ifndef P2PVPN_CONTROLLER_CLI_COMMANDS_H
#define P2PVPN_CONTROLLER_CLI_COMMANDS_H

#include <stddef.h>

#include "controller/cli.h"

struct command {
    const char *name;     /* one or two words */
    const char *argument; /* what it works on, for the usage; NULL: nothing; "[X]": or nothing */
    const char *options;  /* letters of those it takes */
    const char *needs;    /* letters of those it must have */
    const char *usage, *summary, *help;
    int (*run)(const struct cli_args *args);
};

extern const struct command cli_commands[]; /* in the order in which they are listed */
extern const size_t n_cli_commands;

#endif
