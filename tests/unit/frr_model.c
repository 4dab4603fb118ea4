/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/frr_config.h"
#include "tests/unit/frr_model.h"

/* The configuration is kept as text, one line per element: contexts and line joined by '\n'. */
struct entry {
    char *path, *key, *content; /* as of struct frr_line */
};

struct model {
    struct entry *lines;
    size_t n;
};

static size_t find(const struct model *m, const char *path)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->lines[i].path, path) == 0)
            return i;
    return m->n;
}

/* The line of a path, parsed where it stands; valid until frr_config_free(). */
static struct frr_line *parse(struct frr_config *c, const char *path)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    size_t depth = 0;

    for (const char *p = path; *p; p++) {
        buf_char(&text, *p);
        if (*p == '\n')
            for (size_t i = 0; i <= depth; i++)
                buf_char(&text, ' ');
        depth += *p == '\n';
    }
    frr_config_parse(c, buf_cstr(&text), text.len);
    return c->n ? c->lines[c->n - 1] : NULL;
}

static void add(struct model *m, const char *path)
{
    struct frr_config c = FRR_CONFIG_INIT;
    const struct frr_line *l;

    if (find(m, path) < m->n)
        return;
    l = parse(&c, path);
    m->lines = xreallocarray(m->lines, m->n + 1, sizeof(*m->lines));
    m->lines[m->n++] = (struct entry){.path = xstrdup(path),
                                      .key = xstrdup(l ? l->key : path),
                                      .content = l && l->content ? xstrdup(l->content) : NULL};
    frr_config_free(&c);
}

static void entry_free(struct entry *e)
{
    free(e->path);
    free(e->key);
    free(e->content);
}

static void drop(struct model *m, size_t i)
{
    entry_free(&m->lines[i]);
    memmove(m->lines + i, m->lines + i + 1, (--m->n - i) * sizeof(*m->lines));
}

/* Removes `path` and what stands in it; with `words`, also what goes on behind it with a space. */
static bool drop_tree(struct model *m, const char *path, bool words)
{
    size_t len = strlen(path);
    bool any = false;

    for (size_t i = m->n; i-- > 0;) {
        char end = strncmp(m->lines[i].path, path, len) == 0 ? m->lines[i].path[len] : 'x';

        if (end == '\0' || end == '\n' || (words && end == ' ')) {
            drop(m, i);
            any = true;
        }
    }
    return any;
}

static const char *last_line(const char *path)
{
    const char *nl = strrchr(path, '\n');

    return nl ? nl + 1 : path;
}

/* All lines of one neighbor, in the router and its families. */
static void drop_neighbor(struct model *m, const char *router, const char *name)
{
    _cleanup_free_ char *is = xasprintf("neighbor %s ", name);

    for (size_t i = m->n; i-- > 0;)
        if (strncmp(m->lines[i].path, router, strlen(router)) == 0 &&
            strncmp(last_line(m->lines[i].path) +
                        (strncmp(last_line(m->lines[i].path), "no ", 3) == 0 ? 3 : 0),
                    is, strlen(is)) == 0)
            drop(m, i);
}

static bool drop_group(struct model *m, const char *router, const char *name)
{
    _cleanup_free_ char *member = xasprintf(" peer-group %s", name);
    bool again = true;

    while (again) {
        again = false;
        for (size_t i = 0; i < m->n && !again; i++) {
            const char *line = last_line(m->lines[i].path);
            size_t len = strlen(line), tail = strlen(member);

            if (len > tail && strcmp(line + len - tail, member) == 0) {
                _cleanup_free_ char *who = xstrndup(line + 9, strcspn(line + 9, " "));

                drop_neighbor(m, router, who);
                again = true;
            }
        }
    }
    drop_neighbor(m, router, name);
    return true;
}

/* FRR's defaults that are on: only their "no" is shown. */
static bool default_on(const char *line)
{
    return (strncmp(line, "neighbor ", 9) == 0 && strstr(line, " send-community")) ||
           strcmp(line, "bgp default ipv4-unicast") == 0 ||
           strcmp(line, "bgp network import-check") == 0 ||
           strcmp(line, "zebra nexthop kernel enable") == 0 ||
           strcmp(line, "bgp ebgp-requires-policy") == 0;
}

/* A BFD profile does not show these. */
static bool profile_default(const char *line)
{
    return strcmp(line, "detect-multiplier 3") == 0 || strcmp(line, "transmit-interval 300") == 0 ||
           strcmp(line, "receive-interval 300") == 0 || strcmp(line, "minimum-ttl 254") == 0;
}

static char *join(const char *context, const char *line)
{
    return *context ? xasprintf("%s\n%s", context, line) : xstrdup(line);
}

