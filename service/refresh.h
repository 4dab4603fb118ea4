/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refresh: what is published is signed for longer, by the repository's two online keys, at half of
 * the time that it is still good for; nothing else of the repository can be changed with them.
 *
 * Does nothing where the settings name no keys.  A failure is said once and tried again each
 * minute.
 */
#ifndef P2PVPN_SERVICE_REFRESH_H
#define P2PVPN_SERVICE_REFRESH_H

#include <stdint.h>

#include "service/settings.h"

struct refresh {
    int64_t next;    /* when to sign again, seconds since 1970 */
    int64_t expires; /* of the timestamp that was signed last; 0: none was */
    char *told;      /* the failure that was said last */
};

/* To be called every now and then. */
void refresh_run(struct refresh *r, const struct controller_settings *settings, int64_t now);
void refresh_clear(struct refresh *r);

/* When to sign what expires at this time again.  Pure. */
int64_t refresh_next(int64_t now, int64_t expires);

#endif
