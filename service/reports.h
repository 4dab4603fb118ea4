/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports that have come and are not yet in the database: those of a moment are written in one
 * transaction, as each waits for the disk.  Nobody is told that his report was taken before that.
 */
#ifndef P2PVPN_SERVICE_REPORTS_H
#define P2PVPN_SERVICE_REPORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "service/body.h"
#include "service/route.h"

struct db;

#define REPORTS_MS 20    /* how long the first of them may wait for others */
#define REPORTS_MAX 512u /* at once */
#define REPORTS_BYTES (4u << 20)

struct reports {
    struct reports_row *rows;
    size_t n, bytes;
};

/* Takes the text, which is empty then. */
void reports_add(struct reports *all, const struct peer *from, int64_t at,
                 const struct report *report, struct buf *text);
/* No room for another. */
bool reports_full(const struct reports *all);
/* All of them or none: db.h's errno.  There are none afterwards. */
int reports_write(struct reports *all, struct db *db);
void reports_clear(struct reports *all);

#endif
