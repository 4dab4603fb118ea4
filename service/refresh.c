/* SPDX-License-Identifier: Apache-2.0 */
#include "service/refresh.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "controller/repository.h"
#include "service/log.h"
#include "tuf/repo_read.h"

#define AGAIN_SECONDS 60

int64_t refresh_next(int64_t now, int64_t expires)
{
    return expires > now + 2 * AGAIN_SECONDS ? now + (expires - now) / 2 : now + AGAIN_SECONDS;
}

/* Clients refuse what is published from the moment that the first of the two expires; 0: it cannot
 * be read. */
static int64_t published_until(const char *repository)
{
    _cleanup_free_ char *metadata = xasprintf("%s/metadata", repository);
    json_t *timestamp = NULL, *snapshot = NULL;
    struct tuf_error err;
    int64_t ret = 0;

    if (tuf_repo_read_state(metadata, &timestamp, &snapshot, &err) == TUF_OK && snapshot) {
        int64_t other = tuf_repo_expires_of(tuf_repo_body_of(snapshot));

        ret = tuf_repo_expires_of(tuf_repo_body_of(timestamp));
        ret = other < ret ? other : ret;
    }
    json_decref(timestamp);
    json_decref(snapshot);
    return ret;
}

static void plan(struct refresh *r, const struct controller_settings *settings, int64_t now)
{
    r->expires = published_until(settings->repository);
    r->next = refresh_next(now, r->expires);
    r->planned = now;
}

/* A clock that was ahead and was put right must not make the next time a late one. */
static void follow_clock(struct refresh *r, int64_t now)
{
    if (now >= r->planned)
        return;
    r->next -= r->planned - now;
    r->planned = now;
}

void refresh_published(struct refresh *r, const struct controller_settings *settings, int64_t now)
{
    int64_t before;

    if (!settings->keys)
        return;
    follow_clock(r, now);
    before = r->next;
    plan(r, settings, now);
    if (before < r->next)
        r->next = before;
}

static void tell(struct refresh *r, const char *what)
{
    if (r->told && what && strcmp(r->told, what) == 0)
        return;
    if (what)
        say(SAY_ERROR, "what is published cannot be signed for longer: %s", what);
    else if (r->told)
        say(SAY_NOTICE, "what is published is signed for longer again");
    free(r->told);
    r->told = what ? xstrdup(what) : NULL;
}

void refresh_run(struct refresh *r, const struct controller_settings *settings, int64_t now)
{
    struct passphrase none = {.file = "/dev/null", .what = "of the repository's online keys"};
    const struct repository_options options = {
        .dir = settings->repository, .keys = settings->keys, .passphrase = &none};
    struct error_list err = ERROR_LIST_INIT;
    struct repository_result result;
    bool done;

    follow_clock(r, now);
    if (!settings->keys || now < r->next)
        return;
    done = repository_refresh(&options, &result, &err) == 0;
    plan(r, settings, now);
    if (done) {
        tell(r, NULL);
    } else {
        r->next = now + AGAIN_SECONDS;
        tell(r, err.n ? err.items[0].message : "no reason is known");
    }
    repository_result_clear(&result);
    error_clear(&err);
}

void refresh_clear(struct refresh *r)
{
    free(r->told);
    *r = (struct refresh){0};
}
