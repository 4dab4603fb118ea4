/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/template.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/alloc.h"
#include "common/name.h"
#include "controller/template_code.h"

#define MAX_PARTIALS 8   /* partials within partials */
#define MAX_NAME_STEPS 8 /* a.b.c... */
#define MAX_OPS 100000   /* partials of partials of partials grow without end */
#define MAX_TEXT (4u << 20)

const struct template_type template_text = {.kind = TEMPLATE_TEXT};
const struct template_type template_number = {.kind = TEMPLATE_NUMBER};
const struct template_type template_flag = {.kind = TEMPLATE_FLAG};

struct section {
    uint32_t op, line;
    size_t name_at, name_len; /* in the text being compiled */
    bool pushed;
};

struct compiler {
    struct template *t;
    const struct template_loader *loader;
    struct error_list *err;
    const struct template_type *frames[TEMPLATE_MAX_FRAMES];
    size_t n_frames;
    char *partials[MAX_PARTIALS]; /* open ones, to find a circle */
    size_t n_partials;
    bool may_merge; /* the last op is a literal that nobody jumps behind */
    bool full;
};

/* One file as it is read. */
struct reader {
    const char *text;
    size_t len, pos;
    uint32_t line, source;
    struct section open[TEMPLATE_MAX_FRAMES * 2];
    size_t n_open;
};

#define GROW(array, n, cap)                                                           \
    ((n) == (cap) ? (void)((cap) = (cap) ? (cap)*2 : 16,                              \
                           (array) = xreallocarray((array), (cap), sizeof(*(array)))) \
                  : (void)0)

