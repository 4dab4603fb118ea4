/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P2P-VPN files: what P2P-VPN (2016) keeps in its working directory, read line by line.  Pure.
 *
 *   cache.txt                     NAME FQDN SUBNET      a server each; the mask is always /24
 *   p2p_pair_id.txt               the number that the next pair gets
 *   servers/server_ID_{1,2}.conf  OpenVPN configuration of the two ends of pair ID
 *   servers/NAME_ID.conf          symbolic link to the one of the two that server NAME runs
 *
 * Everything comes from outside: lengths, bytes, names and numbers are checked here, with the file
 * and the line in every error.  What a configuration says beyond what P2P-VPN writes is noted, not
 * interpreted.
 */
#ifndef P2PVPN_CONTROLLER_P2PVPN_FILES_H
#define P2PVPN_CONTROLLER_P2PVPN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/error.h"
#include "common/prefix.h"

#define P2PVPN_MAX_BYTES (1u << 20) /* of any of these files */
#define P2PVPN_MAX_PAIRS 65535u

struct p2pvpn_server {
    const char *name, *endpoint;
    uint8_t endpoint_family; /* FAMILY_NONE for a DNS name */
    struct prefix subnet;    /* without host bits */
    unsigned line;           /* of cache.txt */
};

struct p2pvpn_cache {
    struct p2pvpn_server *servers; /* in the order of the file, each name once */
    size_t n_servers;
};

struct p2pvpn_route {
    struct prefix prefix; /* without host bits */
    unsigned line;
};

/* One end of a pair.  Lines are 0 where the directive is missing. */
struct p2pvpn_conf {
    const char *file;
    struct prefix address, peer_address; /* IPv4; family 0: no ifconfig */
    uint16_t lport, rport;               /* OpenVPN's 1194 where missing */
    const char *remote;                  /* NULL: it only answers */
    const char *peer_name;               /* from tls-remote or verify-x509-name; may be NULL */
    const char *own_name;                /* from the file name of the certificate; may be NULL */
    struct p2pvpn_route *routes;
    size_t n_routes;
    bool tcp;
    unsigned ifconfig_line, remote_line, peer_name_line, own_name_line;
};

/* 0, or -EINVAL with every error of the file in *err.  Notes are about lines that have no
 * equivalent.  What is returned lives in the arena. */
int p2pvpn_parse_cache(const char *text, size_t len, const char *file, struct arena *arena,
                       struct p2pvpn_cache *ret, struct error_list *notes, struct error_list *err);
int p2pvpn_parse_conf(const char *text, size_t len, const char *file, struct arena *arena,
                      struct p2pvpn_conf *ret, struct error_list *notes, struct error_list *err);
int p2pvpn_parse_next_id(const char *text, size_t len, const char *file, uint32_t *ret,
                         struct error_list *err);

/* "server_ID_SIDE.conf" and "NAME_ID.conf"; false: some other file.  The name is arena memory. */
bool p2pvpn_conf_name(const char *file_name, uint32_t *ret_id, unsigned *ret_side);
bool p2pvpn_link_name(const char *file_name, struct arena *arena, const char **ret_name,
                      uint32_t *ret_id);

#endif
