/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/link_unit.h"
#include "common/alloc.h"
#include "common/fs.h"

#define CGROUP_MAX (1u << 16)

static bool digest_valid(const char *text)
{
    return started_len(text) > 0 && text[started_len(text)] == '\0';
}

int identity_parse(const char *data, size_t len, const char *file, struct identity *ret,
                   struct error_list *err)
{
    json_error_t at;
    json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &at);
    const char *digest = NULL;
    json_int_t pid = 0, start = 0;
    int r = 0;

    if (!root ||
        json_unpack(root, "{s:I, s:I, s:s}", "pid", &pid, "start", &start, "digest", &digest) < 0)
        r = error_add(err, file, 0, NULL,
                      "this is not a process identity; it is ignored, remove the file");
    else if (pid < 2 || pid > INT_MAX || start < 0 || !digest_valid(digest))
        r = error_add(err, file, 0, NULL,
                      "the process identity holds a value out of range; it is ignored, remove the "
                      "file");
    if (r == 0) {
        ret->pid = (pid_t)pid;
        ret->start = (unsigned long long)start;
        memcpy(ret->digest, digest, strlen(digest) + 1);
    }
    json_decref(root);
    return r;
}

void identity_format(const struct identity *id, struct buf *ret)
{
    buf_printf(ret, "{\"pid\": %ld, \"start\": %llu, \"digest\": \"%s\"}\n", (long)id->pid,
               id->start, id->digest);
}

int identity_read(const char *path, struct identity *ret, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = fs_read(path, IDENTITY_MAX_BYTES, &text, err);

    return r < 0 ? r : identity_parse(buf_cstr(&text), text.len, path, ret, err);
}

int identity_write(const char *path, const struct identity *id, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    identity_format(id, &text);
    return fs_write(path, text.data, text.len, 0644, err);
}

bool process_stat_parse(const char *text, char *ret_state, unsigned long long *ret_start)
{
    const char *p = strrchr(text, ')');
    unsigned long long start;
    char state;

    /* After the name: state, then 18 numbers, then the start time. */
    if (!p || sscanf(p + 1,
                     " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                     "%llu",
                     &state, &start) != 2)
        return false;
    *ret_state = state;
    *ret_start = start;
    return true;
}

bool process_start_time(pid_t pid, unsigned long long *ret)
{
    char path[64], text[1024], state;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    return process_stat_parse(text, &state, ret) && state != 'Z' && state != 'X';
}

bool process_runs(pid_t pid, unsigned long long start)
{
    unsigned long long is;

    return pid > 0 && process_start_time(pid, &is) && is == start;
}

bool process_is_of_unit(pid_t pid, const char *interface)
{
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    char path[64];
    int r;

    snprintf(path, sizeof(path), "/proc/%ld/cgroup", (long)pid);
    r = fs_read(path, CGROUP_MAX, &text, &ignored);
    error_clear(&ignored);
    return r == 0 && link_unit_in_cgroup(buf_cstr(&text), interface);
}

/* Whether the text that names a program is this one, or was before its file was replaced. */
static bool names_program(const char *text, const char *program)
{
    size_t len = strlen(program);

    return strncmp(text, program, len) == 0 &&
           (text[len] == '\0' || strcmp(text + len, " (deleted)") == 0);
}

bool identity_alive(const struct identity *id, const char *program)
{
    char path[64], text[PATH_MAX];
    unsigned long long start;
    struct stat runs, wanted;
    ssize_t n;
    int fd;

    if (!process_start_time(id->pid, &start) || start != id->start)
        return false;
    snprintf(path, sizeof(path), "/proc/%ld/exe", (long)id->pid);
    /* The file itself: its name reads differently from within a chroot.  The name is asked only
     * after an upgrade has replaced the file under the process. */
    if (stat(path, &runs) == 0 && stat(program, &wanted) == 0 && runs.st_dev == wanted.st_dev &&
        runs.st_ino == wanted.st_ino)
        return true;
    n = readlink(path, text, sizeof(text) - 1);
    if (n >= 0) {
        text[n] = '\0';
        return names_program(text, program);
    }
    if (errno != EACCES && errno != EPERM)
        return false;
    /* Without CAP_SYS_PTRACE the link of another user's process cannot be read, its words can. */
    snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)id->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n < 0)
        return false;
    text[n] = '\0';
    return names_program(text, program);
}
