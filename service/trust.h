/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trust: which authorities the certificates of gateways and operators may be of.
 *
 * The file that client-ca names; else those of the authority's folder (controller/ca.h): its own,
 * and while one follows another the next or the previous one too, so that a gateway is known
 * whatever step it is at.  Changed files are read again while the controller runs; what cannot be
 * read leaves the trust as it was, and the log says it once.
 */
#ifndef P2PVPN_SERVICE_TRUST_H
#define P2PVPN_SERVICE_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "common/error.h"
#include "service/body.h"
#include "service/settings.h"
#include "service/tls.h"

#define TRUST_FILES 4

struct trust {
    char *files[TRUST_FILES]; /* that are looked at; the first of them count for clients */
    size_t n, for_clients;
    struct stat seen[TRUST_FILES];
    bool failed; /* and said */
    /* What an answer carries now (ca_authorities()); "": nothing is signed here. */
    char authorities[BODY_AUTHORITIES_MAX + 1];
    const char *ca;
};

/* -EIO or -EINVAL: there is none, or what there is cannot be read. */
int trust_open(struct trust *t, const struct controller_settings *s, struct tls *tls,
               struct error_list *err);
/* Looks whether they have changed. */
void trust_run(struct trust *t, struct tls *tls);
/* Whether a certificate of these authorities (what a report says) is to be renewed, as an answer
 * would carry others now.  Pure. */
bool trust_renewal_due(const struct trust *t, const char *authorities);
void trust_close(struct trust *t);

#endif
