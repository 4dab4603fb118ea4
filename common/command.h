/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command: runs one program to its end and keeps what it printed.  The only place that starts a
 * program and waits for it (OpenVPN, which stays, is supervised elsewhere).
 *
 * No shell: argv is passed as it is, argv[0] is an absolute path.  The program gets an environment
 * of our own (PATH, LC_ALL, HOME), no descriptor but 0, 1 and 2, default signals, its own process
 * group, and SIGKILL when we die, so that nothing goes on acting behind a new agent's back.
 * Input comes from memory (an anonymous file): a program may open /proc/self/fd/0 as a private
 * file.
 *
 * Both pipes are drained until their end, then the program is waited for; past the time limit the
 * whole group gets SIGKILL.  Output beyond the cap is read and dropped, so that a program that
 * prints without end stops at its time limit and not at a full pipe.
 */
#ifndef P2PVPN_COMMON_COMMAND_H
#define P2PVPN_COMMON_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

struct command {
    const char *const *argv; /* NULL-terminated; argv[0] absolute */
    const char *input;       /* NULL: /dev/null */
    size_t input_len;
    unsigned timeout_ms; /* for everything; 0 is 10 s */
    size_t max_output;   /* bytes kept per stream; 0 is 64 MiB */
};

struct command_result {
    bool timed_out;
    int signal; /* that ended it, 0: none */
    int status; /* exit status, -1 when there is none */
    bool truncated;
    struct buf output, errors; /* standard output and standard error */
};

#define COMMAND_RESULT_INIT                \
    {                                      \
        false, 0, -1, false, {NULL, 0, 0}, \
        {                                  \
            NULL, 0, 0                     \
        }                                  \
    }

/* 0: it ran; how it ended is in *ret, also when it was killed at its time limit.  Otherwise a
 * negative errno with *err filled: it could not be started (-ENOENT: no such program). */
int command_run(const struct command *c, struct command_result *ret, struct error_list *err);

/* It ran to its end and exited with 0. */
bool command_succeeded(const struct command_result *r);
void command_result_clear(struct command_result *r);

#endif
