/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tools/template_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

static struct template_type *new_type(struct arena *arena, enum template_kind kind)
{
    struct template_type *type = arena_alloc(arena, 1, sizeof(*type));

    type->kind = kind;
    return type;
}

/* The type of n values that must have one in common. */
static const struct template_type *type_of(json_t **values, size_t n, bool in_list,
                                           struct arena *arena)
{
    struct template_type *type;
    struct template_field *fields;
    json_t *names;
    const char *name;
    json_t *unused;
    json_t **inner;
    size_t total = 0;

    if (n == 0 || json_is_null(values[0]) || json_is_string(values[0]) || json_is_real(values[0]))
        return &template_text;
    if (json_is_boolean(values[0]))
        return &template_flag;
    if (json_is_integer(values[0]))
        return in_list ? &template_text : &template_number; /* lists may mix */
    if (json_is_array(values[0])) {
        type = new_type(arena, TEMPLATE_LIST);
        for (size_t i = 0; i < n; i++)
            total += json_array_size(values[i]);
        inner = arena_alloc(arena, total + 1, sizeof(*inner));
        total = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < json_array_size(values[i]); k++)
                inner[total++] = json_array_get(values[i], k);
        type->item = type_of(inner, total, true, arena);
        return type;
    }
    type = new_type(arena, TEMPLATE_OBJECT);
    names = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_update(names, values[i]);
    fields = arena_alloc(arena, json_object_size(names) + 1, sizeof(*fields));
    inner = arena_alloc(arena, n, sizeof(*inner));
    json_object_foreach(names, name, unused)
    {
        size_t count = 0;

        for (size_t i = 0; i < n; i++)
            if (json_object_get(values[i], name))
                inner[count++] = json_object_get(values[i], name);
        fields[type->n_fields].name = arena_strdup(arena, name);
        fields[type->n_fields++].type = type_of(inner, count, false, arena);
    }
    json_decref(names);
    type->fields = fields;
    return type;
}

static void fill(const struct template_type *type, json_t *json, struct arena *arena,
                 struct template_value *ret);

static void fill_fields(const struct template_type *type, json_t *json, struct arena *arena,
                        struct template_value *ret)
{
    for (size_t i = 0; i < type->n_fields; i++)
        fill(type->fields[i].type, json_object_get(json, type->fields[i].name), arena, &ret[i]);
}

static void fill(const struct template_type *type, json_t *json, struct arena *arena,
                 struct template_value *ret)
{
    struct template_value *inner;
    size_t step;

    *ret = (struct template_value){0};
    if (!json || json_is_null(json))
        return;
    switch (type->kind) {
    case TEMPLATE_TEXT:
        if (json_is_string(json)) {
            ret->data = arena_strdup(arena, json_string_value(json));
            ret->n = json_string_length(json);
        } else {
            ret->data = json_is_integer(json)
                            ? arena_printf(arena, "%lld", (long long)json_integer_value(json))
                            : arena_printf(arena, "%g", json_real_value(json));
            ret->n = strlen(ret->data);
        }
        break;
    case TEMPLATE_NUMBER:
        ret->n = (size_t)json_integer_value(json);
        break;
    case TEMPLATE_FLAG:
        ret->n = json_is_true(json);
        break;
    case TEMPLATE_OBJECT:
        ret->data = inner = arena_alloc(arena, type->n_fields + 1, sizeof(*inner));
        fill_fields(type, json, arena, inner);
        break;
    case TEMPLATE_LIST:
        step = type->item->kind == TEMPLATE_OBJECT ? type->item->n_fields : 1;
        ret->n = json_array_size(json);
        ret->data = inner = arena_alloc(arena, ret->n * step + 1, sizeof(*inner));
        for (size_t i = 0; i < ret->n; i++) {
            if (type->item->kind == TEMPLATE_OBJECT)
                fill_fields(type->item, json_array_get(json, i), arena, inner + i * step);
            else
                fill(type->item, json_array_get(json, i), arena, inner + i);
        }
        break;
    }
}

const struct template_type *template_json(json_t *json, struct arena *arena,
                                          const struct template_value **ret_value)
{
    const struct template_type *type = type_of(&json, 1, false, arena);
    struct template_value *value = arena_alloc(arena, 1, sizeof(*value));

    fill(type, json, arena, value);
    *ret_value = type->kind == TEMPLATE_OBJECT ? value->data : value;
    return type;
}

struct partials {
    json_t *texts;
    struct arena *arena;
};

static int load(void *userdata, const char *name, struct buf *ret_text, const char **ret_file,
                struct error_list *err)
{
    struct partials *p = userdata;
    const char *text = json_string_value(json_object_get(p->texts, name));

    (void)err;
    if (!text)
        return -ENOENT;
    buf_str(ret_text, text);
    *ret_file = arena_printf(p->arena, "%s.tmpl", name);
    return 0;
}

int template_json_render(const char *text, json_t *data, json_t *partials, struct buf *out,
                         struct error_list *err)
{
    struct arena arena = ARENA_INIT;
    struct partials p = {.texts = partials, .arena = &arena};
    const struct template_loader loader = {.load = load, .userdata = &p};
    const struct template_value *value;
    const struct template_type *type = template_json(data, &arena, &value);
    struct template *t = NULL;
    int r = template_compile(text, strlen(text), "main.tmpl", type, &loader, &t, err);

    if (r == 0)
        r = template_render(t, value, "gateway 'perth'", out, err);
    template_free(t);
    arena_free(&arena);
    return r;
}
