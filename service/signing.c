/* SPDX-License-Identifier: Apache-2.0 */
#include "service/signing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "controller/ca.h"
#include "controller/ca_repository.h"

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

int signing_answer(const struct controller_settings *s, const char *pem, uint32_t generation,
                   struct buf *ret, struct error_list *err)
{
    _cleanup_free_ char *file = NULL;
    struct ca_answer answer;
    int r = to_file(s, pem, &file, err);

    if (r < 0)
        return r;
    r = ca_enroll(s->ca, file, generation, &answer, err);
    unlink(file);
    if (r < 0)
        return r;
    /* What is wrong with that is no fault of the request's. */
    r = ca_add_repository(s->ca, &answer.pem, err) < 0 ? -EIO : 0;
    if (r == 0)
        buf_add(ret, answer.pem.data, answer.pem.len);
    ca_answer_clear(&answer);
    return r;
}
