/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the authority: ca.c owns its folder and what is in there, ca_issue.c answers
 * requests. For these two files alone.
 */
#ifndef P2PVPN_CONTROLLER_CA_PARTS_H
#define P2PVPN_CONTROLLER_CA_PARTS_H

#include "controller/ca.h"

struct authority {
    EVP_PKEY *key;
    X509 *cert;
};

/* Whole and valid now, or -EINVAL, -EIO, ...; what is in *ret is to be freed in any case. */
int ca_read_authority(const char *dir, struct passphrase *p, struct authority *ret,
                      struct error_list *err);
void ca_authority_free(struct authority *ca);
int ca_check_time(const char *dir, const X509 *cert, struct error_list *err);

/* NULL: it cannot be read, and *err says why. */
X509 *ca_read_certificate(const char *file, struct error_list *err);

/* Whole days that it is still valid for. */
int ca_days_left(const X509 *cert);

/* Unsigned, with everything but the extensions; it does not outlive its issuer.  issuer NULL:
 * itself.  NULL: OpenSSL failed. */
X509 *ca_certificate_new(const char *common_name, const X509 *issuer, EVP_PKEY *key, long days);

/* The certificates that a gateway is to trust, behind its own. */
int ca_add_authorities(const char *dir, X509 *own, struct buf *to, struct error_list *err);

#endif
