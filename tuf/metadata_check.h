/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a metadata file: each there, of the right kind and within bounds.  Pure. */
#ifndef P2PVPN_TUF_METADATA_CHECK_H
#define P2PVPN_TUF_METADATA_CHECK_H

#include "tuf/metadata.h"

/* Of a file whose JSON is read and whose canonical form exists: fills version and expires. */
enum tuf_code tuf_metadata_check(struct tuf_metadata *m, struct tuf_error *err);

#endif
