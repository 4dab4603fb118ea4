/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenVPN configuration of one link end (openvpn(8), version 2.6).  The agent adds what depends
 * on the machine, by options behind --config: the management socket, the log. */
#include <stdio.h>

#include "common/name.h"
#include "controller/render_parts.h"

enum {
    O_MESH,
    O_GATEWAY,
    O_DESCRIPTION,
    O_PEER,
    O_PEER_DESCRIPTION,
    O_IDENTITY,
    O_TLS_CRYPT,
    O_INTERFACE,
    O_SERVER,
    O_PROTO,
    O_LOCAL_PORT,
    O_REMOTE,
    O_FLOAT,
    O_ONLY_CALLER,
    O_MTU,
    O_SOCKET_BUFFER,
    O_COUNT
};

enum { R_HOST, R_PORT, R_COUNT };

static const struct template_field remote_fields[R_COUNT] = {
    [R_HOST] = {"host", &template_text},
    [R_PORT] = {"port", &template_number},
};
static const struct template_type remote_type = {TEMPLATE_OBJECT, remote_fields, R_COUNT, NULL};

static const struct template_field fields[O_COUNT] = {
    [O_MESH] = {"mesh", &template_text},
    [O_GATEWAY] = {"gateway", &template_text},
    [O_DESCRIPTION] = {"description", &template_text},
    [O_PEER] = {"peer", &template_text},
    [O_PEER_DESCRIPTION] = {"peer_description", &template_text},
    [O_IDENTITY] = {"peer_identity", &template_text},
    [O_TLS_CRYPT] = {"tls_crypt", &template_text},
    [O_INTERFACE] = {"interface", &template_text},
    [O_SERVER] = {"server", &template_flag},
    [O_PROTO] = {"proto", &template_text},
    [O_LOCAL_PORT] = {"local_port", &template_number},
    [O_REMOTE] = {"remote", &remote_type},
    [O_FLOAT] = {"float", &template_flag},
    [O_ONLY_CALLER] = {"only_caller", &template_flag},
    [O_MTU] = {"mtu", &template_number},
    [O_SOCKET_BUFFER] = {"socket_buffer", &template_number},
};
const struct template_type openvpn_template_type = {TEMPLATE_OBJECT, fields, O_COUNT, NULL};

/* The family of the UDP socket: that of the address we call; else, because both ends must choose
 * the same one, that of the address on which we are called.  Where neither is an address, either.
 */
static const char *proto(const struct link_end *e, const struct mesh_gateway *self,
                         const struct mesh_gateway *peer)
{
    bool known = e->remote_host && peer->endpoint_family != FAMILY_NONE;

    switch (known ? peer->endpoint_family : self->endpoint_family) {
    case FAMILY_IPV4:
        return "udp4";
    case FAMILY_IPV6:
        return "udp6";
    default:
        return "udp";
    }
}

/* The peer waits for our call and never calls itself: we have no endpoint, or one that is an
 * address of the other family (network.h). */
static bool only_caller(const struct link_end *e, const struct mesh_gateway *self,
                        const struct mesh_gateway *peer)
{
    return e->remote_host && (!self->endpoint || (self->endpoint_family != FAMILY_NONE &&
                                                  peer->endpoint_family != FAMILY_NONE &&
                                                  self->endpoint_family != peer->endpoint_family));
}

int render_openvpn(const struct template *t, const struct render_job *job, size_t end)
{
    const struct link_end *e = &job->ends[end];
    const struct mesh_gateway *peer = &job->net->mesh->gateways[e->peer];
    const struct template_value remote[R_COUNT] = {
        [R_HOST] = value_text(e->remote_host),
        [R_PORT] = value_number(e->remote_port),
    };
    char identity[NAME_MAX_LEN + 24];
    const char *identity_end = number_text(job->net->gateways[e->peer].generation,
                                           stpcpy(stpcpy(identity, peer->name), ".g"));
    const struct template_value values[O_COUNT] = {
        [O_MESH] = value_text(job->net->mesh->name),
        [O_GATEWAY] = value_text(job->gateway->name),
        [O_DESCRIPTION] = value_text(job->gateway->description),
        [O_PEER] = value_text(peer->name),
        [O_PEER_DESCRIPTION] = value_text(peer->description),
        [O_IDENTITY] = {identity, (size_t)(identity_end - identity)},
        [O_TLS_CRYPT] = value_text(job->tls_crypt[end]),
        [O_INTERFACE] = value_text(job->interfaces[end]),
        [O_SERVER] = value_number(e->role == LINK_ROLE_SERVER),
        [O_PROTO] = value_text(proto(e, job->gateway, peer)),
        [O_LOCAL_PORT] = value_number(e->local_port),
        [O_REMOTE] = {e->remote_host ? remote : NULL, 0},
        /* Only where we cannot know the peer's address: it has none that we were told, or a name
         * that may come to mean another one.  Packets count only once they are authenticated. */
        [O_FLOAT] = value_number(!e->remote_host || peer->endpoint_family == FAMILY_NONE),
        [O_ONLY_CALLER] = value_number(only_caller(e, job->gateway, peer)),
        [O_MTU] = value_number(e->tun_mtu),
        [O_SOCKET_BUFFER] = value_number(e->settings.socket_buffer),
    };

    return template_render(t, values, job->subject, job->out, job->err);
}
