/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <libyang/libyang.h>
#include <libyang/version.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "controller/model.h"

/* Matching a pattern costs more than its length, and no value of the model is nearly as long. */
#define VALUE_MAX 1024

struct schema {
    struct ly_ctx *ctx;
    const struct lys_module *module;
    struct schema_node root;
    struct arena arena;
};

/* What libyang would say of a union is that none of its members fits. */
static const struct {
    const char *leaf, *reason;
} reasons[] = {
    {"endpoint", "is neither an address nor a DNS name; write one such as 203.0.113.7, "
                 "2001:db8::7 or vpn.example.net, without a port"},
    {"prefix", "is not a prefix; write one such as 10.1.0.0/16 or fd10:1::/48"},
    {"link-prefix", "is not a prefix; write one such as 172.19.0.0/16 or fd19::/64"},
    {"router-id", "is not an IPv4 address; write one such as 100.64.0.1"},
};

static const char *last_message(const struct ly_ctx *ctx)
{
    const char *text = ly_errmsg(ctx);

    return text ? text : "libyang gives no reason";
}

/* --- the module as plain data -------------------------------------------------------------------
 */

/* pvt:name and pvt:text; who changes them there loses speed here, not more. */
static const char name_pattern[] = "[A-Za-z0-9]([A-Za-z0-9._\\-]*[A-Za-z0-9])?";
static const char no_dots_pattern[] = ".*[.][.].*"; /* inverted */
static const char text_pattern[] = "[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\"'`\\\\]*";

static void describe_range(struct schema *s, const struct lysc_range *range, struct plain *to)
{
    struct plain_range *ranges;
    LY_ARRAY_COUNT_TYPE i;

    to->n_ranges = (unsigned)LY_ARRAY_COUNT(range->parts);
    to->ranges = ranges = arena_alloc(&s->arena, to->n_ranges, sizeof(*ranges));
    LY_ARRAY_FOR(range->parts, i)
    {
        ranges[i] = (struct plain_range){range->parts[i].min_u64, range->parts[i].max_u64};
    }
}

static uint64_t number_max(const struct lysc_type *type)
{
    return type->basetype == LY_TYPE_UINT8    ? UINT8_MAX
           : type->basetype == LY_TYPE_UINT16 ? UINT16_MAX
                                              : UINT32_MAX;
}

static void describe_words(struct schema *s, const struct lysc_type_bitenum_item *enums,
                           struct plain *to)
{
    const char **words;
    LY_ARRAY_COUNT_TYPE i;

    to->kind = PLAIN_WORD;
    to->n_words = (unsigned)LY_ARRAY_COUNT(enums);
    to->words = words = arena_alloc(&s->arena, to->n_words, sizeof(*words));
    LY_ARRAY_FOR(enums, i)
    {
        words[i] = enums[i].name;
    }
}

static enum plain_kind kind_of_string(const struct lysc_type_str *type)
{
    struct lysc_pattern *const *patterns = type->patterns;
    LY_ARRAY_COUNT_TYPE n = LY_ARRAY_COUNT(patterns);

    if (n == 1 && !patterns[0]->inverted && strcmp(patterns[0]->expr, text_pattern) == 0)
        return PLAIN_TEXT;
    if (n == 2 && !patterns[0]->inverted && strcmp(patterns[0]->expr, name_pattern) == 0 &&
        patterns[1]->inverted && strcmp(patterns[1]->expr, no_dots_pattern) == 0)
        return PLAIN_NAME;
    return PLAIN_NEVER;
}

/* Which of its values are plain.  What an address is libyang knows from code, not from a pattern
 * that could be recognised: those leaves are known by their names. */
static void describe_plain(struct schema *s, const char *name, const struct lysc_type *type,
                           struct plain *to)
{
    static const char *const booleans[] = {"false", "true"};
    static const struct {
        const char *leaf;
        LY_DATA_TYPE type;
        enum plain_kind kind;
    } known[] = {
        {"prefix", LY_TYPE_UNION, PLAIN_PREFIX},
        {"link-prefix", LY_TYPE_UNION, PLAIN_PREFIX},
        {"endpoint", LY_TYPE_UNION, PLAIN_ENDPOINT},
        {"router-id", LY_TYPE_STRING, PLAIN_IPV4},
    };
    const struct lysc_type_str *string = (const struct lysc_type_str *)type;
    const struct lysc_type_num *number = (const struct lysc_type_num *)type;
    struct plain_range *range;

