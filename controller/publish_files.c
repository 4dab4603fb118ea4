/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/publish_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/digest.h"
#include "common/origins.h"
#include "controller/output_owned.h"
#include "controller/repository.h"

#define OPEN_FILE (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Maps DIR/ENTRY and lists it as a target of this path. */
static int add(struct publish_files *f, int folder, const char *dir, const char *entry, char *path,
               struct error_list *err)
{
    int fd = openat(folder, entry, OPEN_FILE), r = 0;
    void *data = MAP_FAILED;
    struct stat st;
    char *hash;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        r = error_sys(err, errno ? errno : EINVAL, dir, "cannot read %s", entry);
    if (fd >= 0)
        close(fd);
    if (r < 0) {
        free(path);
        return r;
    }
    hash = xcalloc(1, DIGEST_TEXT_LEN + 1);
    digest_sha256_text(data, (size_t)st.st_size, hash);
    f->files = xreallocarray(f->files, f->n + 1, sizeof(*f->files));
    f->files[f->n++] = (struct tuf_repo_file){path, data, (size_t)st.st_size, hash};
    return 0;
}

/* All of one mesh. */
static int same_mesh(struct publish_files *f, const char *dir, const char *entry, const char *mesh,
                     struct error_list *err)
{
    if (!f->mesh)
        f->mesh = xstrdup(mesh);
    return strcmp(f->mesh, mesh) == 0
               ? 0
               : error_add(err, dir, 0, NULL,
                           "%s is of the mesh '%s' and others here are of '%s'; compile into a "
                           "folder of its own",
                           entry, mesh, f->mesh);
}

static int add_gateway(struct publish_files *f, int folder, const char *dir, const char *entry,
                       const char *gateway, struct error_list *err)
{
    struct owned owned = OWNED_INIT;
    int r = owned_read_archive(folder, entry, &owned);

    if (r < 0)
        return error_sys(err, -r, dir, "cannot read %s", entry);
    if (r == 0 || strcmp(owned.gateway, gateway) != 0)
        r = error_add(err, dir, 0, NULL,
                      "%s is no intact archive of gateway '%s'; compile again, and move away what "
                      "compile did not write",
                      entry, gateway);
    else
        r = same_mesh(f, dir, entry, owned.mesh, err);
    if (r == 0)
        r = add(f, folder, dir, entry, xasprintf(REPO_GATEWAYS "%s", entry), err);
    f->gateways += r == 0;
    owned_free(&owned);
    return r;
}

static int add_origins(struct publish_files *f, int folder, const char *dir, struct error_list *err)
{
    struct owned owned = OWNED_INIT;
    int sub = openat(folder, ORIGINS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = sub < 0 ? -errno : owned_read(sub, ORIGINS_DIR, false, &owned);

    if (sub >= 0)
        close(sub);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        return error_add(err, dir, 0, NULL,
                         ORIGINS_DIR "/" ORIGINS_NAME " is no intact table; compile again");
    if (r < 0)
        return error_sys(err, -r, dir, "cannot read " ORIGINS_DIR "/" ORIGINS_NAME);
    r = same_mesh(f, dir, ORIGINS_DIR "/" ORIGINS_NAME, owned.mesh, err);
    if (r == 0)
        r = add(f, folder, dir, ORIGINS_DIR "/" ORIGINS_NAME, xstrdup(REPO_ORIGINS), err);
    owned_free(&owned);
    return r;
}

static int by_path(const void *a, const void *b)
{
    const struct tuf_repo_file *one = a, *other = b;

    return strcmp(one->path, other->path);
}

int publish_files_open(const char *dir, struct publish_files *ret, struct error_list *err)
{
    struct publish_files f = {.n = 0};
    DIR *d = opendir(dir);
    const struct dirent *e;
    int r = d ? 0 : error_sys(err, errno, dir, "cannot open the output of compile");

    while (r == 0 && (errno = 0, e = readdir(d))) {
        char gateway[NAME_MAX_LEN + 1];

        if (archive_gateway_of(e->d_name, gateway))
            r = add_gateway(&f, dirfd(d), dir, e->d_name, gateway, err);
    }
    if (r == 0 && errno)
        r = error_sys(err, errno, dir, "cannot read the folder");
    if (r == 0 && f.n == 0)
        r = error_add(err, dir, 0, NULL,
                      "there is no gateway's archive; compile with --format bundle");
    if (r == 0)
        r = add_origins(&f, dirfd(d), dir, err);
    if (d)
        closedir(d);
    if (r < 0) {
        publish_files_close(&f);
        return r;
    }
    qsort(f.files, f.n, sizeof(*f.files), by_path);
    *ret = f;
    return 0;
}

void publish_files_close(struct publish_files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        munmap((void *)f->files[i].data, f->files[i].len);
        free((void *)f->files[i].path);
        free((void *)f->files[i].sha256);
    }
    free(f->files);
    free(f->mesh);
    *f = (struct publish_files){.n = 0};
}
