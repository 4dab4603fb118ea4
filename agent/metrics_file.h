/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics file: the metrics (metrics.h) for node_exporter's textfile collector, written by the
 * running agent where the setting `metrics-file` names a file.
 *
 * A worker collects and writes; the file is replaced whole.  It does so every 15 seconds, or as
 * rarely as it must so that it takes a thousandth of a core: at most that part of the time does a
 * collection last, which is mostly FRR's work on its answers.  Nothing here blocks.
 */
#ifndef P2PVPN_AGENT_METRICS_FILE_H
#define P2PVPN_AGENT_METRICS_FILE_H

#include <stdint.h>

#include "agent/settings.h"
#include "common/buf.h"
#include "common/bundle.h"
#include "common/error.h"

#define METRICS_MS 15000 /* between two collections, at least */
#define METRICS_MAX_MS 120000
#define METRICS_SHARE 1000
#define METRICS_FIRST_MS 3000 /* after the agent's start */

/* Collects now.  bundle NULL: the one in STATE/current, if there is one. */
int metrics_collect(const struct settings *s, const struct bundle *bundle, struct buf *ret,
                    struct error_list *err);

struct metrics_file;

int metrics_file_new(const struct settings *s, struct metrics_file **ret, struct error_list *err);
struct metrics_file *metrics_file_free(struct metrics_file *m); /* NULL ok; returns NULL */

/* Readable when metrics_file_run() should be called; also call it at the deadline, which is never
 * when no file is wanted. */
int metrics_file_fd(const struct metrics_file *m);
int64_t metrics_file_deadline(const struct metrics_file *m);
/* bundle: the one in force; NULL: none. */
void metrics_file_run(struct metrics_file *m, const struct bundle *bundle);

#endif
