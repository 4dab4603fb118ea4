/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing: a request of a gateway becomes the text of its answer file, by the authority's folder
 * (controller/ca.h) if this machine has it.
 *
 * The authority's key is read at the start and kept, decrypted; it is read again when it, its
 * certificate or the file of its passphrase is another one, and only then: decrypting takes long on
 * purpose.  A key that cannot be used stops nothing else: the repository is served, and what needs
 * the key is answered with 503.
 */
#ifndef P2PVPN_SERVICE_SIGNING_H
#define P2PVPN_SERVICE_SIGNING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/link_key.h"
#include "common/name.h"
#include "service/settings.h"

struct signing_request {
    char gateway[NAME_MAX_LEN + 1];
    char fingerprint[DIGEST_TEXT_LEN + 1]; /* SHA-256 of the public key */
    char link_key[LINK_KEY_TEXT_LEN + 1];  /* "": none */
};

/* What a request asks for, if its signature and everything else about it are right. */
int signing_look(const struct controller_settings *s, const char *pem, struct signing_request *ret,
                 struct error_list *err);

struct ca;

struct signing {
    struct ca *ca; /* NULL: it cannot be used */
    bool looked;
    struct stat seen[3]; /* key, certificate, passphrase */
    char why[256];       /* it cannot be used */
};

/* 0: there is an authority that signs, or none is wanted.  -EIO: the key cannot be used, *err says
 * why, and the log has it once. */
int signing_ready(struct signing *g, const struct controller_settings *s, struct error_list *err);
void signing_clear(struct signing *g);

/* pin: this controller's, for offer.h.  -EINVAL: the name belongs to another key, or the like; *err
 * says it. */
int signing_answer(struct signing *g, const struct controller_settings *s, const unsigned char *pin,
                   const char *pem, uint32_t generation, struct buf *ret, struct error_list *err);

#endif
