/* SPDX-License-Identifier: Apache-2.0 */
#include "common/url.h"

#include <string.h>

bool url_valid(const char *url)
{
    static const char *const schemes[] = {"https://", "http://", "file:///"};
    size_t n = strlen(url);
    bool known = false;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        known = known || (strncmp(url, schemes[i], strlen(schemes[i])) == 0 &&
                          n > strlen(schemes[i]) && url[strlen(schemes[i])] != '/');
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("\"'\\<>{}|^`?#@", *p))
            return false;
    return known && n <= URL_MAX_LEN;
}
