/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and certificates as others write them: a name that is taken for one of ours may reach a
 * configuration file, and a link key is one.  Without the PEM around it if it has none. */
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"
#include "common/x509.h"
#include "service/route.h"
#include "tests/fuzz/fuzz.h"

static void try_name(const X509_NAME *subject)
{
    char name[X509_COMMON_NAME_MAX + 1];
    struct peer peer = {.kind = PEER_ANYBODY};

    x509_common_name(subject, name);
    if (strlen(name) > X509_COMMON_NAME_MAX)
        abort();
    peer_from_common_name(name, &peer);
    if (peer.kind != PEER_ANYBODY && !name_valid(peer.name))
        abort();
    if (peer.kind == PEER_GATEWAY && peer.generation == 0)
        abort();
}

static void try_key(EVP_PKEY *key)
{
    char text[DIGEST_SPOKEN_LEN + 1];

    if (key && x509_fingerprint(key, text) && strlen(text) != DIGEST_SPOKEN_LEN)
        abort();
}

static void try_request(X509_REQ *request)
{
    char key[LINK_KEY_TEXT_LEN + 1];

    try_name(X509_REQ_get_subject_name(request));
    try_key(X509_REQ_get0_pubkey(request));
    if (x509_request_link_key(request, key) == 1 && !link_key_valid(key))
        abort();
    X509_REQ_free(request);
}

static void try_certificate(X509 *certificate)
{
    char key[LINK_KEY_TEXT_LEN + 1];

    try_name(X509_get_subject_name(certificate));
    try_key(X509_get0_pubkey(certificate));
    if (x509_certificate_link_key(certificate, key) == 1 && !link_key_valid(key))
        abort();
    X509_free(certificate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct x509_file file = {.bio = BIO_new_mem_buf(data, (int)size)};
    const unsigned char *der = data;
    X509_REQ *request;
    X509 *certificate;

    while ((request = x509_next_request(&file)))
        try_request(request);
    BIO_reset(file.bio);
    while ((certificate = x509_next_certificate(&file)))
        try_certificate(certificate);
    x509_close(&file);
    if ((request = d2i_X509_REQ(NULL, &der, (long)size)))
        try_request(request);
    der = data;
    if ((certificate = d2i_X509(NULL, &der, (long)size)))
        try_certificate(certificate);
    return 0;
}
