/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain: values that are certainly valid, told without libyang.
 *
 * A model of ten thousand gateways has a hundred thousand values, and libyang needs a microsecond
 * for each: patterns, a dictionary, a canonical form to compare with.  Nearly all of them are
 * plain: ordinary names, addresses written as RFC 5952 wants them, numbers.  What these functions
 * accept is valid for YANG and its own canonical form; what they do not accept is libyang's to
 * judge, so they may be narrow but never wide.  tests/fuzz/fuzz_plain.c compares the two.
 *
 * Pure; text is NUL-terminated.
 */
#ifndef P2PVPN_CONTROLLER_PLAIN_H
#define P2PVPN_CONTROLLER_PLAIN_H

#include <stdbool.h>
#include <stdint.h>

enum plain_kind {
    PLAIN_NEVER,    /* ask libyang */
    PLAIN_NAME,     /* pvt:name, shorter where a range says so */
    PLAIN_TEXT,     /* pvt:text */
    PLAIN_NUMBER,   /* unsigned */
    PLAIN_WORD,     /* an enumeration or a boolean */
    PLAIN_PREFIX,   /* inet:ip-prefix */
    PLAIN_IPV4,     /* inet:ipv4-address-no-zone */
    PLAIN_ENDPOINT, /* pvt:endpoint */
};

struct plain_range {
    uint64_t min, max;
};

struct plain {
    enum plain_kind kind;
    const struct plain_range *ranges; /* of a number, or of a length in characters; none: any */
    unsigned n_ranges;
    const char *const *words;
    unsigned n_words;
};

bool plain_value(const struct plain *plain, const char *text);

#endif
