/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: the agent's voice on standard error, one sentence a line.
 *
 * Where standard error is the journal, each sentence is an entry with its priority and, where they
 * are known, P2PVPN_GATEWAY, P2PVPN_REVISION, P2PVPN_LINK and P2PVPN_PEER; those worth waking
 * somebody for have a MESSAGE_ID (the table in docs/gateway-guide.md).  Only the programs'
 * outermost layer speaks: cli.c, loop.c, supervise.c and the like.
 */
#ifndef P2PVPN_AGENT_LOG_H
#define P2PVPN_AGENT_LOG_H

#include "common/error.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO };

enum log_event {
    LOG_EVENT_NONE,
    LOG_EVENT_IN_FORCE,       /* another bundle is in force */
    LOG_EVENT_CONFIRMED,      /* and stays */
    LOG_EVENT_ROLLED_BACK,    /* or not */
    LOG_EVENT_BUNDLE_REFUSED, /* what is at the source is no bundle for this gateway */
    LOG_EVENT_LINK_DIED,      /* a link's OpenVPN ended by itself */
    LOG_EVENT_FRR_FAILED,     /* FRR does not hold what it should, and it cannot be given it */
    LOG_EVENT_LINKS_FAILED,   /* the same of interfaces, addresses, processes */
    LOG_EVENT_REPAIRED,       /* something that others had changed is as it should be again */
    LOG_EVENT_FOUGHT,         /* others change it again and again */
    LOG_EVENT_REPOSITORY,     /* what a repository says is refused, or it is frozen */
};

/* Of all entries from now on; both are copied. */
void log_set_bundle(const char *gateway, const char *revision);

void log_say(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_event(enum log_event event, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* About one link; peer may be NULL. */
void log_link(enum log_event event, enum log_level level, const char *interface, const char *peer,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Every line of a text behind this prefix; of a long text only how many lines it has. */
void log_lines(enum log_event event, enum log_level level, const char *prefix, const char *text);
#define LOG_LINES_MAX 24

/* Every item of the list as one line; the list stays as it is. */
void log_errors(enum log_level level, const struct error_list *err);

/* A report that is made again and again: says what is wrong unless that was just said, and says
 * when it is over.  *told, on the heap and NULL at first, is what was said last. */
void log_report(enum log_event event, char **told, const struct error_list *err);

/* The MESSAGE_ID of an event, 32 hexadecimal digits; "" of LOG_EVENT_NONE. */
const char *log_event_id(enum log_event event);

#endif
