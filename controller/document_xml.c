/* SPDX-License-Identifier: Apache-2.0 */
/* XML (with namespaces) as far as YANG instance data uses it (RFC 7950, 7.x.x "XML Encoding
 * Rules"): elements and text.  A document type could define entities without end and is refused;
 * attributes other than namespace declarations mean nothing to a model and are refused too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/document.h"

struct binding { /* of a namespace prefix */
    const char *prefix, *uri;
};

struct reader {
    const char *p, *end; /* what is left */
    const char *file;
    uint32_t line;
    unsigned depth;
    struct document *doc;
    struct error_list *err;
    struct binding *bindings; /* in scope, innermost last */
    size_t n_bindings, cap_bindings;
};

static int wrong(struct reader *r, const char *what)
{
    return error_add(r->err, r->file, r->line, NULL, "not valid XML: %s", what);
}

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip(struct reader *r, size_t n)
{
    for (; n; n--)
        if (*r->p++ == '\n')
            r->line++;
}

static void skip_space(struct reader *r)
{
    while (r->p < r->end && space(*r->p))
        skip(r, 1);
}

static bool at(const struct reader *r, const char *token)
{
    size_t n = strlen(token);

    return (size_t)(r->end - r->p) >= n && memcmp(r->p, token, n) == 0;
}

static bool take(struct reader *r, const char *token)
{
    if (!at(r, token))
        return false;
    skip(r, strlen(token));
    return true;
}

/* Up to and over `token`; false: it does not come any more. */
static bool skip_over(struct reader *r, const char *token)
{
    const char *found = memmem(r->p, (size_t)(r->end - r->p), token, strlen(token));

    if (!found)
        return false;
    skip(r, (size_t)(found - r->p) + strlen(token));
    return true;
}

/* A part of a qualified name: ASCII letters, digits, "_", "-" and ".", and anything beyond ASCII.
 */
static size_t name_length(const struct reader *r)
{
    size_t n = 0;

    while (r->p + n < r->end) {
        unsigned char c = (unsigned char)r->p[n];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80 ||
              (n && ((c >= '0' && c <= '9') || c == '-' || c == '.'))))
            break;
        n++;
    }
    return n;
}

/* prefix:name; *prefix is "" without one. */
static int read_name(struct reader *r, const char **prefix, const char **name)
{
    size_t n = name_length(r);

    *prefix = "";
    *name = arena_strndup(&r->doc->arena, r->p, n);
    r->p += n;
    if (n && r->p < r->end && *r->p == ':') {
        r->p++;
        *prefix = *name;
        n = name_length(r);
        *name = arena_strndup(&r->doc->arena, r->p, n);
        r->p += n;
    }
    return n ? 0 : wrong(r, "a name is expected here");
}

static const char *lookup(const struct reader *r, const char *prefix)
{
    for (size_t i = r->n_bindings; i-- > 0;)
        if (strcmp(r->bindings[i].prefix, prefix) == 0)
            return r->bindings[i].uri;
    return NULL;
}

