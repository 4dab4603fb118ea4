/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/source.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/vtysh.h"
#include "common/alloc.h"
#include "common/bundle.h"

struct source {
    const char *dir;
    const struct settings *settings;
    struct stat seen; /* bundle.json, or the archive, at the last look */
    bool there, forgotten;
    int inotify;
};

int source_new(const char *dir, const struct settings *settings, struct source **ret,
               struct error_list *err)
{
    int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    struct source *s;

    if (inotify < 0)
        return error_sys(err, errno, NULL, "cannot watch folders");
    s = xcalloc(1, sizeof(*s));
    s->dir = dir;
    s->settings = settings;
    s->inotify = inotify;
    s->forgotten = true;
    *ret = s;
    return 0;
}

struct source *source_free(struct source *s)
{
    if (s)
        close(s->inotify);
    free(s);
    return NULL;
}

int source_fd(const struct source *s)
{
    return s->inotify;
}

void source_clear_events(struct source *s)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

    while (read(s->inotify, events, sizeof(events)) > 0)
        continue; /* that something happened is all there is to know */
}

/* A watch on a folder that was exchanged stays with the old one: set them by path, again and again.
 * One that is there already costs nothing, nor does one that cannot be set. */
static void watch_folder(const struct source *s, const char *path, const char *below)
{
    _cleanup_free_ char *whole = xasprintf("%s%s", path, below);

    inotify_add_watch(s->inotify, whole,
                      IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_MOVE_SELF | IN_ONLYDIR);
}

static void watch_above(const struct source *s, const char *path)
{
    _cleanup_free_ char *copy = xstrdup(path);
    const char *parent = dirname(copy);

    watch_folder(s, parent, "");
    watch_folder(s, parent, "/..");
}

static void watch_folders(const struct source *s)
{
    watch_folder(s, s->dir, "");
    watch_folder(s, s->dir, "/..");
    watch_folder(s, s->dir, "/../..");
    watch_above(s, s->dir);
    watch_above(s, s->settings->origins);
    if (!s->settings->no_frr)
        watch_folder(s, VTYSH_RUN_DIR "/",
                     s->settings->frr_namespace ? s->settings->frr_namespace : "");
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What is replaced when there is a new bundle: bundle.json, or the archive.  False: nothing there.
 */
static bool look_at_file(const struct source *s, struct stat *ret)
{
    _cleanup_free_ char *file = xasprintf("%s/" BUNDLE_FILE, s->dir);

    return stat(s->dir, ret) == 0 && (!S_ISDIR(ret->st_mode) || stat(file, ret) == 0);
}

enum source_state source_look(struct source *s)
{
    struct stat now;

    watch_folders(s);
    s->there = look_at_file(s, &now);
    if (!s->there) {
        s->forgotten = true;
        return SOURCE_MISSING;
    }
    if (!s->forgotten && same_file(&now, &s->seen))
        return SOURCE_SAME;
    s->seen = now;
    s->forgotten = false;
    return SOURCE_NEW;
}

bool source_is_there(const struct source *s)
{
    return s->there;
}

bool source_moved(const struct source *s)
{
    struct stat now;

    return !look_at_file(s, &now) || !same_file(&now, &s->seen);
}

void source_forget(struct source *s)
{
    s->forgotten = true;
}
