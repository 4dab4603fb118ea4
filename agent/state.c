/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "agent/change.h"
#include "agent/reader.h"
#include "common/fs.h"
#include "common/link_key.h"

#define KEY_FILE_MAX (1u << 20)
#define LOCK_PATIENCE 100 /* looks, 20 ms apart */

static const char *const key_files[] = {"ca.crt", "gateway.crt", "gateway.key"};

/* With this mode whatever the umask is: only a privileged caller may change the mode of a folder
 * that gives its group to what is made in it.  Otherwise nothing, and the longer way is gone. */
static void try_mkdir(const char *path, mode_t mode)
{
    mode_t mask = umask(0);

    mkdir(path, mode);
    umask(mask);
}

int state_own_dir(const char *path, uid_t uid, gid_t gid, mode_t mode, struct error_list *err)
{
    struct stat st;
    int r;

    try_mkdir(path, mode);
    r = fs_mkdirs(path, 0755, err);
    if (r < 0)
        return r;
    if (lstat(path, &st) < 0)
        return error_sys(err, errno, path, "cannot look at the folder");
    if (!S_ISDIR(st.st_mode))
        return error_add(err, path, 0, NULL, "this must be a folder: move what is there away");
    if ((st.st_uid != uid || st.st_gid != gid) && lchown(path, uid, gid) < 0)
        return error_sys(err, errno, path, "cannot change the owner of the folder");
    if ((st.st_mode & 07777 & ~(mode_t)S_ISGID) != mode && chmod(path, mode) < 0)
        return error_sys(err, errno, path, "cannot change the mode of the folder");
    return 0;
}

int state_prepare(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(s), *management = settings_management_dir(s);
    _cleanup_free_ char *link = settings_link_dir(s);
    _cleanup_free_ char *secrets = xasprintf("%s/" LINK_KEY_DIR, keys);
    int r = state_own_dir(s->state_dir, 0, s->link_gid, 0750, err);

    if (r == 0)
        r = state_own_dir(keys, 0, s->link_gid, 0750, err);
    if (r == 0)
        r = state_own_dir(secrets, 0, s->link_gid, 0750, err);
    if (r == 0)
        r = state_own_dir(s->run_dir, 0, 0, 0755, err);
    if (r == 0)
        r = state_own_dir(link, 0, 0, 0755, err);
    if (r == 0)
        r = state_own_dir(management, 0, s->link_gid, 0770, err);
    return r;
}

/* Who says that it has the lock; 0: nobody. */
static long lock_holder(int fd)
{
    char text[32] = "";

    if (pread(fd, text, sizeof(text) - 1, 0) < 0)
        text[0] = '\0';
    return strtol(text, NULL, 10);
}

/* A process that an agent was just starting when it was killed has the lock for as long as it takes
 * to become OpenVPN: that is waited for. */
static int take_lock(int fd)
{
    const struct timespec moment = {.tv_nsec = 20 * 1000 * 1000};

    for (unsigned i = 0; i < LOCK_PATIENCE; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK || kill((pid_t)lock_holder(fd), 0) == 0 || errno != ESRCH)
            break;
        nanosleep(&moment, NULL);
    }
    return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

int state_lock(const struct settings *s, int *ret, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/agent.lock", s->run_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644), r;
    char text[32];

    if (fd < 0)
        return error_sys(err, errno, path, "cannot open the lock file");
    r = take_lock(fd);
    if (r < 0) {
        long holder = lock_holder(fd);

        close(fd);
        if (r != -EWOULDBLOCK)
            return error_sys(err, -r, path, "cannot lock the file");
        return error_add(
            err, NULL, 0, NULL,
            "another p2pvpn-agent (process %ld) is at work in %s: put the bundle where "
            "that one looks, or stop it first",
            holder, s->run_dir);
    }
    snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0) {
        int e = errno;

        close(fd);
        return error_sys(err, e, path, "cannot write the lock file");
    }
    *ret = fd;
    return 0;
}

