/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/routing.h"

#include <sys/stat.h>

#include "common/alloc.h"

int routing_apply(const struct settings *s, struct error_list *err)
{
    (void)s;
    return error_add(err, NULL, 0, NULL,
                     "this build cannot configure FRR yet: use --no-frr for links only");
}

int routing_check(const struct settings *s, struct error_list *err)
{
    return routing_apply(s, err);
}

int routing_remove(const struct settings *s, struct error_list *err)
{
    return routing_apply(s, err);
}

uint64_t routing_daemons_stamp(const struct settings *s)
{
    static const char *const daemons[] = {"zebra", "bgpd", "bfdd"};
    uint64_t stamp = 0;

    for (size_t i = 0; i < sizeof(daemons) / sizeof(daemons[0]); i++) {
        _cleanup_free_ char *path =
            xasprintf("/var/run/frr/%s%s%s.vty", s->frr_namespace ? s->frr_namespace : "",
                      s->frr_namespace ? "/" : "", daemons[i]);
        struct stat st;

        stamp *= 1000003;
        if (stat(path, &st) == 0)
            stamp += (uint64_t)st.st_ino + (uint64_t)st.st_ctim.tv_sec * 31 +
                     (uint64_t)st.st_ctim.tv_nsec;
    }
    return stamp;
}
