/* SPDX-License-Identifier: Apache-2.0 */
#include "service/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/fs.h"
#include "controller/ca.h"
#include "service/log.h"

/* The first file is always one that is wanted; the others may be there. */
static int load(struct trust *t, struct tls *tls, struct error_list *err)
{
    _cleanup_buf_ struct buf authorities = BUF_INIT;
    const char *there[TRUST_FILES];
    size_t n = 0;
    int r;

    for (size_t i = 0; i < t->for_clients; i++)
        if (i == 0 || access(t->files[i], F_OK) == 0)
            there[n++] = t->files[i];
    r = tls_trust(tls, there, n, err);
    if (r == 0 && t->ca)
        r = ca_authorities(t->ca, &authorities, err);
    if (r == 0)
        snprintf(t->authorities, sizeof(t->authorities), "%s", buf_cstr(&authorities));
    return r;
}

static bool changed(struct trust *t)
{
    bool same = true;

    for (size_t i = 0; i < t->n; i++)
        same = fs_same(t->files[i], &t->seen[i]) && same;
    return !same;
}

int trust_open(struct trust *t, const struct controller_settings *s, struct tls *tls,
               struct error_list *err)
{
    static const char *const names[] = {"ca.crt", "next.crt", "previous.crt"};

    if (s->client_ca)
        t->files[t->n++] = xstrdup(s->client_ca);
    for (size_t i = 0; s->ca && i < 3; i++)
        t->files[t->n++] = xasprintf("%s/%s", s->ca, names[i]);
    t->for_clients = s->client_ca ? 1 : t->n;
    t->ca = s->ca;
    changed(t);
    return load(t, tls, err);
}

void trust_run(struct trust *t, struct tls *tls)
{
    struct error_list err = ERROR_LIST_INIT;

    if (!changed(t) && !t->failed)
        return;
    if (load(t, tls, &err) == 0) {
        say(SAY_NOTICE, "certificates of clients: the authorities' files were read again");
        t->failed = false;
    } else if (!t->failed) {
        say_errors(SAY_ERROR, &err);
        say(SAY_ERROR, "certificates of clients: the authorities of before stay");
        t->failed = true;
    }
    error_clear(&err);
}

bool trust_renewal_due(const struct trust *t, const char *authorities)
{
    return *t->authorities && *authorities && strcmp(t->authorities, authorities) != 0;
}

void trust_close(struct trust *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->files[i]);
    *t = (struct trust){.n = 0};
}
