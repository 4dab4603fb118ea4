/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locate: the line of a data path.
 *
 * Stages behind the model know the data path of what they complain about, but not its line.  This
 * reads the text once more, only when there is something to tell, and fills the lines in.
 */
#ifndef P2PVPN_CONTROLLER_LOCATE_H
#define P2PVPN_CONTROLLER_LOCATE_H

#include <stddef.h>

#include "common/error.h"

/* Gives every item of this file that has a path but no line the line of its node, or of the deepest
 * node on the way to it; then sorts.  Text that is no longer a model changes nothing. */
void locate_in_text(const char *text, size_t len, const char *file, struct error_list *list);

/* The same, reading the file itself.  A file that cannot be read changes nothing. */
void locate(const char *file, struct error_list *list);

#endif
