/* SPDX-License-Identifier: Apache-2.0 */
#include "service/wanted.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/fs.h"
#include "common/name.h"
#include "common/tar.h"
#include "service/static.h"

#define METADATA_MAX (16u << 20)
#define HEAD_MAX \
    4096 /* of an archive: bundle.json is its first file, and begins with its revision */
#define REVISION_LEN (WANTED_REVISION_SIZE - 1)

/* The signed part of a file of the metadata, which the caller owns; NULL: there is none. */
static json_t *read_signed(const char *repository, const char *name)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    json_t *whole, *part;
    int64_t size;
    int fd = static_open(repository, "metadata", name, &size);

    if (fd < 0)
        return NULL;
    if (fs_read_fd(fd, METADATA_MAX, &text) < 0)
        buf_reset(&text);
    close(fd);
    whole = json_loadb(buf_cstr(&text), text.len, 0, NULL);
    part = json_incref(json_object_get(whole, "signed"));
    json_decref(whole);
    return part;
}

static json_int_t version_of(const json_t *meta)
{
    return json_integer_value(json_object_get(meta, "version"));
}

/* The targets of one role. */
static void add_role(struct wanted *w, const char *repository, const char *file, json_int_t version)
{
    _cleanup_free_ char *name = xasprintf("%" JSON_INTEGER_FORMAT ".%s", version, file);
    json_t *role = read_signed(repository, name), *target;
    const char *path;

    json_object_foreach(json_object_get(role, "targets"), path, target)
    {
        json_t *hash = json_object_get(json_object_get(target, "hashes"), "sha256");

        if (json_is_string(hash))
            json_object_set(w->targets, path, hash);
    }
    json_decref(role);
}

/* The revisions of archives that are gone are forgotten. */
static void keep_revisions(struct wanted *w)
{
    json_t *kept = json_object(), *hash, *known;
    const char *path;

    json_object_foreach(w->targets, path, hash)
    {
        known = json_object_get(w->revisions, json_string_value(hash));
        if (known)
            json_object_set(kept, json_string_value(hash), known);
    }
    json_decref(w->revisions);
    w->revisions = kept;
}

static void load(struct wanted *w, const char *repository, int64_t version)
{
    json_t *timestamp = read_signed(repository, "timestamp.json"), *snapshot, *meta;
    _cleanup_free_ char *name = NULL;
    const char *file;

    json_decref(w->targets);
    w->targets = json_object();
    w->version = version;
    name =
        xasprintf("%" JSON_INTEGER_FORMAT ".snapshot.json",
                  version_of(json_object_get(json_object_get(timestamp, "meta"), "snapshot.json")));
    snapshot = read_signed(repository, name);
    json_object_foreach(json_object_get(snapshot, "meta"), file, meta)
    {
        add_role(w, repository, file, version_of(meta));
    }
    json_decref(snapshot);
    json_decref(timestamp);
    keep_revisions(w);
}

/* The archive, open; -1: it is not there. */
static int open_archive(const char *repository, const char *hash, const char *gateway)
{
    _cleanup_free_ char *name = xasprintf("gateways/%s.%s.tar", hash, gateway);
    int64_t size;

    return static_open(repository, "targets", name, &size);
}

static void read_revision(int fd, char ret[static WANTED_REVISION_SIZE])
{
    static const char key[] = "\"revision\": \"";
    char head[HEAD_MAX];
    const char *at;
    ssize_t n = read(fd, head, sizeof(head));

    at = n > 0 ? memmem(head, (size_t)n, key, strlen(key)) : NULL;
    if (!at || at + strlen(key) + REVISION_LEN > head + n)
        return;
    at += strlen(key);
    for (size_t i = 0; i < REVISION_LEN; i++)
        if (!memchr("0123456789abcdef", at[i], 16))
            return;
    memcpy(ret, at, REVISION_LEN);
    ret[REVISION_LEN] = '\0';
}

static void look(struct wanted *w, const char *repository, int64_t version)
{
    if (!w->targets || w->version != version)
        load(w, repository, version);
}

/* The hash of its archive; NULL: it has none. */
static const char *look_up(struct wanted *w, const char *repository, int64_t version,
                           const char *gateway)
{
    _cleanup_free_ char *path = xasprintf("gateways/%s.tar", gateway);

    look(w, repository, version);
    return json_string_value(json_object_get(w->targets, path));
}

void wanted_revision(struct wanted *w, const char *repository, int64_t version, const char *gateway,
                     char ret[static WANTED_REVISION_SIZE])
{
    const char *hash = look_up(w, repository, version, gateway), *known;
    int fd;

    ret[0] = '\0';
    known = hash ? json_string_value(json_object_get(w->revisions, hash)) : NULL;
    if (known) {
        snprintf(ret, WANTED_REVISION_SIZE, "%s", known);
        return;
    }
    fd = hash ? open_archive(repository, hash, gateway) : -1;
    if (fd < 0)
        return;
    read_revision(fd, ret);
    close(fd);
    if (*ret)
        json_object_set_new(w->revisions, hash, json_string(ret));
}

struct bundle *wanted_bundle(struct wanted *w, const char *repository, int64_t version,
                             const char *gateway)
{
    const char *hash = look_up(w, repository, version, gateway);
    int fd = hash ? open_archive(repository, hash, gateway) : -1;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct error_list err = ERROR_LIST_INIT;
    struct bundle *b = NULL;
    struct tar_reader reader;
    struct tar_entry first;

    if (fd < 0)
        return NULL;
    if (fs_read_fd(fd, WANTED_ARCHIVE_MAX, &text) == 0 &&
        bundle_archive_text(buf_cstr(&text), text.len, gateway, &reader, &first, &err) == 0)
        bundle_parse(first.data, first.size, BUNDLE_FILE, &b, &err);
    close(fd);
    error_clear(&err);
    return b;
}

void wanted_each(struct wanted *w, const char *repository, int64_t version,
                 void (*each)(void *data, const char *gateway), void *data)
{
    static const char folder[] = "gateways/", ending[] = BUNDLE_ARCHIVE_ENDING;
    const size_t around = strlen(folder) + strlen(ending);
    const char *path;
    json_t *hash;

    look(w, repository, version);
    json_object_foreach(w->targets, path, hash)
    {
        size_t len = strlen(path);
        _cleanup_free_ char *name = NULL;

        if (len <= around || strncmp(path, folder, strlen(folder)) != 0 ||
            strcmp(path + len - strlen(ending), ending) != 0)
            continue;
        name = xstrndup(path + strlen(folder), len - around);
        if (name_valid(name))
            each(data, name);
    }
}

void wanted_clear(struct wanted *w)
{
    json_decref(w->targets);
    json_decref(w->revisions);
    *w = (struct wanted){0};
}
