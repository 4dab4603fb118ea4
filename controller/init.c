/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/init.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/name.h"
#include "common/url.h"
#include "controller/ca.h"
#include "controller/repository.h"

#define ROOT_MAX ((size_t)1 << 20)

static const char ignored[] = "# Secret: whoever has these can add a gateway, or publish.  Keep a "
                              "copy somewhere else.\n"
                              "/ca/\n"
                              "/keys/\n"
                              "*.key\n"
                              "*.pem\n"
                              "/passphrase*\n"
                              "# What was published: it never goes back to what it was.\n"
                              "/repository/\n"
                              "# Made anew at any time.\n"
                              "/out/\n"
                              "*.request\n"
                              "*.answer\n";

/* What is made, in the order in which it is moved into a folder that was there. */
static const char *const parts[] = {".gitignore", "keys", "repository", "ca", "mesh.json"};
/* What belongs to a mesh, though it is not made here. */
static const char *const others[] = {"mesh.lock.json", "mesh.keys.json"};

#define N_PARTS (sizeof(parts) / sizeof(parts[0]))
#define N_OTHERS (sizeof(others) / sizeof(others[0]))

/* The endpoints are addresses for documentation (RFC 5737), which nobody has. */
void init_model(const char *mesh, struct buf *ret)
{
    buf_printf(ret,
               "{\n"
               "  \"p2pvpn-mesh:mesh\": {\n"
               "    \"name\": \"%s\",\n"
               "    \"lan\": [\n"
               "      {\"name\": \"perth\",  \"prefix\": [\"10.1.0.0/16\"]},\n"
               "      {\"name\": \"sydney\", \"prefix\": [\"10.2.0.0/16\"]}\n"
               "    ],\n"
               "    \"gateway\": [\n"
               "      {\"name\": \"perth\",  \"lan\": \"perth\",  \"endpoint\": \"203.0.113.1\"},\n"
               "      {\"name\": \"sydney\", \"lan\": \"sydney\", \"endpoint\": \"203.0.113.2\"}\n"
               "    ]\n"
               "  }\n"
               "}\n",
               mesh);
}

/* --- before anything is made
 * -------------------------------------------------------------------------------- */

static bool there(const char *folder, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
    struct stat st;

    return lstat(path, &st) == 0;
}

/* *exists: the folder is there, and nothing of a mesh in it. */
static int look(const char *folder, bool *exists, struct error_list *err)
{
    const char *found = NULL;
    struct stat st;

    *exists = stat(folder, &st) == 0;
    if (!*exists && errno != ENOENT)
        return error_sys(err, errno, folder, "cannot look at this folder");
    if (!*exists)
        return 0;
    if (!S_ISDIR(st.st_mode))
        return error_add(err, folder, 0, NULL, "this is no folder; choose another name");
    for (size_t i = N_PARTS; i > 0 && !found; i--)
        found = there(folder, parts[i - 1]) ? parts[i - 1] : NULL;
    for (size_t i = 0; i < N_OTHERS && !found; i++)
        found = there(folder, others[i]) ? others[i] : NULL;
    return found ? error_add(err, folder, 0, NULL,
                             "there is already '%s', and nothing is ever replaced; choose a new "
                             "folder",
                             found)
                 : 0;
}

static int check_urls(const struct init_options *o, struct error_list *err)
{
    for (size_t i = 0; i < o->n_urls; i++)
        if (!url_valid(o->urls[i]))
            return error_add(err, NULL, 0, NULL,
                             "'%.100s' cannot be the address of a repository: give "
                             "https://HOST/FOLDER, without a password",
                             o->urls[i]);
    return 0;
}

/* The folder's own name, also if it is "." or "..". */
static char *name_of(const char *folder, bool exists)
{
    _cleanup_free_ char *real = exists ? realpath(folder, NULL) : xstrdup(folder);
    const char *last = real ? strrchr(real, '/') : NULL;

    last = last ? last + 1 : real;
    return xstrdup(last && name_valid(last) ? last : "mesh");
}

/* --- what is made
 * ------------------------------------------------------------------------------------------- */

static int write_text(const char *folder, const char *name, const char *text, size_t n,
                      struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

    return fs_write(path, text, n, 0644, err);
}

/* NULL: the root is no JSON. */
static char *addresses_text(const struct buf *root, const struct init_options *o)
{
    json_t *doc = json_object(), *urls = json_array();
    json_t *body = json_loadb(buf_cstr(root), root->len, JSON_REJECT_DUPLICATES, NULL);
    char *text;

    for (size_t i = 0; i < o->n_urls; i++)
        json_array_append_new(urls, json_string(o->urls[i]));
    text = json_object_set_new(doc, "root", body) == 0 && json_object_set(doc, "urls", urls) == 0
               ? json_dumps(doc, JSON_INDENT(2))
               : NULL;
    json_decref(urls);
    json_decref(doc);
    return text;
}

