/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refresh: what is published is signed for longer, by the repository's two online keys, at half of
 * the time that it is still good for, whoever has published it; nothing else of the repository can
 * be changed with them.
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
    int64_t planned; /* when `next` was set */
    int64_t expires; /* of the published timestamp and snapshot the sooner; 0: not known */
    char *told;      /* the failure that was said last */
};

/* To be called every now and then. */
void refresh_run(struct refresh *r, const struct controller_settings *settings, int64_t now);
/* Something else is published than before: it may expire sooner than what was signed here. */
void refresh_published(struct refresh *r, const struct controller_settings *settings, int64_t now);
void refresh_clear(struct refresh *r);

/* When to sign what expires at this time again.  Pure. */
int64_t refresh_next(int64_t now, int64_t expires);

#endif
