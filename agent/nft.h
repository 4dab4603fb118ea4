/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nft: the program that changes nftables, for the one table that is ours (firewall.h).
 *
 * The only file that runs it.  A script is one transaction: all of it is in force, or nothing. What
 * the kernel itself says, without starting a program, is nf_tables.h.
 */
#ifndef P2PVPN_AGENT_NFT_H
#define P2PVPN_AGENT_NFT_H

#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

/* -ENOENT: nft is not installed; *err names the package. */
int nft_run(const char *script, size_t len, struct error_list *err);

/* Appends the table as it is, without counts: the same text as long as nobody changes it. */
int nft_list(struct buf *ret, struct error_list *err);

/* Takes the table away; there must be one. */
int nft_delete(struct error_list *err);

#endif
