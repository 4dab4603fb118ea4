/* SPDX-License-Identifier: Apache-2.0 */
#include "common/frr_config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 16
#define MAX_DEPTH 8
#define FIRST_AS_BY_DEFAULT 901 /* FRR 9.1 */
#define CACHE_TCP 1001          /* FRR 10.1 */

/* A line cut into words.  Words beyond MAX_WORDS are in the last one. */
struct words {
    char *w[MAX_WORDS];
    size_t n;
};

static void split(struct arena *a, const char *text, struct words *ret)
{
    char *p = arena_strdup(a, text);

    ret->n = 0;
    while (*p && ret->n < MAX_WORDS) {
        char *end = ret->n + 1 < MAX_WORDS ? strchr(p, ' ') : NULL;

        ret->w[ret->n++] = p;
        if (!end)
            break;
        *end = '\0';
        p = end + 1;
    }
}

static bool is(const struct words *w, size_t i, const char *word)
{
    return i < w->n && strcmp(w->w[i], word) == 0;
}

bool frr_own_name(const char *name)
{
    return name && strncmp(name, FRR_OWN_NAME, strlen(FRR_OWN_NAME)) == 0;
}

bool frr_is_context(enum frr_kind kind)
{
    return kind == FRR_PROFILE || kind == FRR_ROUTE_MAP || kind == FRR_BFD || kind == FRR_ROUTER ||
           kind == FRR_FAMILY || kind == FRR_RPKI;
}

/*
 * What a line sets.  `@` is a word that belongs to the name of the thing, `*` a word of its value,
 * `...` the rest of the line as its value.  A line that matches a pattern is replaced by sending
 * another one that differs only in the value; this was tried on FRR 8.4.4 for each.  A line that
 * matches none is a switch: it is there or not.
 */
static const char *const patterns[] = {
    /* top */
    "ip prefix-list @ seq @ ...",
    "ip prefix-list @ description ...",
    "ipv6 prefix-list @ seq @ ...",
    "ipv6 prefix-list @ description ...",
    "bgp as-path access-list @ seq @ ...",
    "bgp community-list @ @ seq @ ...",
    "bgp large-community-list @ @ seq @ ...",
    "route-map @ * @",
    /* rpki */
    "rpki retry_interval *",
    "rpki polling_period *",
    "rpki expire_interval *",
    /* bfd profile */
    "detect-multiplier *",
    "transmit-interval *",
    "receive-interval *",
    "minimum-ttl *",
    /* route-map */
    "match as-path *",
    "match ip address prefix-list *",
    "match ipv6 address prefix-list *",
    "match rpki *",
    "set local-preference *",
    "set metric *",
    "set weight *",
    "set origin *",
    "set ip next-hop *",
    "set community ...",
    "set large-community ...",
    "set as-path prepend ...",
    "call *",
    "description ...",
    /* router bgp */
    "bgp router-id *",
    "bgp cluster-id *",
    "bgp graceful-restart stalepath-time *",
    "bgp graceful-restart restart-time *",
    "bgp graceful-restart select-defer-time *",
    "bgp default local-preference *",
    "bgp route-map delay-timer *",
    "timers bgp * *",
    "maximum-paths ibgp *",
    "maximum-paths *",
    "network @ ...",
    "neighbor @ remote-as *",
    "neighbor @ peer-group *",
    "neighbor @ description ...",
    "neighbor @ update-source *",
    "neighbor @ ttl-security hops *",
    "neighbor @ timers connect *",
    "neighbor @ timers delayopen *",
    "neighbor @ timers * *",
    "neighbor @ advertisement-interval *",
    "neighbor @ bfd profile *",
    "neighbor @ local-role *",
    "neighbor @ weight *",
    "neighbor @ allowas-in *",
    "neighbor @ route-map * @",
    "neighbor @ prefix-list * @",
    "neighbor @ filter-list * @",
    "neighbor @ maximum-prefix ...",
};

/* The key of the words under one pattern, appended to *ret; false: does not match. */
static bool key_of(const char *pattern, const struct words *w, size_t first, struct buf *ret)
{
    size_t i = first, start = ret->len;
    const char *p = pattern;

    while (*p) {
        size_t len = strcspn(p, " ");

        if (len == 3 && strncmp(p, "...", 3) == 0) {
            i = w->n;
            break;
        }
        if (i >= w->n || (len == 1 && *p == '@' && !*w->w[i]))
            goto no_match;
        if (len == 1 && (*p == '@' || *p == '*')) {
            buf_str(ret, *p == '@' ? w->w[i] : "*");
        } else {
            if (strlen(w->w[i]) != len || strncmp(p, w->w[i], len) != 0)
                goto no_match;
            buf_str(ret, w->w[i]);
        }
        buf_char(ret, ' ');
        i++;
        p += len + (p[len] == ' ');
    }
    if (i == w->n)
        return true;
no_match:
    ret->len = start;
    return false;
}

