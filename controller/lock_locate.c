/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a lock's records: jansson does not keep them, so the text is read once more, only
 * when there is something to tell. */
#include <string.h>
#include <uthash.h>

#include "controller/document.h"
#include "controller/lock_internal.h"

struct place {
    const char *path;
    unsigned line;
    UT_hash_handle hh;
};

struct places {
    struct place *table;
    struct arena arena;
};

/* The first of several equal ones is kept. */
static void add(struct places *p, unsigned line, char *path)
{
    struct place *place;

    HASH_FIND_STR(p->table, path, place);
    if (place)
        return;
    place = arena_alloc(&p->arena, 1, sizeof(*place));
    place->path = path;
    place->line = line;
    HASH_ADD_KEYPTR(hh, p->table, place->path, strlen(place->path), place);
}

static void add_record(struct places *p, const struct document_node *n, unsigned position)
{
    const char *key = strcmp(n->name, "link") == 0 ? "index" : "name";
    const struct document_node *leaf = document_child(n, key);

    add(p, n->line, arena_printf(&p->arena, LOCK_ROOT "/%s", n->name));
    if (position)
        add(p, n->line, arena_printf(&p->arena, LOCK_ROOT "/%s[%u]", n->name, position));
    if (leaf && leaf->value)
        add(p, n->line,
            arena_printf(&p->arena, LOCK_ROOT "/%s[%s='%s']", n->name, key, leaf->value));
}

void lock_locate(const char *text, size_t len, struct error_list *list, size_t first)
{
    struct error_list ignored = ERROR_LIST_INIT;
    const struct document_node *lock, *n;
    struct places p = {.table = NULL};
    struct document doc = {0};
    unsigned links = 0;

    if (document_read_json(text, len, "", &doc, &ignored) == 0) {
        lock = document_child(doc.root, "lock");
        for (n = lock ? lock->children : NULL; n; n = n->next) {
            bool link = strcmp(n->name, "link") == 0;

            links += link;
            add_record(&p, n, link ? links : 0);
        }
    }
    for (size_t i = first; i < list->n; i++) {
        struct error_item *e = &list->items[i];
        struct place *place = NULL;

        if (e->path && !e->line)
            HASH_FIND_STR(p.table, e->path, place);
        if (place)
            e->line = place->line;
    }
    HASH_CLEAR(hh, p.table);
    arena_free(&p.arena);
    document_clear(&doc);
    error_clear(&ignored);
}
