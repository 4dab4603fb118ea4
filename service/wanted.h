/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wanted: what the repository has for a gateway, to be compared with what it runs.
 *
 * Read from this machine's own files when it is asked for, once for each publication; nothing is
 * verified here, for nothing is done with it but to show it.
 */
#ifndef P2PVPN_SERVICE_WANTED_H
#define P2PVPN_SERVICE_WANTED_H

#include <stdint.h>

#include "common/bundle.h"

#define WANTED_REVISION_SIZE 65

struct wanted {
    int64_t version; /* of the timestamp that it was read from */
    void *targets;   /* json_t: target -> SHA-256 of its archive */
    void *revisions; /* json_t: SHA-256 -> revision */
};

/* "" : it has none, or it cannot be read. */
void wanted_revision(struct wanted *w, const char *repository, int64_t version, const char *gateway,
                     char ret[static WANTED_REVISION_SIZE]);
/* Its bundle, which the caller frees.  NULL: as above, or the archive has more than
 * WANTED_ARCHIVE_MAX bytes, 10,000 links. */
#define WANTED_ARCHIVE_MAX (24u << 20)
struct bundle *wanted_bundle(struct wanted *w, const char *repository, int64_t version,
                             const char *gateway);
/* Each gateway that it has one for, in no order. */
void wanted_each(struct wanted *w, const char *repository, int64_t version,
                 void (*each)(void *data, const char *gateway), void *data);
void wanted_clear(struct wanted *w);

#endif