    for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
        if (type->basetype == known[k].type && strcmp(name, known[k].leaf) == 0) {
            to->kind = known[k].kind;
            return;
        }
    }
    switch (type->basetype) {
    case LY_TYPE_LEAFREF:
        describe_plain(s, "", ((const struct lysc_type_leafref *)type)->realtype, to);
        break;
    case LY_TYPE_STRING:
        to->kind = kind_of_string(string);
        if (string->length)
            describe_range(s, string->length, to);
        break;
    case LY_TYPE_UINT8:
    case LY_TYPE_UINT16:
    case LY_TYPE_UINT32:
        to->kind = PLAIN_NUMBER;
        if (number->range) {
            describe_range(s, number->range, to);
            break;
        }
        range = arena_alloc(&s->arena, 1, sizeof(*range));
        range->max = number_max(type);
        to->ranges = range;
        to->n_ranges = 1;
        break;
    case LY_TYPE_BOOL:
        to->kind = PLAIN_WORD;
        to->words = booleans;
        to->n_words = 2;
        break;
    case LY_TYPE_ENUM:
        describe_words(s, ((const struct lysc_type_enum *)type)->enums, to);
        break;
    default:
        break;
    }
}

static void describe(struct schema *s, const struct lysc_node *from, struct schema_node *to);

static void describe_children(struct schema *s, const struct lysc_node *from,
                              struct schema_node *to)
{
    const struct lysc_node *child = NULL;
    unsigned n = 0;

    while ((child = lys_getnext(child, from, from ? NULL : s->module->compiled, 0)))
        n++;
    to->children = arena_alloc(&s->arena, n, sizeof(*to->children));
    to->n_children = n;
    n = 0;
    while ((child = lys_getnext(child, from, from ? NULL : s->module->compiled, 0))) {
        struct schema_node *c = &to->children[n++];

        describe(s, child, c);
        if (lysc_is_key(child) && to->n_keys < 2)
            to->keys[to->n_keys++] = c;
        if (c->has_default && c->kind != SCHEMA_LIST)
            to->has_default = true;
    }
}

static void describe(struct schema *s, const struct lysc_node *from, struct schema_node *to)
{
    const struct lysc_node_leaf *leaf = (const struct lysc_node_leaf *)from;
    const struct lysc_type *type;

    to->name = from->name;
    to->handle = from;
    to->mandatory = (from->flags & LYS_MAND_TRUE) || lysc_is_key(from);
    if (from->nodetype == LYS_CONTAINER || from->nodetype == LYS_LIST) {
        to->kind = from->nodetype == LYS_LIST ? SCHEMA_LIST : SCHEMA_CONTAINER;
        describe_children(s, from, to);
        return;
    }
    to->kind = from->nodetype == LYS_LEAFLIST ? SCHEMA_LEAF_LIST : SCHEMA_LEAF;
    if (to->kind == SCHEMA_LEAF && leaf->dflt) {
        to->default_text = arena_strdup(&s->arena, lyd_value_get_canonical(s->ctx, leaf->dflt));
        to->has_default = true;
    }
    type = leaf->type; /* a leaf-list has it at the same place */
    describe_plain(s, from->name, type, &to->plain);
    switch (type->basetype) {
    case LY_TYPE_BOOL:
        to->encoding = SCHEMA_BOOLEAN;
        break;
    case LY_TYPE_UINT8:
    case LY_TYPE_UINT16:
    case LY_TYPE_UINT32:
        to->encoding = SCHEMA_NUMBER;
        break;
    default:
        to->encoding = SCHEMA_STRING;
    }
}

int schema_new(struct schema **ret, struct error_list *err)
{
    const char *dir = model_yang_dir();
    struct schema *s = xcalloc(1, sizeof(*s));
    int r = 0;

    /* Errors are kept for us, and nothing is printed.  It is a setting of the whole process and
     * stays as it is: libyang takes a thread's own back when it looks at a union. */
    ly_log_options(LY_LOSTORE_LAST);
    if (ly_ctx_new(dir, LY_CTX_NO_YANGLIBRARY | LY_CTX_DISABLE_SEARCHDIR_CWD, &s->ctx)) {
        error_add(err, dir, 0, NULL,
                  "the folder of the YANG modules cannot be used; name the right one in the "
                  "environment variable P2PVPN_YANG_DIR");
        r = -ENOENT;
    } else {
        s->module = ly_ctx_load_module(s->ctx, SCHEMA_MODULE, NULL, NULL);
        if (!s->module) {
            error_add(err, dir, 0, NULL,
                      "the YANG module " SCHEMA_MODULE " cannot be loaded (%s); install p2pvpn "
                      "again, or name its folder in the environment variable P2PVPN_YANG_DIR",
                      last_message(s->ctx));
            r = -ENOENT;
        }
    }
    if (r < 0) {
        schema_free(s);
        return r;
    }
    describe_children(s, NULL, &s->root);
    *ret = s;
    return 0;
}

struct schema *schema_free(struct schema *s)
{
    if (s) {
        ly_ctx_destroy(s->ctx);
        arena_free(&s->arena);
        free(s);
    }
    return NULL;
}

