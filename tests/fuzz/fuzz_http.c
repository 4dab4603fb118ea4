/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request: what is said of it does not depend on how much follows, nor on how it came
 * in pieces; and what a path leads to is a file inside or nothing. */
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "service/http.h"
#include "service/route.h"
#include "service/static.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Of its own, so that a byte too far is seen. */
    char *text = xmalloc(size + !size);
    struct http_request whole, part;
    const struct route *route;
    const char *rest;
    unsigned long long n = 0;
    int r;

    if (size)
        memcpy(text, data, size);
    r = http_parse(text, size, &whole);
    if (r > (int)size || r > (int)HTTP_HEAD_MAX)
        abort();
    if (r > 0) {
        if (http_parse(text, (size_t)r, &part) != r || http_parse(text, (size_t)r - 1, &part) != 0)
            abort();
        http_query_number(whole.query, "version", 1000, &n);
        if (n > 1000)
            abort();
        if (route_find(whole.method, whole.path, &route, &rest) == 0 && static_name_valid(rest) &&
            (*rest == '/' || strstr(rest, "..") || strstr(rest, "//")))
            abort();
    }
    free(text);
    return 0;
}
