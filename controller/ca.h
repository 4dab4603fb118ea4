/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CA: the certificate authority of a mesh, a folder with a P-256 key and what it issued.
 *
 *   DIR/ca.key                  0600, PKCS #8 PEM, encrypted with a passphrase; DIR is 0700
 *   DIR/ca.crt                  ten years
 *   DIR/issued/GATEWAY.gN.crt   the latest certificate of this name
 *   DIR/next.key, next.crt      the authority that follows: answers carry its certificate already
 *   DIR/previous.crt            the one before: answers carry its certificate still
 *
 * One authority follows another, under another name, in three steps, between which every gateway
 * gets an answer. ca_rollover() makes the next one; ca.key still issues.  When all trust both,
 * ca_switch() lets the new one issue.  When all have its certificates, ca_retire() ends the trust
 * in the old one.
 *
 * A gateway's certificate names GATEWAY.gN, generation N, and lives 398 days, but not longer than
 * the authority: so whoever watches the end of the one watches that of the other.  It carries the
 * link key of the request, so that one signature binds name, generation and both keys.  One name
 * stands for the same keys for ever: to give a gateway others, its generation is raised; and keys
 * that had another generation before are not taken.  Both extended key usages are in it, because a
 * gateway is the TLS server of one link and the client of another.
 */
#ifndef P2PVPN_CONTROLLER_CA_H
#define P2PVPN_CONTROLLER_CA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/link_key.h"
#include "common/x509.h"

#define CA_DAYS 3650
#define CA_GATEWAY_DAYS 398

struct ca_answer {
    struct buf
        pem; /* the gateway's certificate, then the authority's; another's while they change */
    char *common_name;                       /* "perth.g1" */
    char fingerprint[DIGEST_SPOKEN_LEN + 1]; /* SHA-256 of the public key (SubjectPublicKeyInfo) */
    char link_key[LINK_KEY_TEXT_LEN + 1];    /* common/link_key.h; "": the request has none */
    char *gateway;
    int days;     /* that it is good for */
    bool renewed; /* the same key had a certificate of this name before */
};

/* Makes DIR, which must not be there or be empty, as a whole or not at all.  `mesh` may be NULL. */
int ca_init(const char *dir, const char *mesh, struct error_list *err);

/* The same, and the key is encrypted with the passphrase, a new one; NULL: it is not. */
struct passphrase; /* controller/passphrase.h */
int ca_init_with(const char *dir, const char *mesh, struct passphrase *p, struct error_list *err);

/* -EINVAL: there is no authority in DIR. */
int ca_check(const char *dir, struct error_list *err);

/* Warns when it has less than two years left: each gateway needs two certificates on the way to
 * another authority.  -EIO: it cannot be read, and *warnings says why. */
#define CA_WARN_DAYS 730
int ca_warn_end(const char *dir, struct error_list *warnings);

/* The steps from one authority to the next.  -EINVAL: it is not its turn. */
int ca_rollover(const char *dir, struct passphrase *p, struct error_list *err);
int ca_switch(const char *dir, struct error_list *err);
int ca_retire(const char *dir, struct error_list *err);

/* Appends which authorities an answer carries now, as the agent's key_authorities() says it:
 * SHA-256 of their certificates with a blank in between, the issuing one first. */
int ca_authorities(const char *dir, struct buf *ret, struct error_list *err);

/* Who asks for what, checked; for those who decide about the generation. */
struct ca_request {
    char gateway[X509_COMMON_NAME_MAX + 1];
    char fingerprint[DIGEST_SPOKEN_LEN + 1], link_key[LINK_KEY_TEXT_LEN + 1]; /* as in the answer */
};
int ca_read_request(const char *request_file, struct ca_request *ret, struct error_list *err);

/* Answers a PEM request (PKCS #10).  -EINVAL: the request, its name or its key is wrong, or this
 * name belongs to another key.  Free with ca_answer_clear(). */
int ca_enroll(const char *dir, const char *request_file, uint32_t generation, struct ca_answer *ret,
              struct error_list *err);
/* The same with a key that may be encrypted; NULL: it is not. */
int ca_enroll_with(const char *dir, struct passphrase *p, const char *request_file,
                   uint32_t generation, struct ca_answer *ret, struct error_list *err);
/* A certificate that the controller (p2pvpn-controller(8)) knows an operator by, "NAME.operator",
 * and its new key in front of it, in PEM; *days: that it is good for.  For clients alone, and
 * nothing else takes it. */
#define CA_OPERATOR_DAYS 90
int ca_operator(const char *dir, struct passphrase *p, const char *name, struct buf *ret, int *days,
                struct error_list *err);

/* Enrolling for those who answer many: the key is read, and decrypted, once and then kept.  `ca`
 * answers as it was opened, whatever becomes of the folder's key.  -EIO: it has expired. */
struct ca;
int ca_open(const char *dir, struct passphrase *p, struct ca **ret, struct error_list *err);
int ca_answer(const struct ca *ca, const char *request_file, uint32_t generation,
              struct ca_answer *ret, struct error_list *err);
struct ca *ca_close(struct ca *ca); /* NULL ok; returns NULL */
void ca_answer_clear(struct ca_answer *answer);

#endif
