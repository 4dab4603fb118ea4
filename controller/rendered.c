/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rendered.h"

#include <string.h>

#include "common/tar.h"

/* Where the content of the next file begins. */
static size_t next(const struct rendered *r)
{
    const struct rendered_file *last = r->n_files ? &r->files[r->n_files - 1] : NULL;

    return (last ? last->at + last->len + tar_padding(last->len) : 0) + TAR_BLOCK;
}

size_t rendered_begin(struct rendered *r)
{
    buf_reserve(&r->text, TAR_BLOCK);
    r->text.len = next(r);
    return r->text.len;
}

void rendered_end(struct rendered *r, const char *path)
{
    size_t at = next(r), len = r->text.len - at, padding = tar_padding(len);

    buf_reserve(&r->text, padding);
    memset(r->text.data + r->text.len, 0, padding + 1);
    r->text.len += padding;
    tar_header((uint8_t *)r->text.data + at - TAR_BLOCK, path, len);
    if (r->n_files == r->cap_files) {
        r->cap_files = r->cap_files ? r->cap_files * 2 : 16;
        r->files = xreallocarray(r->files, r->cap_files, sizeof(*r->files));
    }
    r->files[r->n_files++] = (struct rendered_file){path, r->text.data + at, len, at};
    if (r->base == r->text.data)
        return;
    r->base = r->text.data;
    for (size_t i = 0; i < r->n_files; i++)
        r->files[i].data = r->base + r->files[i].at;
}

void rendered_archive(const struct rendered *r, struct rendered_piece ret[static RENDERED_PIECES])
{
    static const char end[TAR_END];
    size_t bundle = r->files[r->n_files - 1].at - TAR_BLOCK;

    ret[0] = (struct rendered_piece){r->text.data + bundle, r->text.len - bundle};
    ret[1] = (struct rendered_piece){r->text.data, bundle};
    ret[2] = (struct rendered_piece){end, sizeof(end)};
}

size_t rendered_size(const struct rendered_piece pieces[static RENDERED_PIECES])
{
    size_t size = 0;

    for (unsigned i = 0; i < RENDERED_PIECES; i++)
        size += pieces[i].len;
    return size;
}

void rendered_reset(struct rendered *r)
{
    r->n_files = 0;
    buf_reset(&r->text);
    arena_reset(&r->arena);
}

void rendered_free(struct rendered *r)
{
    free(r->files);
    buf_free(&r->text);
    arena_free(&r->arena);
    *r = (struct rendered){0};
}
