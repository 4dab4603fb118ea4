/* SPDX-License-Identifier: Apache-2.0 */
#include "common/directives.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

/* The values that are the link's own. */
#define INTERFACE ""
#define TLS_CRYPT "/"

/* In order of strcmp().  value NULL: any value is fine; else this one. */
static const struct directive {
    const char *name, *value;
} allowed[] = {
    {"allow-compression", "no"},
    {"auth", NULL},
    {"auth-nocache", NULL},
    {"bind", NULL},
    {"ca", "ca.crt"},
    {"cert", "gateway.crt"},
    {"connect-retry", NULL},
    {"connect-retry-max", NULL},
    {"connect-timeout", NULL},
    {"data-ciphers", NULL},
    {"dev", INTERFACE},
    {"dev-type", "tun"},
    {"dh", "none"},
    {"disable-dco", NULL},
    {"explicit-exit-notify", NULL},
    {"fast-io", NULL},
    {"float", NULL},
    {"hand-window", NULL},
    {"ifconfig-noexec", NULL},
    {"keepalive", NULL},
    {"key", "gateway.key"},
    {"local", NULL},
    {"lport", NULL},
    {"mssfix", NULL},
    {"mtu-disc", NULL},
    {"multihome", NULL},
    {"mute", NULL},
    {"nobind", NULL},
    {"passtos", NULL},
    {"peer-fingerprint", NULL},
    {"persist-key", NULL},
    {"persist-tun", NULL},
    {"ping", NULL},
    {"ping-exit", NULL},
    {"ping-restart", NULL},
    {"ping-timer-rem", NULL},
    {"port", NULL},
    {"proto", NULL},
    {"rcvbuf", NULL},
    {"remote", NULL},
    {"remote-cert-tls", NULL},
    {"remote-random", NULL},
    {"reneg-bytes", NULL},
    {"reneg-pkts", NULL},
    {"reneg-sec", NULL},
    {"replay-window", NULL},
    {"resolv-retry", NULL},
    {"route-noexec", NULL},
    {"rport", NULL},
    {"script-security", "0"},
    {"sndbuf", NULL},
    {"socket-flags", NULL},
    {"tls-cert-profile", NULL},
    {"tls-cipher", NULL},
    {"tls-ciphersuites", NULL},
    {"tls-client", NULL},
    {"tls-crypt", TLS_CRYPT},
    {"tls-server", NULL},
    {"tls-timeout", NULL},
    {"tls-version-min", NULL},
    {"topology", "p2p"},
    {"tran-window", NULL},
    {"tun-mtu", NULL},
    {"verb", NULL},
    {"verify-x509-name", NULL},
};

static int compare_name(const void *key, const void *entry)
{
    return strcmp(key, ((const struct directive *)entry)->name);
}

/* The byte that has no business in a line; -1: there is none. */
static int bad_byte(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f || c == '"' || c == '\'' || c == '\\')
            return c;
    }
    return -1;
}

/* What is to be read, and what was found. */
struct reading {
    const char *interface, *tls_crypt, *file;
    unsigned number; /* of the line */
    unsigned tls_crypts;
    struct error_list *err;
};

static int check_words(char *line, struct reading *in)
{
    const char *file = in->file;
    struct error_list *err = in->err;
    unsigned number = in->number;
    static const char blanks[] = " \t";
    char *rest = NULL, *name = strtok_r(line, blanks, &rest), *value;
    const struct directive *d;
    const char *want;

    if (!name || name[0] == '#' || name[0] == ';')
        return 0;
    d = bsearch(name, allowed, sizeof(allowed) / sizeof(allowed[0]), sizeof(allowed[0]),
                compare_name);
    if (!d)
        return error_add(err, file, number, NULL,
                         "the directive '%s' is not among those that a bundle may bring: take it "
                         "out of the template",
                         name);
    if (!d->value)
        return 0;
    want = d->value;
    if (strcmp(want, INTERFACE) == 0)
        want = in->interface;
    else if (strcmp(want, TLS_CRYPT) == 0)
        want = in->tls_crypt;
    if (!want)
        return error_add(
            err, file, number, NULL,
            "the directive '%s' is only for links whose ends both have link keys: take "
            "it out of the template",
            name);
    in->tls_crypts += want == in->tls_crypt;
    value = strtok_r(NULL, blanks, &rest);
    if (!value || strcmp(value, want) != 0 || strtok_r(NULL, blanks, &rest))
        return error_add(err, file, number, NULL,
                         "the directive '%s' may only have the value '%s': correct the template",
                         name, want);
    return 0;
}

static int check_line(const char *line, size_t len, struct reading *in)
{
    _cleanup_free_ char *copy = NULL;
    struct error_list *err = in->err;
    const char *file = in->file;
    unsigned number = in->number;
    int bad = bad_byte(line, len);

    if (len > DIRECTIVES_LINE_MAX)
        return error_add(err, file, number, NULL,
                         "the line has %zu bytes, and OpenVPN reads only %d: shorten it", len,
                         DIRECTIVES_LINE_MAX);
    if (bad >= 0)
        return error_add(err, file, number, NULL,
                         "the line has the byte 0x%02x; quotes, backslashes and control bytes are "
                         "not allowed: take it out",
                         (unsigned)bad);
    copy = xstrndup(line, len);
    return check_words(copy, in);
}

int directives_check(const char *text, size_t len, const char *interface, const char *tls_crypt,
                     const char *file, struct error_list *err)
{
    struct reading in = {.interface = interface, .tls_crypt = tls_crypt, .file = file, .err = err};
    const char *end = text + len;
    int r = 0;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((newline ? newline : end) - text);

        in.number++;
        if (check_line(text, n, &in) < 0)
            r = -EINVAL;
        text += n + (newline != NULL);
    }
    /* Without it the link would answer everybody who sends it a packet. */
    if (r == 0 && tls_crypt && in.tls_crypts != 1)
        r = error_add(err, file, 0, NULL,
                      "both ends of the link have link keys, and the directive 'tls-crypt %s' is "
                      "not there exactly once: put {{#tls_crypt}}tls-crypt "
                      "{{tls_crypt}}{{/tls_crypt}} into the template",
                      tls_crypt);
    return r;
}
