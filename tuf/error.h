/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be wrong with a repository: one code for each attack, and a sentence for people.
 *
 * Every function of tuf/ that can fail returns TUF_OK or another code, and fills *err then.  The
 * sentence holds only bytes that a terminal may see, whatever the repository said.
 */
#ifndef P2PVPN_TUF_ERROR_H
#define P2PVPN_TUF_ERROR_H

enum tuf_code {
    TUF_OK,
    TUF_FORMAT,       /* not JSON, a field is missing or of the wrong kind, too deep */
    TUF_TYPE,         /* the metadata of another role */
    TUF_SPEC_VERSION, /* written for another major version of the specification */
    TUF_DUPLICATE,    /* a key, a name or a signature that must be there once is there twice */
    TUF_KEYID,        /* a key under a name that is not its own */
    TUF_THRESHOLD,    /* too few signatures; none of those that are there is wrong */
    TUF_SIGNATURE,    /* too few signatures, as one that is there does not hold */
    TUF_VERSION,      /* not the version that was asked for */
    TUF_ROLLBACK,     /* older than what was trusted before */
    TUF_VANISHED,     /* a role that was listed before is not any more */
    TUF_EXPIRED,      /* frozen: too old to be trusted */
    TUF_MIXED,        /* metadata of another state than the one that lists it */
    TUF_HASH,         /* other bytes than those that were signed for */
    TUF_LENGTH,       /* another length than what was signed for */
    TUF_TOO_LARGE,    /* more bytes than anybody should send */
    TUF_NOT_FOUND,    /* the mirror does not have the file */
    TUF_NOT_LISTED,   /* the snapshot does not list the role */
    TUF_NO_TARGET,    /* no role that may says anything about this target */
    TUF_NETWORK,      /* the mirror could not be asked */
    TUF_TIMEOUT,      /* it took too long */
    TUF_STORAGE,      /* the local files could not be read or written */
    TUF_STATE,        /* called out of order */
    TUF_CLOCK,        /* the clock cannot be right */
    TUF_CODES,
};

#define TUF_TEXT_MAX 320

struct tuf_error {
    enum tuf_code code;
    char text[TUF_TEXT_MAX]; /* one sentence, no newline */
};

/* Fills *err and returns the code, so that "return tuf_fail(...)" reads well. */
enum tuf_code tuf_fail(struct tuf_error *err, enum tuf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "rollback", for logs and tests. */
const char *tuf_code_name(enum tuf_code code);

#endif
