/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/journal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void journal_format(const struct journal_field *fields, struct buf *ret)
{
    for (const struct journal_field *f = fields; f->name; f++) {
        size_t len = f->value ? strlen(f->value) : 0;

        if (len == 0)
            continue;
        buf_str(ret, f->name);
        if (memchr(f->value, '\n', len)) { /* then with its length, little endian */
            buf_char(ret, '\n');
            for (unsigned shift = 0; shift < 64; shift += 8)
                buf_char(ret, (char)(uint8_t)((uint64_t)len >> shift));
        } else {
            buf_char(ret, '=');
        }
        buf_add(ret, f->value, len);
        buf_char(ret, '\n');
    }
}

/* JOURNAL_STREAM is inherited by everything that a service starts; it names the device and inode of
 * the stream, so that a program can see whether its own output is the journal's. */
bool journal_is_ours(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

bool journal_send(const char *path, const struct buf *entry)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    bool sent;
    int fd;

    if (strlen(path) >= sizeof(address.sun_path))
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sent = fd >= 0 && sendto(fd, entry->data, entry->len, MSG_NOSIGNAL | MSG_DONTWAIT,
                             (struct sockaddr *)&address, sizeof(address)) == (ssize_t)entry->len;
    if (fd >= 0)
        close(fd);
    return sent;
}
