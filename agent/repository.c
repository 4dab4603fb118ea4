/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/repository.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/fetch_report.h"
#include "agent/settings_file.h"
#include "common/answer_block.h"
#include "common/fs.h"
#include "common/name.h"
#include "common/url.h"

#define PIN_PREFIX "sha256//"
#define PIN_MAX 400 /* several */

bool repository_pin_valid(const char *pin)
{
    size_t n = strlen(pin);

    while (n && n <= PIN_MAX && strncmp(pin, PIN_PREFIX, strlen(PIN_PREFIX)) == 0) {
        size_t len = strcspn(pin += strlen(PIN_PREFIX), ";");

        if (len != 44 || strspn(pin, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789+/=") != len)
            return false;
        if (!pin[len])
            return true;
        pin += len + 1;
    }
    return false;
}

/* Without the slashes at its end. */
static const char *base_of(struct repository *r, const char *url, size_t n)
{
    while (n > 0 && url[n - 1] == '/')
        n--;
    return arena_strndup(&r->keep, url, n);
}

/* `where` for messages: a file, or NULL for the settings. */
static int add_mirror(struct repository *r, const char *url, const char *where,
                      struct error_list *err)
{
    if (!url_valid(url))
        return error_add(err, where, 0, NULL,
                         "'%.100s' cannot be the address of a repository: give "
                         "https://HOST/FOLDER, without a password",
                         url);
    if (r->n_mirrors == URL_MIRRORS_MAX)
        return error_add(err, where, 0, NULL, "more than %d addresses: remove some",
                         URL_MIRRORS_MAX);
    r->mirrors[r->n_mirrors++] = base_of(r, url, strlen(url));
    return 0;
}

/* --- the file ----------------------------------------------------------------------------------
 */

/* A text that may be missing; NULL then. */
static const char *text_of(struct repository *r, const json_t *doc, const char *key,
                           const char *file, struct error_list *err)
{
    const json_t *value = json_object_get(doc, key);

    if (!value)
        return NULL;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)) {
        error_add(err, file, 0, NULL, "'%s' is no text: install the answer to enrolment again",
                  key);
        return NULL;
    }
    return arena_strdup(&r->keep, json_string_value(value));
}

static void parse_mirrors(const json_t *doc, const char *file, struct repository *ret,
                          struct error_list *err)
{
    const json_t *urls = json_object_get(doc, "urls"), *one;
    size_t i;

    if (urls && !json_is_array(urls))
        error_add(err, file, 0, NULL, "'urls' is no list of addresses");
    json_array_foreach(urls, i, one)
    {
        const char *url = json_string_value(one);

        if (add_mirror(ret, url ? url : "(no text)", file, err) < 0)
            return;
    }
}

static void check_texts(const struct repository *r, const char *file, struct error_list *err)
{
    if (r->gateway && !name_valid(r->gateway))
        error_add(err, file, 0, NULL, "'%.60s' cannot be the name of a gateway", r->gateway);
    if (r->controller && !url_valid(r->controller))
        error_add(err, file, 0, NULL,
                  "'%.100s' cannot be the address of a controller: give https://HOST",
                  r->controller);
    if (r->pin && !repository_pin_valid(r->pin))
        error_add(err, file, 0, NULL, "'pin' is to be sha256//BASE64, of a server's public key");
}

int repository_parse(const char *text, size_t len, const char *file, struct repository *ret,
                     struct error_list *err)
{
    json_t *doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *root;
    size_t before = err->n;
    char *dump = NULL;

    if (!json_is_object(doc)) {
        json_decref(doc);
        return error_add(err, file, 0, NULL,
                         "this is no description of a repository: install the answer to "
                         "enrolment again");
    }
    root = json_object_get(doc, "root");
    if (json_is_object(root))
        dump = json_dumps(root, JSON_COMPACT);
    if (dump)
        buf_str(&ret->root, dump);
    else
        error_add(err, file, 0, NULL,
                  "there is no 'root' in it, so nothing could be checked: install the answer to "
                  "enrolment again");
    free(dump);
    parse_mirrors(doc, file, ret, err);
    ret->gateway = text_of(ret, doc, "gateway", file, err);
    ret->controller = text_of(ret, doc, "controller", file, err);
    ret->pin = text_of(ret, doc, "pin", file, err);
    check_texts(ret, file, err);
    json_decref(doc);
    return err->n == before ? 0 : -EINVAL;
}

/* --- the settings ------------------------------------------------------------------------------
 */

static void settle_mirrors(struct repository *r, const char *list, struct error_list *err)
{
    r->n_mirrors = 0;
    while (*(list += strspn(list, " \t,"))) {
        size_t n = strcspn(list, " \t,");
        const char *one = arena_strndup(&r->keep, list, n);

        if (add_mirror(r, one, NULL, err) < 0)
            return;
        list += n;
    }
}

