/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/supervise.h"
#include "agent/sysctl.h"
#include "common/alloc.h"

void observed_add_process(struct observed *o, const char *interface, const char *digest)
{
    struct observed_process *p;

    o->processes = xreallocarray(o->processes, o->n_processes + 1, sizeof(*o->processes));
    p = &o->processes[o->n_processes++];
    snprintf(p->interface, sizeof(p->interface), "%s", interface);
    snprintf(p->digest, sizeof(p->digest), "%s", digest);
}

void observed_add_setting(struct observed *o, const char *name, long value)
{
    /* Room grows by doubling: it is full whenever the count is a power of two. */
    if ((o->n_settings & (o->n_settings - 1)) == 0)
        o->settings =
            xreallocarray(o->settings, o->n_settings ? o->n_settings * 2 : 1, sizeof(*o->settings));
    o->settings[o->n_settings++] = (struct observed_setting){xstrdup(name), value};
}

static void read_setting(struct observed *o, const char *name)
{
    long value = sysctl_get(name);

    if (value != SYSCTL_ABSENT)
        observed_add_setting(o, name, value);
}

static int compare_processes(const void *a, const void *b)
{
    return strcmp(((const struct observed_process *)a)->interface,
                  ((const struct observed_process *)b)->interface);
}

static int compare_settings(const void *a, const void *b)
{
    return strcmp(((const struct observed_setting *)a)->name,
                  ((const struct observed_setting *)b)->name);
}

void observed_sort(struct observed *o)
{
    if (o->n_processes > 1)
        qsort(o->processes, o->n_processes, sizeof(*o->processes), compare_processes);
    if (o->n_settings > 1)
        qsort(o->settings, o->n_settings, sizeof(*o->settings), compare_settings);
}

static void add_process(void *arg, const char *interface, const char *digest)
{
    observed_add_process(arg, interface, digest);
}

int observe(struct netlink *nl, const struct supervisor *sv, bool same_addresses,
            struct observed *ret, struct error_list *err)
{
    struct observed o = OBSERVED_INIT;
    int r = netlink_links(nl, same_addresses ? LINKS_SAME_ADDRESSES : 0, &o.links, err);

    if (r < 0)
        return r;
    supervisor_each(sv, add_process, &o);
    for (size_t i = 0; plan_global_settings[i]; i++)
        read_setting(&o, plan_global_settings[i]);
    observed_sort(&o);
    *ret = o;
    return 0;
}

void observed_clear(struct observed *o)
{
    link_table_clear(&o->links);
    for (size_t i = 0; i < o->n_settings; i++)
        free(o->settings[i].name);
    free(o->settings);
    free(o->processes);
    *o = (struct observed)OBSERVED_INIT;
}

long observed_value(const struct observed *o, const char *name)
{
    struct observed_setting key = {.name = (char *)(uintptr_t)name}, *found = NULL;

    if (o->n_settings)
        found = bsearch(&key, o->settings, o->n_settings, sizeof(key), compare_settings);
    return found ? found->value : SYSCTL_ABSENT;
}

const char *observed_digest(const struct observed *o, const char *interface)
{
    struct observed_process key = {.digest = ""}, *found = NULL;

    snprintf(key.interface, sizeof(key.interface), "%s", interface);
    if (o->n_processes)
        found = bsearch(&key, o->processes, o->n_processes, sizeof(key), compare_processes);
    return found ? found->digest : NULL;
}
