/* SPDX-License-Identifier: Apache-2.0 */
#include "service/trust.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "service/log.h"

/* The first file is always one that is wanted; the others may be there. */
static int load(const struct trust *t, struct tls *tls, struct error_list *err)
{
    const char *there[TRUST_FILES];
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        if (i == 0 || access(t->files[i], F_OK) == 0)
            there[n++] = t->files[i];
    return tls_trust(tls, there, n, err);
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
    static const char *const names[TRUST_FILES] = {"ca.crt", "next.crt", "previous.crt"};

    if (s->client_ca)
        t->files[t->n++] = xstrdup(s->client_ca);
    else if (s->ca)
        for (size_t i = 0; i < TRUST_FILES; i++)
            t->files[t->n++] = xasprintf("%s/%s", s->ca, names[i]);
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

void trust_close(struct trust *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->files[i]);
    *t = (struct trust){.n = 0};
}
