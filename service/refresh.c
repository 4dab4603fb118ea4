/* SPDX-License-Identifier: Apache-2.0 */
#include "service/refresh.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "controller/repository.h"
#include "service/log.h"

#define AGAIN_SECONDS 60

int64_t refresh_next(int64_t now, int64_t expires)
{
    return expires > now + 2 * AGAIN_SECONDS ? now + (expires - now) / 2 : now + AGAIN_SECONDS;
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

    if (!settings->keys || now < r->next)
        return;
    if (repository_refresh(&options, &result, &err) == 0) {
        r->expires = result.expires[TUF_TIMESTAMP];
        r->next = refresh_next(now, r->expires);
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
