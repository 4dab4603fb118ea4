/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenVPN status: what one link's process says about itself over its management socket
 * (management-notes.txt of OpenVPN 2.6).
 *
 * Asked with `state`, `status` and `log all`; each answer ends with a line END.  There is no
 * `quit`: OpenVPN 2.6.14 then closes before it has sent the answers.  The process talks to one
 * client at a time, so the exchange has a deadline and nothing keeps the socket open.  The
 * negotiated cipher is known to the log only.
 */
#ifndef P2PVPN_AGENT_OPENVPN_STATUS_H
#define P2PVPN_AGENT_OPENVPN_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct openvpn_status {
    bool connected;
    char state[20];               /* "CONNECTED", "RECONNECTING", "WAIT", ... */
    char reason[32];              /* of it, such as "ping-restart"; often empty */
    int64_t since;                /* seconds since 1970: when it came into this state */
    uint64_t bytes_in, bytes_out; /* through the tunnel, since the process started */
    char cipher[32];              /* of the data channel; "" unknown */
    char remote[64];              /* "203.0.113.5:11001", "[2001:db8::5]:11001"; "" unknown */
    char refusal[160];            /* why the peer's certificate was refused; "" it was not */
};

/* Pure: reads a whole exchange.  -EINVAL: it holds no state. */
int openvpn_status_parse(const char *text, size_t len, struct openvpn_status *ret);

/* Finds the data channel's cipher in a log, the last one there; false: none. */
bool openvpn_status_cipher(const char *log, size_t len, char *ret, size_t size);

/* Finds in a log why the peer's certificate was refused since the last time that the link was up,
 * the last reason there, such as "error=certificate has expired: CN=perth.g1"; false: it was not.
 */
bool openvpn_status_refusal(const char *log, size_t len, char *ret, size_t size);

/* Asks the process.  -ENOENT or -ECONNREFUSED: none runs; -ETIMEDOUT: it did not answer; *err says
 * so in a sentence. */
int openvpn_status_read(const char *socket_path, unsigned timeout_ms, struct openvpn_status *ret,
                        struct error_list *err);

#endif
