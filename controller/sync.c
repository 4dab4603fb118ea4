/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/link_key.h"
#include "common/name.h"
#include "controller/keys_file.h"

/* --- what the controller says -----------------------------------------------------------------
 */

/* Sixty-four hexadecimal digits as people compare them: "ab12 cd34 ..." */
static const char *spoken(const char *hex, struct arena *arena)
{
    char text[DIGEST_SPOKEN_LEN + 1];
    size_t n = 0;

    if (!hex || strlen(hex) != DIGEST_TEXT_LEN ||
        strspn(hex, "0123456789abcdef") != DIGEST_TEXT_LEN)
        return NULL;
    for (size_t i = 0; i < DIGEST_TEXT_LEN; i++) {
        if (i > 0 && i % 4 == 0)
            text[n++] = ' ';
        text[n++] = hex[i];
    }
    text[n] = '\0';
    return arena_strdup(arena, text);
}

static bool number_of(const json_t *row, const char *key, uint32_t *ret)
{
    const json_t *value = json_object_get(row, key);

    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > UINT32_MAX)
        return false;
    *ret = (uint32_t)json_integer_value(value);
    return true;
}

static bool read_row(const json_t *row, struct arena *arena, struct sync_gateway *ret)
{
    const json_t *revoked = json_object_get(row, "revoked"), *link;
    const char *name = json_string_value(json_object_get(row, "gateway")), *link_key;

    *ret = (struct sync_gateway){.least = 1};
    if (!name || !name_valid(name) || !number_of(row, "least-generation", &ret->least) ||
        !json_is_boolean(revoked))
        return false;
    ret->name = arena_strdup(arena, name);
    ret->revoked = json_is_true(revoked);
    if (!json_object_get(row, "generation"))
        return true;
    link = json_object_get(row, "link-key");
    link_key = json_string_value(link);
    ret->tls_key = spoken(json_string_value(json_object_get(row, "fingerprint")), arena);
    if (!number_of(row, "generation", &ret->generation) || !ret->tls_key ||
        (link && (!link_key || !link_key_valid(link_key))))
        return false;
    ret->link_key = link ? arena_strdup(arena, link_key) : NULL;
    return true;
}

int sync_read(const json_t *answer, struct sync_list **ret, struct error_list *err)
{
    const json_t *rows = json_object_get(answer, "gateways"), *row;
    struct sync_list *list;
    size_t i;

    if (!json_is_array(rows) || json_array_size(rows) > KEYS_FILE_MAX_GATEWAYS)
        return error_add(err, NULL, 0, NULL, "the controller's answer is not the list of keys");
    list = xcalloc(1, sizeof(*list));
    list->gateways = xcalloc(json_array_size(rows) + 1, sizeof(*list->gateways));
    json_array_foreach(rows, i, row)
    {
        struct sync_gateway *g = &list->gateways[i];

        if (read_row(row, &list->arena, g) &&
            (i == 0 || strcmp(list->gateways[i - 1].name, g->name) < 0))
            continue;
        sync_free(list);
        return error_add(err, NULL, 0, NULL,
                         "number %zu in the controller's list of keys is damaged or out of order; "
                         "nothing of it was taken",
                         i + 1);
    }
    list->n = json_array_size(rows);
    *ret = list;
    return 0;
}

struct sync_list *sync_free(struct sync_list *list)
{
    if (list) {
        arena_free(&list->arena);
        free(list->gateways);
        free(list);
    }
    return NULL;
}

/* --- into the file ---------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static enum sync_change conflict(const struct sync_gateway *g, const char *what,
                                 struct error_list *err)
{
    error_add(
        err, NULL, 0, NULL,
        "gateway '%s': the controller has a certificate of generation %u for it, %s; find out "
        "who has that key, and run 'p2pvpn-ctl rekey %s' if it is not the gateway",
        g->name, g->generation, what, g->name);
    return SYNC_CONFLICT;
}

/* Of the same generation the keys are the same, but a link key may come to a gateway without. */
static enum sync_change merge_same(struct keys_gateway *is, const struct sync_gateway *g,
                                   struct error_list *err)
{
    if (!same(is->tls_key, g->tls_key))
        return conflict(g, "with another key than your file has", err);
    if (!g->link_key || same(is->link_key, g->link_key))
        return SYNC_NOTHING;
    if (is->link_key)
        return conflict(g, "with another link key than your file has", err);
    is->link_key = g->link_key;
    return SYNC_LINK_KEY;
}