/* "no REST" in a context. */
static bool negate(struct model *m, const char *context, const char *rest)
{
    _cleanup_free_ char *path = join(context, rest);
    size_t words = 1;

    for (const char *p = rest; *p; p++)
        words += *p == ' ';
    if (strncmp(rest, "neighbor ", 9) == 0 && words == 2) {
        drop_neighbor(m, context, rest + 9);
        return true;
    }
    if (strncmp(rest, "neighbor ", 9) == 0 && words == 3 && strstr(rest, " peer-group")) {
        _cleanup_free_ char *who = xstrndup(rest + 9, strcspn(rest + 9, " "));

        return drop_group(m, context, who);
    }
    if (default_on(rest)) {
        _cleanup_free_ char *no = xasprintf("no %s", rest);
        _cleanup_free_ char *shown = join(context, no);

        add(m, shown);
        return true;
    }
    if (!*context && strncmp(rest, "route-map ", 10) == 0 && words == 2)
        return drop_tree(m, path, true);
    if (!*context && strstr(rest, "-list ") && !strstr(rest, " seq "))
        return drop_tree(m, path, true);
    return drop_tree(m, path, false);
}

/* A line that sets something: it replaces the one that sets the same. */
static void set(struct model *m, const char *path)
{
    struct frr_config new = FRR_CONFIG_INIT;
    const struct frr_line *l = parse(&new, path);

    if (default_on(l->text)) {
        _cleanup_free_ char *no = xasprintf("no %s", l->text);
        _cleanup_free_ char *shown = join(l->parent ? l->parent->path : "", no);

        drop_tree(m, shown, false);
        frr_config_free(&new);
        return;
    }
    for (size_t i = m->n; i-- > 0;) {
        const struct entry *o = &m->lines[i];
        bool same_key = strcmp(l->key, o->key) == 0;

        if (l->content && o->content && strcmp(l->content, o->content) == 0 && !same_key) {
            frr_config_free(&new); /* FRR: already there, so nothing is done, silently */
            return;
        }
        if (same_key && !frr_is_context(l->kind))
            drop(m, i);
    }
    if (l->kind != FRR_PROFILE_LINE || !profile_default(l->text))
        add(m, path);
    frr_config_free(&new);
}

static void to_text(const struct model *m, struct buf *ret)
{
    /* Contexts may be interleaved by now; each path is complete, so they are printed in full. */
    for (size_t i = 0; i < m->n; i++) {
        size_t depth = 0;

        for (const char *p = m->lines[i].path; *p; p++) {
            buf_char(ret, *p);
            if (*p == '\n')
                for (size_t k = 0; k <= depth; k++)
                    buf_char(ret, ' ');
            depth += *p == '\n';
        }
        buf_char(ret, '\n');
    }
}

static bool opens(const char *context, const char *line)
{
    if (!*context)
        return strncmp(line, "router bgp ", 11) == 0 || strcmp(line, "bfd") == 0 ||
               strcmp(line, "rpki") == 0 || strncmp(line, "route-map ", 10) == 0;
    if (strcmp(context, "bfd") == 0)
        return strncmp(line, "profile ", 8) == 0;
    return strncmp(context, "router bgp ", 11) == 0 && !strchr(context, '\n') &&
           strncmp(line, "address-family ", 15) == 0;
}

static void leave(char *context)
{
    char *nl = strrchr(context, '\n');

    *(nl ? nl : context) = '\0';
}

bool frr_model_apply(const char *running, const char *batch, struct buf *ret)
{
    struct frr_config c = FRR_CONFIG_INIT;
    char *context = xstrdup("");
    struct model m = {NULL, 0};
    bool good = true;

    frr_config_parse(&c, running, strlen(running));
    for (size_t i = 0; i < c.n; i++)
        add(&m, c.lines[i]->path);
    while (*batch && good) {
        size_t n = strcspn(batch, "\n"), skip = strspn(batch, " ");
        _cleanup_free_ char *line = skip < n ? xstrndup(batch + skip, n - skip) : xstrdup("");

        batch += n + (batch[n] == '\n');
        if (strncmp(context, "route-map ", 10) == 0 && strncmp(line, "route-map ", 10) == 0)
            leave(context);
        if (strcmp(line, "exit") == 0 || strcmp(line, "exit-address-family") == 0) {
            good = *context != '\0';
            leave(context);
        } else if (opens(context, line)) {
            char *inner = join(context, line);

            for (size_t i = 0; strncmp(inner, "router bgp ", 11) == 0 && i < m.n; i++)
                good &= strchr(m.lines[i].path, '\n') ||
                        strncmp(m.lines[i].path, "router bgp ", 11) != 0 ||
                        strchr(m.lines[i].path + 11, ' ') ||
                        strncmp(m.lines[i].path, inner, strcspn(inner, "\n")) == 0;
            add(&m, inner);
            free(context);
            context = inner;
        } else if (strncmp(line, "no ", 3) == 0) {
            good = negate(&m, context, line + 3);
        } else if (*line) {
            _cleanup_free_ char *path = join(context, line);

            set(&m, path);
        }
        if (!good) {
            buf_str(ret, line);
            break;
        }
    }
    if (good)
        to_text(&m, ret);
    for (size_t i = 0; i < m.n; i++)
        entry_free(&m.lines[i]);
    free(m.lines);
    free(context);
    frr_config_free(&c);
    return good;
}
