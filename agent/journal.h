/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journal: an entry with fields, as a datagram of systemd's native protocol
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL).  Only log.h uses it.
 */
#ifndef P2PVPN_AGENT_JOURNAL_H
#define P2PVPN_AGENT_JOURNAL_H

#include <stdbool.h>

#include "common/buf.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct journal_field {
    const char *name;  /* upper-case letters, digits, "_" */
    const char *value; /* NULL or "": the field is left out */
};

/* Pure: appends the entry; fields end with a NULL name. */
void journal_format(const struct journal_field *fields, struct buf *ret);

/* Standard error is the journal's (JOURNAL_STREAM, sd-daemon(3)). */
bool journal_is_ours(void);

/* False: it was not taken (there is no journal, or it has no room). */
bool journal_send(const char *socket, const struct buf *entry);

#endif
