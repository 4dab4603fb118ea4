/* SPDX-License-Identifier: Apache-2.0 */
/* JSON (RFC 8259) in the shape of YANG instance data (RFC 7951): objects, and arrays of objects or
 * values.  The elements of an array become children of the object that holds it. */
#include <errno.h>
#include <string.h>

#include "controller/document.h"

/* A model has few names, and each of them many times. */
#define N_KNOWN_NAMES 64

struct known_name {
    const char *text; /* as written; NULL: none yet */
    const char *name, *module;
};

struct reader {
    const char *p, *end; /* what is left */
    const char *file;
    uint32_t line;
    unsigned depth;
    struct document *doc;
    struct error_list *err;
    struct buf text;                        /* of the string that is being read */
    struct known_name known[N_KNOWN_NAMES]; /* by their hash; the newest of several is kept */
};

static int read_value(struct reader *r, struct document_node *parent, const char *name,
                      const char *module, uint32_t line, bool in_array);

static int wrong(struct reader *r, const char *what)
{
    return error_add(r->err, r->file, r->line, NULL, "not valid JSON: %s", what);
}

static void skip_space(struct reader *r)
{
    for (; r->p < r->end; r->p++) {
        if (*r->p == '\n')
            r->line++;
        else if (*r->p != ' ' && *r->p != '\t' && *r->p != '\r')
            break;
    }
}

static char peek(struct reader *r)
{
    skip_space(r);
    return r->p < r->end ? *r->p : '\0';
}

static bool take(struct reader *r, char c)
{
    if (peek(r) != c || r->p == r->end)
        return false;
    r->p++;
    return true;
}

