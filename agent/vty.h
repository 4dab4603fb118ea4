/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vty: what FRR's daemons speak on their own sockets, without vtysh in between.
 *
 * A command and a NUL; the answer is text, three NULs and one byte of status.  That is how vtysh
 * itself reads a daemon's configuration (the same command in 8.4 and 10.x), and for a look every
 * few seconds it is the cheapest there is: no process, and where only a digest is wanted, no
 * memory.
 *
 * Reading an answer is pure: bytes come in by any portions.  Nothing is believed of an answer but
 * its end.  Several commands may be sent at once; the answers come in their order.
 */
#ifndef P2PVPN_AGENT_VTY_H
#define P2PVPN_AGENT_VTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* What vtysh sends for `show running-config`; understood after VTY_ENABLE. */
#define VTY_ENABLE "enable"
#define VTY_RUNNING_CONFIG "do write terminal"

/* Good for telling one text from another where nobody tries to make them alike. */
#define VTY_DIGEST_START 14695981039346656037u
uint64_t vty_digest(uint64_t digest, const char *data, size_t len);

struct vty_answer {
    struct buf *keep; /* where the text goes; NULL: nowhere */
    uint64_t digest;  /* of the text, going on from what it was set to */
    unsigned zeros;   /* seen in a row */
    unsigned before;  /* so many answers come first, to commands that were sent together with it */
    bool done;
    uint8_t status; /* when done; 0: the command was carried out, and those before it */
};

/* The start of one answer; its digest goes on from another's. */
#define VTY_ANSWER(buffer, start)            \
    (struct vty_answer)                      \
    {                                        \
        .keep = (buffer), .digest = (start), \
    }

/* Takes the next bytes of an answer; true: that was its end.  Bytes behind the end, which no daemon
 * sends unasked, are ignored. */
bool vty_take(struct vty_answer *a, const char *data, size_t len);

/* A connection to a daemon, non-blocking; or a negative errno, at once. */
int vty_connect(const char *path);
/* Sends so many bytes, of one command or several, each with its NUL; false: the daemon takes
 * nothing. */
bool vty_send(int fd, const char *commands, size_t len);

/* All of it, waiting up to so many milliseconds: the running configuration of the daemon at this
 * socket is appended to *ret.  0, -ETIMEDOUT, -EIO (not an answer), -EFBIG, or the errno of
 * connect(). */
int vty_running_config(const char *path, unsigned timeout_ms, struct buf *ret);

/* The same for the answer to a `show` command.  What a daemon says when there is nothing to show,
 * in prose, is an answer. */
int vty_show(const char *path, const char *command, unsigned timeout_ms, struct buf *ret);

#endif
