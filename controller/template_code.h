/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Template code: what a template is compiled to, a flat list of operations.
 *
 * The inner half of template.h: template.c makes it, template_render.c walks over it.
 */
#ifndef P2PVPN_CONTROLLER_TEMPLATE_CODE_H
#define P2PVPN_CONTROLLER_TEMPLATE_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define TEMPLATE_MAX_FRAMES 16 /* sections within sections */

enum op_code { OP_LITERAL, OP_TEXT, OP_NUMBER, OP_TEST, OP_TEST_NOT, OP_ENTER, OP_LOOP, OP_END };

/* What a name means, found at compile time: a frame, then a slot in it, then slots in what is
 * there. Frames are numbered from the root. */
struct op {
    uint8_t code, frame, n_steps;
    uint8_t push;        /* ENTER, LOOP: the frame that they make */
    bool here;           /* "." : the frame itself */
    bool by_data;        /* an object: it is true if it is there */
    uint16_t first_step; /* into steps[] for the second slot and later */
    uint16_t slot;
    uint32_t a, b;  /* LITERAL: offset, length; TEST to LOOP: where to go on if false; END: where it
                       began; LOOP: b is the distance between items */
    uint32_t place; /* into places[] */
};

struct place {
    uint32_t source, line, name; /* name: offset in names */
};

struct template
{
    struct op *ops;
    size_t n_ops, cap_ops;
    struct place *places;
    size_t n_places, cap_places;
    uint16_t *steps;
    size_t n_steps, cap_steps;
    char **sources; /* file names */
    size_t n_sources, cap_sources;
    struct buf literals, names;
};

#endif
