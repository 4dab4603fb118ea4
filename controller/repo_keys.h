/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a repository's roles: a folder of Ed25519 keys, one a file (PKCS #8 in PEM, 0600).
 *
 * root-1.pem, root-2.pem, ... and targets.pem have a passphrase, unless it was chosen that none of
 * them has one; snapshot.pem and timestamp.pem have none, as a service uses them.  What is not
 * needed may be elsewhere.  NAME.next.pem is a key that the next root will name, and becomes
 * NAME.pem when that root is in place: the root says which of the two it is, so nothing is lost
 * when a rotation is interrupted or given up.
 */
#ifndef P2PVPN_CONTROLLER_REPO_KEYS_H
#define P2PVPN_CONTROLLER_REPO_KEYS_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "controller/passphrase.h"
#include "tuf/repo.h"

#define REPO_ROOT_KEYS_MAX 16

struct repo_key {
    bool there;
    struct tuf_seed seed;
    char keyid[TUF_KEYID_LEN + 1];
};

/* The file of a key, without folder and ending: a root's by its number from 1. */
#define REPO_KEY_NAME_SIZE 32
void repo_key_name(enum tuf_type type, unsigned number, char ret[static REPO_KEY_NAME_SIZE]);

/* True: keys of this role have a passphrase. */
bool repo_key_secret(enum tuf_type type);

/* Reads DIR/NAME.pem, or with `next` DIR/NAME.next.pem.  ret->there false: there is none. */
int repo_key_read(const char *dir, const char *name, bool next, struct passphrase *passphrase,
                  struct repo_key *ret, struct error_list *err);

/* Makes a key and writes it, a `secret` one encrypted unless passphrase is NULL; one that is there
 * stays, and is *ret. */
int repo_key_make(const char *dir, const char *name, bool next, bool secret,
                  struct passphrase *passphrase, struct repo_key *ret, struct error_list *err);

/* True: there are keys of roles that may have a passphrase, and none of them has one. */
bool repo_keys_plain(const char *dir);

/* NAME.next.pem becomes NAME.pem if it is the key that the root names for a role; else it stays, as
 * it is of a rotation that waits or was given up. */
int repo_key_promote(const char *dir, const json_t *root, enum tuf_type type, unsigned number,
                     struct passphrase *passphrase, struct error_list *err);

/* Whether there is a NAME.next.pem. */
bool repo_key_waits(const char *dir, const char *name);

/* Removes NAME.next.pem, which no root names. */
int repo_key_give_up(const char *dir, const char *name, struct error_list *err);

/* The key that the root names for a role, from NAME.pem or NAME.next.pem, of which the latter is
 * promoted then.  -EINVAL: none of them is. */
int repo_key_named(const char *dir, const json_t *root, enum tuf_type type, unsigned number,
                   struct passphrase *passphrase, struct repo_key *ret, struct error_list *err);

/* The object that says the public key; the caller's. */
json_t *repo_key_public(const struct repo_key *key);
void repo_key_wipe(struct repo_key *key);

#endif
