/* SPDX-License-Identifier: Apache-2.0 */
/* FRR's JSON: an error has a sentence, and what was read can be searched. */
#include <stdlib.h>
#include <string.h>

#include "agent/vtysh_json.h"
#include "common/alloc.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xstrndup(size ? (const char *)data : "", size);
    struct error_list err = ERROR_LIST_INIT;
    struct bgp_sessions bgp;
    struct bfd_sessions bfd;
    struct route_set routes = {NULL, 0};
    int r = vtysh_json_bgp_summary(text, &bgp, &err);

    r |= vtysh_json_bfd_peers(text, &bfd, &err);
    r |= vtysh_json_routes(text, &routes, &err);
    if ((r < 0) != (err.n > 0))
        abort();
    for (size_t i = 0; i < bgp.n; i++)
        if (!bgp_sessions_find(&bgp, &bgp.items[i].address, bgp.items[i].family))
            abort();
    for (size_t i = 0; i < bfd.n; i++)
        if (!bfd_sessions_find(&bfd, &bfd.items[i].address))
            abort();
    for (size_t i = 0; i < routes.n; i++)
        if (!route_set_has(&routes, &routes.items[i]))
            abort();
    bgp_sessions_free(&bgp);
    bfd_sessions_free(&bfd);
    route_set_free(&routes);
    error_clear(&err);
    free(text);
    return 0;
}
