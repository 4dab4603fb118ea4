/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key: the gateway's private key, its request, and the certificates that answer it.
 *
 *   KEYS/gateway.key   0600, P-256, PKCS #8 PEM; belongs to the user that OpenVPN runs as
 *   KEYS/gateway.csr   the request (PKCS #10), for GATEWAY
 *   KEYS/gateway.crt   the certificate, for GATEWAY.gN
 *   KEYS/ca.crt        the authority of the mesh
 *
 * The private key is made here and never leaves this folder.  KEYS exists already (state.h), and
 * nobody but root can write to it.  Of the agent only this module sees OpenSSL's keys.
 */
#ifndef P2PVPN_AGENT_KEY_H
#define P2PVPN_AGENT_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/error.h"

struct key_request {
    struct buf pem; /* of the request */
    /* SHA-256 of the public key (SubjectPublicKeyInfo), as 'p2pvpn-ctl enroll' shows it. */
    char fingerprint[DIGEST_SPOKEN_LEN + 1];
    bool reused; /* the key was there already */
};

/* A new key, if there is none, given to uid and gid; and a request for it.  A key that is there is
 * never replaced.  -EINVAL: it is another gateway's.  Free with key_request_clear(). */
int key_generate(const char *keys, const char *gateway, uid_t uid, gid_t gid,
                 struct key_request *ret, struct error_list *err);
void key_request_clear(struct key_request *request);

struct key_installed {
    char *common_name;  /* "perth.g1" */
    char not_after[32]; /* "2027-12-25 10:00 UTC" */
    bool changed;       /* false: the same certificate was installed before */
};

/* Checks the file that 'p2pvpn-ctl enroll' made, and installs what is in it: for this key, for this
 * gateway, valid now, issued by the authority that comes with it, which must be the one installed
 * before, if there is one.  Nothing is installed unless all of it is right. */
int key_install(const char *keys, const char *answer_file, struct key_installed *ret,
                struct error_list *err);
void key_installed_clear(struct key_installed *installed);

/* When the gateway's certificate ends, in seconds since 1970; 0: there is none that can be read. */
int64_t key_expires(const char *keys);

/* True: a certificate is installed, and it is for a gateway of another name.  *name: what it says,
 * "perth.g1"; the caller frees it. */
bool key_is_anothers(const char *keys, const char *gateway, char **name);

#endif
