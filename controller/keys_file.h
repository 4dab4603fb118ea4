/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys file: which keys the gateways were enrolled with, kept beside the model in the operator's
 * git.  yang/p2pvpn-keys says what it may hold, and nothing else is taken.
 *
 * NAME.json has NAME.keys.json.  Written by enroll, revoke and rekey, read by compile.  It holds
 * public keys only.  It is never cleaned up: a gateway that leaves the mesh keeps its record, so
 * that nobody who has an old key comes back with it when the name does.
 *
 * The generation of a gateway's certificate is that of the file, or the lock's, whichever is
 * higher.  Of a gateway that was revoked, or whose keys are to be replaced, the record still has
 * the old keys, but the generation is one that there is no certificate of: so every peer refuses
 * it, and its links still answer nobody else.
 */
#ifndef P2PVPN_CONTROLLER_KEYS_FILE_H
#define P2PVPN_CONTROLLER_KEYS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"

#define KEYS_FILE_DEFAULT "mesh.keys.json"
#define KEYS_FILE_MAX_BYTES (32u << 20)
#define KEYS_FILE_MAX_GATEWAYS 65535u

struct lock;
struct network;

struct keys_gateway {
    const char *name;
    uint32_t generation;  /* of its certificate name, from 1 */
    const char *tls_key;  /* as the SHA-256 that enroll shows (common/digest.h); NULL: none */
    const char *link_key; /* text (common/link_key.h); NULL: none */
    bool revoked;         /* it is out; nothing is issued */
    bool rekey;           /* it has to come with new keys */
};

struct keys_file {
    struct keys_gateway *gateways; /* common/sorted.h */
    size_t n, cap;
    struct arena arena;
    struct buf was; /* the text that it was loaded from */
    bool loaded;
};

/* "mesh.json" -> "mesh.keys.json"; caller frees. */
char *keys_file_name(const char *mesh_file);

/* 0 with *ret set; a missing file is an empty one.  -EINVAL: it is no such file; every error with
 * its place. */
int keys_file_load(const char *file, struct keys_file **ret, struct error_list *err);
int keys_file_parse(const char *text, size_t len, const char *file, struct keys_file **ret,
                    struct error_list *err);
struct keys_file *keys_file_free(struct keys_file *k); /* NULL ok; returns NULL */

/* Deterministic, one gateway a line. */
void keys_file_format(const struct keys_file *k, struct buf *ret);
/* Compare-and-swap: -EAGAIN, with the file untouched, if it is not what it was when it was loaded.
 */
int keys_file_write(const struct keys_file *k, const char *file, struct error_list *err);

bool keys_file_changed(const struct keys_file *k, const char *file);

const struct keys_gateway *keys_file_find(const struct keys_file *k, const char *gateway);

/* Adds a record, or replaces the one of this name; texts are copied. */
void keys_file_put(struct keys_file *k, const struct keys_gateway *g);

/* From now on every peer refuses the gateway's keys.  `out`: and it gets no certificate; else for
 * new keys it does.  `known`: its generation in the lock, 0: none.  Each change of mind
 * raises the generation, the same once more does not.  Returns the generation that comes next; 0:
 * there is no higher one. */
uint32_t keys_file_revoke(struct keys_file *k, const char *gateway, bool out, uint32_t known);

/* The generation of the certificate that the gateway gets: `wanted`, if that is not 0, else what
 * the record says.  -EINVAL: it gets none. */
int keys_file_generation(const struct keys_file *k, const char *gateway, uint32_t wanted,
                         uint32_t *ret, struct error_list *err);

/* Generations and link keys into the compiled mesh and its lock. */
void keys_file_apply(const struct keys_file *k, struct network *net, struct lock *lock);

#endif
