/* SPDX-License-Identifier: Apache-2.0 */
/* The copy of the controller's database is never much older than a day. */
#include "service/copies.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

#define DAY 86400
#define MINUTE_MS 60000

static char folder[UNIT_FOLDER_SIZE];
static char *copy, *blocked;
static struct db *db;
static struct copies copies;
static int64_t now;

static void open_db(void)
{
    struct error_list notes = ERROR_LIST_INIT, err = ERROR_LIST_INIT;

    ck_assert_int_eq(db_open(folder, &db, &notes, &err), 0);
    ck_assert_uint_eq(notes.n, 0);
    copies = (struct copies){0};
}

static void setup(void)
{
    unit_folder(folder);
    copy = xasprintf("%s/" DB_FILE ".copy", folder);
    blocked = xasprintf("%s/" DB_FILE ".copy.new", folder);
    open_db();
    now = time(NULL);
}

static void teardown(void)
{
    struct error_list err = ERROR_LIST_INIT;

    db = db_close(db);
    ck_assert_int_eq(fs_remove_tree(folder, &err), 0);
    free(copy);
    free(blocked);
}

/* As if it had been made then. */
static void made(int64_t at)
{
    const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};

    ck_assert_int_eq(utimensat(AT_FDCWD, copy, times, 0), 0);
}

static bool copied(int64_t now_ms)
{
    int64_t before = db_copied(db);

    copies_run(&copies, db, now, now_ms);
    return db_copied(db) != before;
}

START_TEST(when_it_is_a_day_old)
{
    ck_assert_int_ge(db_copied(db), now - 60); /* the first one, of the beginning */
    ck_assert(!copied(0));
    made(now - DAY + 1);
    ck_assert(!copied(0));
    made(now - DAY);
    ck_assert(copied(0));
    ck_assert(!copied(20 * MINUTE_MS));
}
END_TEST

START_TEST(however_often_it_is_started)
{
    made(now - DAY / 2);
    db = db_close(db);
    open_db();
    ck_assert(!copied(0));
    made(now - DAY - DAY / 2);
    db = db_close(db);
    open_db();
    ck_assert(copied(0));
}
END_TEST

START_TEST(the_clock_was_ahead)
{
    made(now + 100 * DAY);
    ck_assert(copied(0));
}
END_TEST

START_TEST(somebody_has_removed_it)
{
    ck_assert_int_eq(unlink(copy), 0);
    ck_assert_int_eq(db_copied(db), 0);
    ck_assert(copied(0));
}
END_TEST

/* Not a day later, and not each second. */
START_TEST(a_failure_is_tried_again)
{
    made(now - 2 * DAY);
    ck_assert_int_eq(mkdir(blocked, 0700), 0);
    ck_assert(!copied(0));
    ck_assert(copies.failed);
    ck_assert_int_eq(rmdir(blocked), 0);
    ck_assert(!copied(1 * MINUTE_MS));
    ck_assert(copied(10 * MINUTE_MS));
    ck_assert(!copies.failed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("copies");
    TCase *t = unit_case(s, "copies", setup, teardown);

    tcase_add_test(t, when_it_is_a_day_old);
    tcase_add_test(t, however_often_it_is_started);
    tcase_add_test(t, the_clock_was_ahead);
    tcase_add_test(t, somebody_has_removed_it);
    tcase_add_test(t, a_failure_is_tried_again);
    return unit_run(s);
}
