/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewals: which gateway is told to renew, one after the other, as each restarts its links by
 * turns then: a small mesh has only one at work at a time, and a large one is through within a
 * working day.  One that was told and does not come to it takes nobody else's turn.
 *
 * And how often one may renew, told or not: each certificate is a signature, a write to the disk
 * and a row of the audit log.  In memory alone, as no gateway can start the controller anew.
 */
#ifndef P2PVPN_SERVICE_RENEWALS_H
#define P2PVPN_SERVICE_RENEWALS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "service/body.h"

#define RENEWALS_PACE 60        /* seconds from one gateway that is told to the next */
#define RENEWALS_ALL (8 * 3600) /* and all of them together, if they are many */
#define RENEWALS_AGAIN 3600  /* and until one is told again, which tries it by itself till then */
#define RENEWALS_MOST 10     /* certificates of one gateway */
#define RENEWALS_WITHIN 3600 /* within so many seconds */

struct renewals {
    int64_t told;  /* the last of them, seconds since 1970 */
    json_t *names; /* of those that are not told again, and when each was */
    char authorities[BODY_AUTHORITIES_MAX + 1]; /* of which their certificates are to be */
    json_t *made; /* when each gateway has renewed within the hour, the last times */
};

/* Whether it is this gateway's turn, which is taken then.  `authorities`: of which its certificate
 * is to be; with others all may be told anew.  `gateways`: how many there are. */
bool renewals_tell(struct renewals *r, const char *gateway, const char *authorities,
                   unsigned gateways, int64_t now);

/* Whether another certificate may be made for this gateway; and that one was. */
bool renewals_may(const struct renewals *r, const char *gateway, int64_t now);
void renewals_made(struct renewals *r, const char *gateway, int64_t now);

void renewals_clear(struct renewals *r);

#endif
