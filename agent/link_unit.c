/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/link_unit.h"

#include <stdio.h>
#include <string.h>

#define UNIT_BEGIN "p2pvpn-link@"
#define UNIT_END ".service"
#define CONFIG_BEGIN "# started with "

bool link_name_valid(const char *name)
{
    size_t len = strlen(name), number;

    if (strncmp(name, "pv", 2) != 0 || len >= LINK_NAME_SIZE)
        return false;
    number = 2 + strspn(name + 2, "0123456789");
    return number > 2 && (number == len || (name[number] == '-' && number + 2 == len &&
                                            strchr("2345678", name[number + 1])));
}

void link_unit_name(const char *interface, char ret[static LINK_UNIT_NAME_SIZE])
{
    snprintf(ret, LINK_UNIT_NAME_SIZE, UNIT_BEGIN "%.*s" UNIT_END, LINK_NAME_SIZE - 1, interface);
}

bool link_unit_interface(const char *unit, char ret[static LINK_NAME_SIZE])
{
    size_t begin = strlen(UNIT_BEGIN), end = strlen(UNIT_END), len = strlen(unit);
    char name[LINK_NAME_SIZE];

    if (len <= begin + end || len - begin - end >= LINK_NAME_SIZE ||
        strncmp(unit, UNIT_BEGIN, begin) != 0 || strcmp(unit + len - end, UNIT_END) != 0)
        return false;
    memcpy(name, unit + begin, len - begin - end);
    name[len - begin - end] = '\0';
    if (!link_name_valid(name))
        return false;
    memcpy(ret, name, sizeof(name));
    return true;
}

bool link_unit_in_cgroup(const char *text, const char *interface)
{
    char unit[LINK_UNIT_NAME_SIZE];

    link_unit_name(interface, unit);
    for (const char *p = text; (p = strstr(p, unit)); p++) {
        char after = p[strlen(unit)];

        if (p > text && p[-1] == '/' && (after == '\0' || after == '\n' || after == '/'))
            return true;
    }
    return false;
}

enum unit_life link_unit_life(const char *active, const char *sub, pid_t pid)
{
    if (strcmp(active, "active") == 0 || strcmp(active, "reloading") == 0)
        return pid > 0 ? UNIT_RUNS : UNIT_CHANGES;
    /* While it is activating, its process may still be systemd's own, before it becomes OpenVPN. */
    if (strcmp(active, "activating") == 0 || strcmp(active, "deactivating") == 0 ||
        strcmp(sub, "auto-restart") == 0)
        return UNIT_CHANGES;
    return UNIT_RESTS;
}

void link_unit_config(const char *digest, const char *config, size_t len, struct buf *ret)
{
    buf_printf(ret, CONFIG_BEGIN "%s\n", digest);
    buf_add(ret, config, len);
}

bool link_unit_config_digest(const char *text, char ret[static STARTED_LEN + 1])
{
    const char *digest = text + strlen(CONFIG_BEGIN);
    size_t len;

    if (strncmp(text, CONFIG_BEGIN, strlen(CONFIG_BEGIN)) != 0)
        return false;
    len = started_len(digest);
    if (len == 0 || digest[len] != '\n')
        return false;
    memcpy(ret, digest, len);
    ret[len] = '\0';
    return true;
}
