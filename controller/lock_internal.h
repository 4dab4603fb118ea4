/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lock.h share: a reader fills the lock's gateways and the runs, lock.c checks
 * them against each other and expands the runs. */
#ifndef P2PVPN_CONTROLLER_LOCK_INTERNAL_H
#define P2PVPN_CONTROLLER_LOCK_INTERNAL_H

#include "controller/lock.h"

#define LOCK_ROOT "/p2pvpn-lock:lock"

/* One record of the file, before it is expanded. */
struct lock_run {
    uint32_t index, a, b, count;
    uint8_t tunnel;
    struct link_override *override;
};

struct lock_reader {
    const char *file;
    struct error_list *err;
    struct lock *lock;
    struct lock_run *runs;
    size_t n_runs;
    bool *known; /* by number: a gateway has it */
    bool failed;
};

/* Adds an error; -EINVAL. */
int lock_fail(struct lock_reader *p, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint32_t lock_ipv4_number(const struct prefix *p);

/* False: this is not the very text that lock_format() writes, or something is wrong with it;
 * nothing was told, and what was filled is to be thrown away. */
bool lock_scan(struct lock_reader *p, const char *text, size_t len);

/* False: this is not JSON, and why.  Errors of the content are told. */
bool lock_read_json(struct lock_reader *p, const char *text, size_t len, unsigned *ret_line,
                    struct buf *ret_reason);

/* Gives the items from `first` on the lines of their paths in the text of a lock. */
void lock_locate(const char *text, size_t len, struct error_list *list, size_t first);

#endif