static int load(const struct settings *s, const char *dir, struct bundle **ret,
                struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/" BUNDLE_FILE, dir);

    if (access(file, F_OK) < 0)
        return -ENOENT;
    return reader_load(s, dir, ret, err);
}

int state_current(const struct settings *s, struct bundle **ret, struct error_list *err)
{
    _cleanup_free_ char *current = settings_current_dir(s);

    return load(s, current, ret, err);
}

int state_previous(const struct settings *s, struct bundle **ret, struct error_list *err)
{
    _cleanup_free_ char *previous = settings_previous_dir(s);

    return load(s, previous, ret, err);
}

/* --- the copy ------------------------------------------------------------------------------- */

int state_sync_dir(const char *path, struct error_list *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

    if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
        r = error_sys(err, errno, path, "cannot flush the folder");
    if (fd >= 0)
        close(fd);
    return r;
}

/* Puts `from` in the place of `to`; what was there, if anything, ends up in `from`.  The same with
 * both exchanged undoes it. */
static int exchange(const char *from, const char *to, struct error_list *err)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) < 0 &&
        (errno != ENOENT || rename(from, to) < 0))
        return error_sys(err, errno, to, "cannot put the bundle into its place");
    return 0;
}

/* And has it on the disk, or undoes it. */
static int exchange_durably(const struct settings *s, const char *from, const char *to,
                            struct error_list *err)
{
    struct error_list ignored = ERROR_LIST_INIT;
    int r = exchange(from, to, err);

    if (r < 0)
        return r;
    r = state_sync_dir(s->state_dir, err);
    if (r < 0)
        exchange(to, from, &ignored);
    error_clear(&ignored);
    return r;
}

void state_drop(const struct settings *s)
{
    _cleanup_free_ char *stage = settings_stage_dir(s);
    struct error_list ignored = ERROR_LIST_INIT;

    fs_remove_tree(stage, &ignored);
    error_clear(&ignored);
}

/* The stage, which holds what was in force, becomes STATE/previous. */
static int keep_previous(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *stage = settings_stage_dir(s), *previous = settings_previous_dir(s);
    int r = access(stage, F_OK) < 0 ? 0 : exchange_durably(s, stage, previous, err);

    if (r == 0)
        state_drop(s); /* the one before that; if it cannot go now, the next start tries again */
    return r;
}

static int commit(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *stage = settings_stage_dir(s), *current = settings_current_dir(s);
    struct error_list ignored = ERROR_LIST_INIT;
    int r = exchange_durably(s, stage, current, err);

    if (r < 0)
        return r;
    r = keep_previous(s, err);
    if (r < 0)
        exchange(stage, current, &ignored);
    error_clear(&ignored);
    return r;
}

int state_commit(const struct settings *s, struct error_list *err)
{
    int r = state_heal(s, err);

    return r < 0 ? r : commit(s, err);
}

bool state_present(const struct settings *s)
{
    _cleanup_free_ char *current = settings_current_dir(s);
    _cleanup_free_ char *file = xasprintf("%s/" BUNDLE_FILE, current);

    return access(file, F_OK) == 0 || errno != ENOENT;
}

static int mend(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *stage = settings_stage_dir(s), *current = settings_current_dir(s);
    int r = access(stage, F_OK) < 0 ? 0 : exchange_durably(s, stage, current, err);

    if (r == 0)
        state_drop(s);
    return r;
}

int state_mend(const struct settings *s, struct error_list *err)
{
    int r = state_heal(s, err);

    return r < 0 ? r : mend(s, err);
}

void state_advise(const struct settings *s, int r, struct error_list *err)
{
    const char *what = r == -ENOSPC || r == -EDQUOT ? "there is no room left: make some"
                       : r == -EROFS                ? "the disk is read-only: mount it writable"
                       : r == -EIO ? "the disk fails: look at the kernel's messages"
                                   : NULL;

    if (what)
        error_add(err, s->state_dir, 0, NULL, "%s, and the bundle can be taken", what);
}

