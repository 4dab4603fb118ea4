/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/compiled.h"

#include "common/alloc.h"
#include "controller/allocate.h"
#include "controller/locate.h"
#include "controller/lock.h"
#include "controller/model.h"

int compiled_load(const char *mesh_file, const char *lock_file, struct compiled *ret,
                  struct error_list *warnings, struct error_list *err)
{
    _cleanup_free_ char *file = lock_file ? xstrdup(lock_file) : lock_file_name(mesh_file);
    struct compiled c = {0};
    int r = model_load(mesh_file, &c.mesh, warnings, err);

    if (r == 0)
        r = lock_load(file, &c.old_lock, err);
    if (r == 0)
        r = allocate_network(c.mesh, c.old_lock, &c.net, &c.new_lock, warnings, err);
    if (r == 0) {
        *ret = c;
        return 0;
    }
    locate(mesh_file, err);
    error_sort(err);
    compiled_clear(&c);
    return r;
}

void compiled_clear(struct compiled *c)
{
    network_free(c->net);
    lock_free(c->new_lock);
    lock_free(c->old_lock);
    mesh_free(c->mesh);
    *c = (struct compiled){0};
}
