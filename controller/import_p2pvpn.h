/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Import: from a working directory of P2P-VPN (2016) to a model and its lock.
 *
 * Names, endpoints and LANs become the model, pairs its single links; the addresses and ports of a
 * pair stay as they are, in the lock.  What has no equivalent is said.  docs/import-p2p-vpn.md is
 * the guide for people.
 */
#ifndef P2PVPN_CONTROLLER_IMPORT_P2PVPN_H
#define P2PVPN_CONTROLLER_IMPORT_P2PVPN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"

struct p2pvpn_server; /* controller/p2pvpn_files.h */
struct p2pvpn_conf;

struct import_report {
    size_t gateways, links;
    char *lock_file;         /* where the lock went */
    struct error_list notes; /* what was not carried over or decided for the operator: a sentence
                                each, with file and line where it is about one */
};

/* Reads DIR and writes `output` and its lock (lock_file_name()), neither of which may exist.
 * 0 with *report filled (import_report_clear() frees); -EINVAL: the directory is damaged or says
 * something that cannot be carried over; other negative errno: the system failed.  On failure
 * nothing has been written. */
int import_p2pvpn(const char *dir, const char *output, struct import_report *report,
                  struct error_list *err);
void import_report_clear(struct import_report *report);

/* --- between the two halves: import_p2pvpn.c reads, import_model.c writes -----------------------
 */

/* A server that is in at least one pair. */
struct import_gateway {
    const struct p2pvpn_server *server;
    const char *short_name;  /* NULL: the model's default will do */
    size_t lan;              /* index of the gateway whose name the LAN has; often itself */
    struct prefix *prefixes; /* of that LAN, sorted; only where lan is itself */
    size_t n_prefixes;
    bool called;  /* some other end has it as its remote */
    bool transit; /* written into the model */
};

struct import_pair {
    uint32_t id;
    size_t a, b; /* gateway indexes, a < b */
    const struct p2pvpn_conf *conf_a, *conf_b;
};

struct import {
    const char *mesh;
    struct import_gateway *gateways; /* by name */
    size_t n_gateways;
    struct import_pair *pairs; /* by (a, b), each once */
    size_t n_pairs;
    struct arena arena;
    struct error_list *notes;
};

/* Decides what P2P-VPN left open: transit, the link pool, the base port; then writes both texts. */
void import_write_model(struct import *in, struct buf *ret_model, struct buf *ret_lock);

#endif
