/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: the agent's voice on standard error, one sentence a line.
 *
 * Where standard error is the journal (JOURNAL_STREAM, sd-daemon(3)) each line begins with its
 * priority as <N>, so that journalctl -p works.  Only the programs' outermost layer speaks: cli.c,
 * loop.c, supervise.c.
 */
#ifndef P2PVPN_AGENT_LOG_H
#define P2PVPN_AGENT_LOG_H

#include "common/error.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO };

void log_say(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Every line of a text behind this prefix; of a long text only how many lines it has. */
void log_lines(enum log_level level, const char *prefix, const char *text);
#define LOG_LINES_MAX 24

/* Every item of the list as one line; the list stays as it is. */
void log_errors(enum log_level level, const struct error_list *err);

/* A report that is made again and again: says what is wrong unless that was just said, and says
 * when it is over.  *told, on the heap and NULL at first, is what was said last. */
void log_report(char **told, const struct error_list *err);

#endif
