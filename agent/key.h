/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key: the gateway's private key, its request, and the certificates that answer it.
 *
 *   KEYS/gateway.key       0600, P-256, PKCS #8 PEM; belongs to the user that OpenVPN runs as
 *   KEYS/gateway.link.key  0600, X25519, likewise, but root's: what the links' keys come from
 *   KEYS/gateway.csr       the request (PKCS #10), for GATEWAY
 *   KEYS/gateway.crt       the certificate, for GATEWAY.gN
 *   KEYS/ca.crt            the authority of the mesh; two while one follows the other
 *   KEYS/gateway.key.new, gateway.link.key.new   while keys are replaced: not yet answered
 *
 * Request and certificate carry the public half of the link key too (common/link_key.h).  The
 * private keys are made here and never leave this folder.  KEYS exists already (state.h), and
 * nobody but root can write to it.  Of the agent only this module (key.c, key_ask.c) sees
 * OpenSSL's keys.
 */
#ifndef P2PVPN_AGENT_KEY_H
#define P2PVPN_AGENT_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/link_key.h"

struct key_request {
    struct buf pem; /* of the request */
    /* SHA-256 of the public key (SubjectPublicKeyInfo), as 'p2pvpn-ctl enroll' shows it. */
    char fingerprint[DIGEST_SPOKEN_LEN + 1];
    bool reused; /* the key was there already */
};

enum key_wish {
    KEY_KEEP,    /* keys that are there are never replaced; those that are not are made */
    KEY_RENEW,   /* none is made: a certificate for those that are there */
    KEY_REPLACE, /* new ones, which take the place of the old ones with the answer */
};

/* Makes what keys are wished, the one for TLS given to uid and gid, and a request for them: the one
 * that is there already, to the byte, if it is for the same.
 * `gateway` NULL: the one that the keys are of.  -EINVAL: they are another gateway's.  Free with
 * key_request_clear(). */
int key_generate(const char *keys, const char *gateway, enum key_wish wish, uid_t uid, gid_t gid,
                 struct key_request *ret, struct error_list *err);
void key_request_clear(struct key_request *request);

struct key_installed {
    char *common_name;  /* "perth.g1" */
    char not_after[32]; /* "2027-12-25 10:00 UTC" */
    bool changed;       /* false: the same certificate was installed before */
};

/* Checks the file that 'p2pvpn-ctl enroll' made, and installs what is in it: for these keys, for
 * this gateway, valid now, issued by an authority that comes with it; one of those must have been
 * installed before, if any was.  Nothing is installed unless all of it is right. */
int key_install(const char *keys, const char *answer_file, struct key_installed *ret,
                struct error_list *err);
void key_installed_clear(struct key_installed *installed);

/* Checks that the bundle's link key (NULL: none) is this gateway's.  -EINVAL: it is not, and what
 * to do. */
int key_check_link(const char *keys, const char *link_key, struct error_list *err);

/* The private half of the gateway's link key, which the caller wipes. */
int key_link_private(const char *keys, uint8_t ret[static LINK_KEY_LEN], struct error_list *err);

/* Which gateway the keys are of: 1, and its name on the heap in *name; 0: there are none. */
int key_gateway(const char *keys, char **name, struct error_list *err);

/* When the gateway's certificate ends, in seconds since 1970; 0: there is none that can be read. */
int64_t key_expires(const char *keys);

/* When the authority ends that issued it: no certificate of that one is good for longer.  0: it is
 * not known. */
int64_t key_authority_expires(const char *keys);

/* Which authorities there are for it: SHA-256 of their certificates (DER) as text, with blanks in
 * between, the first that of the one that issued it, then the others that are trusted.  On the
 * heap; NULL: none is known. */
char *key_authorities(const char *keys);

/* True: a certificate is installed, and it is for a gateway of another name.  *name: what it says,
 * "perth.g1"; the caller frees it. */
bool key_is_anothers(const char *keys, const char *gateway, char **name);

#endif
