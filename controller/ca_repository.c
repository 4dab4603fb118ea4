/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/ca_repository.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/answer_block.h"
#include "common/fs.h"

int ca_add_repository(const char *ca, struct buf *answer, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/repository.json", ca);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct stat st;
    json_t *doc;
    bool good;
    int r;

    if (stat(file, &st) < 0 && errno == ENOENT)
        return 0;
    if ((r = fs_read(file, ANSWER_BLOCK_MAX, &text, err)) < 0)
        return r;
    doc = json_loadb(buf_cstr(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
    good =
        json_is_object(json_object_get(doc, "root")) && json_is_array(json_object_get(doc, "urls"));
    json_decref(doc);
    if (!good)
        return error_add(err, file, 0, NULL,
                         "this is to be {\"root\": what is in metadata/1.root.json, \"urls\": "
                         "[\"https://...\"]}: write it anew, or remove it");
    if (!answer_block_add(answer, buf_cstr(&text), text.len))
        return error_add(err, file, 0, NULL, "this cannot be put into an answer: make it smaller");
    return 0;
}
