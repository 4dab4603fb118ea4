/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and values that come from outside, checked where they are emitted.
 *
 * yang/p2pvpn-mesh.yang says the same with patterns; this is the second line of defence: whatever
 * the model let through, these bytes never reach a configuration file.  Pure.
 */
#ifndef P2PVPN_COMMON_NAME_H
#define P2PVPN_COMMON_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_LEN 48   /* so that "NAME.gN" fits a certificate's common name (64, RFC 5280) */
#define SHORT_NAME_MAX 12 /* so that "pv-NAME" fits an interface name (IFNAMSIZ - 1 = 15) */

/* Mesh, LAN, gateway, group and segment names: [A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?, 1 to 48
 * bytes; never "." or "..", never with two dots in a row, so that it is safe as a file name. */
bool name_valid(const char *name);

/* A value that may stand in a configuration line: no byte below 0x20, no 0x7f, no quote (' or "),
 * no backslash, no backquote, valid UTF-8, no Unicode control, format or bidirectional character.
 */
bool value_valid(const char *value, size_t len);

/* How many bytes at the beginning are ASCII of which value_valid() and JSON think nothing. */
size_t text_plain(const char *text, size_t n);

/* Decodes one UTF-8 sequence (RFC 3629) of at most n > 0 bytes into *ret and returns how many it
 * took; 0: malformed. */
size_t utf8_decode(const char *text, size_t n, uint32_t *ret);

/* A DNS name of letters, digits and hyphens (RFC 1123, 2.1) whose last label has a letter, so that
 * a mistyped IPv4 address is not taken for one; or an IPv4 or IPv6 address without zone and length.
 */
bool host_valid(const char *host);

/* A relative path of the form a/b.conf: name_valid() parts joined by single slashes. */
bool relative_path_valid(const char *path);

#endif
