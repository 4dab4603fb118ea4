/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/json_text.h"

#include <stdlib.h>

void json_text_take(json_t *root, struct buf *ret)
{
    char *text = json_dumps(root, JSON_INDENT(2));

    if (text)
        buf_str(ret, text);
    buf_char(ret, '\n');
    free(text);
    json_decref(root);
}
