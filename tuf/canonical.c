/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/canonical.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

static bool write_value(const json_t *value, unsigned depth, struct buf *ret);

static void write_string(const char *text, size_t len, struct buf *ret)
{
    buf_char(ret, '"');
    for (size_t i = 0, from = 0; i <= len; i++) {
        if (i < len && text[i] != '"' && text[i] != '\\')
            continue;
        buf_add(ret, text + from, i - from);
        if (i < len)
            buf_char(ret, '\\');
        from = i;
    }
    buf_char(ret, '"');
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool write_object(const json_t *object, unsigned depth, struct buf *ret)
{
    size_t n = json_object_size(object), i = 0;
    _cleanup_free_ const char **keys = xcalloc(n + 1, sizeof(*keys));
    json_t *self = (json_t *)object; /* jansson's iterators know no const */

    for (void *it = json_object_iter(self); it && i < n; it = json_object_iter_next(self, it))
        keys[i++] = json_object_iter_key(it);
    qsort(keys, i, sizeof(*keys), compare_keys);
    buf_char(ret, '{');
    for (size_t k = 0; k < i; k++) {
        if (k > 0)
            buf_char(ret, ',');
        write_string(keys[k], strlen(keys[k]), ret);
        buf_char(ret, ':');
        if (!write_value(json_object_get(object, keys[k]), depth, ret))
            return false;
    }
    buf_char(ret, '}');
    return true;
}

static bool write_list(const json_t *list, unsigned depth, struct buf *ret)
{
    buf_char(ret, '[');
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i > 0)
            buf_char(ret, ',');
        if (!write_value(json_array_get(list, i), depth, ret))
            return false;
    }
    buf_char(ret, ']');
    return true;
}

static bool write_value(const json_t *value, unsigned depth, struct buf *ret)
{
    if (!value || depth > TUF_DEPTH_MAX)
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return write_object(value, depth + 1, ret);
    case JSON_ARRAY:
        return write_list(value, depth + 1, ret);
    case JSON_STRING:
        write_string(json_string_value(value), json_string_length(value), ret);
        return true;
    case JSON_INTEGER:
        buf_printf(ret, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return true;
    case JSON_TRUE:
        buf_str(ret, "true");
        return true;
    case JSON_FALSE:
        buf_str(ret, "false");
        return true;
    case JSON_NULL:
        buf_str(ret, "null");
        return true;
    case JSON_REAL:
        break;
    }
    return false;
}

bool tuf_canonical(const json_t *value, struct buf *ret)
{
    return write_value(value, 0, ret);
}
