/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies: the database is copied when its copy is a day old, however often the controller was
 * started since.  A failure is said once and tried again after some minutes.
 */
#ifndef P2PVPN_SERVICE_COPIES_H
#define P2PVPN_SERVICE_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "service/db.h"

struct copies {
    int64_t next; /* not tried before, in monotonic milliseconds */
    bool failed;  /* and said */
};

/* To be called every now and then; `now`: seconds since 1970. */
void copies_run(struct copies *c, struct db *db, int64_t now, int64_t now_ms);

#endif
