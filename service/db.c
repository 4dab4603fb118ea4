/* SPDX-License-Identifier: Apache-2.0 */
#include "service/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "common/alloc.h"

#define BUSY_MS 500 /* as long as this one thread can wait for somebody's sqlite3(1) */
#define STATEMENTS 40

struct db {
    sqlite3 *handle;
    char *file, *copy;
    const char *texts[STATEMENTS]; /* of each statement: a constant, so its address is its name */
    sqlite3_stmt *statements[STATEMENTS];
    char why[256];
};

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
};

/* --- failures ----------------------------------------------------------------------------------
 */

static int failed(struct db *db, int code)
{
    int r = -EIO;

    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        r = -EAGAIN;
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

    while (i < STATEMENTS && db->texts[i] && db->texts[i] != text)
        i++;
    if (i == STATEMENTS)
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

/* Values by a pattern: t text, i int64_t, b 32 bytes. */
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
        *ret = failed(db, code);
    return s;
}

/* A statement without rows.  *changes may be NULL. */
static int run(struct db *db, unsigned *changes, const char *text, const char *pattern, ...)
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
        r = failed(db, code);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    if (changes)
        *changes = r == 0 ? (unsigned)sqlite3_changes(db->handle) : 0;
    return r;
}

/* -ENOENT: there was no row. */
static int rows(struct db *db, void (*row)(sqlite3_stmt *, void *), void *to, const char *text,
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
        r = failed(db, code);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return r < 0 || any ? r : -ENOENT;
}

static const char *column(sqlite3_stmt *s, int i)
{
    const char *text = (const char *)sqlite3_column_text(s, i);

    return text ? text : "";
}

/* One column of one row. */
static void take_number(sqlite3_stmt *s, void *to)
{
    *(int64_t *)to = sqlite3_column_int64(s, 0);
}

/* The first row alone counts. */
static void take_ok(sqlite3_stmt *s, void *to)
{
    *(bool *)to = strcmp(column(s, 0), "ok") == 0;
}

/* --- transactions ------------------------------------------------------------------------------
 */

int db_begin(struct db *db)
{
    return run(db, NULL, "BEGIN IMMEDIATE", "");
}

void db_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

int db_commit(struct db *db)
{
    int r = run(db, NULL, "COMMIT", "");

    if (r < 0)
        db_rollback(db);
    return r;
}

/* --- opening -----------------------------------------------------------------------------------
 */

static void close_handle(struct db *db)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
        db->texts[i] = NULL;
    }
    sqlite3_close(db->handle);
    db->handle = NULL;
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
        r = failed(db, code);
        return (code & 0xff) == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT ? -EUCLEAN : r;
    }
    r = rows(db, take_ok, &ok, "PRAGMA quick_check(1)", "");
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
    int r = rows(db, take_number, &version, "PRAGMA user_version", "");

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
            r = failed(db, code);
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
    r = run(db, NULL, "VACUUM INTO ?", "t", new);
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

int db_check(struct db *db)
{
    int64_t n = 0;
    int r = db_begin(db);

    if (r == 0)
        r = rows(db, take_number, &n, "SELECT count(*) FROM token", "");
    db_rollback(db);
    return r;
}

/* --- rows --------------------------------------------------------------------------------------
 */

/* Who is told of each row. */
struct told {
    void (*gateway)(void *, const struct db_gateway *);
    void (*token)(void *, const struct db_token *);
    void (*request)(void *, const struct db_request *);
    void (*audit)(void *, const struct db_audit *);
    void *data;
};

int db_audit(struct db *db, const struct db_audit *a)
{
    return run(db, NULL,
               "INSERT INTO audit(at, who, source, what, gateway, detail) VALUES(?,?,?,?,?,?)",
               "ittttt", a->at, a->who, a->from, a->what, a->gateway, a->detail);
}

static void tell_audit(sqlite3_stmt *s, void *to)
{
    struct told *t = to;

    t->audit(t->data, &(struct db_audit){.at = sqlite3_column_int64(s, 0),
                                         .who = column(s, 1),
                                         .from = column(s, 2),
                                         .what = column(s, 3),
                                         .gateway = column(s, 4),
                                         .detail = column(s, 5)});
}

static int none_is_fine(int r)
{
    return r == -ENOENT ? 0 : r;
}

int db_audit_each(struct db *db, unsigned last, void (*each)(void *, const struct db_audit *),
                  void *data)
{
    struct told t = {.audit = each, .data = data};

    return none_is_fine(rows(db, tell_audit, &t,
                             "SELECT at, who, source, what, gateway, detail FROM audit "
                             "ORDER BY id DESC LIMIT ?",
                             "i", (int64_t)last));
}

