/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandbox: a process that has come into being as root gives up all that a reader of files does not
 * need.
 *
 * Afterwards it has a user and group of its own and no other, no capability, no way to get any
 * (no-new-privileges), little memory and time, and may call only what reads and writes descriptors
 * that are open and what manages its memory: it opens nothing, connects to nothing, starts nothing,
 * signals nobody.  Any other system call kills it at once.
 *
 * Where it may not have namespaces of its own (a hardened service may not), it goes without:
 * nothing that they would hide can be reached by the calls that are left.
 */
#ifndef P2PVPN_AGENT_SANDBOX_H
#define P2PVPN_AGENT_SANDBOX_H

#include <sys/types.h>

#include "common/error.h"

struct sandbox {
    uid_t uid; /* not root, and nobody else's */
    gid_t gid;
    size_t data;      /* bytes of memory of its own */
    size_t mapped;    /* bytes of address space, files included */
    unsigned seconds; /* of the processor's time */
};

/* 0: the calling process is in it, and there is no way out.  Otherwise a negative errno with *err
 * filled, and the process may have lost some of its rights: it must end. */
int sandbox_enter(const struct sandbox *s, struct error_list *err);

#endif
