/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/keys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/fs.h"
#include "common/link_key.h"
#include "common/name.h"
#include "common/sorted.h"
#include "controller/lock.h"
#include "controller/network.h"

#define ROOT "p2pvpn-keys:keys"
#define LIST "gateway"
#define MAX_ERRORS 20

char *keys_file_name(const char *mesh_file)
{
    const char *slash = strrchr(mesh_file, '/'), *base = slash ? slash + 1 : mesh_file;
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - mesh_file) : strlen(mesh_file);

    return xasprintf("%.*s.keys.json", (int)n, mesh_file);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
    const char *file;
    struct error_list *err;
    struct keys_file *k;
    unsigned errors;
};

static void __attribute__((format(printf, 4, 5)))
complain(struct reader *r, size_t i, const char *member, const char *format, ...)
{
    _cleanup_free_ char *path =
        xasprintf("/" ROOT "/" LIST "[%zu]%s%s", i + 1, member ? "/" : "", member ? member : "");
    va_list ap;

    if (r->errors++ >= MAX_ERRORS)
        return;
    va_start(ap, format);
    error_vadd(r->err, r->file, 0, path, format, ap);
    va_end(ap);
}

/* Four hexadecimal digits and a blank, and again: as digest_sha256_spoken() writes it. */
static bool is_spoken(const char *text)
{
    if (strlen(text) != DIGEST_SPOKEN_LEN)
        return false;
    for (size_t i = 0; text[i]; i++)
        if (i % 5 == 4 ? text[i] != ' ' : !strchr("0123456789abcdef", text[i]))
            return false;
    return true;
}

static const char *get_text(struct reader *r, size_t i, json_t *object, const char *member,
                            bool (*valid)(const char *text), const char *what)
{
    json_t *value = json_object_get(object, member);
    const char *text = json_string_value(value);

    if (!value)
        return NULL;
    if (text && strlen(text) == json_string_length(value) && valid(text))
        return arena_strdup(&r->k->arena, text);
    complain(r, i, member, "%s is needed here", what);
    return NULL;
}

/* Absent: false, which is never written. */
static bool get_flag(struct reader *r, size_t i, json_t *object, const char *member)
{
    json_t *value = json_object_get(object, member);

    if (value && !json_is_true(value))
        complain(r, i, member, "it can only be true, or absent");
    return value != NULL;
}

static void get_gateway(struct reader *r, size_t i, json_t *object)
{
    static const char *const members[] = {"name",     "generation", "tls-key",
                                          "link-key", "revoked",    "rekey"};
    const size_t n_members = sizeof(members) / sizeof(members[0]);
    json_t *generation = json_object_get(object, "generation"), *value;
    struct keys_gateway g = {.generation = 1};
    const char *key;

    if (!json_is_object(object)) {
        complain(r, i, NULL, "an object is needed here");
        return;
    }
    json_object_foreach(object, key, value)
    {
        size_t m = 0;

        while (m < n_members && strcmp(key, members[m]) != 0)
            m++;
        if (m == n_members)
            complain(r, i, name_valid(key) ? key : NULL, "there is no such member");
    }
    g.name = get_text(r, i, object, "name", name_valid, "the name of a gateway");
    if (!g.name) {
        if (!json_object_get(object, "name"))
            complain(r, i, "name", "the member is missing");
        return;
    }
    if (!json_is_integer(generation) || json_integer_value(generation) < 1 ||
        json_integer_value(generation) > UINT32_MAX)
        complain(r, i, "generation", "a number from 1 is needed here");
    else
        g.generation = (uint32_t)json_integer_value(generation);
    g.tls_key = get_text(r, i, object, "tls-key", is_spoken, "a fingerprint, as enroll shows it,");
    g.link_key = get_text(r, i, object, "link-key", link_key_valid, "a link key");
    g.revoked = get_flag(r, i, object, "revoked");
    g.rekey = get_flag(r, i, object, "rekey");
    if (g.revoked && g.rekey)
        complain(r, i, "rekey", "a gateway that is revoked gets no new keys: take one of both out");
    if (!g.revoked && !g.rekey && !json_object_get(object, "tls-key"))
        complain(r, i, "tls-key", "the member is missing");
    if (r->k->n && strcmp(r->k->gateways[r->k->n - 1].name, g.name) >= 0)
        complain(r, i, "name", "'%s' is out of order or there twice", g.name);
    if (r->errors == 0)
        keys_file_put(r->k, &g);
}

