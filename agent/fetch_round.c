/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/fetch_parts.h"
#include "agent/supervise.h" /* monotonic_ms() */
#include "common/fs.h"
#include "common/origins.h"
#include "tuf/metadata.h"
#include "tuf/updater.h"

#define GIVEN_FILE "given.json" /* the root that came with the answer to enrolment */

bool fetch_is_weather(enum tuf_code code)
{
    return code == TUF_NETWORK || code == TUF_TIMEOUT || code == TUF_NOT_FOUND;
}

static enum tuf_code storage(struct tuf_error *err, struct error_list *list)
{
    const struct error_item *e = list->n ? &list->items[0] : NULL;
    enum tuf_code r = tuf_fail(err, TUF_STORAGE, "%.150s: %.150s",
                               e && e->file ? e->file : "a file", e ? e->message : "?");

    error_clear(list);
    return r;
}

/* --- the root ----------------------------------------------------------------------------------
 */

static bool vouches(const struct tuf_metadata *a, const struct tuf_metadata *b)
{
    struct tuf_error ignored;
    struct tuf_role role;

    tuf_root_role(a, TUF_ROOT, &role);
    return tuf_metadata_verify(b, &role, &ignored) == TUF_OK;
}

/* Whether two roots are of one repository: one of them is signed as the other wants it. */
static bool same_repository(const char *path, const struct buf *given)
{
    struct tuf_metadata *a = NULL, *b = NULL;
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct tuf_error err;
    bool same = fs_read(path, TUF_ROOT_MAX, &text, &ignored) == 0 &&
                tuf_metadata_parse(buf_cstr(&text), text.len, TUF_ROOT, &a, &err) == TUF_OK &&
                tuf_metadata_parse(buf_cstr(given), given->len, TUF_ROOT, &b, &err) == TUF_OK &&
                (vouches(a, b) || vouches(b, a));

    tuf_metadata_free(a);
    tuf_metadata_free(b);
    error_clear(&ignored);
    return same;
}

/* Whether what is trusted came of the root that is given now.  That root may be years older than
 * the one that is stored, with every key replaced since, and neither vouches for the other then: so
 * the one that was given is kept beside it.  It is another repository only if it vouches for
 * neither, nor they for it. */
static bool is_anchored(const char *path, const char *kept, const struct buf *given)
{
    _cleanup_buf_ struct buf before = BUF_INIT;
    struct error_list ignored = ERROR_LIST_INIT;
    bool same = fs_read(kept, TUF_ROOT_MAX, &before, &ignored) == 0 && before.len == given->len &&
                memcmp(before.data, given->data, given->len) == 0;

    error_clear(&ignored);
    return same || same_repository(path, given) || same_repository(kept, given);
}

enum tuf_code fetch_anchor(struct fetch *f, struct tuf_error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/root.json", f->metadata_dir);
    _cleanup_free_ char *kept = xasprintf("%s/" GIVEN_FILE, f->metadata_dir);
    const struct buf *given = &f->repository.root;
    struct error_list list = ERROR_LIST_INIT;
    bool there = access(path, F_OK) == 0;
    enum tuf_code r = TUF_OK;

    if (given->len == 0)
        return there ? TUF_OK
                     : tuf_fail(err, TUF_STATE,
                                "there is no root to check a repository by: install the answer to "
                                "enrolment, which brings it");
    if (!there || !is_anchored(path, kept, given)) {
        if (fs_remove_tree(f->metadata_dir, &list) < 0 ||
            fs_mkdirs(f->metadata_dir, 0755, &list) < 0)
            return storage(err, &list);
        r = tuf_updater_init(f->metadata_dir, buf_cstr(given), given->len, err);
    }
    if (r == TUF_OK &&
        fs_write_if_changed(kept, buf_cstr(given), given->len, 0644, NULL, &list) < 0)
        return storage(err, &list);
    return r;
}

/* --- short: the timestamp is the one that we know -----------------------------------------------
 */

static void forget(struct fetch *f)
{
    buf_reset(&f->timestamp);
    f->etag[0] = '\0';
}

static bool is_unchanged(struct fetch *f, int64_t now)
{
    _cleanup_free_ char *url =
        xasprintf("%s/metadata/timestamp.json", f->repository.mirrors[f->mirror]);
    const struct tuf_curl_ask ask = {.url = url, .etag = f->etag, .max = TUF_TIMESTAMP_MAX};
    struct tuf_curl_answer answer;
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct tuf_error ignored;

    if (f->timestamp.len == 0 || now >= f->report.expires || monotonic_ms() / 1000 >= f->full_at ||
        access(f->bundle, F_OK) < 0)
        return false;
    tuf_curl_deadline(f->curl, FETCH_SECONDS);
    if (tuf_curl_ask(f->curl, &ask, &answer, &data, &ignored) != TUF_OK || answer.status == 204)
        return false;
    if (answer.status == 304)
        return *f->etag;
    if (data.len != f->timestamp.len || memcmp(data.data, f->timestamp.data, data.len) != 0)
        return false;
    memcpy(f->etag, answer.etag, sizeof(f->etag));
    return true;
}

/* --- full --------------------------------------------------------------------------------------
 */

/* Into the file at `path`, if it is not there already. */
static enum tuf_code get(struct tuf_updater *u, const char *target, const char *path, bool *changed,
                         struct tuf_error *err)
{
    _cleanup_buf_ struct buf have = BUF_INIT, data = BUF_INIT;
    struct error_list list = ERROR_LIST_INIT;
    bool old = fs_read(path, u->target_max, &have, &list) == 0;
    enum tuf_code r;
    int written;