int db_gateway_put(struct db *db, const struct db_gateway *g)
{
    return run(db, NULL,
               "INSERT INTO gateway(name, generation, fingerprint, link_key, enrolled, issued) "
               "VALUES(?,?,?,?,?,?) ON CONFLICT(name) DO UPDATE SET generation=excluded.generation,"
               "fingerprint=excluded.fingerprint, link_key=excluded.link_key,"
               "enrolled=CASE enrolled WHEN 0 THEN excluded.enrolled ELSE enrolled END,"
               "issued=excluded.issued",
               "tittii", g->name, (int64_t)g->generation, g->fingerprint, g->link_key, g->issued,
               g->issued);
}

int db_gateway_seen(struct db *db, const char *name, uint32_t generation, const char *fingerprint)
{
    return run(db, NULL,
               "INSERT INTO gateway(name, generation, fingerprint, link_key, enrolled, issued) "
               "VALUES(?,?,?,'',0,0) ON CONFLICT(name) DO UPDATE SET "
               "generation=excluded.generation, fingerprint=excluded.fingerprint, link_key='', "
               "issued=0 "
               "WHERE excluded.generation > generation",
               "tit", name, (int64_t)generation, fingerprint);
}

int db_gateway_revoke(struct db *db, const char *name, uint32_t least)
{
    unsigned n;
    int r = run(db, &n, "UPDATE gateway SET least=max(least, ?) WHERE name=?", "it", (int64_t)least,
                name);

    return r == 0 && n == 0 ? -ENOENT : r;
}

int db_gateway_refuse(struct db *db, const char *name, uint32_t least, bool out)
{
    return run(db, NULL,
               "INSERT INTO gateway(name, generation, least, fingerprint, link_key, enrolled, "
               "issued, out) VALUES(?,0,?,'','',0,0,?) ON CONFLICT(name) DO UPDATE SET "
               "least=max(least, excluded.least), out=excluded.out",
               "tii", name, (int64_t)least, (int64_t)out);
}

static void fill_gateway(sqlite3_stmt *s, struct db_gateway *g)
{
    *g = (struct db_gateway){.name = column(s, 0),
                             .generation = (uint32_t)sqlite3_column_int64(s, 1),
                             .least = (uint32_t)sqlite3_column_int64(s, 2),
                             .fingerprint = column(s, 3),
                             .link_key = column(s, 4),
                             .enrolled = sqlite3_column_int64(s, 5),
                             .issued = sqlite3_column_int64(s, 6),
                             .out = sqlite3_column_int(s, 17),
                             .seen = sqlite3_column_int64(s, 7),
                             .report = {.healthy = sqlite3_column_int(s, 9),
                                        .drained = sqlite3_column_int(s, 10),
                                        .links = (unsigned)sqlite3_column_int64(s, 11),
                                        .links_up = (unsigned)sqlite3_column_int64(s, 12),
                                        .sessions = (unsigned)sqlite3_column_int64(s, 13),
                                        .sessions_up = (unsigned)sqlite3_column_int64(s, 14),
                                        .problems = (unsigned)sqlite3_column_int64(s, 15),
                                        .certificate_expires = sqlite3_column_int64(s, 16)}};
    snprintf(g->report.revision, sizeof(g->report.revision), "%s", column(s, 8));
}

static void tell_gateway(sqlite3_stmt *s, void *to)
{
    struct told *t = to;
    struct db_gateway g;

    fill_gateway(s, &g);
    t->gateway(t->data, &g);
}

static void tell_whole(sqlite3_stmt *s, void *to)
{
    struct told *t = to;
    struct db_gateway g;

    fill_gateway(s, &g);
    g.text = column(s, 18);
    t->gateway(t->data, &g);
}

#define GATEWAY_COLUMNS                                                                       \
    "SELECT name, generation, least, fingerprint, link_key, enrolled, issued, at, revision, " \
    "healthy, drained, links, links_up, sessions, sessions_up, problems, expires, out"
#define GATEWAY_TABLES " FROM gateway LEFT JOIN report ON gateway=name "

int db_gateway_get(struct db *db, const char *name, void (*each)(void *, const struct db_gateway *),
                   void *data)
{
    struct told t = {.gateway = each, .data = data};

    return rows(db, tell_whole, &t, GATEWAY_COLUMNS ", text" GATEWAY_TABLES "WHERE name=?", "t",
                name);
}

int db_gateway_each(struct db *db, void (*each)(void *, const struct db_gateway *), void *data)
{
    struct told t = {.gateway = each, .data = data};

    return none_is_fine(
        rows(db, tell_gateway, &t, GATEWAY_COLUMNS GATEWAY_TABLES "ORDER BY name", ""));
}

