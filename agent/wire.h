/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wire: what the unprivileged reader (reader.h) answers, and the only thing of it that the root
 * side reads.  Pure.
 *
 * A message is the magic, one byte for the verb, the length of the rest in four bytes, and the
 * rest; numbers in network order, texts with their length before them, lists with their count.
 * There is one message for the same content, and nothing may follow it.
 *
 * wire_read() takes the reader for hostile.  A count is believed only as far as there are bytes for
 * it; every value of a bundle passes bundle_check(), every line of a table origins_valid(); both
 * must have the revision that they claim.  Texts of a refusal are made printable.  What a hostile
 * reader can still do is to refuse, or to hand over another bundle of valid form, which is what
 * whoever wrote the source could have done.
 */
#ifndef P2PVPN_AGENT_WIRE_H
#define P2PVPN_AGENT_WIRE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/bundle.h"
#include "common/error.h"
#include "common/origins.h"

#define WIRE_MAX_BYTES (24u << 20) /* of a message: the text that it stands for is longer */

enum wire_verb {
    WIRE_REFUSED = 1, /* with a result and the problems */
    WIRE_BUNDLE,
    WIRE_ORIGINS,
};

struct wire_answer {
    enum wire_verb verb;
    int result; /* WIRE_REFUSED: -EINVAL or -EIO */
    struct error_list refused;
    struct bundle *bundle;
    uint64_t *places; /* of an archive: where each of the bundle's files begins in it; else NULL */
    struct origins *origins;
};

#define WIRE_ANSWER_INIT           \
    {                              \
        .refused = ERROR_LIST_INIT \
    }

/* The reader's side: append one message. */
void wire_refused(int result, const struct error_list *why, struct buf *ret);
void wire_bundle(const struct bundle *b, const uint64_t *places, struct buf *ret);
void wire_origins(const struct origins *o, struct buf *ret);

/* The root side.  0 and *ret filled, or -EPROTO with *err filled and *ret untouched: this is no
 * message, or what it carries is not valid.  `file` is what was read, for messages. */
int wire_read(const char *data, size_t len, const char *file, struct wire_answer *ret,
              struct error_list *err);
void wire_answer_clear(struct wire_answer *a);

#endif