static int fail(struct compiler *c, const struct reader *r, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int fail(struct compiler *c, const struct reader *r, uint32_t line, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    error_vadd(c->err, c->t->sources[r->source], line, NULL, format, ap);
    va_end(ap);
    return -EINVAL;
}

static struct op *add_op(struct compiler *c, enum op_code code)
{
    struct template *t = c->t;

    if (t->n_ops >= MAX_OPS)
        c->full = true;
    GROW(t->ops, t->n_ops, t->cap_ops);
    t->ops[t->n_ops] = (struct op){.code = (uint8_t)code};
    c->may_merge = code == OP_LITERAL;
    return &t->ops[t->n_ops++];
}

static void add_literal(struct compiler *c, const char *text, size_t n)
{
    struct template *t = c->t;

    if (n == 0)
        return;
    if (t->literals.len + n > MAX_TEXT) {
        c->full = true;
        return;
    }
    if (!c->may_merge)
        add_op(c, OP_LITERAL)->a = (uint32_t)t->literals.len;
    t->ops[t->n_ops - 1].b += (uint32_t)n;
    buf_add(&t->literals, text, n);
}

static uint32_t add_place(struct compiler *c, const struct reader *r, const char *name, size_t n)
{
    struct template *t = c->t;

    GROW(t->places, t->n_places, t->cap_places);
    t->places[t->n_places] =
        (struct place){.source = r->source, .line = r->line, .name = (uint32_t)t->names.len};
    buf_add(&t->names, name, n);
    buf_char(&t->names, '\0');
    return (uint32_t)t->n_places++;
}

static uint32_t add_source(struct template *t, const char *file)
{
    GROW(t->sources, t->n_sources, t->cap_sources);
    t->sources[t->n_sources] = xstrdup(file);
    return (uint32_t)t->n_sources++;
}

/* --- names ------------------------------------------------------------------------------------ */

static const struct template_field *find_field(const struct template_type *type, const char *name,
                                               size_t n)
{
    for (size_t i = 0; type->kind == TEMPLATE_OBJECT && i < type->n_fields; i++)
        if (strlen(type->fields[i].name) == n && memcmp(type->fields[i].name, name, n) == 0)
            return &type->fields[i];
    return NULL;
}

static void list_names(const struct template_type *type, struct buf *ret)
{
    for (size_t i = 0; type->kind == TEMPLATE_OBJECT && i < type->n_fields; i++)
        buf_printf(ret, "%s%s", ret->len ? ", " : "", type->fields[i].name);
}

static int unknown_name(struct compiler *c, const struct reader *r, const char *name, size_t n)
{
    _cleanup_buf_ struct buf known = BUF_INIT;

    for (size_t f = c->n_frames; f-- > 0;)
        list_names(c->frames[f], &known);
    return fail(c, r, r->line, "'%.*s' is not a name that this template has; it has: %s", (int)n,
                name, known.len ? known.data : "none");
}

/* Fills op->frame, slot and steps for a name; *ret is the type of what it means. */
static int resolve(struct compiler *c, const struct reader *r, const char *name, size_t n,
                   struct op *op, const struct template_type **ret)
{
    const struct template_type *type = NULL;
    const char *end = name + n;
    size_t part;

    if (n == 1 && name[0] == '.') {
        op->frame = (uint8_t)(c->n_frames - 1);
        op->here = true;
        *ret = c->frames[c->n_frames - 1];
        if ((*ret)->kind == TEMPLATE_OBJECT)
            return fail(c, r, r->line,
                        "'.' stands for several values here; say which one you mean");
        return 0;
    }
    part = (size_t)((const char *)memchr(name, '.', n) ? (const char *)memchr(name, '.', n) - name
                                                       : (ptrdiff_t)n);
    for (size_t f = c->n_frames; !type && f-- > 0;) {
        const struct template_field *field = find_field(c->frames[f], name, part);

        if (field) {
            type = field->type;
            op->frame = (uint8_t)f;
            op->slot = (uint16_t)(field - c->frames[f]->fields);
        }
    }
    if (!type)
        return unknown_name(c, r, name, n);
    op->first_step = (uint16_t)c->t->n_steps;
    for (name += part; name < end; name += part) {
        const struct template_field *field;
        const char *dot;

        name++;
        dot = memchr(name, '.', (size_t)(end - name));
        part = (size_t)((dot ? dot : end) - name);
        field = find_field(type, name, part);
        if (!field) {
            _cleanup_buf_ struct buf known = BUF_INIT;

            list_names(type, &known);
            return fail(c, r, r->line, "'%.*s' is not a name within '%.*s', which has: %s",
                        (int)part, name, (int)(n - (size_t)(end - name) - 1), end - n,
                        known.len ? known.data : "none");
        }
        if (op->n_steps == MAX_NAME_STEPS || c->t->n_steps >= UINT16_MAX)
            return fail(c, r, r->line, "a name has more than %d parts; use sections",
                        MAX_NAME_STEPS);
        GROW(c->t->steps, c->t->n_steps, c->t->cap_steps);
        c->t->steps[c->t->n_steps++] = (uint16_t)(field - type->fields);
        op->n_steps++;
        type = field->type;
    }
    *ret = type;
    return 0;
}

/* --- tags ------------------------------------------------------------------------------------- */

static int compile_text(struct compiler *c, const char *text, size_t len, const char *file);

static int variable(struct compiler *c, const struct reader *r, const char *name, size_t n)
{
    const struct template_type *type;
    struct op found = {.code = OP_TEXT}, *op;
    int k = resolve(c, r, name, n, &found, &type);

    if (k < 0)
        return k;
    if (type->kind != TEMPLATE_TEXT && type->kind != TEMPLATE_NUMBER)
        return fail(c, r, r->line, "'%.*s' is %s, not a value; use {{#%.*s}}...{{/%.*s}}", (int)n,
                    name,
                    type->kind == TEMPLATE_FLAG   ? "a condition"
                    : type->kind == TEMPLATE_LIST ? "a list"
                                                  : "a group of values",
                    (int)n, name, (int)n, name);
    op = add_op(c, OP_TEXT);
    *op = found;
    op->code = type->kind == TEMPLATE_TEXT ? OP_TEXT : OP_NUMBER;
    op->place = add_place(c, r, name, n);
    return 0;
}

static int section_begin(struct compiler *c, struct reader *r, const char *name, size_t n,
                         bool inverted)
{
    const struct template_type *type, *inner = NULL;
    struct op found = {.code = OP_TEST}, *op;
    int k = resolve(c, r, name, n, &found, &type);

    if (r->n_open == TEMPLATE_MAX_FRAMES * 2)
        return fail(c, r, r->line, "sections are nested more than %d deep; nest fewer",
                    TEMPLATE_MAX_FRAMES * 2);
    r->open[r->n_open++] = (struct section){.op = (uint32_t)c->t->n_ops,
                                            .line = r->line,
                                            .name_at = (size_t)(name - r->text),
                                            .name_len = n};
    op = add_op(c, OP_TEST);
    if (k < 0)
        return k; /* the section is open all the same, so that its end is understood */
    if (type->kind == TEMPLATE_LIST)
        inner = type->item;
    else if (type->kind != TEMPLATE_FLAG)
        inner = type;
    *op = found;
    if (inverted)
        op->code = OP_TEST_NOT;
    else if (inner)
        op->code = type->kind == TEMPLATE_LIST ? OP_LOOP : OP_ENTER;
    op->by_data = type->kind == TEMPLATE_OBJECT;
    if (inverted || !inner)
        return 0;
    if (c->n_frames == TEMPLATE_MAX_FRAMES)
        return fail(c, r, r->line, "sections are nested more than %d deep; nest fewer",
                    TEMPLATE_MAX_FRAMES);
    if (op->code == OP_LOOP)
        op->b = inner->kind == TEMPLATE_OBJECT ? (uint32_t)inner->n_fields : 1;
    op->push = (uint8_t)c->n_frames;
    c->frames[c->n_frames++] = inner;
    r->open[r->n_open - 1].pushed = true;
    return 0;
}

static int section_end(struct compiler *c, struct reader *r, const char *name, size_t n)
{
    struct section *s;

    if (r->n_open == 0)
        return fail(c, r, r->line, "{{/%.*s}} ends a section that does not begin in this file",
                    (int)n, name);
    s = &r->open[r->n_open - 1];
    if (s->name_len != n || memcmp(r->text + s->name_at, name, n) != 0)
        return fail(c, r, r->line,
                    "{{/%.*s}} stands where section '%.*s' of line %u must end first", (int)n, name,
                    (int)s->name_len, r->text + s->name_at, s->line);
    r->n_open--;
    if (s->pushed) {
        c->n_frames--;
        add_op(c, OP_END)->a = s->op;
    }
    c->t->ops[s->op].a = (uint32_t)c->t->n_ops;
    c->may_merge = false;
    return 0;
}

static int partial(struct compiler *c, const struct reader *r, const char *name_at, size_t n,
                   const char *indent, size_t n_indent)
{
    _cleanup_free_ char *name = xstrndup(name_at, n);
    _cleanup_buf_ struct buf text = BUF_INIT, indented = BUF_INIT;
    const char *file = name;
    int k;

    if (!name_valid(name))
        return fail(c, r, r->line, "'%s' is not a template's name; use letters, digits, '-', '_'",
                    name);
    for (size_t i = 0; i < c->n_partials; i++)
        if (strcmp(c->partials[i], name) == 0)
            return fail(c, r, r->line, "partial '%s' includes itself; break the circle", name);
    if (c->n_partials == MAX_PARTIALS)
        return fail(c, r, r->line, "partials are nested more than %d deep; nest fewer",
                    MAX_PARTIALS);
    k = c->loader ? c->loader->load(c->loader->userdata, name, &text, &file, c->err) : -ENOENT;
    if (k == -ENOENT)
        return fail(c, r, r->line, "there is no template '%s' to include; correct the name", name);
    if (k < 0)
        return k;
    /* The tag's indentation goes before each line of the partial's text, not of the values in it.
     */
    for (size_t at = 0; n_indent && at < text.len;) {
        const char *newline = memchr(text.data + at, '\n', text.len - at);
        size_t end = newline ? (size_t)(newline - text.data) + 1 : text.len;

        buf_add(&indented, indent, n_indent);
        buf_add(&indented, text.data + at, end - at);
        at = end;
    }
    c->partials[c->n_partials++] = name;
    k = n_indent ? compile_text(c, buf_cstr(&indented), indented.len, file)
                 : compile_text(c, buf_cstr(&text), text.len, file);
    c->n_partials--;
    return k;
}

struct tag {
    char kind; /* '#', '^', '/', '!', '>', '=', or 'v' */
    const char *name;
    size_t n;
    size_t begin, end; /* in the text, braces included */
};

static bool blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

static bool identifier(const char *s, size_t n)
{
    bool start = true;

    if (n == 1 && s[0] == '.')
        return true;
    for (size_t i = 0; i < n; i++) {
        bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '_';

        if (s[i] == '.' ? start : !letter && (start || s[i] < '0' || s[i] > '9'))
            return false;
        start = s[i] == '.';
    }
    return n > 0 && !start;
}

/* Reads the tag whose "{{" is at r->pos.  -EINVAL: nothing behind it can be understood. */
static int read_tag(struct compiler *c, const struct reader *r, struct tag *ret)
{
    const char *s = r->text + r->pos + 2, *end, *close = "}}";

    if (s < r->text + r->len && *s == '{')
        close = "}}}";
    end = memmem(s, r->len - r->pos - 2, close, strlen(close));
    if (!end)
        return fail(c, r, r->line, "a tag begins here and does not end; close it with %s", close);
    ret->begin = r->pos;
    ret->end = (size_t)(end - r->text) + strlen(close);
    ret->kind = 'v';
    if (s < end && (*s == '{' || *s == '&'))
        s++;
    else if (s < end && strchr("#^/!>=", *s))
        ret->kind = *s++;
    while (s < end && strchr(" \t\r\n", *s))
        s++;
    while (s < end && strchr(" \t\r\n", end[-1]))
        end--;
    ret->name = s;
    ret->n = (size_t)(end - s);
    if (ret->kind == '=')
        return fail(c, r, r->line,
                    "other delimiters than {{ and }} are not supported; remove this tag");
    if (ret->kind != '!' && ret->kind != '>' && !identifier(s, ret->n))
        return fail(c, r, r->line, "'%.*s' is not a name; a tag is {{name}} or {{#name}}",
                    (int)(ret->n < 60 ? ret->n : 60), s);
    return 0;
}

/* A section, comment or partial with nothing but blanks around it takes its whole line away.
 * *ret_left: where its line begins; *ret_right: behind its newline. */
static bool standalone(const struct reader *r, const struct tag *tag, size_t *ret_left,
                       size_t *ret_right)
{
    size_t left = tag->begin, right = tag->end;

    if (tag->kind == 'v')
        return false;
    while (left > 0 && blank(r->text[left - 1]))
        left--;
    if (left > 0 && r->text[left - 1] != '\n')
        return false;
    while (right < r->len && blank(r->text[right]))
        right++;
    if (right < r->len && r->text[right] == '\r' && right + 1 < r->len &&
        r->text[right + 1] == '\n')
        right++;
    if (right < r->len && r->text[right] != '\n')
        return false;
    *ret_left = left;
    *ret_right = right < r->len ? right + 1 : right;
    return true;
}

static uint32_t count_lines(const char *s, size_t n)
{
    uint32_t lines = 0;

    for (const char *end = s + n; n && (s = memchr(s, '\n', (size_t)(end - s))); s++)
        lines++;
    return lines;
}

static int read_text(struct compiler *c, struct reader *r)
{
    int result = 0, k = 0;

    while (r->pos < r->len && !c->full) {
        const char *open = memmem(r->text + r->pos, r->len - r->pos, "{{", 2);
        size_t from = r->pos, left, right;
        struct tag tag = {0};
        bool alone;

        if (!open) {
            add_literal(c, r->text + r->pos, r->len - r->pos);
            break;
        }
        r->line += count_lines(r->text + from, (size_t)(open - r->text) - from);
        r->pos = (size_t)(open - r->text);
        k = read_tag(c, r, &tag);
        if (k < 0)
            return k;
        alone = standalone(r, &tag, &left, &right);
        if (!alone) {
            left = tag.begin;
            right = tag.end;
        }
        add_literal(c, r->text + from, left - from);
        k = 0;
        if (tag.kind == 'v')
            k = variable(c, r, tag.name, tag.n);
        else if (tag.kind == '#' || tag.kind == '^')
            k = section_begin(c, r, tag.name, tag.n, tag.kind == '^');
        else if (tag.kind == '/')
            k = section_end(c, r, tag.name, tag.n);
        else if (tag.kind == '>')
            k = partial(c, r, tag.name, tag.n, r->text + left, alone ? tag.begin - left : 0);
        if (k < 0)
            result = k;
        if (k < 0 && tag.kind == '/')
            return k; /* what follows would be about the wrong section */
        r->line += count_lines(r->text + tag.begin, right - tag.begin);
        r->pos = right;
    }
    return result;
}

static int compile_text(struct compiler *c, const char *text, size_t len, const char *file)
{
    struct reader r = {.text = text, .len = len, .line = 1, .source = add_source(c->t, file)};
    size_t n_frames = c->n_frames;
    const char *nul = len ? memchr(text, '\0', len) : NULL;
    int k;

    if (nul)
        return fail(c, &r, 1 + count_lines(text, (size_t)(nul - text)),
                    "a template is text, and here is a NUL byte; remove it");
    k = read_text(c, &r);
    if (k == 0 && c->full)
        k = fail(c, &r, r.line, "the template with its partials is too large; make it smaller");
    if (k == 0 && r.n_open > 0) {
        const struct section *s = &r.open[r.n_open - 1];

        k = fail(c, &r, s->line, "section '%.*s' is never closed; add {{/%.*s}}", (int)s->name_len,
                 text + s->name_at, (int)s->name_len, text + s->name_at);
    }
    c->n_frames = n_frames;
    c->may_merge = c->may_merge && k == 0;
    return k;
}

int template_compile(const char *text, size_t len, const char *file,
                     const struct template_type *root, const struct template_loader *loader,
                     struct template **ret, struct error_list *err)
{
    struct compiler c = {.loader = loader, .err = err, .frames = {root}, .n_frames = 1};
    int k;

    c.t = xcalloc(1, sizeof(*c.t));
    k = compile_text(&c, text, len, file);
    if (k < 0) {
        template_free(c.t);
        return k;
    }
    *ret = c.t;
    return 0;
}

struct template *template_free(struct template *t)
{
    if (!t)
        return NULL;
    for (size_t i = 0; i < t->n_sources; i++)
        free(t->sources[i]);
    free(t->sources);
    free(t->ops);
    free(t->places);
    free(t->steps);
    buf_free(&t->literals);
    buf_free(&t->names);
    free(t);
    return NULL;
}
