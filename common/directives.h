/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directives: which OpenVPN configuration a bundle may bring.  Pure.
 *
 * Whoever can make a bundle must not thereby be able to run programs or read and write files on a
 * gateway, so the agent accepts directives from a list, never by a list of bad ones: nothing that
 * names a program, a plugin, another configuration, a log or a socket is on it.  Files are only
 * those of STATE/keys (`tls-crypt` only the one that the agent makes for this very link,
 * link_key.h), the interface only the link's own.  Quotes, backslashes and control bytes
 * are refused, so that what is read here is what OpenVPN reads (options_util.c and options.c
 * there).
 */
#ifndef P2PVPN_COMMON_DIRECTIVES_H
#define P2PVPN_COMMON_DIRECTIVES_H

#include <stddef.h>

#include "common/error.h"

/* OpenVPN refuses longer lines. */
#define DIRECTIVES_LINE_MAX 255

/* 0, or -EINVAL with every line that may not be, as `file`:line.  `tls_crypt`: the link's file;
 * then the text must name it, once; NULL: the link has none, and may name none. */
int directives_check(const char *text, size_t len, const char *interface, const char *tls_crypt,
                     const char *file, struct error_list *err);

#endif