static int write_addresses(const char *folder, const struct init_options *o, struct error_list *err)
{
    _cleanup_free_ char *from = xasprintf("%s/repository/metadata/1.root.json", folder);
    _cleanup_buf_ struct buf root = BUF_INIT;
    char *text = NULL;
    int r = fs_read(from, ROOT_MAX, &root, err);

    if (r == 0 && !(text = addresses_text(&root, o)))
        r = error_sys(err, EIO, from, "cannot write down where the repository is");
    if (r == 0)
        r = write_text(folder, "ca/repository.json", text, strlen(text), err);
    free(text);
    return r;
}

static int make_repository(const char *folder, const struct init_options *o, struct error_list *err)
{
    _cleanup_free_ char *repository = xasprintf("%s/repository", folder);
    _cleanup_free_ char *keys = xasprintf("%s/keys", folder);
    const struct repository_options options = {
        .dir = repository, .keys = keys, .passphrase = o->passphrase};
    struct repository_result result = {.version = 0};
    int r = repository_init(&options, 1, 1, &result, err);

    repository_result_clear(&result);
    return r;
}

static int make_parts(const char *folder, const struct init_options *o, const char *mesh,
                      struct error_list *err)
{
    _cleanup_free_ char *ca = xasprintf("%s/ca", folder);
    _cleanup_buf_ struct buf model = BUF_INIT;
    int r = ca_init_with(ca, mesh, o->passphrase, err);

    if (r == 0)
        r = make_repository(folder, o, err);
    if (r == 0 && o->n_urls > 0)
        r = write_addresses(folder, o, err);
    if (r == 0)
        r = write_text(folder, ".gitignore", ignored, strlen(ignored), err);
    init_model(mesh, &model);
    return r == 0 ? write_text(folder, "mesh.json", buf_cstr(&model), model.len, err) : r;
}

/* --- into place
 * --------------------------------------------------------------------------------------------- */

/* Where the file system cannot do it in one step, one that looked a moment ago is good enough. */
static int move_new(const char *from, const char *to)
{
    struct stat st;

    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (lstat(to, &st) == 0)
        return -EEXIST;
    return rename(from, to) == 0 ? 0 : -errno;
}

static int move_part(const char *from_folder, const char *to_folder, const char *name)
{
    _cleanup_free_ char *from = xasprintf("%s/%s", from_folder, name);
    _cleanup_free_ char *to = xasprintf("%s/%s", to_folder, name);

    return move_new(from, to);
}

static int move_in(const char *stage, const char *folder, struct error_list *err)
{
    size_t n = 0;
    int r = 0;

    while (n < N_PARTS && (r = move_part(stage, folder, parts[n])) == 0)
        n++;
    if (r == 0) {
        rmdir(stage);
        return 0;
    }
    error_sys(err, -r, folder, "cannot put '%s' in place", parts[n]);
    while (n > 0)
        move_part(folder, stage, parts[--n]);
    return r == -EEXIST ? -EINVAL : r;
}

static int put_in_place(const char *stage, const char *folder, bool exists, struct error_list *err)
{
    mode_t mask;
    int r;

    if (exists)
        return move_in(stage, folder, err);
    mask = umask(0);
    umask(mask);
    if (chmod(stage, 0777 & ~mask) < 0)
        return error_sys(err, errno, folder, "cannot set the folder's rights");
    r = move_new(stage, folder);
    if (r == -EEXIST)
        return error_add(err, folder, 0, NULL, "somebody else has just made it; look at it first");
    return r < 0 ? error_sys(err, -r, folder, "cannot put the folder in place") : 0;
}

int init_folder(const struct init_options *o, char **ret, struct error_list *err)
{
    _cleanup_free_ char *folder = xstrdup(o->folder), *stage = NULL, *mesh = NULL;
    size_t n = strlen(folder);
    bool exists = false;
    int r;

    while (n > 1 && folder[n - 1] == '/')
        folder[--n] = '\0';
    if (o->mesh && !name_valid(o->mesh))
        return error_add(err, NULL, 0, NULL,
                         "the name of the mesh is not valid (letters, digits, '.', '_', '-'; at "
                         "most %d)",
                         NAME_MAX_LEN);
    r = look(folder, &exists, err);
    if (r == 0)
        r = check_urls(o, err);
    if (r == 0 && o->passphrase)
        r = passphrase_get(o->passphrase, true, err);
    if (r < 0)
        return r;
    mesh = o->mesh ? xstrdup(o->mesh) : name_of(folder, exists);
    stage = exists ? xasprintf("%s/.init-XXXXXX", folder) : xasprintf("%s.init-XXXXXX", folder);
    if (!mkdtemp(stage))
        return error_sys(err, errno, o->folder, "cannot make the folder of the mesh");
    r = make_parts(stage, o, mesh, err);
    if (r == 0)
        r = put_in_place(stage, folder, exists, err);
    if (r < 0) {
        struct error_list more = ERROR_LIST_INIT;

        fs_remove_tree(stage, &more);
        error_clear(&more);
        return r;
    }
    *ret = xstrdup(mesh);
    return 0;
}