/* It comes with a generation that the file does not have, or that is free. */
static enum sync_change merge_new(struct keys_gateway *is, const struct sync_gateway *g,
                                  struct error_list *err)
{
    bool known = is->tls_key || is->rekey;

    if (same(is->tls_key, g->tls_key) || same(is->link_key, g->link_key))
        return conflict(g, "with a key that was given up", err);
    is->generation = g->generation;
    is->tls_key = g->tls_key;
    is->link_key = g->link_key;
    is->rekey = false;
    return known ? SYNC_REPLACED : SYNC_ENROLLED;
}

/* Nobody may have a certificate of the generation that it has in the file. */
static enum sync_change keep_out(struct keys_gateway *is, const struct sync_gateway *g,
                                 struct error_list *err)
{
    if (g->generation < is->generation)
        return SYNC_NOTHING;
    if (g->generation == UINT32_MAX)
        return conflict(g, "although it is revoked, and there is no higher one", err);
    is->generation = g->generation + 1;
    return SYNC_RAISED;
}

/* The controller says that it is out, and the file knows nothing of that or is older: a gateway
 * that came back has a higher generation than it went with.  What the file, or the controller, has
 * a certificate of is not the generation that nobody has. */
static enum sync_change put_out(struct keys_gateway *is, const struct sync_gateway *g,
                                struct error_list *err)
{
    uint32_t used = is->tls_key && !is->rekey ? is->generation : 0;

    if (g->generation > used)
        used = g->generation;
    if (used == UINT32_MAX)
        return conflict(g, "although it is revoked, and there is no higher one", err);
    if (used >= is->generation)
        is->generation = used + 1;
    if (g->least > is->generation)
        is->generation = g->least;
    if (!is->tls_key) {
        is->tls_key = g->tls_key;
        is->link_key = g->link_key;
    }
    is->revoked = true;
    is->rekey = false;
    return SYNC_REVOKED;
}

enum sync_change sync_merge(struct keys_file *k, const struct sync_gateway *g,
                            struct error_list *err)
{
    const struct keys_gateway *record = keys_file_find(k, g->name);
    struct keys_gateway next = record ? *record : (struct keys_gateway){.name = g->name};
    enum sync_change change = SYNC_NOTHING;

    if (!record && g->generation == 0 && !g->revoked)
        return SYNC_NOTHING; /* nobody has keys of it */
    if (next.revoked)
        change = keep_out(&next, g, err);
    else if (g->revoked && next.generation <= g->least)
        change = put_out(&next, g, err);
    else if (g->generation > next.generation || (next.rekey && g->generation == next.generation))
        change = merge_new(&next, g, err);
    else if (g->generation == next.generation)
        change = merge_same(&next, g, err);
    if (change == SYNC_CONFLICT)
        return change;
    if (g->least > next.generation) {
        next.generation = g->least;
        next.rekey = !next.revoked;
        change = next.revoked ? SYNC_RAISED : SYNC_REKEY;
    }
    if (change != SYNC_NOTHING)
        keys_file_put(k, &next);
    return change;
}

/* --- to the controller ------------------------------------------------------------------------ */

static int by_name(const void *key, const void *element)
{
    return strcmp(key, ((const struct sync_gateway *)element)->name);
}

static const struct sync_gateway *row_of(const struct sync_list *list, const char *name)
{
    return list->n ? bsearch(name, list->gateways, list->n, sizeof(*list->gateways), by_name)
                   : NULL;
}

bool sync_refusal(const struct keys_gateway *record, const struct sync_list *list)
{
    const struct sync_gateway *g = row_of(list, record->name);

    if (!g)
        return record->generation > 1 || record->revoked;
    /* That it is out is taken back by a higher generation only: see put_out(). */
    return g->least < record->generation || (record->revoked && !g->revoked);
}

bool sync_readmits(const struct keys_gateway *record, const struct sync_list *list)
{
    const struct sync_gateway *g = row_of(list, record->name);

    return g && g->revoked && !record->revoked && sync_refusal(record, list);
}
