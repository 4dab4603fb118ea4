/* SPDX-License-Identifier: Apache-2.0 */
/* Renders every gateway of a mesh file without a lock:
 *     render_mesh MESH.json DIR [TEMPLATES]   writes DIR/GATEWAY/... and DIR/@mesh/origins
 *     render_mesh MESH.json                   writes nothing and says how much processor time
 * rendering took */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/fs.h"
#include "common/origins.h"
#include "controller/allocate.h"
#include "controller/lock.h"
#include "controller/model.h"
#include "controller/network.h"
#include "controller/registry.h"
#include "controller/render.h"

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int write_files(const char *dir, const char *gateway, const struct rendered *files,
                       struct error_list *err)
{
    int r = 0;

    for (size_t i = 0; i < files->n_files && r == 0; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s/%s", dir, gateway, files->files[i].path);
        _cleanup_free_ char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));

        r = fs_mkdirs(folder, 0755, err);
        if (r == 0)
            r = fs_write(path, files->files[i].data, files->files[i].len, 0644, err);
    }
    return r;
}

static int write_origins(const char *dir, const struct network *net, struct error_list *err)
{
    _cleanup_free_ char *folder = xasprintf("%s/" ORIGINS_DIR, dir);
    _cleanup_free_ char *path = xasprintf("%s/" ORIGINS_NAME, folder);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = registry_format(net, &text, err);

    if (r == 0)
        r = fs_mkdirs(folder, 0755, err);
    return r < 0 ? r : fs_write(path, text.data, text.len, 0644, err);
}

int main(int argc, char **argv)
{
    struct error_list err = ERROR_LIST_INIT, warnings = ERROR_LIST_INIT;
    struct mesh *mesh = NULL;
    struct network *net = NULL;
    struct lock *lock = NULL;
    struct renderer *renderer = NULL;
    struct rendered files = {0};
    size_t ends = 0, bytes = 0;
    double seconds = 0;
    int r;

    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: %s MESH [DIR [TEMPLATES]]\n", argv[0]);
        return EXIT_USAGE;
    }
    r = model_load(argv[1], &mesh, &warnings, &err);
    if (r == 0)
        r = allocate_network(mesh, NULL, &net, &lock, &warnings, &err);
    if (r == 0)
        r = renderer_new(argc > 3 ? argv[3] : NULL, &renderer, &err);
    for (uint32_t g = 0; r == 0 && g < mesh->n_gateways; g++) {
        double begin = now();

        r = render_gateway(renderer, net, g, &files, &err);
        seconds += now() - begin;
        ends += net->gateways[g].n_peers;
        bytes += files.text.len;
        if (r == 0 && argc > 2)
            r = write_files(argv[2], mesh->gateways[g].name, &files, &err);
    }
    if (r == 0 && argc > 2)
        r = write_origins(argv[2], net, &err);
    if (r == 0 && argc == 2)
        printf("%zu link ends, %zu bytes, %.3f s: %.2f us for each\n", ends, bytes, seconds,
               ends ? seconds / (double)ends * 1e6 : 0);
    error_print(&err, stderr);
    rendered_free(&files);
    renderer_free(renderer);
    network_free(net);
    lock_free(lock);
    mesh_free(mesh);
    error_clear(&err);
    error_clear(&warnings);
    return error_exit_code(r);
}
