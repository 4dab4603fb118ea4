/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offer: what an answer says of the repository (common/answer_block.h), so that a gateway that
 * enrols has its bundles from here and waits here for the next.
 *
 * What the operator wrote into CA/repository.json goes first (controller/ca_repository.h): it may
 * name other mirrors.  Without that file it is this controller, if the setting url says where
 * gateways reach it: its repository's first root, its address, and the pin of its key.
 */
#ifndef P2PVPN_SERVICE_OFFER_H
#define P2PVPN_SERVICE_OFFER_H

#include "common/buf.h"
#include "common/error.h"
#include "service/settings.h"
#include "service/tls.h"

/* Appends it to the answer, if there is one.  Errors are of this machine, not of the request. */
int offer_add(const struct controller_settings *s, const unsigned char pin[static TLS_PIN_LEN],
              struct buf *answer, struct error_list *err);

/* "sha256//BASE64" */
#define OFFER_PIN_SIZE 64
void offer_pin_text(const unsigned char pin[static TLS_PIN_LEN], char ret[static OFFER_PIN_SIZE]);

#endif
