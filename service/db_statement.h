/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of the database: prepared once each, bound by a pattern, their results told as errors;
 * for db*.c alone, which are the files that see SQLite: db_open.c opens, copies, restores and
 * upgrades, db.c knows what each table is asked.
 */
#ifndef P2PVPN_SERVICE_DB_STATEMENT_H
#define P2PVPN_SERVICE_DB_STATEMENT_H

#include <sqlite3.h>

#include "service/db.h"

#define DB_STATEMENTS 40

struct db {
    sqlite3 *handle;
    char *file, *copy;
    const char
        *texts[DB_STATEMENTS]; /* of each statement: a constant, so its address is its name */
    sqlite3_stmt *statements[DB_STATEMENTS];
    char why[256];
    bool trouble; /* db_in_trouble() */
};

/* A code of SQLite as db.h's errno; sets db->why. */
int db_failed(struct db *db, int code);

/* Values by a pattern: t text, i int64_t, b 32 bytes. */

/* A statement without rows.  *changes may be NULL. */
int db_run(struct db *db, unsigned *changes, const char *text, const char *pattern, ...);
/* -ENOENT: there was no row. */
int db_rows(struct db *db, void (*row)(sqlite3_stmt *, void *), void *to, const char *text,
            const char *pattern, ...);
void db_finalize(struct db *db); /* all statements */

const char *db_column(sqlite3_stmt *s, int i);        /* never NULL */
void db_take_number(sqlite3_stmt *s, void *to_int64); /* one column of one row */

#endif
