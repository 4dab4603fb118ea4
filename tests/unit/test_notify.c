/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent tells systemd and the journal, heard at the other end of a socket. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/journal.h"
#include "agent/log.h"
#include "common/alloc.h"
#include "common/notify.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/p2pvpn-notify-XXXXXX";
static char *path;
static int ear;
static struct notify n;

static void setup(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(strrchr(folder, '-'), "-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    path = xasprintf("%s/socket", folder);
    strcpy(address.sun_path, path);
    ear = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(ear, (struct sockaddr *)&address, sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void teardown(void)
{
    notify_close(&n);
    close(ear);
    unlink(path);
    rmdir(folder);
    free(path);
}

/* What was said; "" for nothing. */
static const char *heard(void)
{
    static char text[4096];
    ssize_t len = recv(ear, text, sizeof(text) - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    return text;
}

START_TEST(ready_once_and_again_after_a_reload)
{
    notify_open(&n);
    ck_assert_ptr_null(getenv("NOTIFY_SOCKET")); /* no child of ours may speak for us */
    notify_reloading(&n);                        /* nothing is ready yet: no news */
    notify_ready(&n);
    ck_assert_str_eq(heard(), "READY=1");
    notify_ready(&n);
    ck_assert_str_eq(heard(), "");
    notify_reloading(&n);
    ck_assert_str_eq(heard(), "RELOADING=1");
    notify_ready(&n);
    ck_assert_str_eq(heard(), "READY=1");
}
END_TEST

START_TEST(status_is_one_line_and_not_repeated)
{
    notify_open(&n);
    notify_status(&n, "trouble: one\nREADY=1");
    ck_assert_str_eq(heard(), "STATUS=trouble: one");
    notify_status(&n, "trouble: one\nREADY=1");
    ck_assert_str_eq(heard(), "");
    notify_status(&n, "well");
    ck_assert_str_eq(heard(), "STATUS=well");
}
END_TEST

START_TEST(watchdog)
{
    char pid[20];

    setenv("WATCHDOG_USEC", "60000000", 1);
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    notify_open(&n);
    ck_assert_int_eq(notify_deadline(&n), 0);
    notify_run(&n, 1000);
    ck_assert_str_eq(heard(), "WATCHDOG=1");
    ck_assert_int_eq(notify_deadline(&n), 31000);
    notify_run(&n, 30999);
    ck_assert_str_eq(heard(), "");
    notify_run(&n, 31000);
    ck_assert_str_eq(heard(), "WATCHDOG=1");
    notify_close(&n);
    /* Meant for another process: not ours to give. */
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "60000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify_open(&n);
    ck_assert(notify_deadline(&n) == INT64_MAX);
}
END_TEST

START_TEST(without_systemd)
{
    unsetenv("NOTIFY_SOCKET");
    notify_open(&n);
    notify_ready(&n);
    notify_status(&n, "x");
    notify_run(&n, 1);
    ck_assert_str_eq(heard(), "");
    notify_close(&n);
    setenv("NOTIFY_SOCKET", "relative", 1);
    notify_open(&n);
    ck_assert_int_eq(n.fd, -1);
}
END_TEST

START_TEST(journal_entry)
{
    const struct journal_field fields[] = {{"MESSAGE", "one"},  {"P2PVPN_LINK", NULL},
                                           {"P2PVPN_PEER", ""}, {"WHY", "a\nb"},
                                           {"PRIORITY", "4"},   {NULL, NULL}};
    static const char want[] = "MESSAGE=one\nWHY\n\3\0\0\0\0\0\0\0a\nb\nPRIORITY=4\n";
    struct buf entry = BUF_INIT;

    journal_format(fields, &entry);
    ck_assert_uint_eq(entry.len, sizeof(want) - 1);
    ck_assert_mem_eq(entry.data, want, entry.len);
    ck_assert(journal_send(path, &entry));
    ck_assert_int_eq(strncmp(heard(), "MESSAGE=one\n", 12), 0);
    ck_assert(!journal_send("/nowhere/socket", &entry));
    ck_assert(!journal_is_ours());
    buf_free(&entry);
}
END_TEST

START_TEST(events_have_ids_of_their_own)
{
    for (enum log_event a = LOG_EVENT_IN_FORCE; a <= LOG_EVENT_REPOSITORY; a++) {
        ck_assert_uint_eq(strspn(log_event_id(a), "0123456789abcdef"), 32);
        ck_assert_uint_eq(strlen(log_event_id(a)), 32);
        for (enum log_event b = LOG_EVENT_NONE; b < a; b++)
            ck_assert_str_ne(log_event_id(a), log_event_id(b));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("notify");
    TCase *t = unit_case(s, "notify", setup, teardown);

    tcase_add_test(t, ready_once_and_again_after_a_reload);
    tcase_add_test(t, status_is_one_line_and_not_repeated);
    tcase_add_test(t, watchdog);
    tcase_add_test(t, without_systemd);
    tcase_add_test(t, journal_entry);
    tcase_add_test(t, events_have_ids_of_their_own);
    return unit_run(s);
}
