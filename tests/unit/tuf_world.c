/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tuf_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "tuf/path.h"

#define ADDRESS "mem://mirror/"

struct world world;

/* Roles that are listed in the next snapshot, beside targets. */
static struct {
    char name[TUF_ROLE_NAME_MAX + 1];
    int64_t version;
    struct buf data;
} listed[64];
static size_t n_listed;

void world_setup(void)
{
    memset(&world, 0, sizeof(world));
    for (int t = 0; t < TUF_TYPES; t++) {
        world.version[t] = 1;
        world.expires[t] = WORLD_LATER;
        world.key[t] = world.signer[t] = (uint8_t)(t + 1);
    }
    world.path = "dir/a";
    world.content = "what gateway a runs";
    unit_folder(world.folder);
    unit_folder(world.target_folder);
}

void world_teardown(void)
{
    struct error_list err = ERROR_LIST_INIT;

    fs_remove_tree(world.folder, &err);
    fs_remove_tree(world.target_folder, &err);
    error_clear(&err);
    for (size_t i = 0; i < world.n_files; i++) {
        free(world.files[i].name);
        buf_free(&world.files[i].data);
    }
    for (size_t i = 0; i < n_listed; i++)
        buf_free(&listed[i].data);
    n_listed = 0;
    json_decref(world.delegations);
}

struct buf *world_file(const char *name)
{
    for (size_t i = 0; i < world.n_files; i++)
        if (strcmp(world.files[i].name, name) == 0)
            return &world.files[i].data;
    return NULL;
}

void world_put(const char *name, const void *data, size_t len)
{
    struct buf *file = world_file(name);

    if (!file) {
        ck_assert_uint_lt(world.n_files, WORLD_FILES);
        world.files[world.n_files].name = xstrdup(name);
        file = &world.files[world.n_files++].data;
    }
    buf_reset(file);
    if (data)
        buf_add(file, data, len);
    else
        buf_free(file); /* "" is a file, too: this one has no bytes at all */
}

static enum tuf_code fetch(void *ctx, const char *url, size_t max, struct buf *ret,
                           struct tuf_error *err)
{
    const char *name = url + strlen(ADDRESS);
    const struct buf *file;
    size_t n = strlen(world.asked);

    ck_assert_ptr_eq(ctx, &world);
    ck_assert_int_eq(strncmp(url, ADDRESS, strlen(ADDRESS)), 0);
    snprintf(world.asked + n, sizeof(world.asked) - n, "%s ", name);
    if (++world.requests == world.fail_at)
        return tuf_fail(err, TUF_NETWORK, "the mirror is gone");
    file = world_file(name);
    if (!file || !file->data)
        return tuf_fail(err, TUF_NOT_FOUND, "no %s", name);
    /* One byte too many: the updater must see that itself. */
    buf_add(ret, file->data, file->len > max ? max + 1 : file->len);
    return TUF_OK;
}

/* --- publishing
 * ----------------------------------------------------------------------------------- */

static void put_signed(const char *name, int64_t version, json_t *body, const uint8_t *signers,
                       size_t n, struct buf *ret)
{
    char file[300];
    struct tuf_seed seeds[2] = {{{0}}};

    for (size_t i = 0; i < n; i++)
        seeds[i].bytes[0] = signers[i];
    tuf_repo_sign(body, seeds, n, ret);
    if (version > 0)
        snprintf(file, sizeof(file), "%" PRId64 ".%s.json", version, name);
    else
        snprintf(file, sizeof(file), "%s.json", name);
    world_put(file, ret->data, ret->len);
}

void world_put_role(const char *name, int64_t version, json_t *body, uint8_t signer)
{
    size_t i;

    for (i = 0; i < n_listed && strcmp(listed[i].name, name) != 0; i++)
        ;
    if (i == n_listed)
        n_listed++;
    snprintf(listed[i].name, sizeof(listed[i].name), "%s", name);
    listed[i].version = version;
    buf_reset(&listed[i].data);
    put_signed(name, version, body, &signer, 1, &listed[i].data);
}

static void publish_root(void)
{
    json_t *body = tuf_repo_body(TUF_ROOT, world.version[TUF_ROOT], world.expires[TUF_ROOT]);
    uint8_t signers[2] = {world.signer[TUF_ROOT], world.old_root_key};
    _cleanup_buf_ struct buf text = BUF_INIT;

    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        tuf_repo_set_role(body, t, &(struct tuf_seed){{world.key[t]}}, 1, 1);
    put_signed("root", world.version[TUF_ROOT], body, signers, world.old_root_key ? 2 : 1, &text);
}

