/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notify: what a service tells systemd (sd_notify(3)): that it is ready, what it is doing, and that
 * it is alive.  Without systemd (NOTIFY_SOCKET) everything here does nothing.
 *
 * Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef P2PVPN_COMMON_NOTIFY_H
#define P2PVPN_COMMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd; /* -1: nobody wants to hear */
    bool ready;
    char *status;      /* what was said last */
    int64_t every, at; /* the watchdog's sign of life; every 0: none is wanted */
};

/* Takes what it needs out of the environment, so that no child has it. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

/* Ready, once; and after notify_reloading(). */
void notify_ready(struct notify *n);
void notify_reloading(struct notify *n);
/* One line for `systemctl status`; what was said already is not said again. */
void notify_status(struct notify *n, const char *status);

/* When notify_run() has to be called at the latest; INT64_MAX: never. */
int64_t notify_deadline(const struct notify *n);
void notify_run(struct notify *n, int64_t now);

#endif