const struct schema_node *schema_root(const struct schema *s)
{
    return &s->root;
}

const char *schema_namespace(const struct schema *s)
{
    return s->module->ns;
}

const struct schema_node *schema_child(const struct schema_node *node, const char *name)
{
    for (unsigned i = 0; i < node->n_children; i++)
        if (strcmp(node->children[i].name, name) == 0)
            return &node->children[i];
    return NULL;
}

/* --- verdicts -----------------------------------------------------------------------------------
 */

/* "a number from 1 to 5 or from 7 to 9" */
static void range_text(const struct lysc_type *type, struct buf *ret)
{
    const struct lysc_range *range = ((const struct lysc_type_num *)type)->range;
    LY_ARRAY_COUNT_TYPE i;

    if (!range) {
        buf_printf(ret, "is not a number from 0 to %" PRIu64, number_max(type));
        return;
    }
    buf_str(ret, "is not a number ");
    LY_ARRAY_FOR(range->parts, i)
    {
        buf_printf(ret, "%sfrom %" PRIu64 " to %" PRIu64, i ? " or " : "", range->parts[i].min_u64,
                   range->parts[i].max_u64);
    }
}

/* Text of a YANG module has its line breaks and indentation. */
static void one_line(const char *text, struct buf *ret)
{
    for (; *text; text++) {
        if (*text == '\n') {
            buf_char(ret, ' ');
            while (text[1] == ' ')
                text++;
        } else {
            buf_char(ret, *text);
        }
    }
}

static void reason_text(const struct schema *s, const struct schema_node *node, struct buf *ret)
{
    const struct lysc_type *type = ((const struct lysc_node_leaf *)node->handle)->type;
    LY_ARRAY_COUNT_TYPE i;

    for (size_t k = 0; k < sizeof(reasons) / sizeof(reasons[0]); k++) {
        if (strcmp(node->name, reasons[k].leaf) == 0) {
            buf_str(ret, reasons[k].reason);
            return;
        }
    }
    switch (type->basetype) {
    case LY_TYPE_BOOL:
        buf_str(ret, "is neither true nor false; write one of them");
        break;
    case LY_TYPE_UINT8:
    case LY_TYPE_UINT16:
    case LY_TYPE_UINT32:
        range_text(type, ret);
        buf_str(ret, "; choose one");
        break;
    case LY_TYPE_ENUM:
        buf_str(ret, "is none of ");
        LY_ARRAY_FOR(((const struct lysc_type_enum *)type)->enums, i)
        {
            buf_printf(ret, "%s%s", i ? ", " : "",
                       ((const struct lysc_type_enum *)type)->enums[i].name);
        }
        buf_str(ret, "; choose one");
        break;
    default: /* a string: the error-message of its pattern or length */
        buf_str(ret, "is not valid: ");
        one_line(last_message(s->ctx), ret);
    }
}

bool schema_value(const struct schema *s, const struct schema_node *node, const char *text,
                  struct buf *ret)
{
    size_t len = strlen(text);
    const char *canonical = NULL;
    LY_ERR r;

    if (len > VALUE_MAX) {
        buf_printf(ret, "is not valid: it has %zu bytes; no value here has more than %d", len,
                   VALUE_MAX);
        return false;
    }
    r = lyd_value_validate(s->ctx, node->handle, text, len, NULL, NULL, &canonical);
    if (r == LY_SUCCESS || r == LY_EINCOMPLETE)
        buf_str(ret, canonical ? canonical : text);
    else
        reason_text(s, node, ret);
    lydict_remove(s->ctx, canonical);
    ly_err_clean(s->ctx, NULL);
    return r == LY_SUCCESS || r == LY_EINCOMPLETE;
}

bool schema_verdict(const struct schema *s, const char *text, bool xml, struct buf *reason,
                    uint32_t *line)
{
    struct lyd_node *tree = NULL;
    LY_ERR r;

    r = lyd_parse_data_mem(s->ctx, text, xml ? LYD_XML : LYD_JSON,
                           LYD_PARSE_STRICT | LYD_PARSE_NO_STATE, LYD_VALIDATE_NO_STATE, &tree);
    *line = 0;
    if (r) {
        const struct ly_err_item *item = ly_err_last(s->ctx);

        one_line(last_message(s->ctx), reason);
#if LY_VERSION_MAJOR >= 3
        if (item)
            *line = (uint32_t)item->line;
#else
        /* The path is prose: Data location "/...", line number 1. */
        const char *number = item && item->path ? strstr(item->path, "ine number ") : NULL;

        if (number)
            *line = (uint32_t)strtoul(number + strlen("ine number "), NULL, 10);
#endif
    }
    lyd_free_all(tree);
    ly_err_clean(s->ctx, NULL);
    return r == LY_SUCCESS;
}
