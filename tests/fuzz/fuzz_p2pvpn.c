/* SPDX-License-Identifier: Apache-2.0 */
/* The files of P2P-VPN: whatever is in them is either refused with a sentence or made of valid
 * names, addresses and ports. */
#include <stdlib.h>
#include <string.h>

#include "common/name.h"
#include "controller/p2pvpn_files.h"
#include "tests/fuzz/fuzz.h"

static void expect(bool good)
{
    if (!good)
        abort();
}

static void cache(const char *text, size_t size, struct arena *arena, struct error_list *notes,
                  struct error_list *err)
{
    struct p2pvpn_cache c;

    if (p2pvpn_parse_cache(text, size, "cache.txt", arena, &c, notes, err) != 0) {
        expect(err->n > 0);
        return;
    }
    for (size_t i = 0; i < c.n_servers; i++) {
        expect(name_valid(c.servers[i].name));
        expect(value_valid(c.servers[i].endpoint, strlen(c.servers[i].endpoint)));
        expect(!prefix_has_host_bits(&c.servers[i].subnet));
    }
}

static void conf(const char *text, size_t size, struct arena *arena, struct error_list *notes,
                 struct error_list *err)
{
    struct p2pvpn_conf c;

    if (p2pvpn_parse_conf(text, size, "server_1_1.conf", arena, &c, notes, err) != 0) {
        expect(err->n > 0);
        return;
    }
    expect(c.address.family == FAMILY_IPV4 && c.peer_address.family == FAMILY_IPV4);
    expect(c.lport != 0 && c.rport != 0);
    for (size_t i = 0; i < c.n_routes; i++)
        expect(!prefix_has_host_bits(&c.routes[i].prefix));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_list err = ERROR_LIST_INIT, notes = ERROR_LIST_INIT;
    const char *text = (const char *)data, *name;
    struct arena arena = ARENA_INIT;
    char *file_name;
    uint32_t id;
    unsigned side;

    cache(text, size, &arena, &notes, &err);
    error_clear(&err);
    conf(text, size, &arena, &notes, &err);
    error_clear(&err);
    if (p2pvpn_parse_next_id(text, size, "p2p_pair_id.txt", &id, &err) != 0)
        expect(err.n > 0);
    file_name = strndup(text, size);
    expect(file_name != NULL);
    if (p2pvpn_conf_name(file_name, &id, &side))
        expect(id <= P2PVPN_MAX_PAIRS && (side == 1 || side == 2));
    if (p2pvpn_link_name(file_name, &arena, &name, &id))
        expect(id <= P2PVPN_MAX_PAIRS && *name);
    free(file_name);
    error_clear(&err);
    error_clear(&notes);
    arena_free(&arena);
    return 0;
}