static bool holds(const struct settings *s, const char *dir, const char *revision)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct bundle *b = NULL;
    bool found = load(s, dir, &b, &ignored) == 0 && strcmp(b->revision, revision) == 0;

    error_clear(&ignored);
    bundle_free(b);
    return found;
}

/* What fs_write() leaves of a file of ours when it is killed: "NAME.XXXXXX". */
static bool is_leftover(const char *file)
{
    static const char *const names[] = {CHANGE_FILE, ORIGINS_NAME, "frr-applied.conf"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i]);

        if (strncmp(file, names[i], len) == 0 && file[len] == '.' && strlen(file + len + 1) == 6)
            return true;
    }
    return false;
}

static void remove_leftovers(const struct settings *s)
{
    DIR *dir = opendir(s->state_dir);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (is_leftover(entry->d_name))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

int state_settle(const struct settings *s, const char *previous, struct error_list *err)
{
    _cleanup_free_ char *stage = settings_stage_dir(s);

    int r = state_heal(s, err);

    remove_leftovers(s);
    if (r < 0 || access(stage, F_OK) < 0)
        return r;
    return *previous && holds(s, stage, previous) ? keep_previous(s, err)
                                                  : fs_remove_tree(stage, err);
}

/* By name only. */
static int turn(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *previous = settings_previous_dir(s), *turned = settings_turned_path(s);
    char text[48];
    int r = settings_turned_text(previous, text);

    if (r < 0)
        return error_sys(err, -r, previous, "cannot look at the folder");
    unlink(turned); /* of another one */
    return symlink(text, turned) < 0 ? error_sys(err, errno, turned, "cannot be written") : 0;
}

static int turn_back(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *turned = settings_turned_path(s);

    return unlink(turned) < 0 && errno != ENOENT
               ? error_sys(err, errno, turned, "cannot be removed")
               : 0;
}

int state_swap(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *previous = settings_previous_dir(s), *current = settings_current_dir(s);
    int r;

    if (settings_turned(s))
        return turn_back(s, err);
    r = exchange(previous, current, err);
    return r < 0 ? turn(s, err) : 0;
}

int state_heal(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *previous = settings_previous_dir(s), *current = settings_current_dir(s);
    int r;

    if (!settings_turned(s))
        return 0;
    /* What RUN/turned says is wrong by that at once: it names a folder, not a place. */
    r = exchange_durably(s, previous, current, err);
    return r < 0 ? r : turn_back(s, err);
}

void state_trouble(const struct settings *s, struct error_list *err)
{
    struct statvfs disk;

    if (access(s->state_dir, W_OK) < 0 && errno == EROFS)
        error_add(err, s->state_dir, 0, NULL,
                  "the disk is read-only, so that no bundle can be taken and no change confirmed: "
                  "mount it writable");
    else if (statvfs(s->state_dir, &disk) == 0 &&
             (disk.f_bavail == 0 || (disk.f_files > 0 && disk.f_favail == 0)))
        error_add(err, s->state_dir, 0, NULL,
                  "there is no room left, so that no bundle can be taken and no change confirmed: "
                  "make some");
    if (settings_turned(s))
        error_add(err, s->state_dir, 0, NULL,
                  "the last change was rolled back, but the disk did not take that: it is done "
                  "again when the disk can be written, and not known any more after a reboot");
}

int state_sync(const struct settings *s, struct error_list *err)
{
    return state_sync_dir(s->state_dir, err);
}

int state_change(const struct settings *s, struct change *ret, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" CHANGE_FILE, s->state_dir);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r;

    if (access(path, F_OK) < 0)
        return -ENOENT;
    r = fs_read(path, CHANGE_MAX_BYTES, &text, err);
    return r < 0 ? r : change_parse(buf_cstr(&text), text.len, path, ret, err);
}

int state_write_change(const struct settings *s, const struct change *c, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" CHANGE_FILE, s->state_dir);
    _cleanup_buf_ struct buf text = BUF_INIT;

    change_format(c, &text);
    return fs_write(path, text.data, text.len, 0640, err);
}

/* --- the table of origins ------------------------------------------------------------------------
 */

/* *text, if not NULL, gets the table as it is written. */
static int read_origins(const struct settings *s, const char *path, const char *mesh,
                        struct buf *text, struct origins **ret, struct error_list *err)
{
    struct origins *o = NULL;
    int r = reader_origins(s, path, &o, err);

    if (r == 0 && strcmp(o->mesh, mesh) != 0)
        r = error_add(err, path, 0, NULL,
                      "this table of origins is of mesh '%s', but the bundle in force is of mesh "
                      "'%s': take " ORIGINS_DIR "/" ORIGINS_NAME " of the output that the bundle "
                      "came with",
                      o->mesh, mesh);
    if (r == 0 && text)
        origins_format(o, text);
    if (r == 0)
        *ret = o;
    else
        origins_free(o);
    return r;
}

int state_origins(const struct settings *s, const char *mesh, struct origins **ret,
                  struct error_list *err)
{
    _cleanup_free_ char *copy = settings_origins_copy(s);

    return access(copy, F_OK) < 0 ? -ENOENT : read_origins(s, copy, mesh, NULL, ret, err);
}

int state_install_origins(const struct settings *s, const char *from, const char *mesh,
                          struct origins **ret, struct error_list *err)
{
    _cleanup_free_ char *copy = settings_origins_copy(s);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct origins *o = NULL;
    int r = read_origins(s, from, mesh, &text, &o, err);

    if (r == 0)
        r = fs_write_if_changed(copy, text.data, text.len, 0640, NULL, err);
    if (r == 0)
        *ret = o;
    else
        origins_free(o);
    return r;
}

/* --- keys ----------------------------------------------------------------------------------- */

void state_keys_digest(const struct settings *s, char ret[static DIGEST_TEXT_LEN + 1])
{
    _cleanup_free_ char *keys = settings_keys_dir(s);
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf digests = BUF_INIT;

    for (size_t i = 0; i < 2; i++) { /* a new key comes with a new certificate */
        _cleanup_free_ char *path = xasprintf("%s/%s", keys, key_files[i]);
        _cleanup_buf_ struct buf data = BUF_INIT;
        char text[DIGEST_TEXT_LEN + 1];

        fs_read(path, KEY_FILE_MAX, &data, &ignored);
        digest_sha256_text(buf_cstr(&data), data.len, text);
        buf_str(&digests, text);
    }
    error_clear(&ignored);
    digest_sha256_text(digests.data, digests.len, ret);
}

int state_check_keys(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);

    for (size_t i = 0; i < sizeof(key_files) / sizeof(key_files[0]); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", keys, key_files[i]);

        if (access(path, F_OK) < 0)
            return error_add(err, path, 0, NULL,
                             "this gateway is not enrolled, so its links cannot connect: run "
                             "'p2pvpn-agent enroll --gateway NAME', let the operator answer the "
                             "request, then 'p2pvpn-agent enroll --install ANSWER'");
    }
    return 0;
}

int state_forget(const struct settings *s, struct error_list *err)
{
    static const char *const names[] = {
        "stage", "current", "previous", CHANGE_FILE, "frr-applied.conf", ORIGINS_NAME, NULL};
    int r = 0, q;

    for (const char *const *name = names; *name; name++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", s->state_dir, *name);

        q = fs_remove_tree(path, err);
        r = r < 0 ? r : q;
    }
    q = fs_remove_tree(s->run_dir, err);
    return r < 0 ? r : q;
}
