/* SPDX-License-Identifier: Apache-2.0 */
#include "service/reports.h"

#include <stdio.h>

#include "common/alloc.h"
#include "service/db.h"

struct reports_row {
    struct peer from;
    int64_t at;
    struct report report;
    struct buf text;
};

void reports_add(struct reports *all, const struct peer *from, int64_t at,
                 const struct report *report, struct buf *text)
{
    if (!all->rows)
        all->rows = xcalloc(REPORTS_MAX, sizeof(*all->rows));
    all->rows[all->n++] =
        (struct reports_row){.from = *from, .at = at, .report = *report, .text = *text};
    all->bytes += text->cap;
    *text = (struct buf)BUF_INIT;
}

bool reports_full(const struct reports *all)
{
    return all->n == REPORTS_MAX || all->bytes >= REPORTS_BYTES;
}

static int write_one(struct reports_row *row, struct db *db)
{
    int r = db_gateway_seen(db, row->from.name, row->from.generation, row->from.fingerprint);

    return r < 0 ? r
                 : db_report_put(db, row->from.name, row->at, &row->report, buf_cstr(&row->text));
}

int reports_write(struct reports *all, struct db *db)
{
    int r = all->n ? db_begin(db) : 0;

    for (size_t i = 0; r == 0 && i < all->n; i++)
        r = write_one(&all->rows[i], db);
    if (r == 0 && all->n)
        r = db_commit(db);
    db_rollback(db);
    reports_clear(all);
    return r;
}

void reports_clear(struct reports *all)
{
    for (size_t i = 0; i < all->n; i++)
        buf_free(&all->rows[i].text);
    free(all->rows);
    *all = (struct reports){NULL, 0, 0};
}
