/* SPDX-License-Identifier: Apache-2.0 */
#include "service/copies.h"

#include "service/log.h"

#define DAY 86400
#define AGAIN_MS (600 * 1000)

/* Also if it seems to be of the future: the clock was ahead then. */
static bool due(const struct db *db, int64_t now)
{
    int64_t age = now - db_copied(db);

    return age < 0 || age >= DAY;
}

void copies_run(struct copies *c, struct db *db, int64_t now, int64_t now_ms)
{
    bool failed;

    if (now_ms < c->next || !due(db, now))
        return;
    failed = db_copy(db) < 0;
    if (failed && !c->failed)
        say(SAY_WARNING, "no copy was made: %s", db_why(db));
    else if (!failed && c->failed)
        say(SAY_NOTICE, "the controller's database is copied again");
    c->failed = failed;
    c->next = now_ms + AGAIN_MS;
}