int db_report_put(struct db *db, const char *gateway, int64_t at, const struct report *p,
                  const char *text)
{
    return run(db, NULL,
               "INSERT OR REPLACE INTO report(gateway, at, revision, healthy, drained, links, "
               "links_up, sessions, sessions_up, problems, expires, text) "
               "VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
               "titiiiiiiiit", gateway, at, p->revision, (int64_t)p->healthy, (int64_t)p->drained,
               (int64_t)p->links, (int64_t)p->links_up, (int64_t)p->sessions,
               (int64_t)p->sessions_up, (int64_t)p->problems, p->certificate_expires, text);
}

int db_token_put(struct db *db, const struct db_token *t)
{
    return run(db, NULL,
               "INSERT INTO token(id, hash, gateway, who, generation, created, expires) "
               "VALUES(?,?,?,?,?,?,?)",
               "tbttiii", t->id, t->hash, t->gateway, t->who, (int64_t)t->generation, t->created,
               t->expires);
}

static void tell_token(sqlite3_stmt *s, void *to)
{
    struct told *t = to;

    if (sqlite3_column_bytes(s, 1) == 32)
        t->token(t->data, &(struct db_token){.id = column(s, 0),
                                             .hash = sqlite3_column_blob(s, 1),
                                             .gateway = column(s, 2),
                                             .who = column(s, 3),
                                             .generation = (uint32_t)sqlite3_column_int64(s, 4),
                                             .created = sqlite3_column_int64(s, 5),
                                             .expires = sqlite3_column_int64(s, 6),
                                             .used = sqlite3_column_int64(s, 7),
                                             .revoked = sqlite3_column_int64(s, 8),
                                             .fingerprint = column(s, 9),
                                             .answer = column(s, 10)});
}

#define TOKEN_COLUMNS                                                                          \
    "SELECT id, hash, gateway, who, generation, created, expires, used, revoked, fingerprint," \
    " answer FROM token "

int db_token_get(struct db *db, const char *id, void (*each)(void *, const struct db_token *),
                 void *data)
{
    struct told t = {.token = each, .data = data};

    return rows(db, tell_token, &t, TOKEN_COLUMNS "WHERE id=?", "t", id);
}

int db_token_use(struct db *db, const char *id, int64_t at, const char *fingerprint,
                 const char *answer)
{
    return run(db, NULL, "UPDATE token SET used=?, fingerprint=?, answer=? WHERE id=?", "ittt", at,
               fingerprint, answer, id);
}

int db_token_revoke(struct db *db, const char *gateway, int64_t at, unsigned *ret)
{
    return run(db, ret, "UPDATE token SET revoked=? WHERE gateway=? AND used=0 AND revoked=0", "it",
               at, gateway);
}

int db_token_each(struct db *db, void (*each)(void *, const struct db_token *), void *data)
{
    struct told t = {.token = each, .data = data};

    return none_is_fine(rows(db, tell_token, &t, TOKEN_COLUMNS "ORDER BY created, id", ""));
}

int db_request_put(struct db *db, const struct db_request *q)
{
    return run(db, NULL,
               "INSERT OR REPLACE INTO request(id, gateway, fingerprint, pem, source, at) "
               "VALUES(?,?,?,?,?,?)",
               "ttttti", q->id, q->gateway, q->fingerprint, q->pem, q->from, q->at);
}

static void tell_request(sqlite3_stmt *s, void *to)
{
    struct told *t = to;

    t->request(t->data, &(struct db_request){.id = column(s, 0),
                                             .gateway = column(s, 1),
                                             .fingerprint = column(s, 2),
                                             .pem = column(s, 3),
                                             .from = column(s, 4),
                                             .at = sqlite3_column_int64(s, 5),
                                             .state = column(s, 6),
                                             .answer = column(s, 7)});
}

#define REQUEST_COLUMNS \
    "SELECT id, gateway, fingerprint, pem, source, at, state, answer FROM request "

int db_request_get(struct db *db, const char *id, void (*each)(void *, const struct db_request *),
                   void *data)
{
    struct told t = {.request = each, .data = data};

    return rows(db, tell_request, &t, REQUEST_COLUMNS "WHERE id=?", "t", id);
}

int db_request_each(struct db *db, void (*each)(void *, const struct db_request *), void *data)
{
    struct told t = {.request = each, .data = data};

    return none_is_fine(rows(db, tell_request, &t, REQUEST_COLUMNS "ORDER BY at, id", ""));
}

int db_request_decide(struct db *db, const char *id, const char *state, const char *answer)
{
    return run(db, NULL, "UPDATE request SET state=?, answer=? WHERE id=?", "ttt", state, answer,
               id);
}

int db_request_prune(struct db *db, int64_t before, unsigned *ret)
{
    int64_t n = 0;
    int r = run(db, NULL, "DELETE FROM request WHERE at<?", "i", before);

    if (r == 0)
        r = rows(db, take_number, &n, "SELECT count(*) FROM request WHERE state='pending'", "");
    *ret = (unsigned)n;
    return r;
}
