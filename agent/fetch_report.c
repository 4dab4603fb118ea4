/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/fetch_report.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/identity.h"
#include "agent/json_text.h"
#include "common/alloc.h"
#include "common/fs.h"

static void set_number(json_t *o, const char *key, int64_t n)
{
    if (n)
        json_object_set_new(o, key, json_integer(n));
}

static void set_text(json_t *o, const char *key, const char *text)
{
    if (*text)
        json_object_set_new(o, key, json_string(text));
}

void fetch_report_format(const struct fetch_report *r, struct buf *ret)
{
    json_t *root = json_object(), *error = json_object();

    set_number(root, "pid", r->pid);
    set_number(root, "start", (int64_t)r->start);
    set_text(root, "gateway", r->gateway);
    set_number(root, "fresh", r->fresh);
    set_number(root, "changed", r->changed);
    set_number(root, "version", r->version);
    set_number(root, "expires", r->expires);
    set_text(root, "mirror", r->mirror);
    set_number(root, "next", r->next);
    if (*r->code) {
        set_text(error, "code", r->code);
        set_text(error, "text", r->text);
        set_number(error, "since", r->since);
        set_number(error, "tries", r->tries);
        json_object_set(root, "error", error);
    }
    json_decref(error);
    json_text_take(root, ret);
}

/* Each may be missing; *good becomes false when it is not what it should be. */
static int64_t number(const json_t *o, const char *key, int64_t most, bool *good)
{
    const json_t *value = json_object_get(o, key);
    json_int_t n = json_integer_value(value);

    if (value && (!json_is_integer(value) || n < 0 || n > most))
        *good = false;
    return n;
}

static void text_of(const json_t *o, const char *key, size_t max, char *ret, bool *good)
{
    const json_t *value = json_object_get(o, key);
    const char *text = json_string_value(value);
    size_t n = text ? strlen(text) : 0;

    if (!value)
        return;
    if (!text || n != json_string_length(value) || n > max) {
        *good = false;
        return;
    }
    for (const char *p = text; *p; p++)
        *good = *good && *p >= ' ' && *p <= '~';
    memcpy(ret, text, n + 1);
}

static bool code_valid(const char *code)
{
    return strspn(code, "abcdefghijklmnopqrstuvwxyz-") == strlen(code);
}

int fetch_report_parse(const char *data, size_t len, const char *file, struct fetch_report *ret,
                       struct error_list *err)
{
    json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *error = json_object_get(root, "error");
    bool good = json_is_object(root) && (!error || json_is_object(error));
    struct fetch_report r = {
        .pid = (pid_t)number(root, "pid", INT_MAX, &good),
        .start = (unsigned long long)number(root, "start", LLONG_MAX, &good),
        .fresh = number(root, "fresh", INT64_MAX / 2, &good),
        .changed = number(root, "changed", INT64_MAX / 2, &good),
        .version = number(root, "version", INT64_MAX, &good),
        .expires = number(root, "expires", INT64_MAX / 2, &good),
        .next = number(root, "next", INT64_MAX / 2, &good),
        .since = number(error, "since", INT64_MAX / 2, &good),
        .tries = (unsigned)number(error, "tries", UINT_MAX, &good),
    };

    text_of(root, "gateway", sizeof(r.gateway) - 1, r.gateway, &good);
    text_of(root, "mirror", sizeof(r.mirror) - 1, r.mirror, &good);
    text_of(error, "code", sizeof(r.code) - 1, r.code, &good);
    text_of(error, "text", sizeof(r.text) - 1, r.text, &good);
    good =
        good && (!*r.gateway || name_valid(r.gateway)) && code_valid(r.code) && (!error || *r.code);
    json_decref(root);
    if (!good)
        return error_add(err, file, 0, NULL,
                         "this is no report of a fetcher of this version: run \"systemctl restart "
                         "p2pvpn-fetch\"");
    *ret = r;
    return 0;
}

int fetch_report_read(const char *fetch_dir, struct fetch_report *ret, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" FETCH_REPORT, fetch_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), r;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0)
        return error_sys(err, errno, path, "cannot read what the fetcher says");
    r = fstat(fd, &st) < 0     ? -errno
        : !S_ISREG(st.st_mode) ? -EINVAL
                               : fs_read_fd(fd, FETCH_REPORT_MAX_BYTES, &text);
    close(fd);
    if (r < 0)
        return error_sys(err, -r, path, "cannot read what the fetcher says");
    return fetch_report_parse(buf_cstr(&text), text.len, path, ret, err);
}

int fetch_report_write(const char *fetch_dir, const struct fetch_report *r, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" FETCH_REPORT, fetch_dir);
    _cleanup_buf_ struct buf text = BUF_INIT;

    fetch_report_format(r, &text);
    return fs_write(path, buf_cstr(&text), text.len, 0644, err);
}

bool fetch_report_alive(const struct fetch_report *r)
{
    return process_runs(r->pid, r->start);
}
