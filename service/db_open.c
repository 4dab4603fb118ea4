/* SPDX-License-Identifier: Apache-2.0 */
#include "service/db_statement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"

#define BUSY_MS 500 /* as long as this one thread can wait for somebody's sqlite3(1) */

#define AS_TEXT(x) #x
#define TEXT_OF(x) AS_TEXT(x)

/* Version N is made of version N-1 by upgrades[N-1]; what was released is never changed. */
static const char *const upgrades[DB_SCHEMA] = {
    "CREATE TABLE gateway(name TEXT PRIMARY KEY, generation INTEGER NOT NULL,"
    " least INTEGER NOT NULL DEFAULT 1, fingerprint TEXT NOT NULL, link_key TEXT NOT NULL,"
    " enrolled INTEGER NOT NULL, issued INTEGER NOT NULL) STRICT;"
    "CREATE TABLE report(gateway TEXT PRIMARY KEY, at INTEGER NOT NULL, revision TEXT NOT NULL,"
    " healthy INTEGER NOT NULL, drained INTEGER NOT NULL, links INTEGER NOT NULL,"
    " links_up INTEGER NOT NULL, sessions INTEGER NOT NULL, sessions_up INTEGER NOT NULL,"
    " problems INTEGER NOT NULL, expires INTEGER NOT NULL, text TEXT NOT NULL) STRICT;"
    "CREATE TABLE token(id TEXT PRIMARY KEY, hash BLOB NOT NULL, gateway TEXT NOT NULL,"
    " who TEXT NOT NULL, generation INTEGER NOT NULL, created INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0,"
    " revoked INTEGER NOT NULL DEFAULT 0, fingerprint TEXT NOT NULL DEFAULT '',"
    " answer TEXT NOT NULL DEFAULT '') STRICT;"
    "CREATE TABLE request(id TEXT PRIMARY KEY, gateway TEXT NOT NULL, fingerprint TEXT NOT NULL,"
    " pem TEXT NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL,"
    " state TEXT NOT NULL DEFAULT 'pending', answer TEXT NOT NULL DEFAULT '') STRICT;"
    "CREATE TABLE audit(id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
    " who TEXT NOT NULL, source TEXT NOT NULL, what TEXT NOT NULL, gateway TEXT NOT NULL,"
    " detail TEXT NOT NULL) STRICT;",
    "CREATE INDEX token_gateway ON token(gateway); CREATE INDEX request_state ON request(state);",
    "ALTER TABLE gateway ADD COLUMN out INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE report ADD COLUMN authorities TEXT NOT NULL DEFAULT '';",
};

static void close_handle(struct db *db)
{
    db_finalize(db);
    sqlite3_close(db->handle);
    db->handle = NULL;
}

/* The first row alone counts. */
static void take_ok(sqlite3_stmt *s, void *to)
{
    *(bool *)to = strcmp(db_column(s, 0), "ok") == 0;
}

/* Opens it, and looks at every page. */
static int open_handle(struct db *db)
{
    static const char setup[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
        "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA journal_size_limit=4194304";
    bool ok = false;
    int code = sqlite3_open_v2(db->file, &db->handle,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                   SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
                               NULL),
        r;

    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(db->handle, BUSY_MS);
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        code = sqlite3_exec(db->handle, setup, NULL, NULL, NULL);
    }
    if (code != SQLITE_OK) {
        r = db_failed(db, code);
        return (code & 0xff) == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT ? -EUCLEAN : r;
    }
    r = db_rows(db, take_ok, &ok, "PRAGMA quick_check(1)", "");
    return r == -EAGAIN || r == -ENOSPC ? r : r < 0 || !ok ? -EUCLEAN : 0;
}

/* The damaged one aside, with what belongs to it; the copy in its place. */
static int restore(struct db *db, struct error_list *notes, struct error_list *err)
{
    _cleanup_free_ char *aside = xasprintf("%s.damaged-%lld", db->file, (long long)time(NULL));
    static const char *const more[] = {"-wal", "-shm"};

    if (access(db->copy, F_OK) < 0)
        return error_add(err, db->file, 0, NULL,
                         "the database is damaged and there is no copy of it (%s): restore it from "
                         "a backup, or move it away to begin with none",
                         db->copy);
    if (rename(db->file, aside) < 0)
        return error_sys(err, errno, db->file, "the database is damaged and cannot be set aside");
    for (size_t i = 0; i < 2; i++) {
        _cleanup_free_ char *from = xasprintf("%s%s", db->file, more[i]);
        _cleanup_free_ char *to = xasprintf("%s%s", aside, more[i]);

        rename(from, to);
    }
    /* The copy stays where it is: it is read into a new one. */
    if (link(db->copy, db->file) < 0 || unlink(db->copy) < 0)
        return error_sys(err, errno, db->copy, "the copy of the database cannot take its place");
    error_add(notes, db->file, 0, NULL,
              "the database was damaged; it is %s now, and the copy of before has taken its place: "
              "what came after the copy is gone, so list the tokens and look at the gateways",
              aside);
    return 0;
}

