/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link secret: the tls-crypt key of each link, derived from this gateway's link key and the peer's.
 *
 * HKDF-SHA256 (RFC 5869) of X25519(own private half, peer's public half), with link_key_info() as
 * its info, gives the 2048 bits of an OpenVPN static key.  The peer derives the same.  The file is
 * STATE/keys/links/..., named by common/link_key.h, root's and readable by the links' group; it
 * never leaves this folder, and no secret is ever in a bundle, a log or an argument.
 *
 * What computes is a process that ends: it alone sees OpenSSL and the private key.
 */
#ifndef P2PVPN_AGENT_LINK_SECRET_H
#define P2PVPN_AGENT_LINK_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/settings.h"
#include "common/buf.h"
#include "common/bundle.h"
#include "common/error.h"

/* Makes the files that the bundle's links need and that are not there.  0: all are there.  -EINVAL:
 * the bundle names another link key than this gateway's. */
int link_secrets_make(const struct settings *s, const struct bundle *b, struct error_list *err);

/* Removes what no link of the two bundles needs; the second one may be NULL. */
void link_secrets_sweep(const struct settings *s, const struct bundle *b,
                        const struct bundle *before);

/* --- in pieces, for tests --- */

#define LINK_SECRET_LEN 256

/* The static key file's text, of 256 bytes. */
void link_secret_text(const uint8_t secret[static LINK_SECRET_LEN], struct buf *ret);
/* False: a key is not one, or OpenSSL failed. */
bool link_secret_derive(const uint8_t own[static 32], const uint8_t peer[static 32],
                        const struct buf *info, uint8_t ret[static LINK_SECRET_LEN]);

#endif
