/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int tun_check(uid_t uid, gid_t gid, struct error_list *err)
{
    struct stat st;
    mode_t need;

    if (stat(TUN_DEVICE, &st) < 0 || !S_ISCHR(st.st_mode))
        return error_add(err, NULL, 0, NULL,
                         TUN_DEVICE " is missing: load the kernel module with 'modprobe tun'; in a "
                                    "container, let its manager pass the device in");
    if (st.st_uid == uid)
        need = S_IRUSR | S_IWUSR;
    else if (st.st_gid == gid)
        need = S_IRGRP | S_IWGRP;
    else
        need = S_IROTH | S_IWOTH;
    if ((st.st_mode & need) != need)
        return error_add(err, NULL, 0, NULL,
                         "user id %u, which OpenVPN runs as, may not open " TUN_DEVICE
                         ": run 'chmod 0666 " TUN_DEVICE
                         "' (udev's default; the device alone gives "
                         "no right to any interface)",
                         (unsigned)uid);
    return 0;
}

int tun_open(const char *name, uid_t uid, int *ret, struct error_list *err)
{
    struct ifreq request = {.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL)};
    int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC), r;

    if (fd < 0)
        return error_sys(err, errno, TUN_DEVICE,
                         "cannot open the tun device (is the kernel module loaded?)");
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        r = errno;
        close(fd);
        if (r == EBUSY || r == EEXIST) {
            error_add(err, NULL, 0, NULL,
                      "the name %s is taken by an interface that is not ours: rename or remove it",
                      name);
            return -EBUSY;
        }
        if (r == EPERM)
            return error_sys(err, r, NULL,
                             "cannot create interface %s: run the agent as root or with "
                             "CAP_NET_ADMIN",
                             name);
        return error_sys(err, r, NULL, "cannot create interface %s", name);
    }
    if (ioctl(fd, TUNSETOWNER, (unsigned long)uid) < 0) {
        r = error_sys(err, errno, NULL, "cannot give interface %s to user id %u", name,
                      (unsigned)uid);
        close(fd);
        return r;
    }
    *ret = fd;
    return 0;
}

int tun_keep(const char *name, int fd, struct error_list *err)
{
    int r = 0;

    if (ioctl(fd, TUNSETPERSIST, 1UL) < 0)
        r = error_sys(err, errno, NULL, "cannot make interface %s persistent", name);
    close(fd);
    return r;
}
