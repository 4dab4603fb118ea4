/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: /etc/p2pvpn/controller.conf, lines `key = value`, as strict as the agent's file: an
 * unknown key, one that stands there twice and a value of the wrong kind are errors with their
 * line, and all of them are told.  Filled once at the start and constant from then on.
 */
#ifndef P2PVPN_SERVICE_SETTINGS_H
#define P2PVPN_SERVICE_SETTINGS_H

#include <stddef.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"

#define CONTROLLER_SETTINGS_MAX_BYTES 65536u

struct controller_settings {
    const char *listen;      /* HOST:PORT, several with commas */
    const char *url;         /* https://HOST:PORT where gateways reach it; NULL: not told to them */
    const char *repository;  /* the folder that has metadata/ and targets/ */
    const char *state;       /* the database, and the certificate if none is named */
    const char *socket;      /* where operators of this machine ask */
    const char *certificate; /* NULL: STATE/tls.crt, made at the first start */
    const char *key;         /* of it */
    const char *client_ca;   /* whose certificates gateways and operators have; NULL: CA/ca.crt */
    const char *operators;   /* with commas; NULL: whoever has an operator's certificate */
    const char *ca;          /* the authority's folder; NULL: requests wait for approval */
    const char *ca_passphrase; /* a file; NULL: its key has none */
    const char *keys;          /* the repository's online keys; NULL: others refresh it */
    unsigned max_connections;  /* of all */
    unsigned max_per_address;  /* of one IPv4 address or IPv6 /64; 0: no limit */
    unsigned max_unproven;     /* that have not yet asked anything */
};

struct controller_setting {
    const char *name, *argument; /* as in the file, and what the manual calls its value */
    enum { CONTROLLER_PATH, CONTROLLER_WORD, CONTROLLER_URL, CONTROLLER_NUMBER } type;
    size_t offset;
    unsigned max;
    const char *initial; /* NULL: none */
};
extern const struct controller_setting controller_settings_table[];
extern const size_t n_controller_settings;

const char *controller_settings_path(void); /* of the default file */
void controller_settings_defaults(struct controller_settings *s);

/* Sets in *s what is in the text; on -EINVAL it is as it was.  Pure. */
int controller_settings_parse(const char *text, size_t len, const char *file, struct arena *keep,
                              struct controller_settings *s, struct error_list *err);
/* NULL: the default file, which may be missing. */
int controller_settings_read(const char *path, struct arena *keep, struct controller_settings *s,
                             struct error_list *err);

/* What controller_settings_parse() reads back to the same. */
void controller_settings_format(const struct controller_settings *s, struct buf *ret);

#endif
