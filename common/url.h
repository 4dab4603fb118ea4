/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of repositories and controllers, checked where they come in and where they are written
 * down.  Pure. */
#ifndef P2PVPN_COMMON_URL_H
#define P2PVPN_COMMON_URL_H

#include <stdbool.h>

#define URL_MAX_LEN 500
#define URL_MIRRORS_MAX 16 /* of one repository */

/* http, https or file, without a name, a password, a question or a fragment in it. */
bool url_valid(const char *url);

#endif
