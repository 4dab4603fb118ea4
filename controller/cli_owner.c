/* SPDX-License-Identifier: Apache-2.0 */
/* Whose folder a command is about to write into. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/cli.h"

int cli_check_owner(const struct cli_args *args, const char *folder, struct error_list *err)
{
    const struct passwd *owner;
    struct stat st;
    char name[64];

    if (geteuid() != 0 || stat(folder, &st) < 0 || st.st_uid == 0)
        return 0;
    owner = getpwuid(st.st_uid);
    if (owner)
        snprintf(name, sizeof(name), "%s", owner->pw_name);
    else
        snprintf(name, sizeof(name), "'#%u'", (unsigned)st.st_uid); /* as sudo takes it */
    return error_add(err, folder, 0, NULL,
                     "this folder is of the user %s, who could not use what root writes there: run "
                     "'sudo -u %s p2pvpn-ctl %s ...'",
                     name, name, args->command);
}