static json_t *get_list(json_t *root, const char *file, struct error_list *err)
{
    json_t *keys = json_object_get(root, ROOT), *list = json_object_get(keys, LIST);

    if (json_is_object(root) && json_object_size(root) == 1 && json_is_object(keys) &&
        json_object_size(keys) == 1 && json_is_array(list) &&
        json_array_size(list) <= KEYS_FILE_MAX_GATEWAYS)
        return list;
    error_add(err, file, 0, NULL,
              "this is not the file with the gateways' keys that 'p2pvpn-ctl enroll' writes; "
              "restore it from the model's history, or name the right one with --keys");
    return NULL;
}

int keys_file_parse(const char *text, size_t len, const char *file, struct keys_file **ret,
                    struct error_list *err)
{
    struct reader r = {.file = file, .err = err};
    json_error_t error;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error), *list;

    if (!root)
        return error_add(err, file, error.line > 0 ? (unsigned)error.line : 0, NULL,
                         "this is not JSON: %s; restore it from the model's history", error.text);
    list = get_list(root, file, err);
    r.k = xcalloc(1, sizeof(*r.k));
    for (size_t i = 0; list && i < json_array_size(list) && r.errors < MAX_ERRORS; i++)
        get_gateway(&r, i, json_array_get(list, i));
    json_decref(root);
    if (!list || r.errors) {
        keys_file_free(r.k);
        return -EINVAL;
    }
    *ret = r.k;
    return 0;
}

int keys_file_load(const char *file, struct keys_file **ret, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r;

    if (access(file, F_OK) < 0 && errno == ENOENT) {
        *ret = xcalloc(1, sizeof(**ret));
        (*ret)->loaded = true;
        return 0;
    }
    r = fs_read(file, KEYS_FILE_MAX_BYTES, &text, err);
    if (r == 0)
        r = keys_file_parse(buf_cstr(&text), text.len, file, ret, err);
    if (r == 0) {
        (*ret)->loaded = true;
        (*ret)->was = text;
        text = (struct buf)BUF_INIT;
    }
    return r;
}