static int upgrade(struct db *db, struct error_list *notes, struct error_list *err)
{
    int64_t version = 0;
    int r = db_rows(db, db_take_number, &version, "PRAGMA user_version", "");

    if (r == 0 && version > DB_SCHEMA)
        return error_add(
            err, db->file, 0, NULL,
            "a later p2pvpn-controller made this database (schema %lld, this one knows "
            "%d): install that again",
            (long long)version, DB_SCHEMA);
    if (r == 0 && version > 0 && version < DB_SCHEMA) {
        r = db_copy(db);
        if (r == 0)
            error_add(notes, db->file, 0, NULL, "upgraded from schema %lld to %d",
                      (long long)version, DB_SCHEMA);
    }
    for (; r == 0 && version < DB_SCHEMA; version++) {
        _cleanup_free_ char *text =
            xasprintf("BEGIN IMMEDIATE; %s PRAGMA user_version=%lld; COMMIT", upgrades[version],
                      (long long)version + 1);
        int code = sqlite3_exec(db->handle, text, NULL, NULL, NULL);

        if (code != SQLITE_OK) {
            r = db_failed(db, code);
            db_rollback(db);
        }
    }
    return r < 0 ? error_sys(err, -r, db->file, "%s", db->why) : 0;
}

int db_open(const char *state_dir, struct db **ret, struct error_list *notes,
            struct error_list *err)
{
    struct db *db = xcalloc(1, sizeof(*db));
    mode_t mask = umask(0077);
    int r;

    db->file = xasprintf("%s/" DB_FILE, state_dir);
    db->copy = xasprintf("%s.copy", db->file);
    /* A restore that was cut off between its two steps. */
    if (access(db->file, F_OK) < 0 && access(db->copy, F_OK) == 0)
        error_add(notes, db->file, 0, NULL,
                  "there is none, but its copy: that has taken its place");
    if (access(db->file, F_OK) < 0 && link(db->copy, db->file) == 0)
        unlink(db->copy);
    r = open_handle(db);
    if (r == -EUCLEAN) {
        close_handle(db);
        r = restore(db, notes, err);
        if (r == 0)
            r = open_handle(db);
        if (r == -EUCLEAN)
            r = error_add(err, db->file, 0, NULL,
                          "the copy of the database is damaged, too: restore it from a backup, or "
                          "move it away to begin with none");
    } else if (r < 0) {
        error_sys(err, -r, db->file, "%s", db->why);
    }
    if (r == 0)
        r = upgrade(db, notes, err);
    if (r == 0 && access(db->copy, F_OK) < 0 && (r = db_copy(db)) < 0)
        error_sys(err, -r, db->copy, "%s", db->why);
    umask(mask);
    if (r < 0)
        db_close(db);
    else
        *ret = db;
    return r;
}

struct db *db_close(struct db *db)
{
    if (db) {
        close_handle(db);
        free(db->file);
        free(db->copy);
    }
    free(db);
    return NULL;
}

int db_copy(struct db *db)
{
    _cleanup_free_ char *new = xasprintf("%s.new", db->copy);
    int r, fd;

    unlink(new);
    r = db_run(db, NULL, "VACUUM INTO ?", "t", new);
    if (r < 0) {
        unlink(new);
        return r;
    }
    fd = open(new, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0 || rename(new, db->copy) < 0) {
        r = errno == ENOSPC ? -ENOSPC : -EIO;
        snprintf(db->why, sizeof(db->why), "the copy of the controller's database: %s",
                 strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return r;
}

int64_t db_copied(const struct db *db)
{
    struct stat st;

    return stat(db->copy, &st) == 0 ? (int64_t)st.st_mtime : 0;
}

int db_check(struct db *db)
{
    int64_t n = 0;
    int r = db_begin(db);

    if (r == 0)
        r = db_rows(db, db_take_number, &n, "SELECT count(*) FROM token", "");
    /* What a transaction has changed comes to the disk with its end alone. */
    if (r == 0 && db->trouble)
        r = db_run(db, NULL, "PRAGMA user_version=" TEXT_OF(DB_SCHEMA), "");
    if (r == 0 && db->trouble)
        r = db_commit(db);
    db_rollback(db);
    return r;
}