static bool read_hex4(struct reader *r, uint32_t *ret)
{
    uint32_t c = 0;

    if (r->end - r->p < 4)
        return false;
    for (int i = 0; i < 4; i++, r->p++) {
        char d = *r->p;

        if (d >= '0' && d <= '9')
            c = c << 4 | (uint32_t)(d - '0');
        else if ((d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F'))
            c = c << 4 | (uint32_t)((d | 0x20) - 'a' + 10);
        else
            return false;
    }
    *ret = c;
    return true;
}

static int read_escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *known;
    uint32_t c, low;

    if (r->p == r->end)
        return wrong(r, "the file ends inside a string");
    known = memchr(from, *r->p, sizeof(from) - 1);
    if (known) {
        buf_char(&r->text, to[known - from]);
        r->p++;
        return 0;
    }
    if (*r->p++ != 'u' || !read_hex4(r, &c))
        return wrong(r, "an escape in a string is none of \\\" \\\\ \\/ \\b \\f \\n \\r \\t "
                        "\\uXXXX; correct it");
    if (c == 0)
        return wrong(r, "\\u0000 cannot be part of a value; take it out");
    if (c >= 0xd800 && c <= 0xdfff) {
        if (c > 0xdbff || r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
            return wrong(r, "an escape is half of a surrogate pair; write both halves");
        r->p += 2;
        if (!read_hex4(r, &low) || low < 0xdc00 || low > 0xdfff)
            return wrong(r, "an escape is half of a surrogate pair; write both halves");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    document_add_utf8(&r->text, c);
    return 0;
}

/* Behind the opening quote; leaves the text in r->text. */
static int read_string(struct reader *r)
{
    buf_reset(&r->text);
    while (r->p < r->end) {
        const char *plain = r->p;

        while (r->p < r->end && (unsigned char)*r->p >= 0x20 && *r->p != '"' && *r->p != '\\') {
            size_t n = document_utf8(r->p, (size_t)(r->end - r->p));

            if (n == 0)
                return wrong(r, "a string is not UTF-8; save the file as UTF-8");
            r->p += n;
        }
        buf_add(&r->text, plain, (size_t)(r->p - plain));
        if (r->p == r->end)
            break;
        if (*r->p == '"') {
            r->p++;
            return 0;
        }
        if (*r->p != '\\')
            return wrong(r, "a control character or line break in a string; is its closing quote "
                            "missing?");
        r->p++;
        if (read_escape(r) < 0)
            return -EINVAL;
    }
    return wrong(r, "the file ends inside a string");
}

static bool digit(const struct reader *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static int read_number(struct reader *r)
{
    const char *start = r->p;
    bool ok;

    if (*r->p == '-')
        r->p++;
    ok = digit(r);
    if (ok && *r->p == '0')
        r->p++;
    else
        while (digit(r))
            r->p++;
    if (ok && r->p < r->end && *r->p == '.') {
        r->p++;
        ok = digit(r);
        while (digit(r))
            r->p++;
    }
    if (ok && r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        ok = digit(r);
        while (digit(r))
            r->p++;
    }
    if (!ok || digit(r))
        return wrong(r, "a number is malformed; write it without leading zeros, or in quotes if it "
                        "is not a number");
    buf_reset(&r->text);
    buf_add(&r->text, start, (size_t)(r->p - start));
    return 0;
}

/* "module:name" -> both; the text is in r->text. */
static void split_name(struct reader *r, const char **name, const char **module)
{
    const char *text = buf_cstr(&r->text), *colon;
    struct known_name *known;
    uint32_t hash = 0;

    for (size_t i = 0; i < r->text.len; i++)
        hash = hash * 31 + (unsigned char)text[i];
    known = &r->known[hash % N_KNOWN_NAMES];
    if (!known->text || strcmp(known->text, text) != 0) {
        known->text = arena_strndup(&r->doc->arena, text, r->text.len);
        colon = strchr(known->text, ':');
        known->module =
            colon ? arena_strndup(&r->doc->arena, known->text, (size_t)(colon - known->text))
                  : NULL;
        known->name = colon ? colon + 1 : known->text;
    }
    *name = known->name;
    *module = known->module;
}

/* Behind the opening bracket. */
static int read_list(struct reader *r, struct document_node *parent, const char *name,
                     const char *module, uint32_t line)
{
    struct document_node *empty;
    int result;

    if (take(r, ']')) {
        empty = document_add(r->doc, parent, name, module, line);
        if (!empty)
            return wrong(r, "the file has too many values; is it a model?");
        empty->kind = DOCUMENT_EMPTY_LIST;
        return 0;
    }
    do {
        peek(r);
        result = read_value(r, parent, name, module, r->line, true);
        if (result < 0)
            return result;
    } while (take(r, ','));
    return take(r, ']')
               ? 0
               : wrong(r, "a comma or ] is missing here, or at the end of the line before");
}

/* Behind the opening brace. */
static int read_object(struct reader *r, struct document_node *node)
{
    if (take(r, '}'))
        return 0;
    for (;;) {
        const char *name, *module;
        uint32_t line;
        int result;

        if (!take(r, '"'))
            return wrong(r, "a name in double quotes is expected here");
        line = r->line;
        if (read_string(r) < 0)
            return -EINVAL;
        split_name(r, &name, &module);
        if (!take(r, ':'))
            return wrong(r, "a colon is missing behind a name");
        if (take(r, '[')) {
            result = read_list(r, node, name, module, line);
        } else {
            result = read_value(r, node, name, module, line, false);
        }
        if (result < 0)
            return result;
        if (take(r, '}'))
            return 0;
        if (!take(r, ','))
            return wrong(r, "a comma or } is missing here, or at the end of the line before");
    }
}

static int read_value(struct reader *r, struct document_node *parent, const char *name,
                      const char *module, uint32_t line, bool in_array)
{
    static const struct {
        const char *word;
        uint8_t kind;
    } words[] = {{"true", DOCUMENT_BOOLEAN}, {"false", DOCUMENT_BOOLEAN}, {"null", DOCUMENT_NULL}};
    struct document_node *node = document_add(r->doc, parent, name, module, line);
    char c = peek(r);
    int result;

    if (!node)
        return wrong(r, "the file has too many values; is it a model?");
    node->in_array = in_array;
    if (take(r, '{')) {
        node->kind = DOCUMENT_OBJECT;
        if (++r->depth > DOCUMENT_MAX_DEPTH)
            return wrong(r, "objects are nested too deeply; is it a model?");
        result = read_object(r, node);
        r->depth--;
        return result;
    }
    if (take(r, '"')) {
        node->kind = DOCUMENT_STRING;
        result = read_string(r);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        node->kind = DOCUMENT_NUMBER;
        result = read_number(r);
    } else if (c == '[') {
        return wrong(r, "a list directly in a list; remove the inner brackets");
    } else {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            size_t n = strlen(words[i].word);

            if ((size_t)(r->end - r->p) >= n && memcmp(r->p, words[i].word, n) == 0) {
                node->kind = words[i].kind;
                node->value = words[i].word;
                r->p += n;
                return 0;
            }
        }
        return wrong(r, r->p == r->end ? "the file ends too early; is a closing } missing?"
                                       : "a value is expected here; text needs double quotes");
    }
    if (result == 0)
        node->value = arena_strndup(&r->doc->arena, buf_cstr(&r->text), r->text.len);
    return result;
}

int document_read_json(const char *text, size_t len, const char *file, struct document *ret,
                       struct error_list *err)
{
    struct reader r = {
        .p = text, .end = text + len, .file = file, .line = 1, .doc = ret, .err = err};
    int result;

    *ret = (struct document){0};
    ret->root = document_add(ret, NULL, "", NULL, 1);
    if (take(&r, '{'))
        result = read_object(&r, ret->root);
    else
        result = wrong(&r, "it does not begin with {; is it a model?");
    if (result == 0 && (peek(&r), r.p != r.end))
        result = wrong(&r, "there is more behind the closing }; remove it");
    buf_free(&r.text);
    return result;
}
