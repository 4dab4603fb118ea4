/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of key.h: key.c makes keys and installs answers, key_ask.c says what is there. */
#ifndef P2PVPN_AGENT_KEY_PARTS_H
#define P2PVPN_AGENT_KEY_PARTS_H

#include <stdbool.h>

#include <openssl/evp.h>

#include "common/error.h"
#include "common/x509.h"

#define KEY_FILE "gateway.key"
#define LINK_FILE "gateway.link.key"

/* 1: *ret set; 0: there is no such file. */
int key_read(const char *file, EVP_PKEY **ret, struct error_list *err);

/* Which gateway the key was made for, by the request.  1: *ret set; 0: nothing says it. */
int key_requested_name(const char *file, char ret[static X509_COMMON_NAME_MAX + 1],
                       struct error_list *err);

/* GATEWAY.gN, N from 1 and without leading zeros. */
bool key_name_fits(const char *common, const char *gateway);

#endif