/* The words of a pattern before its first variable one, two at least, stand there. */
static bool begins_as(const char *pattern, const struct words *w, size_t first)
{
    size_t i = first;

    for (const char *p = pattern; *p; i++) {
        size_t len = strcspn(p, " ");

        if (len == 3 ? strncmp(p, "...", 3) == 0 : len == 1 && (*p == '@' || *p == '*'))
            break;
        if (i >= w->n || strlen(w->w[i]) != len || strncmp(p, w->w[i], len) != 0)
            return false;
        p += len + (p[len] == ' ');
    }
    return i >= first + 2;
}

/* All patterns begin with a word of their own, and most lines with another. */
static bool may_match(const char *pattern, const char *word, size_t len)
{
    return strncmp(pattern, word, len) == 0 && pattern[len] == ' ';
}

static const char *make_key(struct arena *a, struct frr_line *line, const struct words *w)
{
    _cleanup_buf_ struct buf b = BUF_INIT;
    size_t first = is(w, 0, "no") ? 1 : 0;
    const char *word = first < w->n ? w->w[first] : "";
    size_t len = strlen(word);
    bool found = false;

    if (line->parent) {
        buf_str(&b, line->parent->path);
        buf_char(&b, '\n');
    }
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]) && !found; i++) {
        if (!may_match(patterns[i], word, len))
            continue;
        found = key_of(patterns[i], w, first, &b);
        line->malformed = !found && (line->malformed || begins_as(patterns[i], w, first));
    }
    if (!found)
        buf_str(&b, first ? line->text + 3 : line->text);
    line->valued = found;
    return arena_strndup(a, buf_cstr(&b), b.len);
}

/* The name in a list entry, by its words; NULL: it is no list entry. */
static const char *list_name(const struct words *w)
{
    if ((is(w, 0, "ip") || is(w, 0, "ipv6")) && is(w, 1, "prefix-list") && w->n > 3)
        return w->w[2];
    if (!is(w, 0, "bgp"))
        return NULL;
    if (is(w, 1, "as-path") && is(w, 2, "access-list") && w->n > 4)
        return w->w[3];
    if ((is(w, 1, "community-list") || is(w, 1, "large-community-list")) &&
        (is(w, 2, "standard") || is(w, 2, "expanded")) && w->n > 4)
        return w->w[3];
    return NULL;
}

static void classify_top(struct frr_line *l, const struct words *w)
{
    l->object = list_name(w);
    if (l->object) {
        l->kind = FRR_LIST;
    } else if (is(w, 0, "route-map") && w->n == 4) {
        l->kind = FRR_ROUTE_MAP;
        l->object = w->w[1];
    } else if (is(w, 0, "bfd") && w->n == 1) {
        l->kind = FRR_BFD;
    } else if (strcmp(l->text, FRR_NO_GROUPS) == 0) {
        l->kind = FRR_ZEBRA_LINE;
    } else if (is(w, 0, "rpki") && w->n == 1) {
        l->kind = FRR_RPKI;
    } else if (is(w, 0, "router") && is(w, 1, "bgp") && w->n == 3) {
        l->kind = FRR_ROUTER;
    }
}

static void classify(struct frr_line *l, const struct words *w)
{
    size_t first = is(w, 0, "no") ? 1 : 0;
    enum frr_kind in = l->parent ? l->parent->kind : FRR_FOREIGN;

    if (!l->parent) {
        classify_top(l, w);
    } else if (in == FRR_ROUTE_MAP) {
        l->kind = FRR_ROUTE_MAP_LINE;
        l->object = l->parent->object;
    } else if (in == FRR_BFD && is(w, 0, "profile") && w->n == 2) {
        l->kind = FRR_PROFILE;
        l->object = w->w[1];
    } else if (in == FRR_RPKI) {
        l->kind = FRR_RPKI_LINE;
    } else if (in == FRR_PROFILE) {
        l->kind = FRR_PROFILE_LINE;
        l->object = l->parent->object;
    } else if (in == FRR_ROUTER && is(w, 0, "address-family")) {
        l->kind = FRR_FAMILY;
    } else if ((in == FRR_ROUTER || in == FRR_FAMILY) && is(w, first, "neighbor") &&
               w->n > first + 2) {
        l->kind = FRR_NEIGHBOR;
        l->object = w->w[first + 1];
        if (first == 0 && is(w, 2, "peer-group") && w->n == 4)
            l->group = w->w[3];
    } else if (in == FRR_ROUTER || in == FRR_FAMILY) {
        l->kind = FRR_ROUTER_LINE;
    }
}

