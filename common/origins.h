/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Origins: which AS may announce which prefix, for the whole mesh.
 *
 * compile writes one such file beside the gateways; every agent reads the same one.  Plain text, so
 * that people and diff can read it, and strict, so that nothing can hide in it:
 *
 *     p2pvpn-origins 1
 *     mesh example
 *     revision <SHA-256 of this text with 64 zeros in its place, in hexadecimal>
 *     10.1.0.0/16 4200000001,4200000002 perth
 *     fd00:1::/32 4200000001,4200000002 perth
 *
 * One line per registered prefix, in the order of prefix_compare(); its ASNs, ascending, are those
 * of the gateways of its LAN.  Of a prefix that is registered nothing more specific is.  LANs
 * without a gateway are not there.  Everything here is linear in the size of the table.
 */
#ifndef P2PVPN_COMMON_ORIGINS_H
#define P2PVPN_COMMON_ORIGINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/prefix.h"

#define ORIGINS_DIR "@mesh"    /* in the output folder; '@' is in no gateway's name */
#define ORIGINS_NAME "origins" /* in that folder */
#define ORIGINS_FORMAT 1
#define ORIGINS_MAX_BYTES (64u << 20)
#define ORIGINS_MAX_ENTRIES 200000u
#define ORIGINS_MAX_PAIRS 1000000u /* of a prefix and an ASN */

struct origin {
    struct prefix prefix; /* no host bits */
    uint32_t n_asns;      /* at least one */
    const uint32_t *asns; /* ascending, for private use (RFC 6996) */
    const char *lan;
};

struct origins {
    const char *mesh;
    char revision[DIGEST_TEXT_LEN + 1];
    struct origin *entries; /* by prefix */
    size_t n;
    struct arena arena; /* owns everything a parsed table points to */
};

/* Puts the entries into the order that the format wants. */
void origins_sort(struct origins *o);

/* Appends the text, computing `revision` on the way.  The entries must be in order. */
void origins_format(struct origins *o, struct buf *ret);

/* True: this is, to the byte, a text that origins_format() wrote, going by its revision; much
 * faster than reading it.  *ret_revision, if not NULL, is then its revision. */
bool origins_text_intact(const char *data, size_t len, char (*ret_revision)[DIGEST_TEXT_LEN + 1]);

/* 0 and *ret set, or -EINVAL with *err filled (`file`, line) and *ret untouched.  Accepts only what
 * origins_format() writes, to the byte.  Free with origins_free(). */
int origins_parse(const char *data, size_t len, const char *file, struct origins **ret,
                  struct error_list *err);

/* True: a table that came some other way than as text (agent/wire.h) is one that origins_parse()
 * would have read: its prefixes, ASNs, names, order, and the revision that it claims. */
bool origins_valid(struct origins *o);
struct origins *origins_free(struct origins *o); /* of origins_parse(); NULL ok; returns NULL */

/* What turns one table into another.  A change of a LAN's name alone is none. */
struct origin_change {
    struct prefix prefix;
    uint32_t asn;
    bool announced; /* else withdrawn */
};

struct origin_changes {
    struct origin_change *changes; /* by prefix and ASN, each pair once */
    size_t n, cap;
};

#define ORIGIN_CHANGES_INIT \
    {                       \
        NULL, 0, 0          \
    }

/* Walks over all pairs of prefix and ASN in the order of origin_change_compare(), from a place that
 * is zero at first.  False: there are no more.  NULL is the empty table. */
struct origin_place {
    size_t entry;
    uint32_t asn;
};

bool origins_each(const struct origins *o, struct origin_place *at, struct prefix *ret_prefix,
                  uint32_t *ret_asn);

/* Appends the changes from `from` to `to`; NULL is the empty table.  Pure. */
void origins_diff(const struct origins *from, const struct origins *to, struct origin_changes *ret);
void origin_changes_add(struct origin_changes *c, const struct origin_change *change);
void origin_changes_free(struct origin_changes *c);

/* By prefix, then ASN. */
int origin_change_compare(const struct origin_change *a, const struct origin_change *b);

#endif
