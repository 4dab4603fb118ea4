/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passphrase: from a file or from the terminal, never from an argument or the environment.
 *
 * It is asked for once, when it is first needed, and wiped in the end.
 */
#ifndef P2PVPN_CONTROLLER_PASSPHRASE_H
#define P2PVPN_CONTROLLER_PASSPHRASE_H

#include <stdbool.h>

#include "common/error.h"

#define PASSPHRASE_MAX 1023
#define PASSPHRASE_MIN 8 /* of a new one */

struct passphrase {
    const char *file; /* its first line is the passphrase; NULL: the terminal is asked */
    const char *what; /* "of the keys", for the question */
    bool kept;        /* the file lies there for a service: others must not be able to read it */
    bool known;
    char text[PASSPHRASE_MAX + 1];
};

/* 0: p->text is it.  `make`: it is a new one, which must be long enough; a terminal asks twice. */
int passphrase_get(struct passphrase *p, bool make, struct error_list *err);
void passphrase_clear(struct passphrase *p);

#endif