size_t frr_head_len(const struct frr_line *line)
{
    const char *at = line->object ? strstr(line->text, line->object) : NULL;

    return at ? (size_t)(at - line->text) + strlen(line->object) : strlen(line->text);
}

static const char *content_of(struct arena *a, const struct frr_line *l)
{
    const char *seq = strstr(l->text, " seq "), *rest = seq ? strchr(seq + 5, ' ') : NULL;

    return rest ? arena_printf(a, "%.*s%s", (int)frr_head_len(l), l->text, rest) : l->text;
}

static bool means_nothing(const char *text)
{
    return *text == '\0' || *text == '!' || *text == '#' || strcmp(text, "end") == 0 ||
           strcmp(text, "exit") == 0 || strncmp(text, "exit-", 5) == 0;
}

/* The words of [start, start + len) joined by single spaces; *indent is what stood before them. */
static char *normalize(struct arena *a, const char *start, size_t len, size_t *indent)
{
    char *out = arena_alloc(a, len + 1, 1);
    size_t n = 0, i = 0;

    while (i < len && isspace((unsigned char)start[i]))
        i++;
    *indent = i;
    for (; i < len && start[i] != '\0'; i++) {
        if (!isspace((unsigned char)start[i]))
            out[n++] = start[i];
        else if (n > 0 && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    if (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    return out;
}

struct frr_line *frr_config_find(const struct frr_config *c, const char *path)
{
    struct frr_line *l;

    HASH_FIND(by_path, c->by_path, path, strlen(path), l);
    return l;
}

static struct frr_line *add_line(struct frr_config *c, const char *text, struct frr_line *parent,
                                 unsigned number)
{
    const char *path = parent ? arena_printf(&c->arena, "%s\n%s", parent->path, text) : text;
    size_t len = strlen(path);
    struct frr_line *l;
    struct words w;
    unsigned hash;

    HASH_VALUE(path, len, hash);
    HASH_FIND_BYHASHVALUE(by_path, c->by_path, path, len, hash, l);
    if (l)
        return l;
    l = arena_alloc(&c->arena, 1, sizeof(*l));
    l->text = text;
    l->path = path;
    l->parent = parent;
    l->number = number;
    split(&c->arena, text, &w);
    classify(l, &w);
    l->key = make_key(&c->arena, l, &w);
    if (l->kind == FRR_LIST)
        l->content = content_of(&c->arena, l);
    HASH_ADD_KEYPTR_BYHASHVALUE(by_path, c->by_path, l->path, len, hash, l);
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 256;
        c->lines = xreallocarray(c->lines, c->cap, sizeof(struct frr_line *));
    }
    c->lines[c->n++] = l;
    return l;
}

void frr_config_parse(struct frr_config *c, const char *text, size_t len)
{
    struct {
        size_t indent;
        struct frr_line *line;
    } open[MAX_DEPTH];
    size_t depth = 0, at = 0;
    unsigned number = 0;

    while (at < len) {
        const char *eol = memchr(text + at, '\n', len - at);
        size_t n = eol ? (size_t)(eol - (text + at)) : len - at, indent;
        char *line = normalize(&c->arena, text + at, n, &indent);

        at += n + 1;
        number++;
        if (means_nothing(line))
            continue;
        while (depth > 0 && open[depth - 1].indent >= indent)
            depth--;
        if (depth == MAX_DEPTH)
            depth--;
        open[depth].line = add_line(c, line, depth ? open[depth - 1].line : NULL, number);
        open[depth++].indent = indent;
    }
}

/* "frr version 10.3" of the head of a running configuration, as 1003; 0: there is none. */
static unsigned version_of(const struct frr_config *c)
{
    static const char head[] = "frr version ";

    for (size_t i = 0; i < c->n; i++) {
        const char *text = c->lines[i]->text;
        char *end;
        unsigned long major, minor = 0;

        if (c->lines[i]->parent || strncmp(text, head, sizeof(head) - 1) != 0)
            continue;
        major = strtoul(text + sizeof(head) - 1, &end, 10);
        if (*end == '.')
            minor = strtoul(end + 1, NULL, 10);
        return major < 1000 && minor < 100 ? (unsigned)(major * 100 + minor) : 0;
    }
    return 0;
}

void frr_config_imply(struct frr_config *running, const struct frr_config *desired)
{
    if (version_of(running) < FIRST_AS_BY_DEFAULT)
        return;
    for (size_t i = 0; i < desired->n; i++) {
        const struct frr_line *line = desired->lines[i];
        struct frr_line *router =
            line->parent ? frr_config_find(running, line->parent->path) : NULL;
        _cleanup_free_ char *group = NULL, *off = NULL, *on = NULL;

        if (!router || router->kind != FRR_ROUTER || line->kind != FRR_NEIGHBOR)
            continue;
        on = xasprintf("neighbor %s enforce-first-as", line->object);
        group = xasprintf("%s\nneighbor %s peer-group", router->path, line->object);
        off = xasprintf("%s\nno %s", router->path, on);
        if (strcmp(line->text, on) == 0 && frr_config_find(running, group) &&
            !frr_config_find(running, off))
            add_line(running, arena_printf(&running->arena, "%s", on), router, 0);
    }
}

struct frr_line *frr_config_cache(const struct frr_config *c)
{
    struct frr_line *line = frr_config_find(c, "rpki\n" FRR_RPKI_CACHE);

    return line ? line : frr_config_find(c, "rpki\n" FRR_RPKI_CACHE_TCP);
}

void frr_config_translate(struct frr_config *c, const struct frr_config *running)
{
    unsigned version = version_of(running);
    const char *path = version < CACHE_TCP ? "rpki\n" FRR_RPKI_CACHE : "rpki\n" FRR_RPKI_CACHE_TCP;
    struct frr_line *line = frr_config_cache(c);

    if (!line || version == 0 || frr_config_find(c, path))
        return;
    HASH_DELETE(by_path, c->by_path, line);
    line->path = line->key = path;
    line->text = path + strlen("rpki\n");
    HASH_ADD_KEYPTR(by_path, c->by_path, path, strlen(path), line);
}

void frr_config_free(struct frr_config *c)
{
    HASH_CLEAR(by_path, c->by_path);
    free(c->lines);
    arena_free(&c->arena);
    *c = (struct frr_config)FRR_CONFIG_INIT;
}

/* What an absent line of a BFD profile means (bfdd; 8.4.4 has no "no" for them). */
static const char *const profile_defaults[] = {"detect-multiplier 3", "transmit-interval 300",
                                               "receive-interval 300", "minimum-ttl 254"};

void frr_inverse(const struct frr_line *line, struct buf *ret)
{
    size_t verb = strcspn(line->text, " ");

    for (size_t i = 0; i < sizeof(profile_defaults) / sizeof(profile_defaults[0]); i++)
        if (line->kind == FRR_PROFILE_LINE &&
            strncmp(profile_defaults[i], line->text, verb + 1) == 0) {
            buf_str(ret, profile_defaults[i]);
            return;
        }
    if (strncmp(line->text, "no ", 3) == 0)
        buf_str(ret, line->text + 3);
    else if (line->kind == FRR_ROUTE_MAP_LINE && strncmp(line->text, "description ", 12) == 0)
        buf_str(ret, "no description"); /* it takes no text there */
    else
        buf_printf(ret, "no %s", line->text);
}

static void indented(struct frr_writer *w, size_t depth, const char *text)
{
    for (size_t i = 0; i < depth; i++)
        buf_char(w->out, ' ');
    buf_str(w->out, text);
    buf_char(w->out, '\n');
}

static void close_one(struct frr_writer *w)
{
    const struct frr_line *l = w->open[--w->depth];

    indented(w, w->depth, l->kind == FRR_FAMILY ? "exit-address-family" : "exit");
}

void frr_writer_enter(struct frr_writer *w, const struct frr_line *context)
{
    const struct frr_line *chain[sizeof(w->open) / sizeof(w->open[0])];
    size_t n = 0, same = 0;

    for (const struct frr_line *l = context; l && n < sizeof(chain) / sizeof(chain[0]);
         l = l->parent)
        chain[n++] = l;
    while (same < n && same < w->depth &&
           strcmp(w->open[same]->path, chain[n - 1 - same]->path) == 0)
        same++;
    if (w->depth == 1 && n == 1 && same == 0 && w->open[0]->kind == FRR_ROUTE_MAP &&
        context->kind == FRR_ROUTE_MAP)
        w->depth = 0;
    while (w->depth > same)
        close_one(w);
    for (; w->depth < n; w->depth++) {
        w->open[w->depth] = chain[n - 1 - w->depth];
        indented(w, w->depth, w->open[w->depth]->text);
    }
}

void frr_writer_line(struct frr_writer *w, const struct frr_line *context, const char *text)
{
    frr_writer_enter(w, context);
    indented(w, w->depth, text);
}

void frr_writer_finish(struct frr_writer *w)
{
    frr_writer_enter(w, NULL);
}

void frr_config_print(const struct frr_config *c, bool (*keep)(const struct frr_line *),
                      struct buf *ret)
{
    struct frr_writer w = {.out = ret};

    for (size_t i = 0; i < c->n; i++)
        if (keep(c->lines[i])) {
            if (frr_is_context(c->lines[i]->kind))
                frr_writer_enter(&w, c->lines[i]);
            else
                frr_writer_line(&w, c->lines[i]->parent, c->lines[i]->text);
        }
    frr_writer_finish(&w);
}
