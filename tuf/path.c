/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/path.h"

#include <string.h>

#include "common/digest.h"

#define FILE_NAME_MAX 200

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_.-~", c));
}

void tuf_path_quote(const char *name, bool slashes, struct buf *ret)
{
    for (; *name; name++) {
        if (plain(*name) || (slashes && *name == '/'))
            buf_char(ret, *name);
        else
            buf_printf(ret, "%%%02X", (unsigned char)*name);
    }
}

char *tuf_path_file(const char *name)
{
    struct buf ret = BUF_INIT;
    char hash[DIGEST_TEXT_LEN + 1];

    tuf_path_quote(name, false, &ret);
    /* "%h" and "%." begin no encoded byte, so that no other name comes out like this. */
    if (ret.len > FILE_NAME_MAX) {
        buf_reset(&ret);
        buf_printf(&ret, "%%h%s", digest_sha256_text(name, strlen(name), hash));
    } else if (strspn(buf_cstr(&ret), ".") == ret.len) {
        buf_reset(&ret);
        buf_printf(&ret, "%%.%s", name);
    }
    return buf_steal(&ret);
}

bool tuf_path_safe(const char *path)
{
    for (;; path++) {
        size_t n = strcspn(path, "/");

        if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && strncmp(path, "..", 2) == 0))
            return false;
        path += n;
        if (!*path)
            return true;
    }
}
