/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status, walked over: what is shown, in which order, whoever writes it down.
 *
 * The inner half of status_print.h: text and JSON are printers that are handed the same values.
 */
#ifndef P2PVPN_AGENT_STATUS_WALK_H
#define P2PVPN_AGENT_STATUS_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct status; /* agent/status.h */
struct status_origins;

enum status_cell_type { CELL_TEXT, CELL_SECONDS, CELL_BYTES, CELL_COUNT, CELL_STATE };

struct status_column {
    const char *key;   /* in JSON */
    const char *title; /* in text; NULL: not shown there */
    enum status_cell_type type;
};

struct status_cell {
    const char *text; /* CELL_TEXT, CELL_STATE; NULL: unknown */
    uint64_t number;
    bool known; /* of a number */
    bool bad;   /* CELL_STATE: written in capitals */
};

/* The walk hands over values in this order: fields, problems, agent, repository, controller,
 * tables, origins, prefixes. */
struct status_printer {
    void (*field)(void *to, const char *key, const char *value);
    void (*problems)(void *to, const struct error_list *problems);
    void (*agent)(void *to, const struct status *s);
    void (*repository)(void *to, const struct status *s);
    void (*controller)(void *to, const struct status *s);
    void (*table_begin)(void *to, const char *key, const struct status_column *columns, size_t n);
    void (*row)(void *to, const struct status_cell *cells);
    void (*table_end)(void *to);
    void (*origins)(void *to, const struct status_origins *o);
    void (*prefixes)(void *to, const struct status *s);
};

void status_walk(const struct status *s, const struct status_printer *p, void *to);

#endif
