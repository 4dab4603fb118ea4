/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Database: what the controller remembers, in STATE/controller.db.
 *
 * WAL and synchronous=FULL: what was committed is on the disk.  A copy, STATE/controller.db.copy,
 * is made each day (copies.h), before the schema is upgraded, and whenever db_copy() is called; it
 * is replaced whole.  A database that is damaged is set aside as controller.db.damaged-TIME, and
 * the copy takes its place.
 *
 * Functions return 0 or a negative errno: -EAGAIN another process has it locked, -ENOSPC the disk
 * is full, -ENOENT there is no such row, -EIO anything else; db_why() is then a sentence.
 * Everything that changes something is inside of db_begin() and db_commit(); what was not committed
 * did not happen.  Texts that a row points at are valid during the call.
 */
#ifndef P2PVPN_SERVICE_DB_H
#define P2PVPN_SERVICE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "service/body.h"

#define DB_FILE "controller.db"
#define DB_SCHEMA 4

struct db;

/* `notes`: what was repaired, for the log. */
int db_open(const char *state_dir, struct db **ret, struct error_list *notes,
            struct error_list *err);
struct db *db_close(struct db *db); /* NULL ok; returns NULL */
const char *db_why(const struct db *db);
int db_copy(struct db *db);
int64_t db_copied(const struct db *db); /* when, seconds since 1970; 0: there is no copy */
/* Whether it can be read and written at this moment.  After a write that has failed it tries one.
 */
int db_check(struct db *db);
/* The last write has failed, and not as somebody had it locked; ends with the next that succeeds.
 */
bool db_in_trouble(const struct db *db);

int db_begin(struct db *db);
int db_commit(struct db *db); /* on failure rolled back */
void db_rollback(struct db *db);

struct db_audit {
    int64_t at;
    const char *who, *from, *what, *gateway, *detail;
};
int db_audit(struct db *db, const struct db_audit *row);
/* Of these acts the newest rows stay. */
int db_audit_keep(struct db *db, const char *what, unsigned rows);
int db_audit_each(struct db *db, unsigned last, void (*each)(void *, const struct db_audit *),
                  void *data);

struct db_gateway {
    const char *name;
    uint32_t generation, least; /* the newest issued; those below `least` are revoked.  0: it has
                                   neither enrolled nor reported, only what is refused is known */
    bool out;                   /* the operator revoked it: nothing is issued */
    const char *fingerprint, *link_key;
    int64_t enrolled, issued; /* first and last certificate; 0: issued elsewhere */
    int64_t seen;             /* the last report; 0: none, and nothing of it means anything */
    struct report report;
    const char *text; /* all of it; NULL: not asked for */
};
int db_gateway_put(struct db *db, const struct db_gateway *row); /* report and seen are left */
/* A report came: makes a row for a gateway that was enrolled elsewhere, or raises its generation.
 */
int db_gateway_seen(struct db *db, const char *name, uint32_t generation, const char *fingerprint);
int db_gateway_revoke(struct db *db, const char *name, uint32_t least);
/* Also of a gateway that is not known yet; `least` is never lowered. */
int db_gateway_refuse(struct db *db, const char *name, uint32_t least, bool out);
int db_gateway_get(struct db *db, const char *name, void (*each)(void *, const struct db_gateway *),
                   void *data);
/* Without the texts of reports. */
int db_gateway_count(struct db *db, unsigned *ret);
int db_gateway_each(struct db *db, void (*each)(void *, const struct db_gateway *), void *data);
int db_report_put(struct db *db, const char *gateway, int64_t at, const struct report *report,
                  const char *text);

struct db_token {
    const char *id;            /* hexadecimal */
    const unsigned char *hash; /* 32 bytes */
    const char *gateway, *who;
    uint32_t generation;
    int64_t created, expires, used, revoked; /* 0: not */
    const char *fingerprint;                 /* of the key that used it; or "" */
    const char *answer;                      /* what it was answered */
};
int db_token_put(struct db *db, const struct db_token *row);
int db_token_get(struct db *db, const char *id, void (*each)(void *, const struct db_token *),
                 void *data);
int db_token_use(struct db *db, const char *id, int64_t at, const char *fingerprint,
                 const char *answer);
/* All that can still be used of a gateway; *ret says how many they were. */
int db_token_revoke(struct db *db, const char *gateway, int64_t at, unsigned *ret);
int db_token_each(struct db *db, void (*each)(void *, const struct db_token *), void *data);

struct db_request {
    const char *id, *gateway, *fingerprint, *pem, *from;
    int64_t at;
    const char *state; /* pending, approved, refused */
    const char *answer;
};
int db_request_put(struct db *db, const struct db_request *row);
int db_request_get(struct db *db, const char *id, void (*each)(void *, const struct db_request *),
                   void *data);
int db_request_each(struct db *db, void (*each)(void *, const struct db_request *), void *data);
int db_request_decide(struct db *db, const char *id, const char *state, const char *answer);
/* Forgets those that were made before; *ret says how many are pending still. */
int db_request_prune(struct db *db, int64_t before, unsigned *ret);

#endif
