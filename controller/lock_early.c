/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/lock_early.h"

#include <stdbool.h>
#include <string.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "controller/lock.h"
#include "controller/thread.h"

struct lock_early {
    char *file;
    pthread_t thread;
    bool running;
    /* What the thread leaves; NULL: nothing that can be used. */
    struct lock *lock;
    struct buf text;
};

static void *read_lock(void *data)
{
    struct lock_early *e = data;
    struct error_list ignored = ERROR_LIST_INIT; /* lock_load() says it again */

    if (fs_read(e->file, LOCK_MAX_BYTES, &e->text, &ignored) == 0)
        lock_parse(buf_cstr(&e->text), e->text.len, e->file, &e->lock, &ignored);
    error_clear(&ignored);
    return NULL;
}

struct lock_early *lock_early_begin(const char *file)
{
    struct lock_early *e = xcalloc(1, sizeof(*e));

    e->file = xstrdup(file);
    e->running = thread_start(&e->thread, read_lock, e);
    return e;
}

static void join(struct lock_early *e)
{
    if (e->running)
        pthread_join(e->thread, NULL);
    e->running = false;
}

static bool unchanged(const struct lock_early *e)
{
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    bool same = fs_read(e->file, LOCK_MAX_BYTES, &text, &ignored) == 0 && text.len == e->text.len &&
                memcmp(buf_cstr(&text), buf_cstr(&e->text), text.len) == 0;

    error_clear(&ignored);
    return same;
}

int lock_early_end(struct lock_early *e, struct lock **ret, struct error_list *err)
{
    int r = 0;

    join(e);
    if (e->lock && unchanged(e)) {
        *ret = e->lock;
        e->lock = NULL;
    } else {
        r = lock_load(e->file, ret, err);
    }
    lock_early_free(e);
    return r;
}

struct lock_early *lock_early_free(struct lock_early *e)
{
    if (!e)
        return NULL;
    join(e);
    lock_free(e->lock);
    buf_free(&e->text);
    free(e->file);
    free(e);
    return NULL;
}
