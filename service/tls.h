/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS: the one file that sees OpenSSL's connections.  TLS 1.3 and nothing else; no resumption, no
 * tickets, no renegotiation; buffers are given back when a connection is silent.
 *
 * Whoever shows a certificate shows one of the mesh's authorities, or the handshake fails; whoever
 * shows none is PEER_ANYBODY.
 */
#ifndef P2PVPN_SERVICE_TLS_H
#define P2PVPN_SERVICE_TLS_H

#include <stddef.h>

#include "common/error.h"
#include "service/route.h"

struct tls;      /* of the server */
struct tls_conn; /* of one connection; OpenSSL's SSL */

/* Makes a self-signed P-256 certificate and its key (0600) unless both files are there.  Agents
 * know it by its public key, which their token holds. */
int tls_make_identity(const char *cert_file, const char *key_file, struct error_list *err);

#define TLS_PIN_LEN 32
/* SHA-256 of the public key (SubjectPublicKeyInfo) of a certificate's file. */
int tls_pin(const char *cert_file, unsigned char ret[static TLS_PIN_LEN], struct error_list *err);

/* No client's certificate is good yet. */
int tls_open(const char *cert_file, const char *key_file, struct tls **ret, struct error_list *err);
/* From now on clients' certificates are good if they are of the authorities in these files, each of
 * one certificate or more in PEM; n 0: none is, and nobody is asked for one.  On failure all stays
 * as it was. */
int tls_trust(struct tls *tls, const char *const *files, size_t n, struct error_list *err);
struct tls *tls_close(struct tls *tls); /* NULL ok; returns NULL */

enum tls_result { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_OVER };

struct tls_conn *tls_accept(struct tls *tls, int fd); /* NULL: out of something */
enum tls_result tls_handshake(struct tls_conn *conn);
enum tls_result tls_read(struct tls_conn *conn, void *to, size_t max, size_t *ret);
enum tls_result tls_write(struct tls_conn *conn, const void *data, size_t len, size_t *ret);
void tls_bye(struct tls_conn *conn); /* says that nothing more comes */
void tls_free(struct tls_conn *conn);

/* After the handshake: kind, name, generation and fingerprint. */
void tls_peer(struct tls_conn *conn, struct peer *ret);

#endif
