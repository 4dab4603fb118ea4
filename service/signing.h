/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing: a request of a gateway becomes the text of its answer file, by the authority's folder
 * (controller/ca.h) if this machine has it.
 */
#ifndef P2PVPN_SERVICE_SIGNING_H
#define P2PVPN_SERVICE_SIGNING_H

#include <stdint.h>

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

/* -EINVAL: the name belongs to another key, or the like; *err says it. */
int signing_answer(const struct controller_settings *s, const char *pem, uint32_t generation,
                   struct buf *ret, struct error_list *err);

#endif
