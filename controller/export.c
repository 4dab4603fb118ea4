/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/export.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "controller/export_parts.h"

#define DOMAIN_MAX 253
#define LABEL_MAX 63

void export_end(const struct network *net, uint32_t self, size_t link, struct export_end *ret)
{
    const struct network_link *l = &net->links[link];
    const struct network_peer peer = {.gateway = l->a == self ? l->b : l->a,
                                      .link = (uint32_t)link};
    const char *name = net->mesh->gateways[peer.gateway].short_name;
    uint32_t number = net->gateways[peer.gateway].number;

    network_link_end(net, self, &peer, &ret->end);
    bundle_interface(number, l->tunnel + 1u, ret->interface);
    if (l->tunnel)
        snprintf(ret->alias, sizeof(ret->alias), "pv-%s-%u", name, l->tunnel + 1u);
    else
        snprintf(ret->alias, sizeof(ret->alias), "pv-%s", name);
}

void export_prefixes(struct buf *b, const struct prefix *prefixes, size_t n)
{
    char text[PREFIX_TEXT_MAX];

    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_str(b, ", ");
        buf_char(b, '"');
        buf_str(b, prefix_format(&prefixes[i], text));
        buf_char(b, '"');
    }
}

static bool is_label(const char *label, size_t n)
{
    if (n == 0 || n > LABEL_MAX || !isalnum((unsigned char)label[n - 1]) || label[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return true;
}

bool export_is_domain_name(const char *name)
{
    if (strlen(name) > DOMAIN_MAX)
        return false;
    for (;;) {
        size_t n = strcspn(name, ".");

        if (!is_label(name, n))
            return false;
        if (!name[n])
            return true;
        name += n + 1;
    }
}
