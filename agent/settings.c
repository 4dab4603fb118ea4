/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/settings.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/origin_report.h"
#include "common/alloc.h"

/* `role` and `option` for messages. */
static int resolve(const char *name, const char *role, const char *option, uid_t *uid, gid_t *gid,
                   struct error_list *err)
{
    struct passwd *user = getpwnam(name);

    if (!user)
        return error_add(err, NULL, 0, NULL,
                         "the user '%s' that %s runs as does not exist: create it (useradd "
                         "--system --no-create-home --shell /usr/sbin/nologin %s) or name another "
                         "with %s",
                         name, role, name, option);
    if (user->pw_uid == 0 || user->pw_gid == 0)
        return error_add(err, NULL, 0, NULL,
                         "%s must not run as '%s', which has root's user or group id: name an "
                         "unprivileged user with %s",
                         role, name, option);
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    return 0;
}

int settings_resolve_user(struct settings *s, struct error_list *err)
{
    return resolve(s->link_user, "OpenVPN", "--link-user", &s->link_uid, &s->link_gid, err);
}

int settings_resolve_reader(struct settings *s, struct error_list *err)
{
    static const char option[] = "--reader-user", role[] = "the reader of bundles";
    uid_t link_uid = 0;
    gid_t link_gid = 0;
    struct error_list ignored = ERROR_LIST_INIT;
    int r = resolve(s->reader_user, role, option, &s->reader_uid, &s->reader_gid, err);

    if (r < 0)
        return r;
    if (resolve(s->link_user, "", "", &link_uid, &link_gid, &ignored) == 0 &&
        (link_uid == s->reader_uid || link_gid == s->reader_gid))
        r = error_add(err, NULL, 0, NULL,
                      "%s must not run as '%s', which has the user or group id of '%s': OpenVPN's "
                      "user may read the gateway's key; name another with %s",
                      role, s->reader_user, s->link_user, option);
    error_clear(&ignored);
    return r;
}

int settings_resolve_fetcher(const struct settings *s, uid_t *uid, gid_t *gid,
                             struct error_list *err)
{
    return resolve(s->fetch_user, "the fetcher of bundles", "--fetch-user", uid, gid, err);
}

char *settings_keys_dir(const struct settings *s)
{
    return xasprintf("%s/keys", s->state_dir);
}

/* Names one folder, wherever it is. */
int settings_turned_text(const char *folder, char ret[static 48])
{
    struct stat st;

    if (stat(folder, &st) < 0)
        return -errno;
    snprintf(ret, 48, "%llx:%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    return 0;
}

char *settings_turned_path(const struct settings *s)
{
    return xasprintf("%s/turned", s->run_dir);
}

bool settings_turned(const struct settings *s)
{
    _cleanup_free_ char *path = settings_turned_path(s);
    _cleanup_free_ char *previous = xasprintf("%s/previous", s->state_dir);
    char said[48] = "", is[48];

    return readlink(path, said, sizeof(said) - 1) > 0 && settings_turned_text(previous, is) == 0 &&
           strcmp(said, is) == 0;
}

char *settings_current_dir(const struct settings *s)
{
    return xasprintf("%s/%s", s->state_dir, settings_turned(s) ? "previous" : "current");
}

char *settings_previous_dir(const struct settings *s)
{
    return xasprintf("%s/%s", s->state_dir, settings_turned(s) ? "current" : "previous");
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

char *settings_link_dir(const struct settings *s)
{
    return xasprintf("%s/link", s->run_dir);
}

char *settings_link_config(const struct settings *s, const char *interface)
{
    return xasprintf("%s/link/%s.conf", s->run_dir, interface);
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