static bool char_allowed(uint32_t c)
{
    return (c >= 0x20 && c <= 0xd7ff) || c == '\t' || c == '\n' || c == '\r' ||
           (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

/* Behind the "&". */
static int read_reference(struct reader *r, struct buf *text)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"lt;", '<'}, {"gt;", '>'}, {"amp;", '&'}, {"quot;", '"'}, {"apos;", '\''}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (take(r, known[i].name)) {
            buf_char(text, known[i].c);
            return 0;
        }
    }
    if (take(r, "#")) {
        bool hex = take(r, "x");
        uint32_t c = 0;
        unsigned digits = 0;

        for (; r->p < r->end && *r->p != ';' && digits < 8; r->p++, digits++) {
            char d = *r->p;

            if (d >= '0' && d <= '9')
                c = c * (hex ? 16 : 10) + (uint32_t)(d - '0');
            else if (hex && ((d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F')))
                c = c * 16 + (uint32_t)((d | 0x20) - 'a' + 10);
            else
                break;
        }
        if (digits && take(r, ";") && char_allowed(c)) {
            document_add_utf8(text, c);
            return 0;
        }
    }
    return wrong(r, "an & that begins none of &lt; &gt; &amp; &quot; &apos; &#N;; write &amp; for "
                    "the character itself");
}

/* Text up to (not over) the character `stop`, or to the end. */
static int read_text(struct reader *r, char stop, struct buf *text)
{
    while (r->p < r->end && *r->p != stop) {
        size_t n = document_utf8(r->p, (size_t)(r->end - r->p));
        unsigned char c = (unsigned char)*r->p;

        if (n == 0)
            return wrong(r, "it is not UTF-8; save the file as UTF-8");
        if (n == 1 && !char_allowed(c))
            return wrong(r, "a control character; take it out");
        if (c == '&') {
            r->p++;
            if (read_reference(r, text) < 0)
                return -EINVAL;
            continue;
        }
        buf_add(text, r->p, n);
        skip(r, n);
    }
    return 0;
}

static int read_attribute(struct reader *r)
{
    _cleanup_buf_ struct buf value = BUF_INIT;
    const char *prefix, *name;
    char quote;

    if (read_name(r, &prefix, &name) < 0)
        return -EINVAL;
    skip_space(r);
    if (!take(r, "="))
        return wrong(r, "a = is missing behind the name of an attribute");
    skip_space(r);
    if (!at(r, "\"") && !at(r, "'"))
        return wrong(r, "the value of an attribute needs quotes");
    quote = *r->p++;
    if (read_text(r, quote, &value) < 0)
        return -EINVAL;
    if (r->p == r->end)
        return wrong(r, "the file ends inside an attribute");
    r->p++;
    if (strcmp(prefix, "xmlns") != 0 && (*prefix || strcmp(name, "xmlns") != 0))
        return wrong(r, "an element has an attribute; a model has none but xmlns, remove it");
    if (r->n_bindings == r->cap_bindings) {
        r->cap_bindings = r->cap_bindings ? r->cap_bindings * 2 : 8;
        r->bindings = xreallocarray(r->bindings, r->cap_bindings, sizeof(*r->bindings));
    }
    r->bindings[r->n_bindings++] = (struct binding){
        .prefix = *prefix ? name : "", .uri = arena_strdup(&r->doc->arena, buf_cstr(&value))};
    return 0;
}

/* UTF-8 without control characters. */
static bool plain_text(const char *p, const char *end)
{
    while (p < end) {
        size_t n = document_utf8(p, (size_t)(end - p));

        if (n == 0 || (n == 1 && !char_allowed((unsigned char)*p)))
            return false;
        p += n;
    }
    return true;
}

/* Up to and over the text `stop`; what is before it is in no model, but it is text. */
static int skip_text(struct reader *r, const char *stop, const char *open)
{
    const char *start = r->p;

    if (!skip_over(r, stop))
        return wrong(r, open);
    if (!plain_text(start, r->p))
        return wrong(r, "a comment or a processing instruction is not UTF-8 text; take it out");
    return 1;
}

/* Comments and processing instructions; 1: one was skipped, 0: there is none here. */
static int skip_aside(struct reader *r)
{
    if (take(r, "<!--"))
        return skip_text(r, "-->", "a comment is not closed with -->");
    if (take(r, "<?"))
        return skip_text(r, "?>", "a processing instruction is not closed with ?>");
    if (at(r, "<!DOCTYPE"))
        return wrong(r, "a document type declaration is not accepted; remove it");
    return 0;
}

static int read_element(struct reader *r, struct document_node *parent);

/* Behind the ">" of the start tag, up to the "</". */
static int read_content(struct reader *r, struct document_node *node)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    bool blank = true;
    int result;

    for (;;) {
        if (read_text(r, '<', &text) < 0)
            return -EINVAL;
        if (r->p == r->end)
            return wrong(r, "the file ends before an element is closed");
        if (at(r, "</"))
            break;
        result = skip_aside(r);
        if (result < 0)
            return result;
        if (result)
            continue;
        if (take(r, "<![CDATA[")) {
            const char *start = r->p;

            if (!skip_over(r, "]]>"))
                return wrong(r, "a CDATA section is not closed with ]]>");
            if (!plain_text(start, r->p - 3))
                return wrong(r, "a CDATA section is not UTF-8 text");
            buf_add(&text, start, (size_t)(r->p - 3 - start));
            continue;
        }
        if (read_element(r, node) < 0)
            return -EINVAL;
    }
    for (size_t i = 0; i < text.len && blank; i++)
        blank = space(text.data[i]);
    if (node->children) {
        if (!blank)
            return wrong(r, "text between elements; remove it");
        node->kind = DOCUMENT_OBJECT;
    } else {
        node->value = arena_strdup(&r->doc->arena, buf_cstr(&text));
    }
    return 0;
}

/* At the "<" of a start tag. */
static int read_element(struct reader *r, struct document_node *parent)
{
    size_t scope = r->n_bindings;
    struct document_node *node;
    const char *prefix, *name, *end_prefix, *end_name;
    int result = 0;

    node = document_add(r->doc, parent, NULL, NULL, r->line);
    if (!node)
        return wrong(r, "the file has too many elements; is it a model?");
    if (++r->depth > DOCUMENT_MAX_DEPTH)
        return wrong(r, "elements are nested too deeply; is it a model?");
    node->kind = DOCUMENT_TEXT;
    node->name = node->value = "";
    r->p++;
    if (read_name(r, &prefix, &name) < 0)
        return -EINVAL;
    node->name = name;
    for (;;) {
        bool gap = r->p < r->end && space(*r->p);

        skip_space(r);
        if (r->p == r->end)
            return wrong(r, "the file ends inside a tag");
        if (at(r, ">") || at(r, "/>"))
            break;
        if (!gap)
            return wrong(r, "a tag is malformed");
        if (read_attribute(r) < 0)
            return -EINVAL;
    }
    node->module = lookup(r, prefix);
    if (*prefix && !node->module)
        return wrong(r, "an element has a prefix that no xmlns attribute declares");
    if (!take(r, "/>")) {
        take(r, ">");
        result = read_content(r, node);
        if (result == 0) {
            take(r, "</");
            result = read_name(r, &end_prefix, &end_name);
            if (result == 0 && (strcmp(prefix, end_prefix) != 0 || strcmp(name, end_name) != 0))
                result = wrong(r, "the end tag belongs to another element than the start tag");
            skip_space(r);
            if (result == 0 && !take(r, ">"))
                result = wrong(r, "an end tag is not closed with >");
        }
    }
    r->n_bindings = scope;
    r->depth--;
    return result;
}

int document_read_xml(const char *text, size_t len, const char *file, struct document *ret,
                      struct error_list *err)
{
    struct reader r = {
        .p = text, .end = text + len, .file = file, .line = 1, .doc = ret, .err = err};
    int result;

    *ret = (struct document){0};
    ret->root = document_add(ret, NULL, "", NULL, 1);
    do {
        skip_space(&r);
        result = skip_aside(&r);
        if (result == 0 && at(&r, "<")) {
            result = read_element(&r, ret->root);
            if (result == 0)
                result = 1;
        }
    } while (result > 0);
    if (result == 0 && r.p != r.end)
        result = wrong(&r, ret->root->children ? "there is text behind the last element; remove it"
                                               : "it does not begin with <; is it a model?");
    free(r.bindings);
    return result;
}
