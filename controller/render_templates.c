/* SPDX-License-Identifier: Apache-2.0 */
/* The templates that a gateway's files are made with: the site's, and ours where it has none. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "controller/render_parts.h"

#define TEMPLATE_MAX_BYTES (1u << 20)
#define TEMPLATE_ENDING ".tmpl"

const struct render_kind render_kinds[RENDER_KINDS] = {
    /* A vtysh that gets a line of 4 KiB hangs; nothing here comes near a quarter of that. */
    [RENDER_KIND_FRR] = {"frr", "frr.conf", &frr_template_type, 1000},
    /* OpenVPN refuses a line of 256 bytes or more (OPTION_LINE_SIZE). */
    [RENDER_KIND_OPENVPN] = {"openvpn", "link.conf", &openvpn_template_type, 255},
};

const char *render_template_dir(void)
{
    const char *dir = getenv("P2PVPN_TEMPLATE_DIR");

    return dir && *dir ? dir : P2PVPN_DEFAULT_TEMPLATE_DIR;
}

/* Where the templates of one kind are read from: the site's folder, then ours. */
struct source {
    char *dirs[2]; /* NULL: none */
    char **used;   /* paths, also for messages */
    size_t n_used, cap_used;
};

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* DIR/frr as it is installed, or DIR/frr-templates as it is in the source tree; NULL: neither. */
static char *kind_folder(const char *dir, const char *folder)
{
    char *path = xasprintf("%s/%s", dir, folder);

    if (is_folder(path))
        return path;
    free(path);
    path = xasprintf("%s/%s-templates", dir, folder);
    if (is_folder(path))
        return path;
    free(path);
    return NULL;
}

static int load_template(void *userdata, const char *name, struct buf *ret_text,
                         const char **ret_file, struct error_list *err)
{
    struct source *s = userdata;

    for (size_t i = 0; i < 2; i++) {
        char *path;
        struct stat st;

        if (!s->dirs[i])
            continue;
        path = xasprintf("%s/%s" TEMPLATE_ENDING, s->dirs[i], name);
        if (stat(path, &st) < 0 && errno == ENOENT) {
            free(path);
            continue;
        }
        if (s->n_used == s->cap_used) {
            s->cap_used = s->cap_used ? s->cap_used * 2 : 16;
            s->used = xreallocarray(s->used, s->cap_used, sizeof(*s->used));
        }
        s->used[s->n_used++] = path;
        *ret_file = path;
        return fs_read(path, TEMPLATE_MAX_BYTES, ret_text, err);
    }
    return -ENOENT;
}

/* A template of the site that nothing includes is a misspelt one, and its author should know. */
static int check_all_used(const struct source *s, struct error_list *err)
{
    struct dirent **names;
    int r = 0, n;

    if (!s->dirs[0])
        return 0;
    n = scandir(s->dirs[0], &names, NULL, alphasort);
    if (n < 0)
        return error_sys(err, errno, s->dirs[0], "cannot list the templates");
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", s->dirs[0], names[i]->d_name);
        size_t len = strlen(names[i]->d_name), ending = strlen(TEMPLATE_ENDING);
        bool used = names[i]->d_name[0] == '.' || len <= ending ||
                    strcmp(names[i]->d_name + len - ending, TEMPLATE_ENDING) != 0;

        for (size_t k = 0; k < s->n_used && !used; k++)
            used = strcmp(s->used[k], path) == 0;
        if (!used)
            r = error_add(err, path, 0, NULL,
                          "no template includes this one, so it would change nothing; give it the "
                          "name of the template that it replaces, or include it");
        free(names[i]);
    }
    free(names);
    return r;
}

/* Where the author of a wrong line finds it: the site's template if there is one, the site's folder
 * if there are several, else ours. */
static void remember_files(struct renderer *r, unsigned kind, const struct source *s)
{
    const char *file = s->used[0];
    size_t len = s->dirs[0] ? strlen(s->dirs[0]) : 0;

    for (size_t i = 0; i < s->n_used && len > 0; i++) {
        const char *path = s->used[i];

        if (strncmp(path, s->dirs[0], len) != 0 || path[len] != '/')
            continue;
        file = r->site[kind] && strcmp(file, path) != 0 ? s->dirs[0] : path;
        if (file == s->dirs[0])
            break;
        r->site[kind] = true;
    }
    r->files[kind] = xstrdup(file);
}

static int compile_kind(struct renderer *r, unsigned kind, const char *override_dir,
                        struct error_list *err)
{
    struct source s = {{NULL, NULL}, NULL, 0, 0};
    const struct template_loader loader = {.load = load_template, .userdata = &s};
    _cleanup_buf_ struct buf text = BUF_INIT;
    const char *file;
    int k;

    s.dirs[0] = override_dir ? kind_folder(override_dir, render_kinds[kind].folder) : NULL;
    s.dirs[1] = kind_folder(render_template_dir(), render_kinds[kind].folder);
    k = load_template(&s, render_kinds[kind].main, &text, &file, err);
    if (k == -ENOENT)
        k = error_sys(err, ENOENT, render_template_dir(),
                      "cannot find %s/%s" TEMPLATE_ENDING
                      "; set P2PVPN_TEMPLATE_DIR to the folder that holds it",
                      render_kinds[kind].folder, render_kinds[kind].main);
    else if (k == 0)
        k = template_compile(buf_cstr(&text), text.len, file, render_kinds[kind].type, &loader,
                             &r->templates[kind], err);
    if (k == 0)
        k = check_all_used(&s, err);
    if (k == 0)
        remember_files(r, kind, &s);
    for (size_t i = 0; i < s.n_used; i++)
        free(s.used[i]);
    free(s.used);
    free(s.dirs[0]);
    free(s.dirs[1]);
    return k;
}

int renderer_new(const char *override_dir, struct renderer **ret, struct error_list *err)
{
    struct renderer *r = xcalloc(1, sizeof(*r));
    bool any = !override_dir;
    int result = 0;

    for (unsigned kind = 0; kind < RENDER_KINDS && !any; kind++) {
        _cleanup_free_ char *folder = kind_folder(override_dir, render_kinds[kind].folder);

        any = folder != NULL;
    }
    if (!any)
        result = error_add(err, override_dir, 0, NULL,
                           "this folder of templates has neither frr/ nor openvpn/ in it; put "
                           "the templates that replace ours there");
    for (unsigned kind = 0; kind < RENDER_KINDS && any; kind++) {
        int k = compile_kind(r, kind, override_dir, err);

        if (k < 0 && (result == 0 || result == -EINVAL))
            result = k;
    }
    if (result < 0) {
        renderer_free(r);
        return result;
    }
    *ret = r;
    return 0;
}

struct renderer *renderer_free(struct renderer *r)
{
    if (!r)
        return NULL;
    for (unsigned kind = 0; kind < RENDER_KINDS; kind++) {
        template_free(r->templates[kind]);
        free(r->files[kind]);
    }
    free(r);
    return NULL;
}