int repository_settle(struct repository *r, const struct settings *s, struct error_list *err)
{
    size_t before = err->n;

    if (s->repository)
        settle_mirrors(r, s->repository, err);
    if (s->gateway)
        r->gateway = arena_strdup(&r->keep, s->gateway);
    if (s->controller)
        r->controller = arena_strdup(&r->keep, s->controller);
    if (s->repository_ca) {
        r->ca_file = arena_strdup(&r->keep, s->repository_ca);
        r->pin = NULL;
    }
    if (s->pin)
        r->pin = arena_strdup(&r->keep, s->pin);
    check_texts(r, NULL, err);
    if (err->n == before && r->n_mirrors == 0)
        error_add(err, NULL, 0, NULL,
                  "no address of a repository is known: set repository in %s, or install the "
                  "answer to enrolment again",
                  settings_file_path());
    if (err->n == before && !r->gateway)
        error_add(err, NULL, 0, NULL, "the name of this gateway is not known: set gateway in %s",
                  settings_file_path());
    if (err->n == before && r->controller)
        r->controller = base_of(r, r->controller, strlen(r->controller));
    return err->n == before ? 0 : -EINVAL;
}

static char *path_of(const struct settings *s)
{
    const char *handed = getenv("CREDENTIALS_DIRECTORY");
    char *path = xasprintf("%s/" REPOSITORY_FILE, handed ? handed : s->state_dir);

    if (handed && access(path, F_OK) < 0) {
        free(path);
        path = xasprintf("%s/" REPOSITORY_FILE, s->state_dir);
    }
    return path;
}

int repository_read(const struct settings *s, struct repository *ret, struct error_list *err)
{
    _cleanup_free_ char *path = path_of(s);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = 0;

    if (access(path, F_OK) == 0 || errno != ENOENT || !s->repository)
        r = fs_read(path, REPOSITORY_MAX_BYTES, &text, err);
    if (r == 0 && text.len)
        r = repository_parse(buf_cstr(&text), text.len, path, ret, err);
    return r == 0 ? repository_settle(ret, s, err) : r;
}

void repository_clear(struct repository *r)
{
    arena_free(&r->keep);
    buf_free(&r->root);
    *r = (struct repository)REPOSITORY_INIT;
}

/* The operator's text, and whose answer it came with. */
static char *with_gateway(const struct buf *block, const char *gateway)
{
    json_t *doc = json_loadb(buf_cstr(block), block->len, JSON_REJECT_DUPLICATES, NULL);
    char *text;

    json_object_set_new(doc, "gateway", json_string(gateway));
    text = json_dumps(doc, JSON_INDENT(2));
    json_decref(doc);
    return text;
}

int repository_install(const struct settings *s, const char *answer_file, const char *gateway,
                       char **ret, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" REPOSITORY_FILE, s->state_dir), *text = NULL;
    _cleanup_buf_ struct buf answer = BUF_INIT, block = BUF_INIT;
    struct repository r = REPOSITORY_INIT;
    int found, result = fs_read(answer_file, 2 * ANSWER_BLOCK_MAX, &answer, err);

    *ret = NULL;
    if (result < 0 || (found = answer_block_find(buf_cstr(&answer), answer.len, &block)) == 0)
        return result;
    if (found < 0)
        return error_add(err, answer_file, 0, NULL,
                         "what this says of a repository is broken: get the answer anew");
    result = repository_parse(buf_cstr(&block), block.len, answer_file, &r, err);
    if (result == 0 && !(text = with_gateway(&block, gateway)))
        result = error_add(err, answer_file, 0, NULL, "its repository cannot be written down");
    if (result == 0)
        result = fs_write_if_changed(path, text, strlen(text), 0644, NULL, err);
    if (result == 0)
        *ret = xstrdup(r.n_mirrors ? r.mirrors[0] : "(set repository in agent.conf)");
    repository_clear(&r);
    return result;
}

/* The root in a text like repository.json; NULL: none. */
static json_t *root_of(const struct buf *text)
{
    json_t *doc = json_loadb(buf_cstr(text), text->len, JSON_REJECT_DUPLICATES, NULL);
    json_t *root = json_incref(json_object_get(doc, "root"));

    json_decref(doc);
    return root;
}

bool repository_keeps_root(const struct settings *s, const struct buf *answer, const char **why)
{
    _cleanup_free_ char *path = xasprintf("%s/" REPOSITORY_FILE, s->state_dir);
    _cleanup_buf_ struct buf block = BUF_INIT, have = BUF_INIT;
    struct error_list ignored = ERROR_LIST_INIT;
    int found = answer_block_find(buf_cstr(answer), answer->len, &block);
    json_t *offered = found > 0 ? root_of(&block) : NULL, *known = NULL;
    bool same;

    if (fs_read(path, REPOSITORY_MAX_BYTES, &have, &ignored) == 0)
        known = root_of(&have);
    error_clear(&ignored);
    *why = known ? "it names a repository with another root than this gateway has"
                 : "it names a repository, and this gateway has none";
    same = found == 0 || (offered && known && json_equal(offered, known));
    json_decref(offered);
    json_decref(known);
    return same;
}

bool repository_configured(const struct settings *s)
{
    _cleanup_free_ char *path = xasprintf("%s/" REPOSITORY_FILE, s->state_dir);

    return s->repository || access(path, F_OK) == 0;
}

void repository_default_source(struct settings *s, struct arena *keep)
{
    if (!repository_configured(s))
        return;
    if (!settings_given(&s->bundle, s))
        s->bundle = arena_printf(keep, "%s/" FETCH_BUNDLE, s->fetch_dir);
    if (!settings_given(&s->origins, s))
        s->origins = arena_printf(keep, "%s/" FETCH_ORIGINS, s->fetch_dir);
}
