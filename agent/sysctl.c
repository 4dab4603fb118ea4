/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"

static int open_setting(const char *name, int flags)
{
    _cleanup_free_ char *path = xasprintf("/proc/sys/%s", name);

    return open(path, flags | O_CLOEXEC);
}

long sysctl_get(const char *name)
{
    int fd = open_setting(name, O_RDONLY);
    char text[32];
    ssize_t n;

    if (fd < 0)
        return SYSCTL_ABSENT;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return SYSCTL_ABSENT;
    text[n] = '\0';
    return strtol(text, NULL, 10);
}

int sysctl_set(const char *name, long value, struct error_list *err)
{
    int fd = open_setting(name, O_WRONLY), r = 0;
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", value);

    if (fd < 0 || write(fd, text, (size_t)n) != n)
        r = errno;
    if (fd >= 0)
        close(fd);
    if (r)
        return error_sys(err, r, NULL,
                         "cannot set /proc/sys/%s to %ld (in a container, let its manager set it)",
                         name, value);
    return 0;
}
