/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: the controller's voice on standard error, one sentence a line, with the priority that the
 * journal takes from its beginning.  Only cli.c, server.c and those that act by themselves speak.
 */
#ifndef P2PVPN_SERVICE_LOG_H
#define P2PVPN_SERVICE_LOG_H

#include "common/error.h"

enum say_level { SAY_ERROR = 3, SAY_WARNING, SAY_NOTICE, SAY_INFO };

void say(enum say_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Each item is one line; empties the list. */
void say_errors(enum say_level level, struct error_list *err);

#endif
