/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/settings.h"

#include <errno.h>
#include <pwd.h>

#include "agent/origin_report.h"
#include "common/alloc.h"

int settings_resolve_user(struct settings *s, struct error_list *err)
{
    struct passwd *user;

    errno = 0;
    user = getpwnam(s->link_user);
    if (!user)
        return error_add(err, NULL, 0, NULL,
                         "the user '%s' that OpenVPN runs as does not exist: create it (useradd "
                         "--system --no-create-home --shell /usr/sbin/nologin %s) or name another "
                         "with --link-user",
                         s->link_user, s->link_user);
    if (user->pw_uid == 0 || user->pw_gid == 0)
        return error_add(err, NULL, 0, NULL,
                         "OpenVPN must not run as '%s', which has root's user or group id: name an "
                         "unprivileged user with --link-user",
                         s->link_user);
    s->link_uid = user->pw_uid;
    s->link_gid = user->pw_gid;
    return 0;
}

char *settings_keys_dir(const struct settings *s)
{
    return xasprintf("%s/keys", s->state_dir);
}

char *settings_current_dir(const struct settings *s)
{
    return xasprintf("%s/current", s->state_dir);
}

char *settings_previous_dir(const struct settings *s)
{
    return xasprintf("%s/previous", s->state_dir);
}

char *settings_stage_dir(const struct settings *s)
{
    return xasprintf("%s/stage", s->state_dir);
}

char *settings_origins_copy(const struct settings *s)
{
    return xasprintf("%s/" ORIGINS_NAME, s->state_dir);
}

char *settings_origin_report(const struct settings *s)
{
    return xasprintf("%s/" ORIGIN_REPORT_FILE, s->run_dir);
}

char *settings_identity_path(const struct settings *s, const char *interface)
{
    return xasprintf("%s/%s.json", s->run_dir, interface);
}

char *settings_log_path(const struct settings *s, const char *interface)
{
    return xasprintf("%s/%s.log", s->run_dir, interface);
}

char *settings_firewall_record(const struct settings *s)
{
    return xasprintf("%s/firewall", s->run_dir);
}

char *settings_endpoints(const struct settings *s)
{
    return xasprintf("%s/endpoints", s->run_dir);
}

char *settings_management_dir(const struct settings *s)
{
    return xasprintf("%s/management", s->run_dir);
}

char *settings_management_path(const struct settings *s, const char *interface)
{
    return xasprintf("%s/management/%s.sock", s->run_dir, interface);
}
