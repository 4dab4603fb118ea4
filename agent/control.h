/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control: how an operator's commands reach the running agent.
 *
 * RUN/control.sock belongs to root, and only root is heard.  A client sends one line, "VERB" or
 * "VERB WORD", and gets "ok" or "error" and, behind a blank, sentences, a line each; then the
 * connection is closed.  Verbs carry no paths and no arguments of programs.
 *
 * Nothing here blocks: a descriptor becomes readable when control_run() should be called, and a
 * deadline says when at the latest.  Clients are few and bounded in memory and time.
 */
#ifndef P2PVPN_AGENT_CONTROL_H
#define P2PVPN_AGENT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/settings.h"
#include "common/buf.h"
#include "common/error.h"

#define CONTROL_SOCKET "control.sock"
#define CONTROL_LINE_MAX 128
#define CONTROL_CLIENTS_MAX 8
#define CONTROL_PATIENCE_MS 5000

/* Of the agent's side: 0 with what to say in *said, or a negative errno with *err filled. */
struct control_verb {
    const char *name;
    int (*run)(void *arg, const char *word, struct buf *said, struct error_list *err);
    bool word; /* takes one; else `word` is NULL */
};

struct control;

/* Verbs end with a NULL name and stay the caller's. */
int control_new(const struct settings *s, const struct control_verb *verbs, void *arg,
                struct control **ret, struct error_list *err);
struct control *control_free(struct control *c); /* NULL ok; returns NULL */
int control_fd(const struct control *c);
int64_t control_deadline(const struct control *c);
void control_run(struct control *c);

/* What one line is answered with; what control_run() does.  For tests and fuzzers. */
void control_answer(const struct control_verb *verbs, void *arg, const char *line, size_t len,
                    struct buf *ret);

/* Of the client's side: word may be NULL.  0 with what the agent said in *said; -EINVAL when it
 * refused, *err has its sentences; otherwise it could not be asked. */
int control_ask(const struct settings *s, const char *verb, const char *word, struct buf *said,
                struct error_list *err);

#endif
