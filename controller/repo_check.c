/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/repo_check.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/fs.h"
#include "common/origins.h"
#include "controller/repository.h"
#include "tuf/repo_read.h"
#include "tuf/updater.h"

#define TARGET_MAX ((size_t)1 << 30)
#define PROBES_MAX 1000000u

struct check {
    const char *dir;
    char *metadata, *targets;
    char folder[PATH_MAX]; /* of the client that we play */
    struct tuf_updater updater;
    struct error_list *err;
};

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The client's way to a file: its "URLs" are paths whose names are percent-encoded. */
static enum tuf_code fetch(void *ctx, const char *url, size_t max, struct buf *ret,
                           struct tuf_error *err)
{
    _cleanup_free_ char *path = xstrdup(url);
    struct error_list list = ERROR_LIST_INIT;
    char *to = path;
    int r;

    (void)ctx;
    for (const char *from = url; *from; from++, to++) {
        *to = *from;
        if (*from == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
            *to = (char)(hex(from[1]) << 4 | hex(from[2]));
            from += 2;
        }
    }
    *to = '\0';
    r = fs_read(path, max, ret, &list);
    error_clear(&list);
    if (r == -ENOENT)
        return tuf_fail(err, TUF_NOT_FOUND, "%.200s is missing", path);
    if (r == -EFBIG)
        return tuf_fail(err, TUF_TOO_LARGE, "%.200s is larger than %zu bytes", path, max);
    return r == 0 ? TUF_OK : tuf_fail(err, TUF_STORAGE, "%.200s: %s", path, strerror(-r));
}

static int begin(struct check *c)
{
    _cleanup_free_ char *root = xasprintf("%s/1.root.json", c->metadata);
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct tuf_error te;
    const char *tmp = getenv("TMPDIR");
    int r;

    if (!tmp || tmp[0] != '/')
        tmp = P_tmpdir;
    if ((size_t)snprintf(c->folder, sizeof(c->folder), "%s/p2pvpn-check-XXXXXX", tmp) >=
            sizeof(c->folder) ||
        !mkdtemp(c->folder)) {
        c->folder[0] = '\0';
        return error_sys(c->err, errno, tmp, "cannot make a folder for the check");
    }
    if (access(root, F_OK) < 0 && errno == ENOENT)
        return error_add(c->err, c->dir, 0, NULL,
                         "there is no repository; make one with 'p2pvpn-ctl repo init'");
    r = fs_read(root, TUF_ROOT_MAX, &data, c->err);
    if (r < 0)
        return r;
    if (tuf_updater_init(c->folder, buf_cstr(&data), data.len, &te) != TUF_OK)
        return error_add(c->err, root, 0, NULL, "%s", te.text);
    c->updater = (struct tuf_updater){
        .metadata_dir = c->folder,
        .metadata_url = c->metadata,
        .target_url = c->targets,
        .now = time(NULL),
        .fetch = fetch,
        .target_max = TARGET_MAX,
    };
    if (tuf_updater_refresh(&c->updater, &te) != TUF_OK)
        return error_add(c->err, c->dir, 0, NULL, "%s", te.text);
    return 0;
}

/* What the agent of this gateway would say to it. */
static void check_bundle(struct check *c, const char *path, const struct buf *data)
{
    const char *name = path + strlen(REPO_GATEWAYS);
    struct bundle *b = NULL;
    uint64_t *places = NULL;

    if (bundle_parse_archive(buf_cstr(data), data->len, path, &b, &places, c->err) < 0)
        return;
    if (strncmp(name, b->gateway, strlen(b->gateway)) != 0 ||
        strcmp(name + strlen(b->gateway), BUNDLE_ARCHIVE_ENDING) != 0)
        error_add(c->err, path, 0, NULL, "this is the bundle of '%s'", b->gateway);
    bundle_free(b);
    free(places);
}

static void check_target(struct check *c, const char *path)
{
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct origins *origins = NULL;
    struct tuf_error te;

    if (tuf_updater_target(&c->updater, path, NULL, &data, &te) != TUF_OK)
        error_add(c->err, c->dir, 0, NULL, "%s: %s", path, te.text);
    else if (strncmp(path, REPO_GATEWAYS, strlen(REPO_GATEWAYS)) == 0)
        check_bundle(c, path, &data);
    else if (strcmp(path, REPO_ORIGINS) == 0)
        origins_parse(buf_cstr(&data), data.len, path, &origins, c->err);
    origins_free(origins);
}

/* Bins that nothing lies in: who asks for a target there must be told that there is none. */
static void check_empty_bins(struct check *c, const json_t *all, unsigned bits)
{
    const json_t *targets = c->updater.trusted.targets->body;
    json_t *seen = json_object();
    char bin[TUF_ROLE_NAME_MAX + 1];
    void *it;

    for (it = json_object_iter((json_t *)all); it; it = json_object_iter_next((json_t *)all, it)) {
        tuf_repo_bin(targets, json_object_iter_key(it), bin);
        json_object_set_new(seen, bin, json_true());
    }
    for (unsigned i = 0; i < PROBES_MAX && json_object_size(seen) < 1u << bits; i++) {
        _cleanup_free_ char *path = xasprintf("%s%u", REPO_GATEWAYS, i);
        _cleanup_buf_ struct buf data = BUF_INIT;
        struct tuf_error te;

        tuf_repo_bin(targets, path, bin);
        if (json_object_get(seen, bin))
            continue;
        json_object_set_new(seen, bin, json_true());
        if (tuf_updater_target(&c->updater, path, NULL, &data, &te) != TUF_NO_TARGET)
            error_add(c->err, c->dir, 0, NULL, "%s: %s", bin, te.text);
    }
    json_decref(seen);
}

static int check_all(struct check *c, void (*progress)(size_t done, size_t total))
{
    json_t *timestamp = NULL, *snapshot = NULL, *all = NULL;
    struct tuf_error te;
    unsigned bits = 0;
    enum tuf_code code = tuf_repo_read_state(c->metadata, &timestamp, &snapshot, &te);

    if (code == TUF_OK)
        code = tuf_repo_read_targets(c->metadata, snapshot, &all, NULL, &te);
    if (code == TUF_OK)
        code = tuf_repo_read_bins(c->metadata, snapshot, &bits, &te);
    if (code == TUF_OK) {
        size_t n = json_object_size(all), done = 0;

        for (void *it = json_object_iter(all); it; it = json_object_iter_next(all, it)) {
            check_target(c, json_object_iter_key(it));
            if (progress)
                progress(++done, n);
        }
        if (bits > 0)
            check_empty_bins(c, all, bits);
    } else {
        error_add(c->err, c->dir, 0, NULL, "%s", te.text);
    }
    json_decref(all);
    json_decref(timestamp);
    json_decref(snapshot);
    return c->err->n > 0 ? -EINVAL : 0;
}

int repo_check(const char *dir, void (*progress)(size_t done, size_t total), struct error_list *err)
{
    struct check c = {.dir = dir, .err = err};
    struct error_list ignored = ERROR_LIST_INIT;
    int r;

    c.metadata = xasprintf("%s/metadata", dir);
    c.targets = xasprintf("%s/targets", dir);
    r = begin(&c);
    if (r == 0)
        r = check_all(&c, progress);
    tuf_updater_close(&c.updater);
    if (c.folder[0])
        fs_remove_tree(c.folder, &ignored);
    error_clear(&ignored);
    free(c.metadata);
    free(c.targets);
    return r;
}
