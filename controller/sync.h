/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sync: what the controller (p2pvpn-controller(8)) enrolled, into the operator's file of keys; and
 * what that file refuses, to the controller.
 *
 * Only ever towards less: no generation is lowered, no gateway that was revoked is let in, and a
 * key is never replaced by another one of the same generation.  A gateway that was revoked comes
 * back with a generation above the one that it went with, so that a file of before lets nobody in.
 * What does not fit is a conflict, which changes nothing, for a person to look at.  Pure.
 */
#ifndef P2PVPN_CONTROLLER_SYNC_H
#define P2PVPN_CONTROLLER_SYNC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/error.h"

struct keys_file;

struct sync_gateway {
    const char *name;
    uint32_t generation;  /* that it has a certificate of; 0: not of the controller */
    const char *tls_key;  /* as in the file of keys; NULL: no generation */
    const char *link_key; /* NULL: none */
    uint32_t least;       /* the controller refuses what is below */
    bool revoked;         /* and everything */
};

struct sync_list {
    struct sync_gateway *gateways;
    size_t n;
    struct arena arena;
};

/* The answer to GET /v1/keys.  -EINVAL: it is none, and *ret is not set. */
int sync_read(const json_t *answer, struct sync_list **ret, struct error_list *err);
struct sync_list *sync_free(struct sync_list *list); /* NULL ok; returns NULL */

enum sync_change {
    SYNC_NOTHING,
    SYNC_ENROLLED, /* it was not in the file */
    SYNC_REPLACED, /* it has new keys, of a higher generation */
    SYNC_LINK_KEY, /* it had none */
    SYNC_REKEY,    /* the controller refuses the keys that it has */
    SYNC_REVOKED,  /* the controller knows that it is out */
    SYNC_RAISED,   /* it is out, and what the controller knows of it needs a higher generation */
    SYNC_CONFLICT, /* *err says it; the record is as it was */
};

/* One gateway of the controller's into the file. */
enum sync_change sync_merge(struct keys_file *k, const struct sync_gateway *g,
                            struct error_list *err);

/* What the controller has to be told of one record.  False: nothing. */
struct keys_gateway;
bool sync_refusal(const struct keys_gateway *record, const struct sync_list *list);
/* And that lets in a gateway which the controller keeps out. */
bool sync_readmits(const struct keys_gateway *record, const struct sync_list *list);

#endif
