/* SPDX-License-Identifier: Apache-2.0 */
#include "service/db_statement.h"

#include <errno.h>
#include <stdio.h>

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
    return db_run(db, NULL,
                  "INSERT INTO audit(at, who, source, what, gateway, detail) VALUES(?,?,?,?,?,?)",
                  "ittttt", a->at, a->who, a->from, a->what, a->gateway, a->detail);
}

int db_audit_keep(struct db *db, const char *what, unsigned rows)
{
    return db_run(db, NULL,
                  "DELETE FROM audit WHERE what=? AND id <= (SELECT id FROM audit WHERE what=? "
                  "ORDER BY id DESC LIMIT 1 OFFSET ?)",
                  "tti", what, what, (int64_t)rows);
}

static void tell_audit(sqlite3_stmt *s, void *to)
{
    struct told *t = to;

    t->audit(t->data, &(struct db_audit){.at = sqlite3_column_int64(s, 0),
                                         .who = db_column(s, 1),
                                         .from = db_column(s, 2),
                                         .what = db_column(s, 3),
                                         .gateway = db_column(s, 4),
                                         .detail = db_column(s, 5)});
}

static int none_is_fine(int r)
{
    return r == -ENOENT ? 0 : r;
}

int db_audit_each(struct db *db, unsigned last, void (*each)(void *, const struct db_audit *),
                  void *data)
{
    struct told t = {.audit = each, .data = data};

    return none_is_fine(db_rows(db, tell_audit, &t,
                                "SELECT at, who, source, what, gateway, detail FROM audit "
                                "ORDER BY id DESC LIMIT ?",
                                "i", (int64_t)last));
}

