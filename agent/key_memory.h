/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key memory: the highest generation of each peer's keys that a bundle in force has named, for
 * ever.
 *
 * A key that was given up stays given up: also when the bundle that said so is rolled back, or an
 * older one is brought again.  Kept in STATE/keys/generations, a line "GATEWAY N" each; the first
 * generation is not written.
 */
#ifndef P2PVPN_AGENT_KEY_MEMORY_H
#define P2PVPN_AGENT_KEY_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/settings.h"
#include "common/buf.h"
#include "common/bundle.h"
#include "common/error.h"

#define KEY_MEMORY_FILE "generations"
#define KEY_MEMORY_MAX_BYTES (8u << 20)

struct key_memory {
    struct known_peer {
        char *gateway;
        uint32_t generation;
    } * peers; /* common/sorted.h */
    size_t n, cap;
};

#define KEY_MEMORY_INIT \
    {                   \
        NULL, 0, 0      \
    }

/* Reads the file; none is an empty one.  What is no line of it is skipped: one that is damaged must
 * not keep the gateway from its work. */
int key_memory_load(const struct settings *s, struct key_memory *ret, struct error_list *err);
void key_memory_parse(const char *text, struct key_memory *ret);
void key_memory_format(const struct key_memory *m, struct buf *ret);
void key_memory_clear(struct key_memory *m);

/* Takes in what a bundle says, and writes the file if that is more than was known. */
int key_memory_take(const struct settings *s, struct key_memory *m, const struct bundle *b,
                    struct error_list *err);
/* The same in memory only.  True: it is more than was known. */
bool key_memory_note(struct key_memory *m, const struct bundle *b);

/* The lowest generation of the peer that is accepted. */
uint32_t key_memory_of(const struct key_memory *m, const char *gateway);

#endif
