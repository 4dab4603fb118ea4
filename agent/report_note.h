/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report note: what the reporter (report_stay.h) says of itself, in RUN/controller.json, for
 * `p2pvpn-agent status`.
 */
#ifndef P2PVPN_AGENT_REPORT_NOTE_H
#define P2PVPN_AGENT_REPORT_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/error.h"

#define REPORT_NOTE_FILE "controller.json"
#define REPORT_NOTE_MAX_BYTES 4096u
#define REPORT_NOTE_TEXT_MAX 600

/* Times are seconds since 1970; 0: never, or not known. */
struct report_note {
    pid_t pid;
    unsigned long long start;
    int64_t told;                        /* the controller has taken a report */
    int64_t next;                        /* when it is told again, if nothing happens before */
    char text[REPORT_NOTE_TEXT_MAX + 1]; /* why it could not be told last; "": it was */
    int64_t since;                       /* that is so */
    unsigned tries;                      /* since then */
    bool refused;                        /* it answered, or another one did */
};

/* Pure. */
void report_note_format(const struct report_note *n, struct buf *ret);
/* -EINVAL with *err filled, *ret untouched. */
int report_note_parse(const char *data, size_t len, const char *file, struct report_note *ret,
                      struct error_list *err);

/* RUN/controller.json.  -ENOENT, and nothing is added to *err: there is none. */
int report_note_read(const char *run_dir, struct report_note *ret, struct error_list *err);
int report_note_write(const char *run_dir, const struct report_note *n, struct error_list *err);

/* The reporter that wrote it still runs. */
bool report_note_alive(const struct report_note *n);

#endif
