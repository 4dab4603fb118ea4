/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link key: what both ends of a link, and whoever compiles the mesh, must agree on about tls-crypt.
 * Pure.
 *
 * A gateway has one X25519 key for its links.  The public half travels in its request, its
 * certificate (as the only alternative name, URI:p2pvpn:link-key:TEXT) and the bundles; TEXT is the
 * 32 bytes in base64url without padding (RFC 4648, 5), in the one spelling that they have.  Both
 * ends of a link derive the same OpenVPN key from X25519 and what link_key_info() says
 * (agent/link_secret.h).
 *
 * The file that an end keeps the derived key in is named after a digest of all that it comes from.
 * The name stands in the link's OpenVPN configuration: so another key of either end, or another
 * generation, is another configuration, and whoever compares configurations sees it.
 */
#ifndef P2PVPN_COMMON_LINK_KEY_H
#define P2PVPN_COMMON_LINK_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bundle.h"

#define LINK_KEY_LEN 32
#define LINK_KEY_TEXT_LEN 43
#define LINK_KEY_URI "p2pvpn:link-key:" /* before the text, in a certificate */
#define LINK_KEY_DIR "links"            /* in STATE/keys */
/* "links/pv65535-8-0123456789abcdef.key" */
#define LINK_KEY_FILE_SIZE (sizeof(LINK_KEY_DIR) + BUNDLE_INTERFACE_SIZE + 24)

void link_key_text(const uint8_t key[static LINK_KEY_LEN], char ret[static LINK_KEY_TEXT_LEN + 1]);
/* False: this is not the text of a key. */
bool link_key_parse(const char *text, uint8_t ret[static LINK_KEY_LEN]);
bool link_key_valid(const char *text);

struct link_key_end {
    const char *gateway;
    uint32_t generation;
    const char *key; /* text */
};

/* One text for both ends, whichever is named first: mesh, both ends with generation and key, and
 * which of the parallel tunnels (from 1) it is.  Appends to *ret. */
void link_key_info(const char *mesh, const struct link_key_end *a, const struct link_key_end *b,
                   unsigned tunnel, struct buf *ret);

/* Where an end keeps what it derived, relative to STATE/keys. */
void link_key_file(const char *interface, const struct buf *info,
                   char ret[static LINK_KEY_FILE_SIZE]);

/* Both for a link of a bundle.  False: it has no tls-crypt. */
bool link_key_of(const struct bundle *b, const struct bundle_link *link, struct buf *info,
                 char file[static LINK_KEY_FILE_SIZE]);

/* Whether an end of the link proves itself in another way than before: its generation or key is
 * another one. */
bool link_key_replaced(const struct bundle *old, const struct bundle_link *was,
                       const struct bundle *now, const struct bundle_link *is);

#endif
