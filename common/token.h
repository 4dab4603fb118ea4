/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token: what lets one gateway enroll, once: text that an operator carries to it.  Pure.
 *
 * base64url (RFC 4648, 5) of: version 1, the token's id, a secret, and SHA-256 of the controller's
 * public key (SubjectPublicKeyInfo), by which the gateway knows the controller before it sends
 * anything.  The controller keeps the id and a hash of the secret.
 */
#ifndef P2PVPN_COMMON_TOKEN_H
#define P2PVPN_COMMON_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_ID_LEN 16
#define TOKEN_ID_TEXT_LEN (2 * TOKEN_ID_LEN) /* hexadecimal */
#define TOKEN_SECRET_LEN 32
#define TOKEN_PIN_LEN 32
#define TOKEN_TEXT_LEN 108

struct token {
    uint8_t id[TOKEN_ID_LEN], secret[TOKEN_SECRET_LEN], pin[TOKEN_PIN_LEN];
};

void token_format(const struct token *token, char ret[static TOKEN_TEXT_LEN + 1]);
/* False: this is no token of this version, and *ret is as it was. */
bool token_parse(const char *text, struct token *ret);

/* Of the controller's key, as p2pvpn-agent.conf(5) has it: "sha256//BASE64". */
#define TOKEN_PIN_TEXT_LEN 52
void token_pin_text(const struct token *token, char ret[static TOKEN_PIN_TEXT_LEN + 1]);

void token_id_text(const struct token *token, char ret[static TOKEN_ID_TEXT_LEN + 1]);

#endif