    error_clear(&list);
    if ((r = tuf_updater_target(u, target, old ? &have : NULL, &data, err)) != TUF_OK)
        return r;
    if (fs_write_if_changed(path, buf_cstr(&data), data.len, 0644, &written, &list) < 0)
        return storage(err, &list);
    *changed = *changed || written;
    return TUF_OK;
}

/* Both belong together, and the bundle is what makes the agent look: so it comes last. */
static enum tuf_code get_targets(struct fetch *f, struct tuf_updater *u, bool *changed,
                                 struct tuf_error *err)
{
    _cleanup_free_ char *target = xasprintf("gateways/%s.tar", f->repository.gateway);
    enum tuf_code r;

    u->target_max = ORIGINS_MAX_BYTES;
    r = get(u, "mesh/origins", f->origins, changed, err);
    if (r != TUF_OK && r != TUF_NO_TARGET) /* not every mesh has one */
        return r;
    u->target_max = FETCH_BUNDLE_MAX;
    r = get(u, target, f->bundle, changed, err);
    if (r == TUF_NO_TARGET)
        return tuf_fail(err, r, "the repository has no bundle of gateway %s",
                        f->repository.gateway);
    return r;
}

/* Of all that our targets hang on; of the bins only those in which they lie. */
static int64_t earliest_expiry(const struct tuf_updater *u)
{
    const struct tuf_trusted *t = &u->trusted;
    const struct tuf_metadata *const all[] = {t->root, t->timestamp, t->snapshot, t->targets};
    int64_t first = u->roles_expire ? u->roles_expire : INT64_MAX;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i] && all[i]->expires < first)
            first = all[i]->expires;
    return first;
}

/* Whatever became of the round: what is trusted now says how fresh we can be. */
static void note_trusted(struct fetch *f, const struct tuf_updater *u)
{
    const struct tuf_trusted *t = &u->trusted;

    if (!t->timestamp)
        return;
    f->report.version = t->timestamp->version;
    if (t->root && t->snapshot && t->targets)
        f->report.expires = earliest_expiry(u);
}

static enum tuf_code ask_mirror(struct fetch *f, size_t i, int64_t now, bool *changed,
                                struct tuf_error *err)
{
    const char *base = f->repository.mirrors[i];
    _cleanup_free_ char *metadata = xasprintf("%s/metadata", base);
    _cleanup_free_ char *targets = xasprintf("%s/targets", base);
    _cleanup_free_ char *known = xasprintf("%s/timestamp.json", f->metadata_dir);
    struct error_list ignored = ERROR_LIST_INIT;
    struct tuf_updater u = {.metadata_dir = f->metadata_dir,
                            .metadata_url = metadata,
                            .target_url = targets,
                            .now = now,
                            .fetch = tuf_curl_fetch,
                            .fetch_ctx = f->curl};
    enum tuf_code r;

    tuf_curl_deadline(f->curl, FETCH_MIRROR_SECONDS);
    r = tuf_updater_refresh(&u, err);
    if (r == TUF_OK)
        r = get_targets(f, &u, changed, err);
    note_trusted(f, &u);
    tuf_updater_close(&u);
    if (r != TUF_OK)
        return r;
    if (fs_read(known, TUF_TIMESTAMP_MAX, &f->timestamp, &ignored) < 0)
        forget(f);
    error_clear(&ignored);
    f->full_at = monotonic_ms() / 1000 + FETCH_FULL_SECONDS;
    f->mirror = i;
    return TUF_OK;
}

static void is_good(struct fetch *f, int64_t now)
{
    f->report.fresh = now;
    snprintf(f->report.mirror, sizeof(f->report.mirror), "%s", f->repository.mirrors[f->mirror]);
}

/* With a clock that went back, what expired long ago would look fresh. */
static enum tuf_code check_clock(const struct fetch *f, int64_t now, struct tuf_error *err)
{
    char is[TUF_TIME_LEN + 1], was[TUF_TIME_LEN + 1];

    if (now >= f->report.fresh - FETCH_CLOCK_SLACK)
        return TUF_OK;
    tuf_time_text(now, is);
    tuf_time_text(f->report.fresh, was);
    return tuf_fail(err, TUF_CLOCK, "the clock says %s, and has said %s before: set it", is, was);
}

enum tuf_code fetch_round(struct fetch *f, int64_t now, bool unseen, bool *changed,
                          struct tuf_error *err)
{
    size_t n = f->repository.n_mirrors, first;
    struct tuf_error one;
    enum tuf_code r = check_clock(f, now, err);

    *changed = false;
    if (monotonic_ms() / 1000 >= f->full_at)
        f->mirror = 0; /* perhaps the first is back */
    if (r != TUF_OK)
        return r;
    if (!unseen && is_unchanged(f, now)) {
        is_good(f, now);
        return TUF_OK;
    }
    forget(f);
    first = f->mirror;
    if ((r = fetch_anchor(f, err)) != TUF_OK)
        return r;
    for (size_t k = 0; k < n; k++) {
        enum tuf_code now_r = ask_mirror(f, (first + k) % n, now, changed, &one);

        if (now_r == TUF_OK) {
            is_good(f, now);
            return TUF_OK;
        }
        /* One that lies is worse than one that is away: that is what is told. */
        if (r == TUF_OK || (fetch_is_weather(r) && !fetch_is_weather(now_r))) {
            r = now_r;
            *err = one;
        }
    }
    f->mirror = 0;
    return r;
}
