/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/firewall_text.h"

const uint8_t firewall_families[2] = {FAMILY_IPV4, FAMILY_IPV6};

char firewall_digit(uint8_t family)
{
    return (char)('0' + family);
}

void firewall_line(struct firewall_writer *w, const char *text)
{
    buf_str(w->out, text);
    buf_char(w->out, '\n');
}

void firewall_begin(struct firewall_writer *w, const char *kind, const char *name, char suffix,
                    const char *type)
{
    buf_str(w->out, "\n\t");
    buf_str(w->out, kind);
    buf_char(w->out, ' ');
    buf_str(w->out, name);
    if (suffix)
        buf_char(w->out, suffix);
    buf_str(w->out, " {\n\t\ttype ");
    firewall_line(w, type);
    w->first = true;
}

void firewall_element(struct firewall_writer *w)
{
    buf_str(w->out, w->first ? "\t\telements = {\n\t\t\t" : ",\n\t\t\t");
    w->first = false;
}

void firewall_end(struct firewall_writer *w)
{
    firewall_line(w, w->first ? "\t}" : "\n\t\t}\n\t}");
}

void firewall_add_prefix(struct firewall_writer *w, const struct prefix *p)
{
    char text[PREFIX_TEXT_MAX];

    buf_str(w->out, p->len == (p->family == FAMILY_IPV4 ? 32 : 128) ? prefix_format_address(p, text)
                                                                    : prefix_format(p, text));
}