static void put_target(json_t *body)
{
    const char *last = strrchr(world.path, '/') ? strrchr(world.path, '/') + 1 : world.path;
    char hash[TUF_HASH_TEXT_MAX + 1], name[300];

    tuf_repo_add_target(body, world.path, world.content, strlen(world.content));
    tuf_hash("sha256", world.content, strlen(world.content), hash);
    snprintf(name, sizeof(name), "%.*s%s.%s", (int)(last - world.path), world.path, hash, last);
    world_put(name, world.content, strlen(world.content));
}

static json_t *targets_body(void)
{
    json_t *body =
        tuf_repo_body(TUF_TARGETS, world.version[TUF_TARGETS], world.expires[TUF_TARGETS]);

    if (world.bins > 0) {
        const struct tuf_seed seed = {{50}};
        json_t *bin = tuf_repo_body(TUF_TARGETS, 1, WORLD_LATER);
        char name[TUF_ROLE_NAME_MAX + 1];

        tuf_repo_delegate_bins(body, "bin", world.bins, &seed, 1, 1);
        tuf_repo_bin(body, world.path, name);
        put_target(bin);
        world_put_role(name, 1, bin, 50);
    } else if (world.delegations) {
        json_object_set(body, "delegations", world.delegations);
    } else {
        put_target(body);
    }
    return body;
}

void world_publish(void)
{
    _cleanup_buf_ struct buf targets = BUF_INIT, snapshot = BUF_INIT, timestamp = BUF_INIT;
    const int64_t *v = world.version;
    json_t *body;

    publish_root();
    put_signed("targets", v[TUF_TARGETS], targets_body(), &world.signer[TUF_TARGETS], 1, &targets);
    body = tuf_repo_body(TUF_SNAPSHOT, v[TUF_SNAPSHOT], world.expires[TUF_SNAPSHOT]);
    tuf_repo_add_meta(body, "targets", v[TUF_TARGETS], targets.data, targets.len);
    for (size_t i = 0; i < n_listed; i++)
        tuf_repo_add_meta(body, listed[i].name, listed[i].version, listed[i].data.data,
                          listed[i].data.len);
    put_signed("snapshot", v[TUF_SNAPSHOT], body, &world.signer[TUF_SNAPSHOT], 1, &snapshot);
    body = tuf_repo_body(TUF_TIMESTAMP, v[TUF_TIMESTAMP], world.expires[TUF_TIMESTAMP]);
    tuf_repo_add_meta(body, "snapshot", world.listed_as ? world.listed_as : v[TUF_SNAPSHOT],
                      snapshot.data, snapshot.len);
    put_signed("timestamp", 0, body, &world.signer[TUF_TIMESTAMP], 1, &timestamp);
}

/* --- the gateway
 * ---------------------------------------------------------------------------------- */

void world_init(void)
{
    const struct buf *root = world_file("1.root.json");

    ck_assert_int_eq(tuf_updater_init(world.folder, root->data, root->len, &world.err), TUF_OK);
}

static enum tuf_code run(const char *path)
{
    struct tuf_updater u = {
        .metadata_dir = world.folder,
        .metadata_url = ADDRESS,
        .target_url = ADDRESS,
        .now = WORLD_NOW,
        .fetch = fetch,
        .fetch_ctx = &world,
        .target_max = 100,
    };
    enum tuf_code r;

    world.requests = 0;
    world.asked[0] = '\0';
    memset(&world.err, 0, sizeof(world.err));
    r = tuf_updater_refresh(&u, &world.err);
    if (r == TUF_OK && path)
        r = tuf_updater_download(&u, path, world.target_folder, &world.err);
    tuf_updater_close(&u);
    if (r != TUF_OK) {
        ck_assert_int_eq(world.err.code, r);
        ck_assert_str_ne(world.err.text, "");
    }
    return r;
}

enum tuf_code world_refresh(void)
{
    return run(NULL);
}

enum tuf_code world_download(const char *path)
{
    return run(path);
}

int64_t world_stored(const char *role)
{
    _cleanup_free_ char *path = xasprintf("%s/%s.json", world.folder, role);
    json_t *doc = json_load_file(path, 0, NULL);
    int64_t version =
        json_integer_value(json_object_get(json_object_get(doc, "signed"), "version"));

    json_decref(doc);
    return version;
}

bool world_has_target(const char *path, const char *content)
{
    _cleanup_free_ char *name = tuf_path_file(path);
    _cleanup_free_ char *full = xasprintf("%s/%s", world.target_folder, name);
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct error_list err = ERROR_LIST_INIT;
    bool there = fs_read(full, 1000, &data, &err) == 0;

    error_clear(&err);
    return there && strcmp(buf_cstr(&data), content) == 0;
}
