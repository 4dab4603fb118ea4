/* SPDX-License-Identifier: Apache-2.0 */
/* Where gateways find the repository: CA/repository.json, which the operator wrote beside the
 * authority, becomes a part of every answer (common/answer_block.h). */
#ifndef P2PVPN_CONTROLLER_CA_REPOSITORY_H
#define P2PVPN_CONTROLLER_CA_REPOSITORY_H

#include "common/buf.h"
#include "common/error.h"

/* Appends it to the answer, if there is one. */
int ca_add_repository(const char *ca, struct buf *answer, struct error_list *err);

#endif
