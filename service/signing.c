/* SPDX-License-Identifier: Apache-2.0 */
#include "service/signing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "controller/ca.h"
#include "controller/passphrase.h"
#include "service/log.h"
#include "service/offer.h"

/* The authority reads files.  *ret is to be removed and freed. */
static int to_file(const struct controller_settings *s, const char *pem, char **ret,
                   struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/request-XXXXXX", s->state);
    int fd = mkstemp(path), r;

    if (fd < 0)
        return error_sys(err, errno, s->state, "cannot write the request down");
    r = fs_write_fd(fd, pem, strlen(pem));
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r < 0) {
        unlink(path);
        return error_sys(err, -r, path, "cannot write the request down");
    }
    *ret = path;
    path = NULL;
    return 0;
}

/* "ab12 cd34" without its blanks. */
static void plain(const char *spoken, char ret[static DIGEST_TEXT_LEN + 1])
{
    size_t n = 0;

    for (; *spoken && n < DIGEST_TEXT_LEN; spoken++)
        if (*spoken != ' ')
            ret[n++] = *spoken;
    ret[n] = '\0';
}

int signing_look(const struct controller_settings *s, const char *pem, struct signing_request *ret,
                 struct error_list *err)
{
    _cleanup_free_ char *file = NULL;
    struct ca_request request;
    int r = to_file(s, pem, &file, err);

    if (r < 0)
        return r;
    r = ca_read_request(file, &request, err);
    unlink(file);
    if (r < 0)
        return r;
    snprintf(ret->gateway, sizeof(ret->gateway), "%.*s", NAME_MAX_LEN, request.gateway);
    plain(request.fingerprint, ret->fingerprint);
    snprintf(ret->link_key, sizeof(ret->link_key), "%s", request.link_key);
    return 0;
}

/* True: they are the same files as before. */
static bool unchanged(struct signing *g, const struct controller_settings *s)
{
    _cleanup_free_ char *key = xasprintf("%s/ca.key", s->ca);
    _cleanup_free_ char *cert = xasprintf("%s/ca.crt", s->ca);
    const char *const files[] = {key, cert, s->ca_passphrase};
    bool same = g->looked;

    for (size_t i = 0; i < 3; i++)
        same = fs_same(files[i], &g->seen[i]) && same;
    g->looked = true;
    return same;
}

static void open_authority(struct signing *g, const struct controller_settings *s)
{
    struct passphrase p = {
        .file = s->ca_passphrase, .what = "of the authority's key", .kept = true};
    struct error_list err = ERROR_LIST_INIT;
    bool again = *g->why;
    int r;

    g->ca = ca_close(g->ca);
    g->why[0] = '\0';
    r = ca_open(s->ca, s->ca_passphrase ? &p : NULL, &g->ca, &err);
    passphrase_clear(&p);
    if (r < 0) {
        snprintf(g->why, sizeof(g->why), "%s", err.n ? err.items[0].message : "it cannot be read");
        say_errors(SAY_ERROR, &err);
        say(SAY_ERROR, "the authority's key cannot be used: nothing is signed until that is mended "
                       "(ca, ca-passphrase-file)");
    } else if (again) {
        say(SAY_INFO, "the authority's key can be used now");
    }
    error_clear(&err);
}

int signing_ready(struct signing *g, const struct controller_settings *s, struct error_list *err)
{
    if (!s->ca)
        return 0;
    if (!unchanged(g, s))
        open_authority(g, s);
    if (g->ca)
        return 0;
    error_add(err, NULL, 0, NULL,
              "the controller cannot use the authority's key, so come again later: %s", g->why);
    return -EIO;
}

void signing_clear(struct signing *g)
{
    g->ca = ca_close(g->ca);
}

int signing_answer(struct signing *g, const struct controller_settings *s, const unsigned char *pin,
                   const char *pem, uint32_t generation, struct buf *ret, struct error_list *err)
{
    _cleanup_free_ char *file = NULL;
    struct ca_answer answer;
    int r = signing_ready(g, s, err);

    if (r == 0)
        r = to_file(s, pem, &file, err);
    if (r < 0)
        return r;
    r = ca_answer(g->ca, file, generation, &answer, err);
    unlink(file);
    if (r < 0)
        return r;
    /* What is wrong with that is no fault of the request's. */
    r = offer_add(s, pin, &answer.pem, err) < 0 ? -EIO : 0;
    if (r == 0)
        buf_add(ret, answer.pem.data, answer.pem.len);
    ca_answer_clear(&answer);
    return r;
}
