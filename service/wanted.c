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

static void load(struct wanted *w, const char *repository, int64_t version)
{
    json_t *timestamp = read_signed(repository, "timestamp.json"), *snapshot, *meta;
    _cleanup_free_ char *name = NULL;
    const char *file;

    json_decref(w->targets);
    w->targets = json_object();
    if (!w->revisions)
        w->revisions = json_object();
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
}

static void read_revision(const char *repository, const char *hash, const char *gateway,
                          char ret[static WANTED_REVISION_SIZE])
{
    static const char key[] = "\"revision\": \"";
    _cleanup_free_ char *name = xasprintf("gateways/%s.%s.tar", hash, gateway);
    char head[HEAD_MAX];
    const char *at;
    int64_t size;
    int fd = static_open(repository, "targets", name, &size);
    ssize_t n;

    if (fd < 0)
        return;
    n = read(fd, head, sizeof(head));
    close(fd);
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

void wanted_revision(struct wanted *w, const char *repository, int64_t version, const char *gateway,
                     char ret[static WANTED_REVISION_SIZE])
{
    _cleanup_free_ char *path = xasprintf("gateways/%s.tar", gateway);
    const char *hash, *known;

    ret[0] = '\0';
    if (!w->targets || w->version != version)
        load(w, repository, version);
    hash = json_string_value(json_object_get(w->targets, path));
    known = hash ? json_string_value(json_object_get(w->revisions, hash)) : NULL;
    if (known) {
        snprintf(ret, WANTED_REVISION_SIZE, "%s", known);
        return;
    }
    if (hash)
        read_revision(repository, hash, gateway, ret);
    if (*ret)
        json_object_set_new(w->revisions, hash, json_string(ret));
}

void wanted_clear(struct wanted *w)
{
    json_decref(w->targets);
    json_decref(w->revisions);
    *w = (struct wanted){0};
}