int db_gateway_put(struct db *db, const struct db_gateway *g)
{
    return db_run(
        db, NULL,
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
    return db_run(db, NULL,
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
    int r = db_run(db, &n, "UPDATE gateway SET least=max(least, ?) WHERE name=?", "it",
                   (int64_t)least, name);

    return r == 0 && n == 0 ? -ENOENT : r;
}

int db_gateway_refuse(struct db *db, const char *name, uint32_t least, bool out)
{
    return db_run(db, NULL,
                  "INSERT INTO gateway(name, generation, least, fingerprint, link_key, enrolled, "
                  "issued, out) VALUES(?,0,?,'','',0,0,?) ON CONFLICT(name) DO UPDATE SET "
                  "least=max(least, excluded.least), out=excluded.out",
                  "tii", name, (int64_t)least, (int64_t)out);
}

static void fill_gateway(sqlite3_stmt *s, struct db_gateway *g)
{
    *g = (struct db_gateway){.name = db_column(s, 0),
                             .generation = (uint32_t)sqlite3_column_int64(s, 1),
                             .least = (uint32_t)sqlite3_column_int64(s, 2),
                             .fingerprint = db_column(s, 3),
                             .link_key = db_column(s, 4),
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
    snprintf(g->report.revision, sizeof(g->report.revision), "%s", db_column(s, 8));
    snprintf(g->report.authorities, sizeof(g->report.authorities), "%s", db_column(s, 18));
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
    g.text = db_column(s, 19);
    t->gateway(t->data, &g);
}

#define GATEWAY_COLUMNS                                                                       \
    "SELECT name, generation, least, fingerprint, link_key, enrolled, issued, at, revision, " \
    "healthy, drained, links, links_up, sessions, sessions_up, problems, expires, out, "      \
    "authorities"
#define GATEWAY_TABLES " FROM gateway LEFT JOIN report ON gateway=name "

int db_gateway_get(struct db *db, const char *name, void (*each)(void *, const struct db_gateway *),
                   void *data)
{
    struct told t = {.gateway = each, .data = data};

    return db_rows(db, tell_whole, &t, GATEWAY_COLUMNS ", text" GATEWAY_TABLES "WHERE name=?", "t",
                   name);
}

int db_gateway_count(struct db *db, unsigned *ret)
{
    int64_t n = 0;
    int r = db_rows(db, db_take_number, &n, "SELECT count(*) FROM gateway", "");

    *ret = (unsigned)n;
    return r;
}

int db_gateway_each(struct db *db, void (*each)(void *, const struct db_gateway *), void *data)
{
    struct told t = {.gateway = each, .data = data};

    return none_is_fine(
        db_rows(db, tell_gateway, &t, GATEWAY_COLUMNS GATEWAY_TABLES "ORDER BY name", ""));
}

int db_report_put(struct db *db, const char *gateway, int64_t at, const struct report *p,
                  const char *text)
{
    return db_run(db, NULL,
                  "INSERT OR REPLACE INTO report(gateway, at, revision, healthy, drained, links, "
                  "links_up, sessions, sessions_up, problems, expires, authorities, text) "
                  "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
                  "titiiiiiiiitt", gateway, at, p->revision, (int64_t)p->healthy,
                  (int64_t)p->drained, (int64_t)p->links, (int64_t)p->links_up,
                  (int64_t)p->sessions, (int64_t)p->sessions_up, (int64_t)p->problems,
                  p->certificate_expires, p->authorities, text);
}

int db_token_put(struct db *db, const struct db_token *t)
{
    return db_run(db, NULL,
                  "INSERT INTO token(id, hash, gateway, who, generation, created, expires) "
                  "VALUES(?,?,?,?,?,?,?)",
                  "tbttiii", t->id, t->hash, t->gateway, t->who, (int64_t)t->generation, t->created,
                  t->expires);
}

static void tell_token(sqlite3_stmt *s, void *to)
{
    struct told *t = to;

    if (sqlite3_column_bytes(s, 1) == 32)
        t->token(t->data, &(struct db_token){.id = db_column(s, 0),
                                             .hash = sqlite3_column_blob(s, 1),
                                             .gateway = db_column(s, 2),
                                             .who = db_column(s, 3),
                                             .generation = (uint32_t)sqlite3_column_int64(s, 4),
                                             .created = sqlite3_column_int64(s, 5),
                                             .expires = sqlite3_column_int64(s, 6),
                                             .used = sqlite3_column_int64(s, 7),
                                             .revoked = sqlite3_column_int64(s, 8),
                                             .fingerprint = db_column(s, 9),
                                             .answer = db_column(s, 10)});
}

#define TOKEN_COLUMNS                                                                          \
    "SELECT id, hash, gateway, who, generation, created, expires, used, revoked, fingerprint," \
    " answer FROM token "

int db_token_get(struct db *db, const char *id, void (*each)(void *, const struct db_token *),
                 void *data)
{
    struct told t = {.token = each, .data = data};

    return db_rows(db, tell_token, &t, TOKEN_COLUMNS "WHERE id=?", "t", id);
}

int db_token_use(struct db *db, const char *id, int64_t at, const char *fingerprint,
                 const char *answer)
{
    return db_run(db, NULL, "UPDATE token SET used=?, fingerprint=?, answer=? WHERE id=?", "ittt",
                  at, fingerprint, answer, id);
}

int db_token_revoke(struct db *db, const char *gateway, int64_t at, unsigned *ret)
{
    return db_run(db, ret, "UPDATE token SET revoked=? WHERE gateway=? AND used=0 AND revoked=0",
                  "it", at, gateway);
}

int db_token_each(struct db *db, void (*each)(void *, const struct db_token *), void *data)
{
    struct told t = {.token = each, .data = data};

    return none_is_fine(db_rows(db, tell_token, &t, TOKEN_COLUMNS "ORDER BY created, id", ""));
}

int db_request_put(struct db *db, const struct db_request *q)
{
    return db_run(db, NULL,
                  "INSERT OR REPLACE INTO request(id, gateway, fingerprint, pem, source, at) "
                  "VALUES(?,?,?,?,?,?)",
                  "ttttti", q->id, q->gateway, q->fingerprint, q->pem, q->from, q->at);
}

static void tell_request(sqlite3_stmt *s, void *to)
{
    struct told *t = to;

    t->request(t->data, &(struct db_request){.id = db_column(s, 0),
                                             .gateway = db_column(s, 1),
                                             .fingerprint = db_column(s, 2),
                                             .pem = db_column(s, 3),
                                             .from = db_column(s, 4),
                                             .at = sqlite3_column_int64(s, 5),
                                             .state = db_column(s, 6),
                                             .answer = db_column(s, 7)});
}

#define REQUEST_COLUMNS \
    "SELECT id, gateway, fingerprint, pem, source, at, state, answer FROM request "

int db_request_get(struct db *db, const char *id, void (*each)(void *, const struct db_request *),
                   void *data)
{
    struct told t = {.request = each, .data = data};

    return db_rows(db, tell_request, &t, REQUEST_COLUMNS "WHERE id=?", "t", id);
}

int db_request_each(struct db *db, void (*each)(void *, const struct db_request *), void *data)
{
    struct told t = {.request = each, .data = data};

    return none_is_fine(db_rows(db, tell_request, &t, REQUEST_COLUMNS "ORDER BY at, id", ""));
}

int db_request_decide(struct db *db, const char *id, const char *state, const char *answer)
{
    return db_run(db, NULL, "UPDATE request SET state=?, answer=? WHERE id=?", "ttt", state, answer,
                  id);
}

int db_request_prune(struct db *db, int64_t before, unsigned *ret)
{
    int64_t n = 0;
    int r = db_run(db, NULL, "DELETE FROM request WHERE at<?", "i", before);

    if (r == 0)
        r = db_rows(db, db_take_number, &n, "SELECT count(*) FROM request WHERE state='pending'",
                    "");
    *ret = (unsigned)n;
    return r;
}