struct keys_file *keys_file_free(struct keys_file *k)
{
    if (k) {
        arena_free(&k->arena);
        buf_free(&k->was);
        free(k->gateways);
        free(k);
    }
    return NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void add_text(struct buf *b, const char *member, const char *text)
{
    if (text)
        buf_printf(b, ", \"%s\": \"%s\"", member, text);
}

void keys_file_format(const struct keys_file *k, struct buf *ret)
{
    buf_str(ret, "{\n  \"" ROOT "\": {\n    \"" LIST "\": [");
    for (size_t i = 0; i < k->n; i++) {
        const struct keys_gateway *g = &k->gateways[i];

        buf_printf(ret, "%s\n      {\"name\": \"%s\", \"generation\": %u", i ? "," : "", g->name,
                   g->generation);
        add_text(ret, "tls-key", g->tls_key);
        add_text(ret, "link-key", g->link_key);
        buf_str(ret, g->revoked ? ", \"revoked\": true}" : g->rekey ? ", \"rekey\": true}" : "}");
    }
    buf_str(ret, k->n ? "\n    ]\n  }\n}\n" : "]\n  }\n}\n");
}

bool keys_file_changed(const struct keys_file *k, const char *file)
{
    _cleanup_buf_ struct buf now = BUF_INIT;
    struct error_list ignored = ERROR_LIST_INIT;
    int r;

    if (!k->loaded)
        return false;
    if (access(file, F_OK) < 0 && errno == ENOENT)
        return k->was.len > 0;
    r = fs_read(file, KEYS_FILE_MAX_BYTES, &now, &ignored);
    error_clear(&ignored);
    return r < 0 || now.len != k->was.len ||
           (now.len > 0 && memcmp(now.data, k->was.data, now.len) != 0);
}

/* The folder, locked until it is closed: whoever else writes the file waits. */
static int lock_folder(const char *file, struct error_list *err)
{
    const char *slash = strrchr(file, '/');
    _cleanup_free_ char *folder = slash ? xstrndup(file, (size_t)(slash - file) + 1) : xstrdup(".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

    if (fd < 0)
        return error_sys(err, errno, folder, "cannot open the folder");
    while ((r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
        continue;
    if (r < 0) {
        r = error_sys(err, errno, folder, "cannot lock the folder");
        close(fd);
        return r;
    }
    return fd;
}

int keys_file_write(const struct keys_file *k, const char *file, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int fd = lock_folder(file, err), r;

    if (fd < 0)
        return fd;
    keys_file_format(k, &text);
    if (keys_file_changed(k, file)) {
        error_add(err, file, 0, NULL,
                  "another command has changed it meanwhile, and nothing of that is lost; run this "
                  "one again");
        r = -EAGAIN;
    } else {
        r = fs_write_if_changed(file, buf_cstr(&text), text.len, 0644, NULL, err);
    }
    close(fd);
    return r;
}

/* --- records ---------------------------------------------------------------------------------- */

static size_t place_of(const struct keys_file *k, const char *gateway)
{
    return sorted_place(k->gateways, k->n, sizeof(*k->gateways), gateway);
}

static bool is_at(const struct keys_file *k, size_t i, const char *gateway)
{
    return sorted_is_at(k->gateways, k->n, sizeof(*k->gateways), i, gateway);
}

const struct keys_gateway *keys_file_find(const struct keys_file *k, const char *gateway)
{
    size_t i = place_of(k, gateway);

    return is_at(k, i, gateway) ? &k->gateways[i] : NULL;
}

void keys_file_put(struct keys_file *k, const struct keys_gateway *g)
{
    size_t i = place_of(k, g->name);
    struct keys_gateway copy = *g;

    copy.name = arena_strdup(&k->arena, g->name);
    copy.tls_key = g->tls_key ? arena_strdup(&k->arena, g->tls_key) : NULL;
    copy.link_key = g->link_key ? arena_strdup(&k->arena, g->link_key) : NULL;
    if (!is_at(k, i, g->name)) {
        if (k->n == k->cap) {
            k->cap = k->cap ? k->cap * 2 : 16;
            k->gateways = xreallocarray(k->gateways, k->cap, sizeof(*k->gateways));
        }
        memmove(k->gateways + i + 1, k->gateways + i, (k->n - i) * sizeof(*k->gateways));
        k->n++;
    }
    k->gateways[i] = copy;
}

uint32_t keys_file_revoke(struct keys_file *k, const char *gateway, bool out, uint32_t known)
{
    const struct keys_gateway *is = keys_file_find(k, gateway);
    struct keys_gateway next = is ? *is : (struct keys_gateway){.name = gateway, .generation = 1};
    /* Nobody has a certificate of this generation.  But who is let in again, or goes again, gets
     * another: so a stale copy of the file does not look like the last word (controller/sync.c). */
    bool unused = out ? next.revoked : next.rekey;

    if (known > next.generation) {
        next.generation = known;
        unused = false;
    }
    if (!unused && next.generation == UINT32_MAX)
        return 0;
    next.generation += !unused;
    next.revoked = out;
    next.rekey = !out;
    keys_file_put(k, &next);
    return next.generation;
}

int keys_file_generation(const struct keys_file *k, const char *gateway, uint32_t wanted,
                         uint32_t *ret, struct error_list *err)
{
    const struct keys_gateway *g = keys_file_find(k, gateway);
    uint32_t least = g ? g->generation : 1;

    if (g && g->revoked)
        return error_add(err, NULL, 0, NULL,
                         "gateway '%s' was revoked; if it is to come back, with new keys, run "
                         "'p2pvpn-ctl rekey %s' first",
                         gateway, gateway);
    if (wanted && wanted < least)
        return error_add(err, NULL, 0, NULL,
                         "the keys of generation %u of gateway '%s' were given up; its generation "
                         "is %u now",
                         wanted, gateway, least);
    *ret = wanted ? wanted : least;
    return 0;
}

void keys_file_apply(const struct keys_file *k, struct network *net, struct lock *lock)
{
    for (size_t i = 0; i < net->mesh->n_gateways; i++) {
        const struct keys_gateway *g = keys_file_find(k, net->mesh->gateways[i].name);

        if (!g)
            continue;
        net->gateways[i].link_key = g->link_key;
        if (g->generation > net->gateways[i].generation)
            net->gateways[i].generation = g->generation;
    }
    for (size_t i = 0; i < lock->n_gateways; i++) {
        const struct keys_gateway *g = keys_file_find(k, lock->gateways[i].name);

        if (g && g->generation > lock->gateways[i].generation)
            lock->gateways[i].generation = g->generation;
    }
}
