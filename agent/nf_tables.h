/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's nf_tables, asked over netlink: cheap enough for every look, where starting nft is
 * not.  The only file that speaks this protocol (nfnetlink, linux/netfilter/nf_tables.h).  It only
 * reads; changes are nft.h's.
 */
#ifndef P2PVPN_AGENT_NF_TABLES_H
#define P2PVPN_AGENT_NF_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define NF_COMMENT_SIZE 129 /* with its NUL; nft takes 128 bytes */

/* The comment of a table of the family inet, "" if it has none.  -ENOENT, with nothing in *err:
 * there is no such table, or no nf_tables at all. */
int nf_table_comment(const char *table, char ret[static NF_COMMENT_SIZE], struct error_list *err);

/* A base chain at the input hook that drops what it does not accept, "table ip filter, chain
 * INPUT", on the heap; NULL: there is none.  A verdict of ours cannot let in what it drops. */
int nf_input_drop(char **ret, struct error_list *err);

/* Another number after each change of any table (nf_tables_api.c, NFTA_GEN_ID); -1: not known. */
int64_t nf_generation(void);

/*
 * Hears that somebody changed a table of the family inet.  It says only that something happened,
 * which makes lost messages harmless: they count as something.
 */
struct nf_monitor;

int nf_monitor_open(const char *table, struct nf_monitor **ret, struct error_list *err);
struct nf_monitor *nf_monitor_close(struct nf_monitor *m); /* NULL ok; returns NULL */
int nf_monitor_fd(const struct nf_monitor *m);
/* Reads all that is there; true: the table was changed, or messages were lost. */
bool nf_monitor_read(struct nf_monitor *m);

#endif
