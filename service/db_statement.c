/* SPDX-License-Identifier: Apache-2.0 */
#include "service/db_statement.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- failures ----------------------------------------------------------------------------------
 */

int db_failed(struct db *db, int code)
{
    bool before = db->trouble;
    int r = -EIO;

    db->trouble = true;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        r = -EAGAIN;
        db->trouble = before;
        snprintf(db->why, sizeof(db->why), "another process has locked the controller's database");
        break;
    case SQLITE_FULL:
        r = -ENOSPC;
        snprintf(db->why, sizeof(db->why), "the disk of the controller's database is full");
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        snprintf(db->why, sizeof(db->why),
                 "the controller's database is damaged: restart the controller, which restores it "
                 "from its copy");
        break;
    default:
        snprintf(db->why, sizeof(db->why), "the controller's database: %s",
                 db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
    }
    return r;
}

const char *db_why(const struct db *db)
{
    return db->why;
}

/* --- statements --------------------------------------------------------------------------------
 */

/* A statement, ready to be bound; each is prepared once.  NULL: *ret_code. */
static sqlite3_stmt *prepare(struct db *db, const char *text, int *ret_code)
{
    size_t i = 0;

    while (i < DB_STATEMENTS && db->texts[i] && db->texts[i] != text)
        i++;
    if (i == DB_STATEMENTS)
        abort(); /* one more of them was written */
    if (!db->texts[i]) {
        *ret_code = sqlite3_prepare_v3(db->handle, text, -1, SQLITE_PREPARE_PERSISTENT,
                                       &db->statements[i], NULL);
        if (*ret_code != SQLITE_OK)
            return NULL;
        db->texts[i] = text;
    }
    sqlite3_reset(db->statements[i]);
    return db->statements[i];
}

static sqlite3_stmt *bind(struct db *db, int *ret, const char *text, const char *pattern,
                          va_list ap)
{
    int code = SQLITE_OK;
    sqlite3_stmt *s = prepare(db, text, &code);

    for (int i = 1; s && *pattern; pattern++, i++) {
        if (*pattern == 't')
            sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
        else if (*pattern == 'i')
            sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
        else
            sqlite3_bind_blob(s, i, va_arg(ap, const void *), 32, SQLITE_TRANSIENT);
    }
    if (!s)
        *ret = db_failed(db, code);
    return s;
}

int db_run(struct db *db, unsigned *changes, const char *text, const char *pattern, ...)
{
    int r = 0, code;
    sqlite3_stmt *s;
    va_list ap;

    va_start(ap, pattern);
    s = bind(db, &r, text, pattern, ap);
    va_end(ap);
    if (!s)
        return r;
    code = sqlite3_step(s);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        r = db_failed(db, code);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    if (changes)
        *changes = r == 0 ? (unsigned)sqlite3_changes(db->handle) : 0;
    return r;
}

int db_rows(struct db *db, void (*row)(sqlite3_stmt *, void *), void *to, const char *text,
            const char *pattern, ...)
{
    int r = 0, code;
    bool any = false;
    sqlite3_stmt *s;
    va_list ap;

    va_start(ap, pattern);
    s = bind(db, &r, text, pattern, ap);
    va_end(ap);
    if (!s)
        return r;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        row(s, to);
        any = true;
    }
    if (code != SQLITE_DONE)
        r = db_failed(db, code);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return r < 0 || any ? r : -ENOENT;
}

const char *db_column(sqlite3_stmt *s, int i)
{
    const char *text = (const char *)sqlite3_column_text(s, i);

    return text ? text : "";
}

void db_take_number(sqlite3_stmt *s, void *to)
{
    *(int64_t *)to = sqlite3_column_int64(s, 0);
}

void db_finalize(struct db *db)
{
    for (size_t i = 0; i < DB_STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
        db->texts[i] = NULL;
    }
}

/* --- transactions ------------------------------------------------------------------------------
 */

int db_begin(struct db *db)
{
    return db_run(db, NULL, "BEGIN IMMEDIATE", "");
}

void db_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

int db_commit(struct db *db)
{
    int r = db_run(db, NULL, "COMMIT", "");

    if (r < 0)
        db_rollback(db);
    else
        db->trouble = false;
    return r;
}

bool db_in_trouble(const struct db *db)
{
    return db->trouble;
}
